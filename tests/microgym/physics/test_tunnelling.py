"""Tunnelling against closed forms."""

import math

import numpy as np
import pytest

from microgym.physics.tunnelling import (
    QUANTUM_US,
    decay_constant,
    scattered_density,
    surface_wave_number,
    track_line,
)

KAPPA = decay_constant(4.5)


def gap_nm(conductance, kappa):
    """Distance from point contact at which the bare surface has a conductance in uS, nm."""
    return math.log(QUANTUM_US / conductance) / (2.0 * kappa)


def conductance_us(gap_nm, kappa):
    """Conductance of the junction over the bare surface, uS."""
    return QUANTUM_US * math.exp(-2.0 * kappa * gap_nm)


@pytest.mark.parametrize("work_function", [0.5, 1.0, 4.5, 5.3])
def test_decay_constant(work_function):
    assert decay_constant(work_function) == pytest.approx(
        5.12317 * math.sqrt(work_function), rel=1e-5
    )


def test_current_falls_by_twice_the_decay_constant():
    gaps = np.linspace(0.1, 0.6, 51)
    logs = np.log([conductance_us(gap, KAPPA) for gap in gaps])
    assert np.diff(logs) / np.diff(gaps) == pytest.approx(-2 * KAPPA, rel=1e-6)
    assert math.log(10) / (2 * KAPPA) == pytest.approx(0.1059, abs=5e-5)


@pytest.mark.parametrize(
    ("conductance", "gap"), [(1e-3, 0.518), (1e-2, 0.412), (3.0, 0.150), (6.0, 0.118)]
)
def test_gaps_of_usual_conductances(conductance, gap):
    assert gap_nm(conductance, KAPPA) == pytest.approx(gap, abs=6e-4)
    assert conductance_us(gap_nm(conductance, KAPPA), KAPPA) == pytest.approx(conductance)
    assert conductance_us(0.0, KAPPA) == pytest.approx(QUANTUM_US)
    assert 0.1 < gap_nm(conductance, KAPPA) < 0.6


def trace(heights, dt, gain, linear, lead=0.0):
    out = np.empty(len(heights))
    track_line(np.asarray(heights, float), dt, gain, KAPPA, linear, lead, out)
    return out


def test_logarithmic_feedback_answers_a_step_exponentially():
    gain, dt, step = 1.0, 1e-4, 0.05
    heights = np.r_[0.0, np.full(5000, step)]
    left = 1.0 - trace(heights, dt, gain, False)[1:] / step
    constant = np.interp(-math.exp(-1.0), -left, dt * np.arange(1, 5001))
    assert constant == pytest.approx(1.0 / (2.0 * KAPPA * gain), rel=0.01)
    assert constant == pytest.approx(46.01e-3, rel=0.01)


def test_linear_feedback_falls_at_its_gain():
    gain, dt, depth = 2.0, 1e-4, 2.0
    heights = np.r_[0.0, np.full(5000, -depth)]
    found = trace(heights, dt, gain, True)
    slew = np.diff(found[1000:4000]) / dt
    assert slew == pytest.approx(-gain, rel=0.01)
    up = trace(-heights, dt, gain, True)
    assert up[1] > 0.5 * depth, "onto a protrusion it is quick"


@pytest.mark.parametrize("linear", [False, True])
def test_feedback_does_not_care_how_time_is_sliced(linear):
    coarse = trace([0.0, 0.1, 0.1], 1e-2, 3.0, linear)
    fine = trace([0.0] * 10 + [0.1] * 20, 1e-3, 3.0, linear)
    assert fine[19] == pytest.approx(coarse[1], rel=1e-9)
    assert fine[29] == pytest.approx(coarse[2], rel=1e-9)


@pytest.mark.parametrize(
    ("mass", "energy", "k", "half"), [(0.38, 0.44, 2.095, 1.50), (0.40, 0.065, 0.826, 3.80)]
)
def test_surface_states_of_copper_and_silver(mass, energy, k, half):
    found = surface_wave_number(mass, energy)
    assert found == pytest.approx(k, abs=1e-3)
    assert math.pi / found == pytest.approx(half, abs=0.01)


@pytest.mark.parametrize("shift", [math.pi / 2, 1.0])
def test_standing_waves_repeat_with_half_the_wave_length(shift):
    k = 2.1
    r = np.linspace(3.0, 15.0, 60_001)
    wave = np.array([scattered_density(one, k, shift) for one in r])
    crossings = r[1:][np.diff(np.sign(wave)) != 0]
    assert np.diff(crossings) == pytest.approx(math.pi / (2.0 * k), rel=0.01)
    assert math.pi / (2.0 * k) == pytest.approx(0.7480, abs=1e-4)
    assert np.abs(wave[r > 10]).max() < np.abs(wave[r < 5]).max()
