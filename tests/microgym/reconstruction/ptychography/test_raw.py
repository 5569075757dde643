"""Raw signals: averages under the probe, weighted by its intensity."""

import numpy as np
import pytest

from microgym.reconstruction.ptychography.observation_models import RawImage
from microgym.state import arrays
from tests.microgym.reconstruction.ptychography.scenes import make_probe

N, FIELD = 32, 64
PROBE = make_probe(N, 4.0, 0.05, 2).astype(np.complex64)
LIGHT = np.sum(np.abs(PROBE) ** 2, axis=0)
BRIGHTEST = LIGHT.max()
FOOTPRINT = np.where(LIGHT / BRIGHTEST > 1e-3, LIGHT, 0.0)


def placed(corner):
    plane = np.zeros((FIELD, FIELD))
    plane[corner[0] : corner[0] + N, corner[1] : corner[1] + N] = FOOTPRINT
    return plane


def test_maps_are_weighted_means():
    maps = RawImage(1, FIELD, PROBE, (0, FIELD))
    exposures = [((4, 6), (0.9, 0.05)), ((10, 9), (0.5, 0.3)), ((30, 30), (0.7, 0.2))]
    top, weight = np.zeros((2, FIELD, FIELD)), np.zeros((FIELD, FIELD))
    for corner, signal in exposures:
        maps.add(np.arange(1), np.array([corner]), np.array([signal]))
        for plane, value in zip(top, signal, strict=True):
            plane += value * placed(corner)
        weight += placed(corner)
    lit = weight > 0
    assert maps.state.re[0][lit] == pytest.approx(
        (top[0] / np.maximum(weight, 1e-30))[lit], rel=1e-5
    )
    assert maps.state.im[0][lit] == pytest.approx(
        (top[1] / np.maximum(weight, 1e-30))[lit], rel=1e-5
    )
    assert np.all(maps.state.re[0][~lit] == 1.0)
    assert np.all(maps.state.im[0][~lit] == 0.0)
    assert 0 < lit.sum() < 3 * N * N


def test_one_exposure_gives_its_own_signal():
    maps = RawImage(2, FIELD, PROBE, (0, FIELD))
    maps.add(np.array([1]), np.array([[0, 0], [8, 8]]), np.array([[0.0, 0.0], [0.25, 0.5]]))
    lit = placed((8, 8)) > 0
    assert maps.state.re[1][lit] == pytest.approx(0.25, rel=1e-5)
    assert maps.state.im[1][lit] == pytest.approx(0.5, rel=1e-5)
    assert np.all(maps.state.re[0] == 1.0), "another row changed"


def test_reset_forgets_the_listed_rows():
    maps = RawImage(2, FIELD, PROBE, (0, FIELD))
    rows = np.arange(2)
    maps.add(rows, np.array([[4, 4], [8, 8]]), np.full((2, 2), 0.3))
    before = maps.state.re[1].copy()
    maps.reset(np.array([0]))
    assert np.all(maps.state.re[0] == 1.0)
    assert np.all(maps.state.im[0] == 0.0)
    assert np.array_equal(maps.state.re[1], before)
    maps.add(rows, np.array([[4, 4], [8, 8]]), np.full((2, 2), 0.7))
    lit = placed((4, 4)) > 0
    assert maps.state.re[0][lit] == pytest.approx(0.7, rel=1e-5), "an old scan shines through"


def test_state_arrays_are_the_whole_state():
    first, second = RawImage(1, FIELD, PROBE, (0, FIELD)), RawImage(1, FIELD, PROBE, (0, FIELD))
    first.add(np.arange(1), np.array([[4, 4]]), np.array([[0.3, 0.1]]))
    for name, array in dict(arrays(second.state)).items():
        array[...] = dict(arrays(first.state))[name]
    for maps in (first, second):
        maps.add(np.arange(1), np.array([[9, 2]]), np.array([[0.6, 0.2]]))
    assert first.state.re.tobytes() == second.state.re.tobytes()
    assert first.state.im.tobytes() == second.state.im.tobytes()
