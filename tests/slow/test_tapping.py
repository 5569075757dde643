"""The full equation of motion of a tapping cantilever, against the tables the scan runs on."""

import numpy as np
import pytest

from microgym.physics.cantilever import (
    Cantilever,
    balance,
    branches,
    hertz_of,
    mean_force,
    peak_force,
)
from tests.microgym.physics.tapping import tap

pytestmark = pytest.mark.slow

STANDARD = Cantilever()
SLOPE = 40.0 / 800.0


def settled(gap, hamaker_radius, stiffness, ratio, cycles=2500, free=20.0):
    """Amplitude, sine of the phase, mean and peak force at a fixed gap, from a given amplitude."""
    out = np.empty(6)
    settings = np.array([40.0, 400.0, free, hamaker_radius, stiffness, ratio])
    tap(gap, 0.0, -100.0, settings, cycles, 20, 600, out)
    return out[0], 1.0 / np.hypot(1.0, out[1]), out[2], out[3]


@pytest.mark.parametrize("ratio", [0.8, 0.9])
def test_attraction_alone(ratio):
    gap = balance(STANDARD, 1e-6, 10.0, np.array([20.0 * ratio]))[0, 0]
    amplitude = settled(gap, 0.64, 0.0, 1.0, 6000)[0]
    assert amplitude == pytest.approx(20.0 * ratio, rel=1e-3)


@pytest.mark.parametrize("ratio", [0.5, 0.7, 0.9])
@pytest.mark.parametrize("modulus", [1.0, 10.0, 60.0])
def test_contact_without_attraction(modulus, ratio):
    gap = balance(STANDARD, modulus, 10.0, np.array([20.0 * ratio]), 0.0, nodes=1024)[2, 0]
    amplitude, sine, mean, peak = settled(gap, 0.0, hertz_of(modulus, 10.0), ratio)
    assert amplitude == pytest.approx(20.0 * ratio, rel=2e-3)
    assert sine == pytest.approx(ratio, rel=2e-3)
    assert mean == pytest.approx(mean_force.py_func(20.0 * ratio, SLOPE, 20.0), rel=0.03)
    elastic = modulus * np.sqrt(10.0)
    closed = 4 / 3 * 2**0.375 * elastic**0.25 * 0.1**0.75 * 20**1.125
    assert peak == pytest.approx(closed * (ratio * (1 - ratio**2)) ** 0.375, rel=0.03)


@pytest.mark.parametrize("ratio", [0.5, 0.7, 0.9])
@pytest.mark.parametrize("modulus", [1.0, 10.0, 60.0])
def test_the_table_and_the_peak_force(modulus, ratio):
    gap = balance(STANDARD, modulus, 10.0, np.array([20.0 * ratio]))[2, 0]
    amplitude, sine, _, peak = settled(gap, 0.64, hertz_of(modulus, 10.0), ratio)
    assert amplitude == pytest.approx(20.0 * ratio, rel=2e-3)
    assert sine == pytest.approx(ratio, rel=2e-3)
    force = peak_force(20.0 * ratio, 20.0 * ratio, modulus, 10.0, 40.0, 400.0, 20.0)[0]
    assert force == pytest.approx(peak, rel=0.05)


@pytest.mark.parametrize("gap", [11.6, 11.0, 10.5])
def test_both_branches_where_two_are_stable(gap):
    cantilever = Cantilever(free_amplitude_nm=12.0)
    far, near = branches(cantilever, 60.0, 20.0, np.linspace(gap - 0.5, gap + 0.5, 41), 0.1)[:, 20]
    out = np.empty(6)
    settings = np.array([40.0, 400.0, 12.0, 2.0, hertz_of(60.0, 20.0), 1.0])
    closing = 1e-3
    tap(14.0, closing, gap, settings, int((14.0 - gap) / closing) + 400, 5, 300, out)
    assert out[0] == pytest.approx(far, abs=0.02)
    assert near - far > 0.2
    # Opening from contact (a negative closing speed, with nothing to stop it).
    tap(9.0, -closing, -100.0, settings, int((gap - 9.0) / closing), 5, 300, out)
    assert out[0] == pytest.approx(near, abs=0.03)


@pytest.mark.parametrize("modulus", [1.0, 60.0])
@pytest.mark.parametrize("speed", [2e3, 5e3])
def test_peak_force_while_the_surface_closes_in(modulus, speed):
    # T = A - speed * lag is what the amplitude tends to; while it is above zero the drive can
    # brake the oscillation, and the force is that of the held phase.
    cycle = speed / 300e3
    start, end = 20.6, 10.0
    out = np.empty(6)
    settings = np.array([40.0, 400.0, 20.0, 0.64, hertz_of(modulus, 10.0), 1.0])
    tap(start, cycle, end, settings, int((start - end) / cycle), 60, 600, out)
    target = out[0] - speed * STANDARD.lag_s
    force = peak_force(out[0], target, modulus, 10.0, 40.0, 400.0, 20.0)[0]
    assert force == pytest.approx(out[3], rel=0.15)


@pytest.mark.parametrize("modulus", [1.0, 60.0])
@pytest.mark.parametrize("speed", [60e3, 100e3])
def test_a_surface_that_comes_too_fast_hits_hard(modulus, speed):
    cycle = speed / 300e3
    start, end = 20.6, 10.0
    out = np.empty(6)
    settings = np.array([40.0, 400.0, 20.0, 0.64, hertz_of(modulus, 10.0), 1.0])
    tap(start, cycle, end, settings, int((start - end) / cycle), 10, 600, out)
    target = out[0] - speed * STANDARD.lag_s
    assert target < 0.0
    force = peak_force(out[0], target, modulus, 10.0, 40.0, 400.0, 20.0)[0]
    # The truth is a chain of impacts; the order of magnitude is what the model claims.
    assert 0.3 < force / out[4] < 3.0
