"""The three observation models behind one interface."""

import numpy as np
import pytest

from microgym.reconstruction.ptychography.neural import NeuralImage
from microgym.reconstruction.ptychography.observation_models import (
    PRIOR_CONTRAST,
    ClassicalImage,
    RawImage,
    RunningScan,
    shot_noise,
)
from microgym.state import arrays
from tests.microgym.reconstruction.ptychography.networks import make_scene, make_weights
from tests.microgym.reconstruction.ptychography.scenes import make_probe

N, TOP, REGION = 16, 8, 64
FIELD = REGION + 2 * TOP
PROBE = make_probe(N, 3.0, 0.05).astype(np.complex64)


def make_view(name, count):
    where = (count, FIELD, PROBE, (TOP, REGION))
    return {"raw": RawImage, "classical": ClassicalImage}.get(
        name, lambda *a: NeuralImage(*a, make_weights())
    )(*where)


def expose(view, rows, number):
    count = 3
    corner = np.tile([[4 + 5 * number, 9 * number]], (count, 1))
    view.add(np.asarray(rows), corner, np.full((count, 2), [0.9 - 0.1 * number, 0.05]))


VIEWS = ("raw", "classical", "neural")


def test_shot_noise_is_the_closed_form():
    """Against a prior of standard deviation s, n photons leave 1/sqrt(1/s^2 + 2n)."""
    fluence = np.array([[[0.0, 0.5, 3.0], [1e2, 1e4, 1e6], [1.0] * 3]], np.float32)
    sigma = np.full_like(fluence, 9.0)
    shot_noise(np.arange(1), fluence, 0, 3, sigma)
    exact = (1.0 / PRIOR_CONTRAST**2 + 2.0 * fluence.astype(float)) ** -0.5
    assert sigma == pytest.approx(exact, rel=1e-6)
    assert sigma[0, 0, 0] == pytest.approx(PRIOR_CONTRAST)
    assert sigma[0, 1, 2] == pytest.approx(1 / np.sqrt(2e6), rel=1e-5)


def test_the_classical_view_is_the_estimate_itself():
    estimate, fluence = make_scene(0, 2, FIELD)
    re, im, sigma = make_view("classical", 2).estimate(
        np.arange(2), RunningScan(*estimate, fluence)
    )
    assert re is estimate[0]
    assert im is estimate[1]
    expected = np.ones_like(sigma)
    shot_noise(np.arange(2), fluence, TOP, REGION, expected)
    assert sigma.tobytes() == expected.tobytes()


@pytest.mark.parametrize("name", VIEWS)
def test_every_view_shows_three_planes_of_the_field(name):
    view = make_view(name, 3)
    view.reset(np.arange(3))
    expose(view, range(3), 1)
    estimate, fluence = make_scene(1, 3, FIELD)
    planes = view.estimate(np.arange(3), RunningScan(*estimate, fluence))
    assert [plane.shape for plane in planes] == [(3, FIELD, FIELD)] * 3
    assert all(plane.dtype == np.float32 for plane in planes)
    assert all(np.isfinite(plane).all() for plane in planes)
    assert (planes[2] > 0).all()


@pytest.mark.parametrize("name", VIEWS)
def test_rows_do_not_touch_each_other(name):
    """A row shows the same bits whether it is alone, listed with others, or listed last."""
    estimate, fluence = make_scene(2, 3, FIELD)

    def shown(turns, row):
        view = make_view(name, 3)
        for number, rows in enumerate(turns):
            expose(view, rows, number)
        return [
            plane[row].copy()
            for plane in view.estimate(np.array([row]), RunningScan(*estimate, fluence))
        ]

    alone = shown([[1], [1]], 1)
    crowded = shown([[0, 1, 2], [2, 1], [0, 2]], 1)
    for first, second in zip(alone, crowded, strict=True):
        assert first.tobytes() == second.tobytes()


@pytest.mark.parametrize("name", VIEWS)
def test_the_state_is_all_that_a_view_remembers(name):
    first, second = make_view(name, 3), make_view(name, 3)
    expose(first, range(3), 1)
    for key, array in dict(arrays(second.state)).items():
        array[...] = dict(arrays(first.state))[key]
    estimate, fluence = make_scene(3, 3, FIELD)
    for view in (first, second):
        expose(view, [0, 2], 2)
    for one, other in zip(
        first.estimate(np.arange(3), RunningScan(*estimate, fluence)),
        second.estimate(np.arange(3), RunningScan(*estimate, fluence)),
        strict=True,
    ):
        assert one.tobytes() == other.tobytes()


@pytest.mark.parametrize("name", VIEWS)
def test_a_reset_row_is_as_new(name):
    used, new = make_view(name, 3), make_view(name, 3)
    expose(used, range(3), 1)
    used.reset(np.array([0, 1, 2]))
    estimate, fluence = make_scene(4, 3, FIELD)
    for one, other in zip(
        used.estimate(np.arange(3), RunningScan(*estimate, fluence)),
        new.estimate(np.arange(3), RunningScan(*estimate, fluence)),
        strict=True,
    ):
        assert one.tobytes() == other.tobytes()
