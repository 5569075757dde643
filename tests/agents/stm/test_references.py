"""Reference policies of STM-v0: geometry of rows, expert, oracle, conditioning."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from microgym.agents.core.registry import make_agent
from microgym.agents.stm.oracle import OracleAgent, drags_left
from microgym.agents.stm.references import (
    ROWS,
    ExpertAgent,
    ExpertConfig,
    RandomAgent,
    legs,
    movers_for,
    side_of_row,
    snapped,
)
from microgym.agents.stm.tip_references import TipExpertAgent, TipOracleAgent, TipRandomAgent
from microgym.baselines.evaluation.env_config import EnvironmentConfig
from microgym.baselines.evaluation.evaluate import evaluate_all
from microgym.envs.stm.tip_task import ACCEPT, DIP, LOOK, MOVE, PULSE
from microgym.physics.adatoms import LATTICE_NM, nearest_site, site_place

QUIET: dict[str, Any] = {"drift": "off", "tip": "off", "noise": "off"}


# --- geometry ------------------------------------------------------------------------------------


def test_legs_add_up_to_the_way():
    ways = np.random.default_rng(0).uniform(-3.0, 3.0, (200, 2))
    number, longer, shorter = legs(ways)
    assert (longer >= shorter).all()
    assert (shorter >= -1e-9).all()
    for way, k, p, q in zip(ways, number, longer, shorter, strict=True):
        rests = [p * ROWS[k] + q * ROWS[(k + turn) % 6] - way for turn in (1, -1)]
        assert min(np.hypot(*rest) for rest in rests) < 1e-9
    assert drags_left(np.zeros((1, 2))).tolist() == [0.0]
    assert drags_left(np.array([[1.0, 0.0], [1.0, 0.8], [2.5, 0.0]])).tolist() == [1.0, 2.0, 2.0]


def test_the_other_hollows_of_a_row_are_on_the_side_that_is_told():
    for s, hollow in ((0, -1.0), (1, 1.0)):
        here = np.array(site_place(0, 0, s, LATTICE_NM))
        for row in range(6):
            left = np.array([-ROWS[row, 1], ROWS[row, 0]])
            side = side_of_row(np.array([hollow]), np.array([row]))[0]
            ahead = here + 0.5 * LATTICE_NM * ROWS[row] + side * LATTICE_NM / (2 * 3**0.5) * left
            there = np.array(site_place(*nearest_site(*ahead, LATTICE_NM), LATTICE_NM))
            assert ahead == pytest.approx(there, abs=1e-9)


@pytest.mark.parametrize("hollow", [-1.0, 1.0])
def test_measured_places_snap_to_hollows(hollow):
    rng = np.random.default_rng(1)
    target = np.array(site_place(0, 0, 0 if hollow < 0 else 1, LATTICE_NM))
    for _ in range(100):
        site = (int(rng.integers(-8, 9)), int(rng.integers(-8, 9)), int(rng.integers(2)))
        place = np.array(site_place(*site, LATTICE_NM))
        measured = place + rng.uniform(-0.03, 0.03, 2)
        way, kind = snapped((target - measured)[None], np.array([hollow]))
        assert way[0] == pytest.approx(target - place, abs=1e-9)
        assert kind[0] == 2 * site[2] - 1


# --- who moves adatoms ---------------------------------------------------------------------------


def played(
    agents: dict[str, Any], episodes: int = 12, env_id: str = "STM-v0", **arguments: Any
) -> dict[str, Any]:
    return evaluate_all(
        EnvironmentConfig(env_id, "validation", None, arguments),
        agents,
        episodes=episodes,
        num_envs=12,
    )


def test_the_expert_needs_no_luck_where_nothing_is_hidden():
    found = played({"expert": ExpertAgent()}, **QUIET)["expert"]
    assert found.metrics["placed"].mean() > 0.9
    assert np.median(found.lengths) <= 3


@pytest.mark.parametrize("env_id", ["STM-v0", "STMBuild-v0"])
def test_the_oracle_is_better_than_the_expert_and_that_than_chance(env_id):
    movers = movers_for(env_id, {})
    agents = {
        "random": RandomAgent(movers),
        "expert": ExpertAgent(movers),
        "oracle": OracleAgent(movers),
    }
    found = played(agents, env_id=env_id)
    returns = [found[name].returns.mean() for name in agents]
    assert returns == sorted(returns)
    assert found["oracle"].metrics["placed"].mean() > 0.9


def test_the_expert_goes_further_after_a_failure():
    env: Any = gym.make_vec("STM-v0", 1, **QUIET)
    observation, info = env.reset(seed=3)
    agent = ExpertAgent(1, ExpertConfig(conductance=-1.0))
    agent.reset(1, [0])
    first = agent.act(observation, info)
    behind = observation.copy()
    told = 8
    behind[0, told + 7] = 1.0  # landed
    behind[0, told + 8 : told + 10] = -first[0, 2:4] * 2.0  # far behind the drag's end
    behind[0, told + 10 : told + 17] = first[0]
    second = agent.act(np.clip(behind, -1, 1), info)
    assert np.hypot(*second[0, 2:4]) > np.hypot(*first[0, 2:4])
    agent.reset_rows(np.array([True]))
    assert agent.act(observation, info) == pytest.approx(first)


def test_the_expert_foresees_drift():
    env: Any = gym.make_vec("STM-v0", 1, **QUIET)
    observation, info = env.reset(seed=3)
    agent = ExpertAgent()
    agent.reset(1, [0])
    still = agent.act(observation, info)
    moving = observation.copy()
    moving[0, 8 + 1] = 0.2  # 0.1 nm along x since the image
    shifted = agent.act(moving, info)
    ahead = 0.1 * ExpertConfig().foresight
    assert (shifted - still)[0, 0] * 0.4 == pytest.approx(ahead, abs=1e-6)
    assert (shifted - still)[0, 2] * 2.0 == pytest.approx(ahead, abs=1e-6)


def test_random_drags_belong_to_the_seed():
    agent = RandomAgent(3)
    agent.reset(3, [1, 2, 3])
    three = agent.act(None, {})
    agent.reset(1, [2])
    assert np.array_equal(agent.act(None, {})[0], three[1])
    assert three.shape == (3, 8)
    assert np.abs(three).max() <= 1.0


# --- who mends tips ------------------------------------------------------------------------------


def fresh(agent: Any) -> Any:
    agent.reset(1)
    return agent


def seen_tip(**means: float) -> np.ndarray:
    """An observation in which the means are as told, else those of a sharp tip."""
    values = {"blur": 0.1, "ghost": 0.0, "flicker": 0.1, "slope": 1.0, "readings": 0.4} | means
    vector = np.zeros((1, 42), np.float32)
    vector[0, 4:9] = list(values.values())
    return vector


@pytest.mark.parametrize(
    ("means", "action"),
    [
        ({}, ACCEPT),
        ({"readings": 0.2}, LOOK),
        ({"blur": 0.9}, DIP + 3),
        ({"ghost": 0.6}, DIP + 3),
        ({"flicker": 0.9}, DIP + 3),
        ({"slope": 0.7}, PULSE + 2),
    ],
)
def test_the_expert_reads_the_tip(means, action):
    free = {"action_mask": np.ones((1, 15), np.bool_)}
    assert fresh(TipExpertAgent()).act(seen_tip(**means), free).tolist() == [action]


def test_without_room_one_goes_elsewhere_or_looks():
    mask = np.ones((1, 15), np.bool_)
    mask[0, DIP + 3] = False
    bad = seen_tip(blur=0.9)
    assert fresh(TipExpertAgent()).act(bad, {"action_mask": mask}).tolist() == [MOVE]
    mask[0, MOVE] = False
    assert fresh(TipExpertAgent()).act(bad, {"action_mask": mask}).tolist() == [LOOK]


def test_who_knows_the_tip_mends_it_sooner():
    agents = {"random": TipRandomAgent(), "expert": TipExpertAgent(), "oracle": TipOracleAgent()}
    found = played(agents, episodes=36, env_id="STMTip-v0")
    returns = [found[name].returns.mean() for name in agents]
    assert returns == sorted(returns)
    assert found["oracle"].metrics["recovered"].mean() == 1.0
    assert found["expert"].metrics["recovered"].mean() > 0.8


@pytest.mark.parametrize("env_id", ["STM-v0", "STMBuild-v0", "STMTip-v0"])
def test_the_registry_has_agents_of_every_id(env_id):
    env: Any = gym.make_vec(env_id, 2, reveal=True)
    observation, info = env.reset(seed=1)
    for name in ("random", "expert", "oracle"):
        agent = make_agent(env_id, name)
        agent.reset(2, [1, 2])
        for action in agent.act(observation, info):
            assert env.single_action_space.contains(action)
    assert movers_for("STMBuild-v0", {"atoms": 4}) == 4


def test_the_oracle_does_not_think_for_idle_rows():
    setting = EnvironmentConfig("STMBuild-v0", "train")
    env = setting.make(3, reveal=True)
    observation, info = env.reset(seed=[5, 6, 7])
    agent = OracleAgent(movers_for("STMBuild-v0", {}))
    agent.reset(3, [5, 6, 7])
    whole = agent.act(observation, info)
    some = agent.act(observation, {**info, "idle": np.array([False, True, False])})
    env.close()
    assert np.array_equal(some[[0, 2]], whole[[0, 2]])
    assert whole[1].any()
    assert not some[1].any()
