"""The network of corrections: stored as it was trained."""

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
from microgym.agents.core.network import CRITIC, TARGET
from microgym.agents.core.residual_policy import HISTORY, ResidualPolicyNet
from microgym.agents.core.trained_agent import POLICY_FILE, load_policy, save_policy

SEEN = spaces.Dict(
    {
        HISTORY: spaces.Box(-1.0, 1.0, (8,), np.float32),
        TARGET: spaces.Box(-1.0, 1.0, (2,), np.float32),
        CRITIC: spaces.Box(-1.0, 1.0, (3,), np.float32),
    }
)


class Still(gym.Env[Any, Any]):
    """Shows random numbers; the first of them is worth repeating."""

    observation_space = SEEN
    action_space = spaces.Box(-1.0, 1.0, (3,), np.float32)

    def reset(self, *, seed: Any = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        return self._seen(), {}

    def step(self, action: Any) -> Any:
        return self._seen(), float(-np.sum(np.square(action))), False, True, {}

    def _seen(self) -> dict[str, Any]:
        rng = self.np_random
        return {n: rng.uniform(-1, 1, one.shape).astype(np.float32) for n, one in SEEN.items()}


@pytest.fixture
def policy() -> AsymmetricPolicy:
    """A policy after one update."""
    model = PPO(
        AsymmetricPolicy, DummyVecEnv([Still]), n_steps=8, batch_size=8, n_epochs=1, seed=0,
        device="cpu",
        policy_kwargs={
            "network_class": ResidualPolicyNet,
            "settings": {"history": 2, "net_arch": [6, 5]},
            "log_std_init": -0.5,
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


def tensors(seen: dict[str, Any]) -> dict[str, torch.Tensor]:
    return {name: torch.from_numpy(one) for name, one in seen.items()}


def test_the_stored_network_decides_as_the_trained_policy(policy, tmp_path):
    with torch.no_grad():
        policy.action_net.weight.mul_(1000.0)  # beyond the bounds in places
    save_policy(tmp_path / POLICY_FILE, policy.network(), "Other-v0", seed=0, steps=8)
    net = load_policy(tmp_path, "Other-v0")
    assert net.sizes() == {"history": 2, "width": 4, "components": 3, "hidden": [6, 5]}
    seen = observations(20)
    with torch.inference_mode():
        found = net.decide(tensors(seen)).numpy()
    wanted, _ = policy.predict(seen, deterministic=True)
    assert found.shape == wanted.shape
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-6)
    assert len(np.unique(found, axis=0)) > 1
    assert np.abs(found).max() == 1.0


def test_the_critic_alone_sees_the_privileged_part(policy):
    seen, other = tensors(observations(4)), tensors(observations(4))
    other[CRITIC] = -other[CRITIC]
    mean, changed = (policy.get_distribution(one).distribution.mean for one in (seen, other))
    assert torch.equal(mean, changed)
    assert not torch.equal(policy.predict_values(seen), policy.predict_values(other))
    other = {**seen, TARGET: -seen[TARGET]}
    assert torch.equal(policy.predict_values(seen), policy.predict_values(other))


def test_learning_moves_what_is_stored(policy):
    """The network handed out is the policy's own, not a copy that learning would leave behind."""
    net = policy.network()
    before = net.head.weight.detach().clone()
    out = policy.evaluate_actions(tensors(observations(4)), torch.zeros((4, 3)))
    (-out[1].sum()).backward()
    policy.optimizer.step()
    assert not torch.equal(net.head.weight, before)


def test_unknown_kinds_are_refused():
    with pytest.raises(ValueError, match="network='x' is no kind of network that AFM-v0 has"):
        Learner("AFM-v0", {"network": "x"})
