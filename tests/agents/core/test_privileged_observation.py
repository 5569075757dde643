"""Privileged training: last observations of truncated episodes, and the shaped reward."""

from typing import Annotated, Any, NamedTuple

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces

from microgym.agents.core.learner import ShapedMonitor
from microgym.agents.core.network import CRITIC, TARGET, PolicyAdapter
from microgym.agents.core.privileged_observation import (
    PrivilegedObservationWrapper,
    PrivilegedTeacher,
)
from microgym.agents.training.sb3_vec_env import SB3VecEnv
from microgym.envs.pfm.observation import NUMBERS
from microgym.state import Float32, Shape

GAMMA = 0.9


class LastTwo(NamedTuple):
    """The last two observations."""

    seen: Annotated[Float32, Shape(2, len(NUMBERS))]


class Remembering(PolicyAdapter):
    """Shows the last two vectors of numbers."""

    State = LastTwo
    observation_space = spaces.Dict(
        {"pair": spaces.Box(-10.0, 10.0, (2, len(NUMBERS)), np.float32)}
    )

    def adapt_observation(self, observation):
        self.state.seen[:, 0] = self.state.seen[:, 1]
        self.state.seen[:, 1] = observation["numbers"]
        return {"pair": self.state.seen.copy()}


class Watching(PrivilegedTeacher):
    """Targets are the true drift, the critic sees the number of pulses that were given."""

    target_shape = (2,)
    critic_size = 1

    def target(self, observation, info):
        return info["latent"]["drift_cells"].astype(np.float32)

    def critic_features(self, observation, info):
        return info["ledger"]["exposures"][:, None].astype(np.float32)

    def loss(self, net, batch):
        return torch.zeros(())

    def potential(self, observation, info):
        return 1.0 + info["ledger"]["exposures"].astype(np.float64)


def wrapped(count: int, **arguments: Any) -> PrivilegedObservationWrapper:
    words: Any = {"reveal": True, "autoreset_mode": "SameStep", **arguments}
    env: Any = gym.make_vec("PFM-v0", count, **words)
    adapter = Remembering()
    return PrivilegedObservationWrapper(env, adapter, Watching(adapter, {}, {}), GAMMA)


def actions(count: int, step: int) -> np.ndarray:
    """Pulses anywhere, of 10 ms, and no image."""
    rng = np.random.default_rng(step)
    places = rng.uniform(-0.5, 0.5, (count, 3))
    return np.concatenate([places, np.tile([0.0, -1.0], (count, 1))], axis=1).astype(np.float32)


def test_a_truncated_episode_ends_with_its_real_last_observation():
    """The same as the observation there without a time limit; and the memory goes on as it was."""
    cut, free = wrapped(2, max_episode_steps=3), wrapped(2)
    one, info = cut.reset(seed=[1, 2])
    other, _ = free.reset(seed=[1, 2])
    truncated = np.zeros(2, np.bool_)
    for step in range(3):
        assert all(np.array_equal(one[name], other[name]) for name in other)
        one, _, _, truncated, info = cut.step(actions(2, step))
        other, *_ = free.step(actions(2, step))
        assert np.array_equal(cut.shaping, free.shaping), "the potential there is the real one"
    assert truncated.all()
    for row, last in enumerate(info["final_obs"]):
        assert cut.single_observation_space.contains(last)
        assert set(last) == {"pair", TARGET, CRITIC}
        assert all(np.array_equal(last[name], other[name][row]) for name in other)
        assert last[CRITIC] == [3.0]
        assert last["pair"].any(axis=1).all()
    assert not one["pair"][:, 0].any(), "the next episode begins without a memory"
    assert np.array_equal(one[CRITIC], np.zeros((2, 1)))


def test_the_learner_is_paid_the_shaping_and_reports_go_without():
    plain: Any = gym.make_vec("PFM-v0", 2, pulses=3, autoreset_mode="SameStep")
    plain.reset(seed=[1, 2])
    env = ShapedMonitor(SB3VecEnv(wrapped(2, pulses=3), infos="final"))
    env.seed(1)
    env.reset()
    returns, infos = np.zeros(2), []
    for step in range(3):
        reward = plain.step(actions(2, step))[1]
        returns += reward
        _, shaped, _, infos = env.step(actions(2, step))
        wanted = (GAMMA * 2.0, GAMMA * 3.0 - 2.0, -3.0)[step]
        assert shaped - reward == pytest.approx([wanted] * 2, abs=1e-6)
    assert [info["episode"]["r"] for info in infos] == pytest.approx(returns, abs=1e-5)


def test_stable_baselines_is_given_that_observation():
    env = SB3VecEnv(wrapped(2, max_episode_steps=3), infos="final")
    env.seed(1)
    env.reset()
    for step in range(2):
        env.step(actions(2, step))
    _, _, dones, infos = env.step(actions(2, 2))
    assert dones.all()
    for info in infos:
        assert info["TimeLimit.truncated"]
        assert info["terminal_observation"][CRITIC] == [3.0]


def test_no_value_is_bootstrapped_from_a_termination():
    env = wrapped(2, pulses=3)
    env.reset(seed=[1, 2])
    for step in range(2):
        env.step(actions(2, step))
    _, _, terminated, truncated, info = env.step(actions(2, 2))
    assert terminated.all()
    assert not truncated.any()
    assert info["final_obs"].tolist() == [None, None]


@pytest.mark.parametrize("arguments", [{"pulses": 3}, {"max_episode_steps": 3}])
def test_shaping_carries_the_discount(arguments):
    """Each step adds gamma times the new potential less the old one (Ng et al. 1999)."""
    env = wrapped(2, **arguments)
    env.reset(seed=[1, 2])
    added = []
    for step in range(4):
        env.step(actions(2, step))
        added.append(env.shaping.copy())
    end = 0.0 if "pulses" in arguments else GAMMA * 4.0
    wanted = [GAMMA * 2.0, GAMMA * 3.0 - 2.0, end - 3.0, GAMMA * 2.0]
    assert np.array(added) == pytest.approx(np.tile(np.array(wanted)[:, None], (1, 2)))
