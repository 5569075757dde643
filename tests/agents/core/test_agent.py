"""Checks of observations, the batch axis, and the idle agent."""

import subprocess
import sys
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces

from microgym.agents.core.agent import BaseAgent, IdleAgent
from microgym.agents.core.registry import agent_names, make_agent
from microgym.envs.core.registry import entries

SHAPES = {"maps": (2, 3), "numbers": (4,)}


class Summing(BaseAgent):
    """Acts by the sum of each row of the maps, and by its number."""

    name = "summing"
    observation_shapes = SHAPES

    def _act(self, observation, info):
        total = observation["maps"].sum(axis=(1, 2)) + observation["numbers"].sum(axis=1)
        return total[:, None] + np.asarray(info.get("shift", np.zeros(self.num_envs)))[:, None]


NUMBERS = {"numbers": (4,)}


class Knowing(BaseAgent):
    """Reads one part and the hidden state."""

    name = "knowing"
    uses_privileged_info = True
    observation_shapes = NUMBERS

    def _act(self, observation, info):
        return observation["numbers"][:, :1] * info["latent"]["gain"][:, None]


class Blind(BaseAgent):
    """Reads nothing."""

    name = "blind"

    def _act(self, observation, info):
        return np.zeros((self.num_envs, 1))


def observation(count: int | None = None) -> dict[str, Any]:
    lead = () if count is None else (count,)
    return {
        "maps": np.ones((*lead, 2, 3), np.float32),
        "numbers": np.full((*lead, 4), 2.0, np.float32),
    }


def test_single_and_batched_observations_give_the_same_actions():
    agent = Summing()
    agent.reset()
    single = agent.act(observation(), {"shift": 0.5})
    assert single.tolist() == [14.5]
    assert agent.act(observation(1), {"shift": np.array([0.5])}).tolist() == [[14.5]]
    agent.reset(3, seeds=[1, 2, 3])
    assert agent.steps == 0
    assert agent.act(observation(3)).tolist() == [[14.0]] * 3
    assert agent.steps == 1


def test_an_agent_of_one_part_takes_the_plain_array():
    agent = Knowing()
    agent.reset(2)
    info = {"latent": {"gain": np.array([2.0, 3.0])}}
    assert agent.act(observation(2)["numbers"], info).tolist() == [[4.0], [6.0]]
    agent.reset()
    assert agent.act(observation()["numbers"], {"latent": {"gain": 3.0}}).tolist() == [6.0]


class Curious(BaseAgent):
    """Acts by the number of entries of the info."""

    name = "curious"

    def _act(self, observation, info):
        return np.full((self.num_envs, 1), len(info))


def test_the_truth_is_hidden_from_agents_without_privileges():
    agent, info = Curious(), {"latent": {}, "metrics": {}, "ledger": {}}
    agent.reset()
    assert agent.act(observation(1), info).tolist() == [[1]]
    agent.uses_privileged_info = True
    assert agent.act(observation(1), info).tolist() == [[3]]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"maps": np.ones((2, 4, 3))}, r"'maps' must have shape \(2, 3\) or \(2, 2, 3\), got"),
        ({"maps": np.ones((3, 2, 3))}, "3 environments in 'maps', but reset was for 2"),
        ({"maps": np.ones((2, 3))}, "1 environments in 'maps', but reset was for 2"),
        ({"maps": np.full((2, 2, 3), "a")}, "'maps' must be numeric, got dtype <U1"),
        ({"maps": None}, r"observation lacks 'maps'; it has \['numbers'\]"),
    ],
)
def test_bad_observations(changes, message):
    agent = Summing()
    agent.reset(2)
    given = {**observation(2), **changes}
    with pytest.raises(ValueError, match=message):
        agent.act({name: part for name, part in given.items() if part is not None})
    assert agent.steps == 0


def test_what_else_can_be_wrong():
    agent = Summing()
    with pytest.raises(RuntimeError, match=r"call reset\(num_envs\) before 'summing' acts"):
        agent.act(observation())
    with pytest.raises(ValueError, match="num_envs must be at least 1, got 0"):
        agent.reset(0)
    with pytest.raises(ValueError, match="seeds must have 2 elements, got 3"):
        agent.reset(2, [1, 2, 3])
    agent.reset(1)
    with pytest.raises(ValueError, match=r"must be a mapping with \['maps', 'numbers'\]"):
        agent.act(np.ones((1, 2, 3)))
    with pytest.raises(ValueError, match="some parts of the observation have a batch axis"):
        agent.act({**observation(), "numbers": np.ones((1, 4))})
    knowing = Knowing()
    knowing.reset(2)
    with pytest.raises(ValueError, match="make the env with reveal=True"):
        knowing.act(observation(2))


def test_an_agent_that_reads_nothing_still_tells_batches_from_single_observations():
    agent = Blind()
    agent.reset()
    assert agent.act(observation()).shape == (1,)
    assert agent.act(observation(1)).shape == (1, 1)
    assert agent.act(None).shape == (1, 1)
    agent.reset(3)
    assert agent.act(observation(3)).shape == (3, 1)
    with pytest.raises(ValueError, match="must be a batch of 3 environments"):
        agent.act(observation(2))


def test_the_idle_agent_does_nothing_in_every_space():
    seen = spaces.Box(-1.0, 1.0, (3,))
    parts = spaces.Dict({"knob": spaces.Box(-1.0, 1.0, (2,)), "mode": spaces.Discrete(3)})
    for space in (spaces.Box(-1.0, 1.0, (4,)), spaces.MultiDiscrete([2, 3]), parts):
        agent = IdleAgent(seen, space)
        agent.reset()
        action = agent.act(np.zeros(3))
        assert space.contains(action)
        assert all(not np.any(part) for part in (action.values() if space is parts else [action]))
    masked = IdleAgent(seen, spaces.Discrete(4))
    masked.reset(2)
    mask = np.array([[0, 0, 1, 1], [1, 1, 1, 0]], np.int8)
    assert masked.act(np.zeros((2, 3)), {"action_mask": mask}).tolist() == [2, 0]
    masked.reset()
    assert masked.act(np.zeros(3), {"action_mask": mask[0]}) == 2
    assert masked.act(np.zeros(3)) == 0


@pytest.mark.parametrize("entry", entries(), ids=lambda entry: entry.id)
def test_every_agent_acts_in_one_environment_and_in_a_batch(entry):
    single: Any = gym.make(entry.id, reveal=True, disable_env_checker=True)
    many: Any = gym.make_vec(entry.id, 2, reveal=True)
    observations = single.reset(seed=3), many.reset(seed=[3, 4])
    for name in agent_names(entry.id):
        agent = make_agent(entry.id, name)
        agent.reset(1, [3])
        alone = agent.act(*observations[0])
        agent.reset(2, [3, 4])
        together = agent.act(*observations[1])
        assert single.action_space.contains(alone)
        assert np.array_equal(alone, together[0])
        agent.reset(3)
        with pytest.raises(ValueError, match="3"):
            agent.act(*observations[1])
    single.close()
    many.close()


def test_the_package_offers_its_names_without_pytorch():
    code = (
        "import sys, microgym.agents as agents; "
        "print(sorted(agents.__all__), 'torch' in sys.modules, 'numba' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['Agent', 'BaseAgent', 'agent_names', 'make_agent'] False False"
