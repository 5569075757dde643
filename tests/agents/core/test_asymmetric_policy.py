"""The network over plain numbers: stored as it was trained, for every kind of action."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import DummyVecEnv

from microgym.agents.core.asymmetric_policy import AsymmetricPolicy
from microgym.agents.core.learner import Learner
from microgym.agents.core.network import MLPPolicyNet
from microgym.agents.core.trained_agent import POLICY_FILE, PolicyAgent, load_policy, save_policy

SEEN = spaces.Dict(
    {
        "numbers": spaces.Box(-1.0, 1.0, (3,), np.float32),
        "lines": spaces.Box(-1.0, 1.0, (2, 4), np.float32),
    }
)
ACTIONS = {
    "box": spaces.Box(np.array([-1.0, 0.0], np.float32), np.array([1.0, 0.5], np.float32)),
    "discrete": spaces.Discrete(5),
    "multidiscrete": spaces.MultiDiscrete([3, 2, 4]),
}


class Still(gym.Env[Any, Any]):
    """Shows random numbers; the first of them is worth repeating."""

    observation_space = SEEN

    def __init__(self, kind: str) -> None:
        self.action_space = ACTIONS[kind]

    def reset(self, *, seed: Any = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        return self._seen(), {}

    def step(self, action: Any) -> Any:
        return self._seen(), float(-np.sum(np.square(action))), False, True, {}

    def _seen(self) -> dict[str, Any]:
        rng = self.np_random
        return {n: rng.uniform(-1, 1, one.shape).astype(np.float32) for n, one in SEEN.items()}


@pytest.fixture(params=sorted(ACTIONS))
def policy(request) -> AsymmetricPolicy:
    """A policy after one update."""
    env = DummyVecEnv([lambda: Still(request.param)])
    model = PPO(
        AsymmetricPolicy, env, n_steps=8, batch_size=8, n_epochs=1, seed=0, device="cpu",
        policy_kwargs={
            "network_class": MLPPolicyNet, "settings": {"net_arch": [6, 5]}, "log_std_init": -0.5
        },
    )  # fmt: skip
    model.learn(8)
    assert isinstance(model.policy, AsymmetricPolicy)
    return model.policy


def observations(count: int) -> dict[str, Any]:
    rng = np.random.default_rng(1)
    return {
        n: 3.0 * rng.normal(size=(count, *one.shape)).astype(np.float32) for n, one in SEEN.items()
    }


def test_the_stored_network_decides_as_the_trained_policy(policy, tmp_path):
    save_policy(tmp_path / POLICY_FILE, policy.network(), "Other-v0", seed=0, steps=8)
    agent = PolicyAgent(load_policy(tmp_path, "Other-v0"), "Other-v0", "trained")
    agent.reset(20, list(range(20)))
    seen = observations(20)
    found = agent.act(seen, {})
    wanted, _ = policy.predict(seen, deterministic=True)
    assert found.shape == wanted.shape
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-6)
    assert len(np.unique(found, axis=0)) > 1


def test_decisions_do_not_depend_on_the_batch(policy, tmp_path):
    save_policy(tmp_path / POLICY_FILE, policy.network(), "Other-v0", seed=0, steps=8)
    agent = PolicyAgent(load_policy(tmp_path, "Other-v0"), "Other-v0", "trained")
    agent.reset(6)
    seen = observations(6)
    together = agent.act(seen, {})
    agent.reset(1)
    for row in range(6):
        alone = agent.act({name: one[row : row + 1] for name, one in seen.items()}, {})
        assert alone.tobytes() == together[row : row + 1].tobytes()


def test_learning_moves_what_is_stored(policy):
    """The network handed out is the policy's own, not a copy that learning would leave behind."""
    net = policy.network()
    before = net.head.weight.detach().clone()
    out = policy.evaluate_actions(
        {name: torch.from_numpy(one) for name, one in observations(4).items()},
        torch.zeros((4, *policy.action_space.shape)),
    )
    (-out[1].sum()).backward()
    policy.optimizer.step()
    assert not torch.equal(net.head.weight, before)


def test_unknown_kinds_are_refused():
    with pytest.raises(ValueError, match="network='x' is no kind of network that AFM-v0 has"):
        Learner("AFM-v0", {"network": "x"})
    with pytest.raises(ValueError, match="action must be box, discrete or multidiscrete, got 'x'"):
        MLPPolicyNet({"numbers": [3]}, [4], "x")
    with pytest.raises(TypeError, match="actions must be Box, Discrete or MultiDiscrete"):
        MLPPolicyNet.from_spaces(SEEN, spaces.MultiBinary(3), net_arch=[4])
