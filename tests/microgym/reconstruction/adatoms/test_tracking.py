"""Which adatom is which: nearest first, within gates, along the way of a drag."""

import numpy as np
import pytest

from microgym.reconstruction.adatoms.observation_model import Adatoms
from microgym.reconstruction.adatoms.tracker import TrackState
from microgym.reconstruction.adatoms.tracking import (
    ASTRAY_NM,
    DRAGGED_NM,
    STILL_NM,
    associate_rows,
    association_work,
    pair_nearest,
)
from microgym.state import allocate

ROOM = 6


class Scene:
    """One image: spots, tracks of the adatoms to be moved, and the others of the image before."""

    def __init__(self, spots, paths, others=(), missed=None):
        self.adatoms = allocate(Adatoms, 1)
        self.adatoms.found[0, : len(spots), :2] = np.reshape(spots, (-1, 2))
        self.adatoms.found[0, : len(spots), 2] = 0.9
        self.adatoms.found[0, : len(spots), 3] = 0.01
        self.adatoms.counts[0] = len(spots)
        self.tracks = tracks = allocate(TrackState, 1, tracked=len(paths), others=ROOM)
        for k, path in enumerate(paths):
            tracks.corners[0, k, : len(path)] = path
            tracks.legs[0, k] = len(path) - 1
        tracks.missed[0] = missed or [0] * len(paths)
        tracks.others[0, : len(others)] = np.reshape(others, (-1, 2))
        tracks.shown[0, : len(others)] = True

    def run(self):
        work = association_work(self.tracks.legs.shape[1] + ROOM)
        associate_rows(np.arange(1), self.adatoms, self.tracks, work)
        seen = self.tracks.seen[0].round(3).tolist()
        return [tuple(place[:2]) if place[2] > 0.0 else None for place in seen]

    def rest(self):
        return self.tracks.others[0][self.tracks.shown[0]].round(3).tolist()


def test_pairs_are_the_nearest_first_and_within_their_gates():
    costs = np.array([[1.0, 2.0, 9.0], [0.5, 0.9, 9.0], [3.0, 3.0, 3.0]])
    pairs, free = np.full(3, -1), np.ones(3, np.bool_)
    pair_nearest(costs, 3, 3, np.array([5.0, 5.0, 2.0]), pairs, free)
    assert pairs.tolist() == [1, 0, -1]
    assert free.tolist() == [False, False, True]


def test_what_was_not_touched_is_where_it_was():
    scene = Scene([(1.1, 0.0), (-1.0, 0.1), (2.0, 2.0)], [[(1.0, 0.0)], [(-1.0, 0.0)]])
    assert scene.run() == [(1.1, 0.0), (-1.0, 0.1)]
    assert scene.rest() == [[2.0, 2.0]]
    assert scene.tracks.missed.tolist() == [[0, 0]]
    assert scene.tracks.seen[0, :, 3].tolist() == [0.01, 0.01]


def test_an_adatom_out_of_its_gate_is_what_is_new_in_the_image():
    spots = [(0.9 * ASTRAY_NM, 0.0), (0.0, STILL_NM + 0.1)]
    known = Scene(spots, [[(0.0, 0.0)]], others=[spots[1]])
    assert known.run() == [pytest.approx(spots[0])]
    assert known.rest() == [pytest.approx(spots[1])]
    new = Scene(spots, [[(0.0, 0.0)]])
    assert new.run() == [pytest.approx(spots[1])]


def test_what_is_missed_is_looked_for_farther_off_the_next_time():
    spot = [(1.5 * ASTRAY_NM, 0.0)]
    scene = Scene(spot, [[(0.0, 0.0)]])
    assert scene.run() == [None]
    assert scene.tracks.missed.tolist() == [[1]]
    assert scene.rest() == [pytest.approx(spot[0])]
    again = Scene(spot, [[(0.0, 0.0)]], missed=[1])
    assert again.run() == [pytest.approx(spot[0])]


def test_a_neighbour_pushed_away_by_the_dragged_one_is_the_rest():
    """Which of the two is which cannot be seen; both are known to be somewhere."""
    scene = Scene([(0.45, 1.0), (0.0, 1.35)], [[(-1.65, 3.1), (0.43, 1.06)], [(-0.4, 1.08)]])
    assert sorted(scene.run()) == [(0.0, 1.35), (0.45, 1.0)]
    assert scene.rest() == []


@pytest.mark.parametrize("at", [(2.0, 0.05), (0.0, 0.05), (1.1, -0.2), (2.0, 1.0), (2.1, 0.6)])
def test_a_dragged_adatom_is_found_anywhere_on_its_way(at):
    scene = Scene([at], [[(0.0, 0.0), (2.0, 0.0), (2.0, 1.0)]])
    assert scene.run() == [at]


def test_beside_the_way_there_is_a_gate_too():
    way = [(0.0, 0.0), (2.0, 0.0)]
    # What is nearer to the end, but too far from the way, waits until nothing is on the way.
    beside, behind = (2.0, 1.1 * DRAGGED_NM), (-0.4 * DRAGGED_NM, 0.0)
    assert Scene([beside, behind], [way]).run() == [pytest.approx(behind)]
    assert Scene([beside], [way]).run() == [pytest.approx(beside)]
    assert Scene([(1.0, 1.1 * ASTRAY_NM)], [way]).run() == [None]


def test_a_bystander_on_the_way_is_not_taken_for_the_dragged_one():
    scene = Scene([(1.0, 0.1), (0.05, 0.0)], [[(0.0, 0.0), (2.0, 0.0)]], others=[(1.0, 0.15)])
    assert scene.run() == [(0.05, 0.0)]
    assert scene.rest() == [[1.0, 0.1]]


def test_of_two_on_the_way_the_one_nearer_to_its_end_is_taken():
    scene = Scene([(0.2, 0.0), (1.9, 0.0)], [[(0.0, 0.0), (2.0, 0.0)]])
    assert scene.run() == [(1.9, 0.0)]


def test_two_spots_cannot_be_one_adatom_nor_one_spot_two():
    scene = Scene([(0.1, 0.0)], [[(0.0, 0.0)], [(0.25, 0.0)]])
    assert scene.run() == [(0.1, 0.0), None]
    assert scene.rest() == []


def test_what_there_is_no_room_for_is_left_out():
    spots = [(0.5 * k - 2.0, 3.0) for k in range(ROOM + 2)]
    scene = Scene(spots, [[(0.0, 0.0)]])
    assert scene.run() == [None]
    assert len(scene.rest()) == ROOM


def test_an_image_without_spots_misses_everything():
    scene = Scene([], [[(0.0, 0.0)], [(1.0, 0.0), (2.0, 0.0)]], others=[(3.0, 0.0)])
    assert scene.run() == [None, None]
    assert scene.rest() == []
    assert scene.tracks.legs.tolist() == [[0, 1]]
