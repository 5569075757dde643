"""Reference policies of AFM-v0: what they do with what they see."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from microgym.agents.afm.references import (
    ConstantAgent,
    ConstantConfig,
    ExpertAgent,
    ExpertConfig,
    OracleAgent,
    RandomAgent,
    line_action,
)
from microgym.agents.core.registry import agent_names, make_agent
from microgym.envs.afm.config import BEGINNER, GAIN_CHANGE, SPEED_CHANGE
from microgym.envs.afm.observation import NUMBERS

NAMES = ("random", "constant", "expert", "oracle")


def observed(count: int = 1, **numbers: Any) -> dict[str, Any]:
    """Observations of a calm, flat line in the middle of a frame, except where told."""
    usual = {
        "lines_left": 0.5,
        "time_left": 0.5,
        "error": -0.5,
        "ripple": -0.9,
        "steepness": -0.2,
        "usual_steepness": -0.2,
        "worst_error": ExpertConfig.fair,
    }
    told = {**dict.fromkeys(NUMBERS, 0.0), **usual, **numbers}
    shaped = {name: np.broadcast_to(value, count) for name, value in told.items()}
    return {"numbers": NUMBERS.pack(**shaped)}


def speed(action: np.ndarray) -> np.ndarray:
    """Line rate over the even pace."""
    return SPEED_CHANGE ** action[:, 3].astype(float)


def gain(action: np.ndarray) -> np.ndarray:
    return BEGINNER["amplitude"][1] * GAIN_CHANGE ** action[:, 1].astype(float)


def test_the_registry_has_them():
    assert agent_names("AFM-v0") == ("idle", *NAMES, "trained")
    for name in NAMES:
        assert make_agent("AFM-v0", name).name == name


@pytest.mark.parametrize("name", NAMES)
def test_actions_fit_the_environment_and_depend_on_their_own_row(name):
    envs = gym.make_vec("AFM-v0", 3, lines=8, reveal=True)
    agent = make_agent("AFM-v0", name)
    agent.reset(3, [5, 6, 7])
    observation, info = envs.reset(seed=[5, 6, 7])
    alone = gym.make_vec("AFM-v0", 1, lines=8, reveal=True)
    other = make_agent("AFM-v0", name)
    other.reset(1, [6])
    one, its_info = alone.reset(seed=[6])
    for _ in range(4):
        action, single = agent.act(observation, info), other.act(one, its_info)
        assert action.dtype == np.float32
        assert action in envs.action_space
        assert np.array_equal(action[1], single[0])
        observation, *_, info = envs.step(action)
        one, *_, its_info = alone.step(single)


def test_the_random_agent_draws_anew():
    agent = RandomAgent()
    agent.reset(2, [1, 2])
    first, second = agent.act(None, {}), agent.act(None, {})
    assert not np.array_equal(first, second)
    agent.reset(2, [1, 3])
    again = agent.act(None, {})
    assert np.array_equal(again[0], first[0])
    assert not np.array_equal(again[1], first[1])


def test_the_constant_agent_keeps_its_settings_and_the_even_pace():
    agent = ConstantAgent(ConstantConfig(0.63, 2.7))
    agent.reset(1, [0])
    for left in (0.5, 0.25):
        action = agent.act(observed(time_left=left), {})
        assert action[0, [0, 2, 3]] == pytest.approx([-0.7 / 1.5, -1.0, 0.0], abs=1e-6)
        assert gain(action) == pytest.approx(2700.0, rel=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_at_the_console_they_choose_events_too(name):
    plain, console = (make_agent("AFM-v0", name, {"action": one}) for one in ("dials", "console"))
    env = gym.make_vec("AFM-v0", 2, lines=8, reveal=True, action="console")
    observation, info = env.reset(seed=3)
    for agent in (plain, console):
        agent.reset(2, [3, 4])
    for _ in range(3):
        dials, action = plain.act(observation, info), console.act(observation, info)
        assert action in env.action_space
        assert np.array_equal(action["dials"], dials)
        assert (action["event"] == 0).all()
        observation, *_, info = env.step(action)


def test_the_expert_climbs_until_the_loop_rings_and_backs_off():
    config = ExpertConfig()
    agent = ExpertAgent(config)
    agent.reset(1, [0])
    gains = [gain(agent.act(observed(), {}))[0] for _ in range(3)]
    assert gains[0] == pytest.approx(1e3 * config.gain, rel=1e-5)
    assert gains[2] == pytest.approx(gains[0] * config.climb**2, rel=1e-5)
    rings = gain(agent.act(observed(error=0.2, ripple=0.4), {}))[0]
    assert rings == pytest.approx(gains[2] * config.back_off, rel=1e-5)
    # It stays there, and gives way again only if it rings again.
    assert gain(agent.act(observed(), {}))[0] == pytest.approx(rings, rel=1e-5)
    again = gain(agent.act(observed(error=0.2, ripple=0.4), {}))[0]
    assert again == pytest.approx(rings * config.back_off, rel=1e-5)


def test_the_expert_lowers_the_setpoint_where_the_tip_has_lost_the_surface():
    config = ExpertConfig()
    agent = ExpertAgent(config)
    agent.reset(1, [0])
    agent.act(observed(), {})
    lost = agent.act(observed(saturated=0.5), {})[0, 0]
    expected = line_action(config.setpoint - config.lower, 1000.0, np.ones(1))[0, 0]
    assert lost == pytest.approx(expected, abs=1e-6)
    found = agent.act(observed(), {})[0, 0]
    assert found > lost


def test_the_expert_slows_down_where_it_was_steep():
    agent = ExpertAgent()
    agent.reset(2, [0, 1])
    agent.act(observed(2), {})
    flat, slow = speed(agent.act(observed(2, steepness=[-0.2, 0.4]), {}))
    assert slow < flat
    calm, hasty = speed(agent.act(observed(2, worst_error=[0.1, 0.5]), {}))
    assert hasty < calm


def latent(count: int, slope: np.ndarray) -> dict[str, Any]:
    return {
        "latent": {
            "slope": np.tile(slope, (count, 1)),
            "steepest": np.tile(slope, (count, 1)),
            "gain_limit": np.full(count, 3000.0),
            "tip_radius_nm": np.full(count, 9.0),
            "second_apex": np.zeros(count, np.bool_),
            "tips_used": np.zeros(count, np.int64),
        }
    }


def test_the_oracle_shares_the_time_out_over_what_lies_ahead():
    agent = OracleAgent()
    agent.reset(1)
    slope = np.full(64, 0.2)
    slope[32] = 1.0
    slow = speed(agent.act(observed(), latent(1, slope)))[0]
    slope[32], slope[33] = 0.2, 1.0
    quick = speed(agent.act(observed(), latent(1, slope)))[0]
    assert slow < 1.0 < quick


def test_the_oracle_knows_the_limit_and_the_tip():
    agent = make_agent("AFM-v0", "oracle", {"action": "console"})
    agent.reset(2)
    early = observed(2, lines_left=0.95, time_left=0.95)
    info = latent(2, np.full(64, 0.2))
    info["latent"]["gain_limit"][:] = 2000.0, 4000.0
    action = agent.act(early, info)
    assert gain(action["dials"])[1] == pytest.approx(2.0 * gain(action["dials"])[0], rel=1e-5)
    assert action["event"].tolist() == [0, 0]
    info["latent"]["tip_radius_nm"][0] = 100.0
    assert agent.act(early, info)["event"].tolist() == [3, 0]
    # Towards the end it is not worth the time.
    late = agent.act(observed(2, lines_left=0.2, time_left=0.2), info)
    assert late["event"].tolist() == [0, 0]


def test_who_knows_more_earns_more():
    returns: dict[str, float] = {}
    for name in NAMES:
        envs = gym.make_vec("AFM-v0", 12, lines=24, split="validation", reveal=True)
        agent = make_agent("AFM-v0", name)
        agent.reset(12, range(12))
        observation, info = envs.reset(seed=list(range(12)))
        total, running = np.zeros(12), np.ones(12, np.bool_)
        while running.any():
            observation, reward, terminated, _, info = envs.step(agent.act(observation, info))
            total += np.where(running, reward, 0.0)
            running &= ~terminated
        returns[name] = float(total.mean())
    assert returns["random"] < returns["constant"] < returns["oracle"]
    assert returns["random"] < returns["expert"] < returns["oracle"]
