"""Cantilevers: averaged motion against quadrature and the equation of motion, and contact mode."""

import numpy as np
import pytest

from microgym.physics.cantilever import (
    CONTACT_NM,
    HAMAKER_NN_NM,
    Cantilever,
    adhesion_of,
    balanced_gap,
    contact_limits,
    contact_peak,
    contact_pressure,
    coupling_of,
    cube_root,
    deflection_of,
    hertz_of,
    pressed,
    tip_force,
    turn_of,
)
from microgym.physics.feedback import TICK_S
from tests.microgym.physics.lanes import RADIUS_NM, STANDARD, run, settings, standing, tapping
from tests.microgym.physics.tapping import tap, virial

HR = HAMAKER_NN_NM * RADIUS_NM
LEVER = np.array([40.0, 400.0, 300e3, 20.0])
F32 = np.float32


def turn(gap, amplitude, modulus, free=20.0, hamaker=1.0):
    """V of the averaged motion, nN nm, and E sqrt(R) s^2."""
    lag, elastic = STANDARD.lag_s, modulus * np.sqrt(RADIUS_NM)
    attraction, repulsion, bound = coupling_of(TICK_S, lag, 40.0, 400.0, free, RADIUS_NM)
    numbers = (amplitude, np.sqrt(amplitude), gap, elastic, hamaker * attraction, repulsion, bound)
    part, whole, stiff = turn_of.py_func(*(F32(one) for one in numbers))
    # Half an angle is w V dt / (2 k A^2).
    return part / whole * amplitude**2 * 40.0 / (0.5 * TICK_S * 2.0 * np.pi * 300e3), stiff


def ramp(rise, seconds, cosine=False, before=2e-3, after=1e-3, step_s=1e-6):
    """Heights of a surface that rises, nm, every microsecond."""
    t = np.arange(0.0, before + seconds + after, step_s)
    part = np.clip((t - before) / seconds, 0.0, 1.0)
    return rise * (0.5 - 0.5 * np.cos(np.pi * part) if cosine else part)


def peaks(modulus, ratio, heights, free=20.0):
    """Largest force by the equation of motion and by the loop's averaged motion, nN."""
    cantilever = Cantilever(free_amplitude_nm=free)
    loop = settings(cantilever, integral_gain=0.0, setpoint=ratio * free)
    state = tapping(500.0, loop, modulus, ratio * free)
    gap, u, v = state.height[0] - 500.0, state.sine[0], state.cosine[0]
    lever, stiffness = np.array([40.0, 400.0, 300e3, free]), hertz_of(modulus, RADIUS_NM)
    out = np.empty((int(heights.size * 1e-6 * 300e3), 4))
    tap(gap - heights, 1e-6, lever, HR, stiffness, u, v, 400, out)
    signals, _ = run(500.0 + heights[::20], TICK_S, loop, state, modulus)
    elastic = modulus * np.sqrt(RADIUS_NM)
    force = [contact_peak.py_func(one, elastic, RADIUS_NM) for one in signals[4]]
    # Without the settling of the first millisecond.
    return out[300:, 2].max(), max(force[50:])


@pytest.mark.parametrize("amplitude", [14.0, 8.0, 4.0])
def test_the_mean_force_is_that_of_the_quadrature(amplitude):
    for d in (3.0, 1.0, 0.4, 0.2, 0.1, 0.0, -0.3, -1.0):
        exact = virial(amplitude + d, amplitude, HR, 0.0)
        assert turn(amplitude + d, amplitude, 0.0)[0] == pytest.approx(exact, rel=0.04)
    for d in (0.1, 0.0, -0.3, -1.0):
        exact = virial(amplitude + d, amplitude, 0.0, hertz_of(1.0, RADIUS_NM))
        found = turn(amplitude + d, amplitude, 1.0, hamaker=0.0)[0]
        assert found == pytest.approx(exact, rel=0.005)


def test_attraction_alone_is_the_closed_form():
    # <F z> = H R A^2 / (6 (z^2 - A^2)^(3/2)) for F = -H R / (6 d^2), by the residue theorem.
    expected = HR * 400.0 / (6.0 * (21.0**2 - 400.0) ** 1.5)
    assert turn(21.0, 20.0, 0.0)[0] == pytest.approx(expected, rel=3e-3)


@pytest.mark.parametrize("ratio", [0.3, 0.5, 0.7, 0.9])
@pytest.mark.parametrize("modulus", [1.0, 10.0, 60.0])
def test_the_balanced_gap_fulfils_the_harmonic_balance(modulus, ratio):
    lag, a = STANDARD.lag_s, 20.0 * ratio
    coupling = coupling_of(TICK_S, lag, 40.0, 400.0, 20.0, RADIUS_NM)
    gap = balanced_gap(a, modulus * np.sqrt(RADIUS_NM), 20.0, lag, TICK_S, coupling)
    # A^2 + (2 Q V / (k A))^2 = A0^2: how far the gap is from the root of the quadrature.
    wanted = -40.0 / 800.0 * a * np.sqrt(400.0 - a * a)
    gaps = gap + np.linspace(-0.1, 0.1, 41)
    exact = [virial(g, a, HR, hertz_of(modulus, RADIUS_NM)) for g in gaps]
    assert np.interp(wanted, exact, gaps) == pytest.approx(gap, abs=0.02)
    # In steady state the peak force is that of the orbit's lower turning point.
    force = contact_peak.py_func(turn(gap, a, modulus)[1], modulus * np.sqrt(RADIUS_NM), RADIUS_NM)
    orbit = tip_force.py_func(gap - a, HR, hertz_of(modulus, RADIUS_NM))
    assert force == pytest.approx(orbit, rel=0.01)


def test_a_loop_in_balance_stays_there():
    for modulus in (1.0, 40.0):
        loop = settings(integral_gain=0.0)
        state = tapping(500.0, loop, modulus, 14.0)
        signals, _ = run(np.full(201, 500.0), 1e-4, loop, state, modulus)
        assert np.abs(signals[1, 100:]).max() < 0.005
        assert signals[2, -1] == pytest.approx(np.sqrt(1.0 - 0.49), abs=0.02)


@pytest.mark.parametrize(
    ("modulus", "ratio", "rise", "seconds", "cosine", "known"),
    [
        (40.0, 0.7, 3.0, 1.1e-3, False, 35.0),
        (40.0, 0.7, 8.0, 1.1e-3, False, 57.0),
        (40.0, 0.7, 12.0, 1.1e-3, False, 74.0),
        (40.0, 0.7, 8.0, 4.4e-3, False, 30.8),
        (40.0, 0.7, 8.0, 1.1e-3, True, 34.0),
        (1.0, 0.9, 8.0, 1.1e-3, False, 16.5),
        (120.0, 0.5, 3.0, 1.1e-3, False, 45.3),
    ],
)
def test_peak_forces_of_rises_are_those_of_the_equation_of_motion(
    modulus, ratio, rise, seconds, cosine, known
):
    truth, found = peaks(modulus, ratio, ramp(rise, seconds, cosine))
    assert truth == pytest.approx(known, rel=0.02)
    assert found == pytest.approx(truth, rel=0.1)


def test_peak_forces_rise_with_modulus_height_and_speed():
    def force(modulus=40.0, ratio=0.7, rise=8.0, seconds=1.1e-3):
        loop = settings(integral_gain=0.0, setpoint=20.0 * ratio)
        state = tapping(500.0, loop, modulus, 20.0 * ratio)
        heights = 500.0 + ramp(rise, seconds)[::20]
        signals, _ = run(heights, TICK_S, loop, state, modulus)
        elastic = modulus * np.sqrt(RADIUS_NM)
        return max(contact_peak.py_func(one, elastic, RADIUS_NM) for one in signals[4])

    for name, values in (
        ("modulus", (0.5, 1.0, 4.0, 16.0, 64.0)),
        ("rise", (0.5, 2.0, 4.0, 8.0, 12.0)),
        ("seconds", (20e-3, 8e-3, 4e-3, 2e-3, 1e-3)),
    ):
        forces = [force(**{name: value}) for value in values]
        assert (np.diff(forces) > 0.0).all(), (name, forces)
    # A slow step leaves the force of the steady state, (E sqrt(R))^(1/4) but for adhesion.
    steady = [force(modulus, rise=1e-6) + adhesion_of.py_func(8.0) for modulus in (4.0, 64.0)]
    assert np.log(steady[1] / steady[0]) / np.log(16.0) == pytest.approx(0.25, abs=0.05)


def approach(free, modulus, seconds=0.06, radius=RADIUS_NM):
    """Gaps at which the phase turns to repulsion on a slow approach: motion, and loop."""
    cantilever = Cantilever(free_amplitude_nm=free)
    t = np.arange(0.0, seconds, TICK_S)
    gaps = free * (1.15 - 0.35 * t / seconds)
    stiffness, lever = hertz_of(modulus, radius), np.array([40.0, 400.0, 300e3, free])
    out = np.empty((int(seconds * 300e3), 4))
    tap(gaps, TICK_S, lever, HAMAKER_NN_NM * radius, stiffness, free, 0.0, 200, out)
    loop = settings(cantilever, integral_gain=0.0, setpoint=0.5 * free, radius_nm=radius)
    state = standing(500.0)
    state.sine[:] = free
    _, ticks = run(500.0 - gaps, TICK_S, loop, state, modulus)
    cosine = ticks[:, 6]
    # The first time that repulsion holds, after the ripple of the start; NaN where it never does.
    ends = []
    for turned, dt, wait in ((out[:, 1], 1.0 / 300e3, 300), (cosine, TICK_S, 50)):
        after = np.flatnonzero(turned[wait:] > 0.2)
        ends.append(np.interp((wait + after[0]) * dt, t, gaps) if after.size else np.nan)
    return ends, (out[-1, 0], ticks[-1, 5] + 0.5 * free), (out[:, 1].min(), cosine.min())


def test_the_attractive_branch_of_ten_nanometres_is_lost_where_the_motion_loses_it():
    (truth, found), amplitudes, cosines = approach(10.0, 60.0)
    assert 9.3 < truth < 9.8
    assert found == pytest.approx(truth, abs=0.1)
    assert amplitudes[1] == pytest.approx(amplitudes[0], abs=0.05)
    assert cosines[1] == pytest.approx(cosines[0], abs=0.03)


def test_a_quenched_lever_is_pressed_as_a_spring():
    loop = settings(integral_gain=0.0)
    state = tapping(500.0, loop, 40.0, 14.0)
    height = state.height[0]
    signals, ticks = run(500.0 + ramp(20.0, 1.1e-3)[::20], TICK_S, loop, state, 40.0)
    assert signals[5].max() == pytest.approx(520.0 - height, abs=0.01)
    # The amplitude is nearly none: the error is bounded by the setpoint.
    assert -14.0 <= ticks[-1, 5] < -11.0
    # In series: k (10 - s) = (4/3) E sqrt(R) s^(3/2).
    depths = np.linspace(0.0, 10.0, 2_000_001)
    contact = hertz_of(60.0, 10.0) * depths**1.5
    force = contact[np.argmin(np.abs(contact - 40.0 * (10.0 - depths)))]
    assert pressed.py_func(10.0, 40.0, hertz_of(60.0, 10.0)) == pytest.approx(force, rel=1e-3)


def test_the_free_oscillation_builds_up_with_the_lag():
    # 1 - exp(-t / tau), tau = 2 Q / w: after tau the amplitude is 1 - 1/e of the free one.
    out, cycles = np.empty((round(400.0 / np.pi), 4)), round(400.0 / np.pi)
    tap(np.full(2, 100.0), 1.0, LEVER, 0.0, 0.0, 0.0, 0.0, 100, out)
    expected = 1.0 - np.exp(-(cycles - 0.5) * np.pi / 400.0)
    assert out[-1, 0] / 20.0 == pytest.approx(expected, rel=0.005)
    assert STANDARD.lag_s == pytest.approx(400.0 / np.pi / 300e3)
    loop, state = settings(integral_gain=0.0), standing(600.0)
    state.sine[:] = 1.0
    _, ticks = run(np.full(101, 500.0), 1e-4, loop, state)
    grown = 1.0 + 19.0 * (1.0 - np.exp(-2e-5 * np.arange(1, 501) / STANDARD.lag_s))
    assert ticks[:, 5] + 14.0 == pytest.approx(grown, abs=1e-3)


@pytest.mark.parametrize(
    ("force", "modulus", "radius"), [(200.0, 60.0, 8.0), (1600.0, 60.0, 8.0), (6000.0, 60.0, 27.0)]
)
def test_the_pressure_of_a_contact_is_hertz(force, modulus, radius):
    # a^3 = 3 F R / (4 E), p = 3 F / (2 pi a^2).
    contact = (0.75 * force * radius / modulus) ** (1.0 / 3.0)
    found = contact_pressure(force * modulus**2 * radius, radius)
    assert found == pytest.approx(1.5 * force / (np.pi * contact**2), rel=1e-9)
    assert contact_pressure(0.0, radius) < 1e-9


def test_contact_begins_with_the_lever_bent_and_ends_by_adhesion():
    pull, snap, reach, lost = contact_limits(0.2, 8.0)
    assert pull * 0.2 == pytest.approx(3.13, rel=0.01)
    # 3/2 (H R / 3k)^(1/3).
    assert snap == pytest.approx(1.42, abs=0.005)
    assert cube_root(27.0) == pytest.approx(3.0, rel=1e-12)
    numbers = [F32(one) for one in (0.2, pull, snap, reach, lost)]

    def moved(gap, root=-1.0, modulus=10.0):
        elastic = F32(modulus * np.sqrt(8.0))
        return deflection_of.py_func(F32(gap), F32(root), elastic, *numbers)

    # Just before contact the lever bends by half the distance (H R / 3k)^(1/3), in balance.
    before = moved(1.001 * snap)[0]
    assert before == pytest.approx(0.5 * snap / 1.5, rel=0.35)
    assert moved(5.0)[0] == pytest.approx(HR / 6.0 / 0.2 / 25.0, rel=0.05)
    assert moved(0.99 * snap)[1] >= 0.0
    assert moved(1.01 * snap)[1] == -1.0
    assert moved(0.9 * pull, 0.1)[1] >= 0.0
    assert moved(1.01 * pull, 0.1)[1] == -1.0
    # Pushed by 25 nm: lever and contact in series, the load with adhesion.
    target, root, load = moved(-25.0, 0.5)
    for _ in range(4):
        target, root, load = moved(-25.0, root)
    exact = pressed.py_func(pull + 25.0, 0.2, hertz_of(10.0, 8.0))
    assert load == pytest.approx(exact, rel=1e-3)
    assert -target * 0.2 == pytest.approx(exact - 3.13, abs=0.02)


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match="stiffness_n_m"):
        Cantilever(stiffness_n_m=0.0)
    with pytest.raises(ValueError, match="quality"):
        Cantilever(quality=float("nan"))
    with pytest.raises(TypeError, match="resonance_hz"):
        Cantilever(resonance_hz="fast")
    assert CONTACT_NM == 0.165
