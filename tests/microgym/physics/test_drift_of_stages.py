"""The stage: its levels, backlash and jitter, and weather that no action changes."""

import math

import numpy as np
import pytest

from microgym.instruments.ptychography.settings import STAGE_LEVELS
from microgym.physics.drift import (
    DriftParameters,
    DriftState,
    advance_drift,
    exposure_position,
    move_stage,
    start_drift,
)
from microgym.state import allocate


def start(parameters, count=1, seed=0):
    state = allocate(DriftState, count, drift_axes=2)
    for b in range(count):
        start_drift(b, seed, b, parameters.rates, state)
    return state


def advance(state, parameters, dt, seed=0):
    for b in range(state.drift.shape[0]):
        advance_drift(b, seed, b, dt, parameters.rates, state)


def test_perfect_stage_stays():
    off, play, position = STAGE_LEVELS["off"], np.array([1.0, 2.0]), np.empty(2)
    state = start(off)
    advance(state, off, 1000.0)
    np.testing.assert_array_equal(state.drift, 0.0)
    move_stage(3.0, 4.0, off.backlash, play)
    exposure_position(1, 2, 3, off.jitter, play, state.drift[0], position)
    np.testing.assert_array_equal(position, [3.0, 4.0])


def test_drawn_drift_has_every_direction_and_the_stated_speed():
    parameters = DriftParameters(speed=2.0, settling=3.0)
    state = start(parameters, count=2000)
    for drawn, mean in ((state.velocity, 2.0), (state.settling, 3.0)):
        size = np.hypot(*drawn.T)
        assert size.min() >= 0.5 * mean
        assert size.max() <= 1.5 * mean
        assert size.mean() == pytest.approx(mean, abs=4 * mean / math.sqrt(12 * 2000))
        direction = (drawn / size[:, None]).mean(axis=0)
        assert np.abs(direction).max() < 4 / math.sqrt(2 * 2000)
    assert abs(np.corrcoef(state.velocity[:, 0], state.settling[:, 0])[0, 1]) < 0.1


HARD = STAGE_LEVELS["hard"]


@pytest.mark.parametrize("seed", [1, 2])
def test_slicing_of_time_changes_nothing(seed):
    whole, sliced = start(HARD, seed=seed), start(HARD, seed=seed)
    advance(whole, HARD, 97.3, seed)
    rng = np.random.default_rng(seed)
    cuts = np.sort(rng.uniform(0.0, 97.3, 400))
    for dt in np.diff(np.concatenate([[0.0], cuts, [97.3]])):
        advance(sliced, HARD, dt, seed)
    np.testing.assert_allclose(sliced.drift, whole.drift, rtol=0, atol=1e-12)
    np.testing.assert_array_equal(sliced.wander, whole.wander)
    np.testing.assert_array_equal(sliced.clock[:, 1], whole.clock[:, 1])


def test_dyadic_slices_wander_to_the_same_bits():
    parameters = DriftParameters(wander=1.0, wander_time_s=30.0, cell_time_s=0.25)
    whole, sliced = start(parameters), start(parameters)
    advance(whole, parameters, 64.0)
    for dt in [0.0, 0.125, 0.125, 0.25, 0.5, 1.0, 30.0, 0.0, 32.0]:
        advance(sliced, parameters, dt)
    np.testing.assert_array_equal(sliced.drift, whole.drift)


def test_actions_do_not_change_the_weather():
    still, busy = start(HARD, seed=7), start(HARD, seed=7)
    position, play = np.empty(2), np.zeros(2)
    for step in range(40):
        advance(still, HARD, 1.5, 7)
        for dt in (0.5, 0.25, 0.75):
            move_stage(float(step), -3.0 * step, HARD.backlash, play)
            exposure_position(7, 8, step, HARD.jitter, play, busy.drift[0], position)
            advance(busy, HARD, dt, 7)
        np.testing.assert_allclose(busy.drift, still.drift, rtol=0, atol=1e-12)


def test_intervention_on_wandering_leaves_the_rest():
    quiet = DriftParameters(speed=0.1, settling=1.0)
    windy = DriftParameters(speed=0.1, settling=1.0, wander=1.0)
    a, b = start(quiet), start(windy)
    advance(a, quiet, 60.0)
    advance(b, windy, 60.0)
    np.testing.assert_array_equal(a.moved, b.moved)
    assert not np.allclose(a.drift, b.drift)


def test_backlash_lags_by_half_the_gap():
    play = np.zeros(2)
    move_stage(10.0, -10.0, 1.0, play)
    np.testing.assert_array_equal(play, [9.5, -9.5])
    move_stage(9.2, -9.0, 1.0, play)
    np.testing.assert_array_equal(play, [9.5, -9.5])
    move_stage(5.0, -5.0, 1.0, play)
    np.testing.assert_array_equal(play, [5.5, -5.5])


def test_backlash_loop_has_its_area():
    # A full cycle of amplitude a encloses gap * (2 a - gap) on each side of the play operator.
    play, gap, amplitude = np.zeros(2), 1.0, 4.0
    angle = np.linspace(0, 2 * math.pi, 20001)
    command = amplitude * np.sin(angle)
    actual = np.empty(2 * command.size)
    for k, u in enumerate(np.concatenate([command, command])):
        move_stage(u, 0.0, gap, play)
        actual[k] = play[0]
    actual = actual[command.size :]
    area = abs(np.trapezoid(actual, command))
    assert area == pytest.approx(gap * (2 * amplitude - gap), rel=1e-3)


def test_no_backlash_follows():
    play = np.zeros(2)
    move_stage(1.25, -7.5, 0.0, play)
    np.testing.assert_array_equal(play, [1.25, -7.5])


def test_position_adds_up():
    position = np.empty(2)
    exposure_position(1, 2, 3, 0.0, np.array([5.0, 6.0]), np.array([0.25, -0.5]), position)
    np.testing.assert_array_equal(position, [5.25, 5.5])


def test_jitter_is_normal_and_new_for_every_exposure():
    positions = np.empty((5000, 2))
    for tick in range(5000):
        exposure_position(1, 2, tick, 0.3, np.zeros(2), np.zeros(2), positions[tick])
    assert np.abs(positions.mean(axis=0)).max() < 4 * 0.3 / math.sqrt(5000)
    assert positions.var() == pytest.approx(0.09, abs=4 * 0.09 * math.sqrt(2 / 10000))
    assert abs(np.corrcoef(positions[:-1, 0], positions[1:, 0])[0, 1]) < 4 / math.sqrt(5000)


def test_levels_grow():
    order = [STAGE_LEVELS[name] for name in ("off", "easy", "real", "hard")]
    for name in ("speed", "settling", "wander", "backlash", "jitter"):
        values = [getattr(level, name) for level in order]
        assert values == sorted(values)
        assert values[0] == 0.0 < values[1]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("speed", -1.0),
        ("settling_time_s", 0.0),
        ("wander", math.nan),
        ("wander_time_s", -1.0),
        ("backlash", math.inf),
        ("jitter", -0.1),
    ],
)
def test_parameters_refuse(name, value):
    with pytest.raises(ValueError, match=name):
        DriftParameters(**{name: value})


def test_levels_are_in_pixels():
    assert {level.length_unit for level in STAGE_LEVELS.values()} == {"px"}
    with pytest.raises(
        ValueError, match=r"length_unit='um' must be one of \('nm', 'px', 'cells'\)"
    ):
        DriftParameters(length_unit="um")


def test_parameters_take_numbers_only():
    with pytest.raises(TypeError, match="jitter"):
        DriftParameters(jitter=None)  # pyright: ignore[reportArgumentType]
