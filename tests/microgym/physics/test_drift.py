"""Drift: its laws, the moments of wandering, and the same path however time is sliced."""

import itertools
import math

import numpy as np
import pytest

from microgym.physics.drift import (
    AMBIENT_DRIFT,
    DriftParameters,
    DriftState,
    advance_drift,
    disturb_settling,
    start_drift,
)
from microgym.state import allocate

HARD = AMBIENT_DRIFT["hard"]


def start(parameters, count=1, seed=0, axes=3):
    state = allocate(DriftState, count, drift_axes=axes)
    for b in range(count):
        start_drift(b, seed, b, parameters.rates, state)
    return state


def advance(state, parameters, dt, seed=0):
    for b in range(state.drift.shape[0]):
        advance_drift(b, seed, b, dt, parameters.rates, state)


@pytest.mark.parametrize("axes", [2, 3])
def test_linear_drift(axes):
    parameters = DriftParameters(speed=0.1)
    state = start(parameters, axes=axes)
    velocity = state.velocity.copy()
    advance(state, parameters, 50.0)
    np.testing.assert_allclose(state.drift, 50.0 * velocity, rtol=1e-14)
    assert 0.05 <= math.hypot(*velocity[0, :2]) <= 0.15


def test_settling_is_exponential():
    # x += v1 tau (exp(-t / tau) - exp(-(t + dt) / tau)), with v1 tau the distance to settle.
    parameters = DriftParameters(settling=90.0, settling_time_s=600.0)
    state = start(parameters)
    whole = state.settling.copy()
    for t in (0.0, 450.0, 1000.0):
        before = state.drift.copy()
        dt = 450.0 if t == 0.0 else 550.0
        advance(state, parameters, dt)
        expected = whole * (math.exp(-t / 600.0) - math.exp(-(t + dt) / 600.0))
        np.testing.assert_allclose(state.drift - before, expected, rtol=1e-12)
    advance(state, parameters, 1e5)
    np.testing.assert_allclose(state.drift, whole, rtol=1e-13)


def test_the_plane_and_the_height_drift_by_sizes_of_their_own():
    state = start(DriftParameters(speed=2.0, settling=3.0), count=2000)
    plane = start(DriftParameters(speed=2.0, settling=3.0), count=2000, axes=2)
    np.testing.assert_array_equal(state.velocity[:, :2], plane.velocity)
    for drawn, mean in ((state.velocity, 2.0), (state.settling, 3.0)):
        for size in (np.hypot(drawn[:, 0], drawn[:, 1]), np.abs(drawn[:, 2])):
            assert 0.5 * mean <= size.min() < size.max() <= 1.5 * mean
            assert size.mean() == pytest.approx(mean, abs=4 * mean / math.sqrt(12 * 2000))
        assert abs(np.mean(np.sign(drawn[:, 2]))) < 4 / math.sqrt(2000)
    together = np.corrcoef(np.hstack([state.velocity, state.settling]).T) - np.eye(6)
    assert np.abs(together).max() < 4.5 / math.sqrt(2000)


def test_moments_of_wandering():
    # The variance of an Ornstein-Uhlenbeck process, and its correlation of 1/e after its time.
    # Cells may be long here: the process is exact at their borders.
    parameters = DriftParameters(wander=0.5, wander_time_s=2.0, cell_time_s=0.5)
    state = start(parameters)
    count = 120_000
    path = np.empty((count, 3))
    advance(state, parameters, 40.0)
    for i in range(count):
        advance(state, parameters, 2.0)
        path[i] = state.drift[0]
    # 3.6e5 numbers whose squares have the correlation exp(-2) one after the other.
    spread = math.sqrt(2 * (1 + math.exp(-2)) / (1 - math.exp(-2)) / path.size)
    assert 4 * spread < 0.0115
    assert np.mean(path**2) / 0.25 == pytest.approx(1.0, abs=0.01)
    after = np.mean(path[1:] * path[:-1]) / 0.25
    assert after == pytest.approx(math.exp(-1), abs=0.01)
    assert abs(np.corrcoef(path.T) - np.eye(3)).max() < 0.012


def test_wandering_starts_from_rest():
    parameters = DriftParameters(wander=2.0, wander_time_s=30.0)
    count = 4000
    state = start(parameters, count, axes=2)
    for dt, t in ((10.0, 10.0), (30.0, 40.0), (160.0, 200.0)):
        advance(state, parameters, dt)
        expected = 4.0 * (1 - math.exp(-2 * t / 30.0))
        error = 4 * expected * math.sqrt(2 / (2 * count))
        assert np.var(state.drift) == pytest.approx(expected, abs=error)
        assert abs(state.drift.mean()) < 4 * math.sqrt(expected / (2 * count))


def test_wandering_is_continuous():
    parameters = DriftParameters(wander=1.0, wander_time_s=30.0)
    state = start(parameters)
    before = state.drift.copy()
    largest = 0.0
    for _ in range(4000):
        advance(state, parameters, 0.01)
        largest = max(largest, float(np.abs(state.drift - before).max()))
        before = state.drift.copy()
    # A cell of 100 such steps moves by sqrt(2 / 30) = 0.26 (one deviation).
    assert 0.0 < largest < 5 * math.sqrt(2 / 30.0) / 100


def test_between_borders_wandering_loses_no_more_than_is_said():
    parameters = DriftParameters(wander=1.0, wander_time_s=2.0, cell_time_s=0.5)
    state = start(parameters, 20_000, axes=2)
    advance(state, parameters, 20.25)
    # Midway between two numbers of correlation exp(-1/4): (1 + exp(-1/4)) / 2.
    found = np.mean(state.drift**2)
    assert found == pytest.approx(0.5 * (1 + math.exp(-0.25)), abs=4.5 * math.sqrt(2 / 40_000))
    assert 1 - 0.5 * (1 + math.exp(-0.25)) < 0.5 / (2 * 2.0)


def test_a_long_wait_wanders_to_where_short_ones_do():
    parameters = DriftParameters(wander=1.0, wander_time_s=2.0, cell_time_s=0.25)
    whole, sliced = start(parameters), start(parameters)
    advance(whole, parameters, 3600.0)
    for _ in range(36):
        advance(sliced, parameters, 100.0)
    np.testing.assert_allclose(whole.drift, sliced.drift, rtol=0, atol=1e-15)
    np.testing.assert_array_equal(whole.clock, sliced.clock)


@pytest.mark.parametrize("seed", [1, 2])
def test_slicing_of_time_changes_nothing(seed):
    whole, sliced = start(HARD, seed=seed), start(HARD, seed=seed)
    rng = np.random.default_rng(seed)
    for move in range(1, 4):
        advance(whole, HARD, 97.3, seed)
        cuts = np.sort(rng.uniform(0.0, 97.3, 400))
        for dt in np.diff(np.concatenate([[0.0], cuts, [97.3]])):
            advance(sliced, HARD, dt, seed)
        for state in (whole, sliced):
            disturb_settling(seed, 0, move, HARD.settling, state.settling[0])
    np.testing.assert_allclose(sliced.drift, whole.drift, rtol=0, atol=1e-9)
    np.testing.assert_allclose(sliced.settling, whole.settling, rtol=1e-12)
    np.testing.assert_array_equal(sliced.wander, whole.wander)
    np.testing.assert_array_equal(sliced.clock[:, 1], whole.clock[:, 1])


def test_a_disturbance_adds_and_does_not_depend_on_when():
    state = start(HARD, count=3)
    early, late = state.settling.copy(), state.settling.copy()
    for b in range(3):
        disturb_settling(0, b, 1, 90.0, early[b])
    kicks = early - state.settling
    size = np.hypot(kicks[:, 0], kicks[:, 1])
    assert 45.0 <= size.min() < size.max() <= 135.0
    late *= 0.5
    for b in range(3):
        disturb_settling(0, b, 1, 90.0, late[b])
    np.testing.assert_allclose(late - 0.5 * state.settling, kicks, rtol=1e-12)
    again = early.copy()
    for b in range(3):
        disturb_settling(0, b, 2, 90.0, again[b])
    assert np.abs((again - early) / kicks - 1.0).min() > 1e-6
    nothing = early.copy()
    disturb_settling(0, 0, 3, 0.0, nothing[0])
    np.testing.assert_array_equal(nothing, early)


def test_levels_are_off_and_then_rise():
    levels = AMBIENT_DRIFT
    state = start(levels["off"])
    advance(state, levels["off"], 1000.0)
    np.testing.assert_array_equal(state.drift, 0.0)
    rising = [levels[name] for name in ("off", "easy", "real", "hard")]
    for lower, higher in itertools.pairwise(rising):
        assert lower.speed < higher.speed
        assert lower.settling < higher.settling
        assert lower.wander < higher.wander
    # Settling begins three times as fast as the drift goes on.
    for one in rising[1:3]:
        fast = one.settling / one.settling_time_s
        assert fast == pytest.approx(3 * one.speed, rel=0.02)
    assert 1.0 <= 60 * levels["real"].speed <= 10.0


@pytest.mark.parametrize(
    ("changed", "error", "message"),
    [
        ({"speed": -1.0}, ValueError, "speed=-1.0 must be at least 0"),
        ({"settling_time_s": 0.0}, ValueError, "settling_time_s=0.0 must be above zero"),
        ({"wander": math.nan}, ValueError, "wander=nan must be finite"),
        ({"cell_time_s": 0.0}, ValueError, "cell_time_s=0.0 must be above zero"),
        ({"wander_time_s": "1"}, TypeError, "wander_time_s must be a real number"),
    ],
)
def test_bad_parameters(changed, error, message):
    with pytest.raises(error, match=message):
        DriftParameters(**changed)
