"""Simulated images: adatoms are at their labels."""

from dataclasses import replace

import numpy as np
import pytest

from microgym.baselines.observation_models.stm.dataset import (
    FIELD_NM,
    GROUP,
    LEARNT,
    PIXEL_NM,
    Conditions,
    levelled,
    make_dataset,
    take,
)
from microgym.physics.adatoms import LATTICE_NM
from microgym.physics.stm_tip import STATES
from microgym.specimens.adatom_fields import HELD_OUT

QUIET = Conditions("terrace", "test", noise="off", drift="off", state="sharp")


def brightest(heights, place):
    """Centre of mass, nm, of what stands out within 0.4 nm of a place: half way to the next one."""
    centres = (np.arange(len(heights)) + 0.5) * PIXEL_NM - 0.5 * FIELD_NM
    near = (centres - place[0]) ** 2 + (centres[:, None] - place[1]) ** 2 < 0.16
    weight = np.where(near, np.maximum(heights - 0.03, 0.0), 0.0)
    return np.array([(weight * centres).sum(), (weight * centres[:, None]).sum()]) / weight.sum()


@pytest.mark.parametrize("drift", ["off", "hard"])
def test_adatoms_are_where_they_are_said_to_be(drift):
    images = take(replace(QUIET, drift=drift), np.arange(8))
    assert images.present.sum() > 20
    for row in range(8):
        for place in images.places[row][images.present[row]]:
            assert brightest(images.heights[row], place) == pytest.approx(place, abs=0.04)


def test_drift_shifts_what_is_seen():
    still, moving = (take(replace(QUIET, drift=name), np.arange(4)) for name in ("off", "hard"))
    assert np.abs(still.places - moving.places)[still.present].max() > 0.05


def test_tips_are_of_the_state_asked_for():
    for number, state in enumerate(STATES):
        assert (take(replace(QUIET, state=state), np.arange(3)).states == number).all()
    any_ = take(replace(QUIET, state=None), np.arange(64)).states
    assert 0.15 < np.mean(any_ == 0) < 0.45
    assert set(any_) == set(range(len(STATES)))


def test_pairs_are_put_beside_each_other_and_the_field_is_shifted():
    def nearest(images):
        found = []
        for row in range(len(images.heights)):
            places = images.places[row][images.present[row]]
            away = np.hypot(*(places[:, None] - places).transpose(2, 0, 1))
            found.append(np.min(away + 9.0 * np.eye(len(places))))
        return np.array(found)

    plain, paired = (take(replace(QUIET, paired=share), np.arange(16)) for share in (0.0, 1.0))
    assert nearest(plain).min() > 0.75
    assert nearest(paired).max() < 3.01 * LATTICE_NM
    shifted = take(replace(QUIET, shifted_nm=0.8), np.arange(16))
    moves = (shifted.places - plain.places)[shifted.present & plain.present]
    assert 0.5 < np.abs(moves).max() <= 0.8 + 1e-9


def test_louder_images_are_rougher_and_shorter_ones_lag():
    calm, loud = (take(replace(QUIET, noise="real", loudness=x), np.arange(4)) for x in (1.0, 6.0))
    assert loud.heights[:, 0].std() > 3.0 * calm.heights[:, 0].std()
    slow, fast = (take(replace(QUIET, image_s=x), np.arange(4)) for x in (40.0, 2.0))
    lag = []
    for row in range(4):
        for place in slow.places[row][slow.present[row]]:
            ends = [brightest(one.heights[row], place)[0] for one in (slow, fast)]
            lag.append(ends[1] - ends[0])
    assert np.mean(lag) > 0.01


def test_datasets_are_of_a_seed_and_of_a_split():
    one, same, other = (
        make_dataset(1, 2, "train"),
        make_dataset(1, 2, "train"),
        make_dataset(2, 2, "train"),
    )
    assert len(one.heights) == 2 * GROUP
    assert one.heights.tobytes() == same.heights.tobytes()
    assert levelled(one.heights).shape == one.heights.shape
    assert len(one.places) == len(one.present) == len(one.states) == 2 * GROUP
    assert one.heights.tobytes() != other.heights.tobytes()
    assert make_dataset(1, 1, "validation").heights.tobytes() != one.heights[:GROUP].tobytes()
    assert not set(LEARNT) & set(HELD_OUT)
    with pytest.raises(ValueError, match="stepped"):
        take(Conditions("stepped", "train"), np.arange(1))
