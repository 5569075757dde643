"""Agents of MultiProbeJoint-v0: their order, their clearance, and choices in turn."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from microgym.agents import make_agent
from microgym.agents.core.registry import agent_names
from microgym.agents.multi_probe.network import MASK, TurnWrapper
from microgym.agents.multi_probe.references import (
    CELLS,
    RasterAgent,
    clear_cells,
    near_gains,
    short_path,
    team_plan,
)
from microgym.agents.ptycho.network import ExposureGridAdapter

ID = "MultiProbeJoint-v0"


def played(name: str, count: int, **arguments: Any) -> tuple[Any, Any]:
    """Returns and collisions of `count` episodes on validation specimens."""
    agent = make_agent(ID, name, arguments)
    env: Any = gym.make_vec(
        f"microgym:{ID}", count, split="validation", reveal=agent.uses_privileged_info,
        autoreset_mode="Disabled", **arguments,
    )  # fmt: skip
    seen, info = env.reset(seed=0)
    agent.reset(count, list(range(count)))
    total, collisions, live = np.zeros(count), np.zeros(count), np.ones(count, np.bool_)
    while live.any():
        seen, reward, terminated, truncated, info = env.step(agent.act(seen, info))
        total += np.where(live, reward, 0.0)
        collisions += np.where(live, info["cost_terms"]["collision"], 0.0)
        over = terminated | truncated
        live &= ~over
        if over.any() and live.any():
            seen, info = env.reset(options={"reset_mask": over})
    env.close()
    return total, collisions


def test_the_more_is_known_and_agreed_the_better():
    names = ("random", "raster", "independent", "expert", "trained", "oracle")
    assert set(names) <= set(agent_names(ID))
    found = {name: played(name, 32)[0] for name in names}
    means = [found[name].mean() for name in names]
    assert means == sorted(means)


@pytest.mark.parametrize("probes", [3, 4])
def test_experts_and_oracle_never_collide(probes):
    for name in ("raster", "expert", "oracle"):
        assert played(name, 4, probes=probes, exposures=4)[1].sum() == 0.0
    assert played("independent", 16, probes=probes, exposures=6)[1].sum() > 0.0


@pytest.mark.parametrize("probes", [2, 3, 4])
def test_plans_keep_the_clearance_and_take_each_position_once(probes):
    rng = np.random.default_rng(probes)
    points = rng.uniform(-1.0, 1.0, (10 * probes, 2))
    plan = team_plan(points, probes, 0.5)
    assert plan.shape == (10, probes, 2)
    apart = np.hypot(*np.moveaxis(plan[:, :, None] - plan[:, None], -1, 0))
    assert not (apart[:, ~np.eye(probes, dtype=np.bool_)] <= 0.5).any()
    taken = plan[~np.isnan(plan).any(axis=2)]
    assert len(taken) >= 0.9 * len(points)
    hits = (taken[:, None] == points).all(axis=2)
    assert (hits.sum(axis=0) <= 1).all()
    assert hits.any(axis=1).all()


def test_a_plan_without_room_leaves_gaps():
    """All positions lie within the clearance: only the first probe can take its own."""
    plan = team_plan(np.random.default_rng(0).uniform(0.0, 0.1, (12, 2)), 2, 0.5)
    assert np.isfinite(plan[:, 0]).all()
    assert np.isnan(plan[:, 1]).all()


def test_positions_that_are_close_change_places():
    """Two columns 0.4 apart: only those at different heights are clear, as reversed columns are."""
    y = np.arange(4) * 0.5
    points = np.concatenate([np.column_stack([y, 0.4 * k + 0.0 * y]) for k in range(2)])
    columns = points[:, ::-1] * np.array([10.0, 1.0])  # the longest axis divides the columns
    plan = team_plan(columns, 2, 4.02)
    assert np.isfinite(plan).all()
    assert (np.hypot(*(plan[:, 0] - plan[:, 1]).T) > 4.02).all()


def test_short_paths_go_on_to_the_nearest():
    line = np.column_stack([np.array([0.0, 3.0, 1.0, 2.0]), np.zeros(4)])
    np.testing.assert_array_equal(short_path(line)[:, 0], [0.0, 1.0, 2.0, 3.0])


def test_the_expert_prefers_near_places():
    gains = np.zeros((1, CELLS, CELLS))
    gains[0, 4, 4], gains[0, 28, 28] = 0.9, 1.0
    at = 2.0 * (np.array([[4.0, 4.0]]) + 0.5) / CELLS - 1.0
    assert near_gains(gains, at, 0.0).argmax() == 28 * CELLS + 28
    assert near_gains(gains, at, 0.3).argmax() == 4 * CELLS + 4


def test_far_cells_are_clear():
    far = RasterAgent().far_cells(np.zeros((1, 2)))[0]
    at = 128.0 * (np.arange(CELLS) + 0.5) / CELLS - 64.0
    distance = np.hypot(at[:, None], at[None])
    np.testing.assert_array_equal(far, distance > 33.0)


def test_choices_in_turn_are_the_joint_action():
    words: Any = {"autoreset_mode": "SameStep", "exposures": 3}
    turns = TurnWrapper(gym.make_vec(ID, 2, **words))
    joint = gym.make_vec(ID, 2, **words)
    seen, _ = turns.reset(seed=3)
    assert turns.observation_space.contains(seen)
    joint.reset(seed=3)
    choices = np.array([[20, 300], [200, 500]])
    first = turns.step(choices[0])
    assert not first[1].any()
    action = ExposureGridAdapter().adapt_action(choices.T)
    clear = clear_cells(action[:, 0, :2], 32.0, 16).reshape(2, 256)
    assert not clear.all()
    np.testing.assert_array_equal(first[0][MASK], clear)
    np.testing.assert_array_equal(first[0]["maps"], seen["maps"])
    state = turns.snapshot()
    second = turns.step(choices[1])
    expected = joint.step(action)
    np.testing.assert_array_equal(second[1], expected[1])
    np.testing.assert_array_equal(second[0]["maps"], expected[0]["maps"][:, 0, :5])
    turns.restore(state)
    np.testing.assert_array_equal(turns.step(choices[1])[1], second[1])


def test_the_trained_team_takes_one_observation_or_many():
    agent = make_agent(ID, "trained")
    env: Any = gym.make(ID)
    seen, info = env.reset(seed=5)
    agent.reset()
    single = agent.act(seen, info)
    assert single in env.action_space
    agent.reset(2)
    many = agent.act({name: np.stack([part, part]) for name, part in seen.items()}, {})
    np.testing.assert_array_equal(many, np.stack([single, single]))
    with pytest.raises(ValueError, match="maps"):
        agent.act({"maps": np.zeros((2, 3)), "numbers": seen["numbers"]}, {})
