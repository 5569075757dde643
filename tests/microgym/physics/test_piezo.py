"""Scanners: creep against the logarithm, hysteresis against closed forms, slices of time."""

import itertools
import math

import numpy as np
import pytest

from microgym.physics.piezo import (
    CREEP_OFFSET,
    CREEP_START_S,
    DECADES,
    OPERATORS,
    PIEZO_LEVELS,
    HysteresisLoop,
    PiezoParameters,
    PiezoState,
    advance_creep,
    lag_hysteresis,
    move_piezo,
    rest_piezo,
    sweep_piezo,
)
from microgym.state import allocate


def crept_after(times, step=1.0):
    """Decades crept at times after a step from rest."""
    found = []
    for t in times:
        creep = np.zeros(DECADES)
        found.append(advance_creep(t, step, step, creep) / step)
    return np.array(found)


def test_creep_is_a_sum_of_exponentials():
    times = np.geomspace(1e-3, 1e6, 200)
    exponentials = 1 - np.exp(-times[:, None] / (0.1 * 10.0 ** np.arange(6)))
    expected = exponentials.sum(axis=1) - CREEP_OFFSET
    np.testing.assert_allclose(crept_after(times), expected, rtol=0, atol=1e-14)


def test_creep_is_logarithmic():
    # 1.005 and 0.022 decades from 1 s to 3000 s, as the sum of six exponentials has it.
    times = np.geomspace(1.0, 3000.0, 2000)
    law, found = np.log10(times / CREEP_START_S), crept_after(times)
    slope, offset = np.polyfit(law, found, 1)
    assert 1 / slope == pytest.approx(1.0053, abs=2e-4)
    assert np.abs(found - (slope * law + offset)).max() < 0.0220
    # Without a fit: the law starts at t0, by the choice of the offset.
    assert np.abs(found - law).max() < 0.0266
    assert abs(crept_after([CREEP_START_S])[0]) < 0.0125


def test_creep_of_many_steps_adds_up():
    rng = np.random.default_rng(0)
    when, sizes = np.sort(rng.uniform(0.0, 500.0, 30)), rng.normal(0.0, 100.0, 30)
    creep, command, now = np.zeros(DECADES), 0.0, 0.0
    for t, size in zip(when, sizes, strict=True):
        advance_creep(t - now, command, command, creep)
        command, now = command + size, t
    found = advance_creep(600.0 - now, command, command, creep)
    expected = np.sum(sizes * crept_after(600.0 - when))
    assert found == pytest.approx(expected, abs=1e-10)


def test_creep_of_a_ramp_is_that_of_many_small_steps():
    creep = np.zeros(DECADES)
    found = advance_creep(50.0, 0.0, 1000.0, creep)
    middles = (np.arange(200_000) + 0.5) * 50.0 / 200_000
    exponentials = sum(np.exp(-(50.0 - middles) / (0.1 * 10.0**k)).mean() for k in range(DECADES))
    assert found == pytest.approx(1000.0 * (DECADES - exponentials - CREEP_OFFSET), abs=1e-6)


@pytest.mark.parametrize("dt", [1e-5, 1e-3, 0.7, 40.0, 3e4])
def test_slices_of_a_move_creep_to_the_same_place(dt):
    rng = np.random.default_rng(3)
    whole, sliced = np.full(DECADES, 7.0), np.full(DECADES, 7.0)
    cuts = np.concatenate([[0.0], np.sort(rng.uniform(0.0, 1.0, 300)), [1.0]])
    found = advance_creep(dt, -300.0, 500.0, whole)
    last = math.nan
    for a, b in itertools.pairwise(cuts):
        last = advance_creep((b - a) * dt, -300.0 + 800.0 * a, -300.0 + 800.0 * b, sliced)
    np.testing.assert_allclose(sliced, whole, rtol=0, atol=5e-11)
    assert last == pytest.approx(found, abs=1e-10)


def test_the_two_branches_of_the_update_meet():
    # Times just below and above the change of formula, 0.1 of each time constant.
    for k in range(DECADES):
        border = 0.1 * 0.1 * 10.0**k
        below, above = np.zeros(DECADES), np.zeros(DECADES)
        advance_creep(border * (1 - 1e-13), 0.0, 1.0, below)
        advance_creep(border * (1 + 1e-13), 0.0, 1.0, above)
        np.testing.assert_allclose(above, below, rtol=2e-12)


def sweep(turns, width, half_range=1.0, count=20_000):
    play = np.zeros(OPERATORS)
    command = np.concatenate(
        [np.linspace(a, b, count, endpoint=False) for a, b in itertools.pairwise(turns)]
        + [turns[-1:]]
    )
    return command, np.array([lag_hysteresis(u, half_range, width, play) for u in command])


def test_hysteresis_has_its_width_and_area():
    width, half_range = 0.15, 3.0
    command, position = sweep([0.0, 3.0, -3.0, 3.0], width, half_range)
    turn = np.argmin(command)
    down, up = slice(20_000, turn + 1), slice(turn, None)
    assert position[turn] == pytest.approx(-half_range, abs=1e-12)
    assert position[-1] == pytest.approx(half_range, abs=1e-12)
    high = np.interp(0.0, command[down][::-1], position[down][::-1])
    low = np.interp(0.0, command[up], position[up])
    thresholds, weight = half_range * np.arange(1, 5) / 8, 0.8 * width
    # On its way down from U a play stands at r when u is 0, if it has begun to move by then: for r
    # up to U / 2. The width is the sum of 2 weight r, and of 2 weight (U - r) for wider ones.
    assert high - low == pytest.approx(2 * weight * thresholds.sum(), rel=1e-6)
    assert high - low == pytest.approx(width * 2 * half_range, rel=1e-6)
    area = -np.trapezoid(position[20_000:], command[20_000:])
    expected = np.sum(weight * 2 * thresholds * (2 * half_range - 2 * thresholds))
    assert area == pytest.approx(expected, rel=1e-6)


def test_hysteresis_remembers_turns_only():
    coarse = sweep([0.0, 0.8, -0.5, 0.3, -0.9, 0.2], 0.1, count=1)
    fine = sweep([0.0, 0.8, -0.5, 0.3, -0.9, 0.2], 0.1, count=777)
    np.testing.assert_allclose(fine[1][::777], coarse[1], rtol=0, atol=1e-15)
    # A small loop within a large one is wiped out when the command passes its turns.
    plain = sweep([0.0, 1.0, -0.4, 1.0], 0.1, count=50)
    with_loop = sweep([0.0, 1.0, -0.4, 0.1, -0.2, 1.0], 0.1, count=50)
    assert with_loop[1][-1] == plain[1][-1]


def test_without_hysteresis_and_creep_a_scanner_obeys():
    state, perfect = allocate(PiezoState, 1, piezo_axes=3), HysteresisLoop(500.0, 0.0)
    for command in (10.0, -33.3, 250.0):
        assert move_piezo(0, 0, 1.0, command, perfect, state) == command


def creeping(coefficient, command=0.0):
    state = allocate(PiezoState, 1, piezo_axes=1)
    state.coefficient[:], state.command[:] = coefficient, command
    return state


def test_a_line_is_many_moves():
    n, dt, loop = 256, 0.5, HysteresisLoop(500.0, 0.1)
    a, b = creeping(0.03, -400.0), creeping(0.03, -400.0)
    out = np.empty(n)
    for line in range(4):
        start, stop = (-400.0, 400.0) if line % 2 == 0 else (400.0, -400.0)
        sweep_piezo(0, 0, dt, stop, loop, a, out)
        assert a.command[0, 0] == stop
        pace = (stop - start) / n
        for i in range(n):
            one = move_piezo(0, 0, dt / n, start + (i + 1) * pace, loop, b)
            assert out[i] == pytest.approx(one, abs=1e-10)
    np.testing.assert_allclose(a.creep, b.creep, rtol=0, atol=1e-10)
    whole, last = creeping(0.03, -400.0), math.nan
    for line in range(4):
        last = move_piezo(0, 0, dt, 400.0 if line % 2 == 0 else -400.0, loop, whole)
    assert last == pytest.approx(out[-1], abs=1e-10)


def test_trace_and_retrace_differ_by_the_hysteresis():
    n, state, loop = 100, creeping(0.0), HysteresisLoop(500.0, 0.1)
    trace, retrace = np.empty(n), np.empty(n)
    move_piezo(0, 0, 1.0, -500.0, loop, state)
    sweep_piezo(0, 0, 0.5, 500.0, loop, state, trace)
    sweep_piezo(0, 0, 0.5, -500.0, loop, state, retrace)
    apart = retrace[::-1][1:] - trace[:-1]
    # 10 % of the range in the middle, nothing at the ends.
    assert apart[n // 2 - 1] == pytest.approx(100.0, rel=1e-9)
    assert 0.0 <= apart[0] < 4.0


def test_at_rest_nothing_creeps():
    state, loop = creeping(0.05, 120.0), HysteresisLoop(500.0, 0.1)
    rest_piezo(120.0, state.creep[0, 0], state.play[0, 0])
    before = move_piezo(0, 0, 0.0, 120.0, loop, state)
    after = move_piezo(0, 0, 1e4, 120.0, loop, state)
    assert after == pytest.approx(before, abs=1e-12)


def test_levels_rise():
    for name in ("creep", "hysteresis"):
        values = [getattr(PIEZO_LEVELS[level], name) for level in ("off", "easy", "real", "hard")]
        assert values[0] == 0.0
        assert values == sorted(set(values))


@pytest.mark.parametrize(
    ("changed", "error", "message"),
    [
        ({"creep": -0.1}, ValueError, r"creep=-0.1 must be in \[0, 0.2\]"),
        ({"creep": math.nan}, ValueError, "creep=nan must be finite"),
        ({"hysteresis": 0.6}, ValueError, r"hysteresis=0.6 must be in \[0, 0.5\]"),
        ({"half_range_nm": 0.0}, ValueError, "half_range_nm=0.0 must be above zero"),
    ],
)
def test_bad_parameters(changed, error, message):
    with pytest.raises(error, match=message):
        PiezoParameters(**changed)
