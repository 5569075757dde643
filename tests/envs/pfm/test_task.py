"""PFM-v0: what is seen, done and paid for."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from microgym import metrics
from microgym.envs.core.comparison import assert_same
from microgym.envs.core.testing import check_snapshot
from microgym.envs.pfm.task import (
    COMPLETE,
    GRID,
    GRID_VOLTS,
    PFMTask,
)
from tests.envs.pfm.helpers import (
    QUIET,
    action,
    make,
    play,
    task_of,
    wander,
)

TERMS = tuple(PFMTask.REWARD)
RESPONSE, WANTED, FRESH, RAISED, LOWERED = range(5)


# --- what is done --------------------------------------------------------------------------------


@pytest.mark.parametrize("look", [False, True])
def test_a_grid_action_is_the_continuous_one_at_the_cells_centre(look):
    free, grid = (make(action=name, time_budget_s=99.0) for name in ("continuous", "grid"))
    for level, volts in enumerate(GRID_VOLTS):
        cell = 5 * GRID + 2 + level
        free.step(action(4 * 5 + 1.5, 4 * (2 + level) + 1.5, volts, look=look))
        grid.step((2 * level + look) * GRID * GRID + cell)
    one, other = task_of(free), task_of(grid)
    assert one.instrument.state.p == pytest.approx(other.instrument.state.p, abs=1e-5)
    assert one.instrument.state.ledger.time_s == pytest.approx(other.instrument.state.ledger.time_s)
    assert one.instrument.state.images[0] == other.instrument.state.images[0] == 3 * look


@pytest.mark.parametrize(("length", "seconds"), [(-1.0, 1e-4), (-0.5, 1e-3), (0.0, 1e-2), (1.0, 1)])
def test_pulse_lengths_are_logarithmic(length, seconds):
    env = make()
    _, _, _, _, info = env.step(np.array([0.0, 0.0, 0.5, length, -1.0], np.float32))
    assert info["ledger"]["dose"] == pytest.approx(5.0 * seconds, rel=1e-6)
    assert info["ledger"]["time_s"] == pytest.approx(0.5 + seconds, rel=1e-6)


@pytest.mark.parametrize(("y", "x"), [(-1.0, 1.0), (0.25, -0.5)])
def test_actions_span_the_film(y, x):
    env = make()
    env.step(np.array([y, x, 0.5, 0.0, -1.0], np.float32))
    place = task_of(env).instrument.state.place[0]
    assert place == pytest.approx([31.5 * (y + 1.0), 31.5 * (x + 1.0)], abs=1e-4)


def test_masks_tell_what_was_done_since_the_last_look():
    env = make(action="grid")
    info = env.reset(seed=1)[1]
    assert info["action_mask"].all()
    assert info["action_mask"].shape == (GRID * GRID * len(GRID_VOLTS) * 2,)
    env.step(70)
    env.step(600)
    masks = env.action_masks()
    assert np.flatnonzero(~masks).tolist() == [70, 600]
    env.step(GRID * GRID + 3)
    assert env.action_masks().all(), "it was looked"


def test_an_episode_ends_when_pulses_are_used_up():
    ends = [step[2] for step in play(make(pulses=3), wander(3))]
    assert ends == [False, False, True]


def test_an_episode_ends_when_time_is_used_up():
    env = make(pulses=50, time_budget_s=9.0)
    assert not env.step(action(20, 20))[2]
    assert env.step(action(20, 20, look=True))[2]


def test_an_episode_ends_when_the_pattern_is_written():
    env = make(pulses=50)
    task = task_of(env)
    task.instrument.state.p[0] = np.where(task.state.target[0] > 0, 1.0, -1.0)
    _, _, ended, _, info = env.step(action(2, 2, 0.0))
    assert info["metrics"]["agreement"] >= COMPLETE
    assert ended


def test_a_breakdown_is_a_cost_and_the_end():
    costs: list[float] = []
    for seed in range(12):
        env = make(seed, tip="hard", pulses=50)
        for _ in range(8):
            _, _, ended, _, info = env.step(action(32, 32, 10.0))
            costs.append(info["cost"])
            assert ended == bool(info["cost"])
            assert info["cost_terms"] == {"breakdown": info["cost"]}
            if ended:
                break
    assert set(costs) == {0.0, 1.0}


# --- what is paid --------------------------------------------------------------------------------


def test_agreement_is_the_jaccard_index():
    env = make(disorder="real", pulses=20)
    task = task_of(env)
    for one in wander(6):
        info = env.step(one)[4]
        up = task.instrument.state.p[0] > 0.0
        expected = float(metrics.jaccard(up, task.state.target[0] > 0))
        assert info["metrics"]["agreement"] == pytest.approx(expected, abs=1e-12)
        wanted = task.state.target[0].sum()
        assert info["metrics"]["written"] == pytest.approx(
            (up & (task.state.target[0] > 0)).sum() / wanted
        )
        assert info["metrics"]["spilt"] == pytest.approx(
            (up & (task.state.target[0] == 0)).sum() / wanted
        )


def test_terms_add_up_to_figures_of_the_end():
    env = make(None, disorder="real", heat="easy", pulses=5, time_budget_s=60.0)
    start = env.reset(seed=3)[1]["metrics"]["agreement"]
    steps = play(env, wander(5, look=True))
    total = {name: sum(step[4]["reward_terms"][name] for step in steps) for name in TERMS}
    info = steps[-1][4]
    assert total["agreement"] == pytest.approx(info["metrics"]["agreement"] - start)
    assert total["time"] == pytest.approx(-info["ledger"]["time_s"] / 60.0)
    assert total["damage"] < 0.0
    weights = env.reward_weights
    assert sum(step[1] for step in steps) == pytest.approx(
        sum(w * total[n] for w, n in zip(weights, TERMS, strict=True))
    )


def test_writing_in_the_pattern_is_worth_more_than_beside_it():
    rewards: dict[bool, float] = {}
    for inside in (True, False):
        env = make(5)
        target = task_of(env).state.target[0] > 0
        places = np.argwhere(target if inside else ~target)
        middle = places[np.argmin(np.abs(places - places.mean(axis=0)).sum(axis=1))]
        if not inside:
            middle = (3, 3)
        rewards[inside] = float(env.step(action(*middle, 8.0))[1])
    assert rewards[True] > 0.02 > 0.0 > rewards[False]


@pytest.mark.parametrize("weights", [{"agreement": 3.0}, {"time": 0.0, "damage": 2.0}])
def test_reward_is_the_weighted_sum_of_its_terms(weights):
    env = make(reward_weights=weights, disorder="real")
    vector = make(reward_weights=weights, disorder="real", reward_mode="vector")
    for one in wander(3):
        total, terms = env.step(one)[1], vector.step(one)[1]
        assert terms.shape == (4,)
        assert total == pytest.approx(terms @ env.reward_weights)


def test_breaking_the_film_is_worse_than_waiting():
    broken, waiting = make(tip="hard", pulses=16), make(tip="hard", pulses=16)
    lost = sum(step[1] for step in play(broken, [action(5, 5, 10.0, 2.0)] * 1))
    idle = sum(step[1] for step in play(waiting, [action(32, 32, 0.0)] * 16))
    assert task_of(broken).state.broken[0] == 1.0
    assert lost < idle - 0.3


# --- chance and intervention ---------------------------------------------------------------------


def test_films_follow_seed_split_and_family_and_nothing_else():
    def film(**arguments: Any) -> bytes:
        return task_of(make(3, **arguments)).instrument.state.imprint[0].tobytes()

    assert film() == film(pulses=7, drift="hard", action="grid", pattern="islands")
    others = [film(split="test"), film(split="validation"), film(specimen="grains")]
    assert len({film(), *others}) == 4


def test_drift_is_the_same_whatever_is_decided():
    paths: list[Any] = []
    for seed in (0, 1):
        env = make(2, drift="hard", pulses=20)
        # Of the same length in time, at other places.
        for y, x, *_ in wander(5, seed):
            env.step(np.array([0.1 * y, 0.1 * x, seed, 0.0, -1.0], np.float32))
        drift = task_of(env).instrument.state.drift
        paths.append((drift.velocity.copy(), drift.settling.copy()))
    assert_same(paths[0][0], paths[1][0])


def test_interventions_set_drift_and_disorder():
    env = make(disorder="real", drift="off")
    env.intervene(drift_velocity_cells_s=(0.5, -1.0), disorder=0.0)
    env.step(action(30, 30, 8.0))
    instrument = task_of(env).instrument
    assert instrument.state.strength[0] == 0.0
    elapsed = instrument.state.ledger.time_s[0] - 0.01
    assert instrument.state.place[0] - instrument.state.command[0] == pytest.approx(
        np.array([0.5, -1.0]) * elapsed
    )
    calm, wild = make(disorder="real"), make(disorder="real")
    calm.intervene(disorder=0.0)
    wild.intervene(disorder=3.0)
    for one in (calm, wild):
        play(one, [action(30, 30, 8.0)] * 2)
    assert not np.array_equal(task_of(calm).instrument.state.p, task_of(wild).instrument.state.p)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"disorder": -0.1}, r"disorder=-0.1 must be in \[0, 3\]"),
        ({"disorder": np.nan}, "disorder=nan must be finite"),
        ({"disorder": [1.0, 2.0]}, r"disorder=.* must be numbers of shape \(\) or \(1,\)"),
        ({"settling_cells": [1.0, 2.0, 3.0]}, r"settling_cells=.* must be numbers of shape \(2,\)"),
        ({"settling_cells": 1.0, "settling": 2.0}, "unknown intervention 'settling'"),
    ],
)
def test_bad_interventions_change_nothing(values, message):
    env = make(drift="real")
    before = task_of(env).snapshot()
    with pytest.raises(ValueError, match=message):
        env.intervene(**values)
    assert_same(task_of(env).snapshot(), before)


def test_snapshots_hold_the_middle_of_an_episode():
    check_snapshot("microgym:PFM-v0", pulses=8, drift="hard", tip="real")
    check_snapshot("microgym:PFMLoop-v0", pulses=5)


# --- bad input -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (
            {"specimens": "mixed"},
            TypeError,
            r"unexpected keyword argument 'specimens'; known are .*'specimen'",
        ),
        ({"specimen": "sparse"}, ValueError, "unknown specimen family 'sparse': choose one of"),
        ({"specimen": "twins"}, ValueError, "'twins' is held out from split 'train'"),
        ({"pattern": "frames"}, ValueError, "'frames' is held out from split 'train'"),
        ({"split": "dev"}, ValueError, r"split='dev' must be one of \('train', "),
        ({"pulses": 0}, ValueError, r"pulses=0 must be in \[1, 400\]"),
        ({"pulses": 2.5}, TypeError, "pulses must be an integer, not 2.5"),
        ({"time_budget_s": 0.0}, ValueError, "time_budget_s=0.0 must be above zero"),
        ({"time_budget_s": np.inf}, ValueError, "time_budget_s=inf must be finite"),
        ({"observation": "huge"}, ValueError, "observation='huge' must be one of"),
        ({"action": "polar"}, ValueError, "action='polar' must be one of"),
        ({"drift": "awful"}, ValueError, "drift='awful' must be one of"),
        ({"heat": None}, ValueError, "heat=None must be one of"),
        ({"reveal": 1}, TypeError, "reveal must be True or False, got 1"),
        ({"reward_mode": "matrix"}, ValueError, "reward_mode='matrix' must be one of"),
        ({"reward_weights": {"dose": 1.0}}, ValueError, "unknown reward terms dose; known are"),
        ({"optics": {"wavelength_m": 1.0}}, ValueError, "optics='wavelength_m' must be one of"),
        (
            {"optics": {"dead_time_s": 1e15}},
            ValueError,
            r"dead_time_s=1000000000000000.0 must be in \[0, 1",
        ),
        ({"optics": {"image_s": -1.0}}, ValueError, "image_s=-1.0 must be above zero"),
        ({"optics": {"tip_cells": 40.0}}, ValueError, "tip_cells=40.0 must be at most 12"),
        ({"optics": 3}, TypeError, "optics must map names to numbers, got 3"),
    ],
)
def test_impossible_arguments_are_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        gym.make("microgym:PFM-v0", **arguments)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (np.zeros(3, np.float32), "shape"),
        (np.full(5, np.nan, np.float32), "NaN"),
        (np.array([0, 0, 2.0, 0, 0], np.float32), "1"),
    ],
)
def test_impossible_actions_change_nothing(bad, message):
    env = make()
    before = task_of(env).snapshot()
    with pytest.raises((ValueError, TypeError), match=message):
        env.step(bad)
    assert_same(task_of(env).snapshot(), before)


def test_optics_change_the_instrument():
    fast = make(optics={"image_s": 2.0, "tip_cells": 5.0})
    info = fast.step(action(30, 30, look=True))[4]
    assert info["ledger"]["time_s"] == pytest.approx(
        2.0 + 0.5 + 0.01 + np.sqrt(4.5) / 100.0, abs=1e-6
    )
    assert task_of(fast).instrument.settings.tip_cells == 5.0
    assert set(QUIET) == {"drift", "disorder", "tip", "readout", "heat", "pulses"}
