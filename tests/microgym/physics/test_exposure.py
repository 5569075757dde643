"""Nodes within an exposure: integrals of exponentials and of waves that move."""

import numpy as np
import pytest

from microgym.physics.exposure import (
    FADING_LIMITS,
    MOST_NODES,
    WAY_LIMITS_PX,
    count_nodes,
    exposure_node,
)


def nodes(count, fading):
    return np.array([exposure_node(k, count, fading) for k in range(count)]).T


def fading_error(count, fading):
    """Largest error of the mean of exp(-y t) over t in [0, 1], for y up to 2 `fading`."""
    times, weights = nodes(count, fading)
    rates = np.linspace(1e-9, 2.0 * fading, 400)
    found = np.exp(-np.outer(rates, times)) @ weights
    return np.abs(found + np.expm1(-rates) / rates).max()


@pytest.mark.parametrize("count", range(1, MOST_NODES + 1))
@pytest.mark.parametrize("fading", [0.0, 1e-5, 0.3, 7.0, 400.0])
def test_weights_add_up_and_times_grow(count, fading):
    times, weights = nodes(count, fading)
    assert weights.sum() == pytest.approx(1.0, abs=1e-14)
    assert np.all(weights > 0.0)
    assert np.all(np.diff([0.0, *times, 1.0]) > 0.0)


@pytest.mark.parametrize("count", range(1, MOST_NODES + 1))
def test_without_fading_polynomials_are_exact(count):
    times, weights = nodes(count, 0.0)
    for power in range(2 * count):
        assert weights @ times**power == pytest.approx(1.0 / (power + 1), rel=1e-13)
    assert weights @ times ** (2 * count) != pytest.approx(1.0 / (2 * count + 1), rel=1e-5)


def test_fading_is_integrated_to_the_stated_error():
    for fading in np.geomspace(1e-3, 90.0, 300):
        bound = 1.6e-3 if fading <= FADING_LIMITS[0] else 5e-4 if fading <= 45.0 else 1e-3
        assert fading_error(count_nodes(fading, FADING_LIMITS), fading) < bound, fading
    # One node fewer would not do.
    for number, limit in enumerate(FADING_LIMITS, start=1):
        assert fading_error(number, 3.0 * limit) > 5e-4


def test_motion_is_integrated_to_the_stated_error():
    # A wave of f cycles per pixel that moves by w has the mean sin(pi f w) / (pi f w).
    for way in np.geomspace(1e-3, 1.6, 200):
        count = count_nodes(way, WAY_LIMITS_PX)
        times, weights = nodes(count, 0.0)
        turns = 0.5 * way * (2.0 * times - 1.0)
        found = weights @ np.cos(np.pi * turns)
        bound = 5e-3 if count == 1 else 1.5e-3
        assert abs(found - np.sinc(0.5 * way)) < bound, way


def test_numbers_of_nodes():
    assert [count_nodes(x, FADING_LIMITS) for x in (0.0, 0.2, 0.21, 1.4, 5.8, 5.9, 1e9)] == [
        1, 1, 2, 2, 3, 4, 4,
    ]  # fmt: skip
