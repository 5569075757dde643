"""Tracks of adatoms through drags and images."""

import numpy as np
import pytest

from microgym.reconstruction.adatoms.tracker import AdatomTracker
from microgym.reconstruction.adatoms.tracking import LEGS

PIXELS, FIELD_NM = 64, 8.0
ROWS = np.array([0])


def tracker(places, atoms=4) -> AdatomTracker:
    made = AdatomTracker(1, len(places), atoms, "classical", PIXELS, FIELD_NM)
    made.begin(ROWS, np.array([places], np.float64))
    return made


def image_of(places) -> np.ndarray:
    """Gaussians of 0.1 nm height and 0.3 nm width."""
    at = ((np.arange(PIXELS) + 0.5) / PIXELS - 0.5) * FIELD_NM
    heights = np.zeros((PIXELS, PIXELS))
    for x, y in places:
        heights += 0.1 * np.exp(-((at - x) ** 2 + (at[:, None] - y) ** 2) / (2 * 0.3**2))
    noise = np.random.default_rng(0).normal(size=heights.shape)
    return (heights + 0.002 * noise).astype(np.float32)[None]


def look(made, places, time_s, moved=(0.0, 0.0)):
    return made.look(ROWS, image_of(places), np.array([time_s]), np.array([moved]))


def drag(made, which, end, time_s) -> None:
    made.drag(ROWS, np.array([which]), np.array([end], np.float64), np.array([time_s]))


def test_adatoms_are_found_near_the_believed_positions():
    made = tracker([(-1.0, 0.5), (1.5, -1.0)])
    places = [(1.52, -1.03), (-0.98, 0.47), (2.5, 2.0)]
    assert look(made, places, 10.0).all()
    assert made.believed(ROWS)[0] == pytest.approx(np.array(places)[[1, 0]], abs=0.03)
    assert made.state.shown[0].sum() == 1
    assert made.state.others[0][made.state.shown[0]][0] == pytest.approx(places[2], abs=0.03)
    assert (made.state.seen[0, :, 2] > 0.5).all()


def test_the_believed_position_follows_a_drag_and_stays_where_the_adatom_is_missed():
    made = tracker([(-1.0, 0.5)])
    look(made, [(-1.0, 0.5)], 10.0)
    drag(made, 0, (0.5, 0.5), 15.0)
    assert made.believed(ROWS)[0, 0].tolist() == [0.5, 0.5]
    assert not look(made, [], 30.0).any()
    assert made.believed(ROWS)[0, 0].tolist() == [0.5, 0.5]
    assert made.state.missed[0, 0] == 1
    assert made.state.seen[0, 0, 2] == 0.0
    assert look(made, [(0.52, 0.48)], 50.0).all()
    assert made.state.missed[0, 0] == made.state.legs[0, 0] == 0


def test_the_end_of_a_drag_is_corrected_by_the_drift_before_it():
    made = tracker([(-1.0, 0.5)])
    look(made, [(-1.0, 0.5)], 10.0)
    drag(made, 0, (0.5, 0.5), 25.0)
    look(made, [], 30.0, moved=(0.4, -0.2))
    assert made.believed(ROWS)[0, 0] == pytest.approx([0.5 - 0.75 * 0.4, 0.5 + 0.75 * 0.2])


def test_of_many_drags_the_last_are_remembered():
    made = tracker([(0.0, 0.0)])
    for k in range(LEGS + 3):
        drag(made, 0, (0.0, 0.01 * (k + 1)), float(k))
    tracks = made.state
    assert tracks.legs[0, 0] == LEGS
    assert tracks.corners[0, 0, 0].tolist() == [0.0, 0.0]
    assert tracks.corners[0, 0, LEGS].tolist() == made.believed(ROWS)[0, 0].tolist()
    assert np.all(np.diff(tracks.corners[0, 0, 1:, 1]) > 0.0)
    assert np.all(np.diff(tracks.times[0, 0, 1:]) > 0.0)


def test_a_new_episode_begins_new_tracks():
    made = tracker([(0.0, 0.0)])
    drag(made, 0, (1.0, 1.0), 5.0)
    look(made, [], 10.0)
    made.begin(ROWS, np.array([[(0.5, 0.5)]]))
    assert made.believed(ROWS)[0, 0].tolist() == [0.5, 0.5]
    assert made.state.missed[0, 0] == made.state.legs[0, 0] == 0
