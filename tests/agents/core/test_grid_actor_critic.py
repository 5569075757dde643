"""The public policy for grid actions: spaces, masks, learning, and what is kept."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces
from sb3_contrib import MaskablePPO
from sb3_contrib.common.maskable.utils import get_action_masks
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import DummyVecEnv

from microgym.agents.core import GridPolicy
from microgym.agents.core.grid_policy import GridNet
from microgym.agents.core.trained_agent import PolicyAgent, load_policy, save_policy
from microgym.agents.training.sb3_vec_env import make_sb3

SMALL: dict[str, Any] = {"n_steps": 8, "batch_size": 16, "n_epochs": 1, "device": "cpu", "seed": 0}


class Lamp(gym.Env[Any, Any]):
    """One of 4 x 4 cells is lit on a map of 8 x 8, at one of two levels; choose both at once."""

    observation_space = spaces.Dict(
        {"maps": spaces.Box(-3, 3, (1, 8, 8)), "numbers": spaces.Box(-1, 1, (1,))}
    )
    action_space = spaces.Discrete(32)

    def reset(self, *, seed: Any = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self._lit = int(self.np_random.integers(32))
        level, cell = divmod(self._lit, 16)
        y, x = divmod(cell, 4)
        maps = np.zeros((1, 8, 8), np.float32)
        maps[0, 2 * y : 2 * y + 2, 2 * x : 2 * x + 2] = 1.0
        return {"maps": maps, "numbers": np.full(1, 2.0 * level - 1.0, np.float32)}, {}

    def step(self, action: Any) -> Any:
        reward = float(action == self._lit)
        return self.reset()[0], reward, True, False, {}


class Lamps(Lamp):
    """Two agents choose at once: the first the lit cell and its level, the second those of a lamp
    in the mirrored column."""

    observation_space = spaces.Dict(
        {"maps": spaces.Box(-3, 3, (2, 1, 8, 8)), "numbers": spaces.Box(-1, 1, (2, 1))}
    )
    action_space = spaces.MultiDiscrete([32, 32])

    def reset(self, *, seed: Any = None, options: Any = None) -> Any:
        one, info = super().reset(seed=seed)
        pairs = {"maps": (one["maps"], one["maps"][..., ::-1]), "numbers": (one["numbers"],) * 2}
        return {name: np.stack(pair) for name, pair in pairs.items()}, info

    def step(self, action: Any) -> Any:
        mirrored = self._lit - self._lit % 4 + 3 - self._lit % 4
        reward = 0.5 * float(action[0] == self._lit) + 0.5 * float(action[1] == mirrored)
        return self.reset()[0], reward, True, False, {}


@pytest.mark.parametrize(
    ("env_id", "words", "grid", "levels", "edge"),
    [
        ("Ptycho-v0", {}, 16, 3, 32),
        ("Ptycho-v0", {"observation": "full"}, 16, 3, 64),
        ("PFM-v0", {}, 16, 6, 32),
        ("MultiProbeJoint-v0", {}, 16, 3, 32),
        ("MultiProbeJoint-v0", {"probes": 3, "observation": "full"}, 16, 3, 64),
    ],
)
@pytest.mark.parametrize("algorithm", [PPO, MaskablePPO])
def test_stock_algorithms_take_the_policy(algorithm, env_id, words, grid, levels, edge):
    envs = make_sb3(env_id, 2, action="grid", infos="final", **words)
    model = algorithm(GridPolicy, envs, policy_kwargs={"width": 8}, **SMALL)
    net = model.policy.network()
    assert (net.grid, net.levels, net.edge, net.width) == (grid, levels, edge, 8)
    observations = envs.reset()
    tensors = {name: torch.from_numpy(one) for name, one in observations.items()}
    logits, value = net(tensors)
    parts = envs.action_space.shape or ()
    assert net.parts == np.prod(parts)
    assert logits.shape == (2, net.parts * levels * grid * grid)
    assert value.shape == (2, net.value_features)
    fresh = logits.reshape(2, net.parts, levels, grid, grid)
    if net.parts == 1:
        assert (fresh == 0.0).all(), "a fresh network chooses uniformly"
    else:
        best = fresh[0, :, 0].flatten(1).argmax(dim=1)
        assert len(set(best.tolist())) == net.parts, "agents prefer other sides"
    model.learn(32)
    assert (net(tensors)[0] != logits).all()
    if algorithm is MaskablePPO:
        for _ in range(3):
            masks = get_action_masks(envs)
            actions, _ = model.predict(observations, action_masks=masks, deterministic=True)
            each = masks.reshape(2, *parts, -1)
            assert np.take_along_axis(each, actions[..., None], axis=-1).all()
            observations = envs.step(actions)[0]


@pytest.mark.parametrize("task", [Lamp, Lamps])
def test_it_learns_where_to_act(task):
    envs = DummyVecEnv([task] * 16)
    settings: dict[str, Any] = {
        "n_steps": 16,
        "batch_size": 128,
        "n_epochs": 4,
        "gamma": 0.5,
        "ent_coef": 0.01,
    }
    model = PPO(GridPolicy, envs, learning_rate=3e-3, device="cpu", seed=0, **settings)
    model.learn(12_000)
    hits, seen = 0.0, envs.reset()
    for _ in range(20):
        actions, _ = model.predict(seen, deterministic=True)
        seen, rewards, _, _ = envs.step(actions)
        hits += rewards.mean() / 20
    assert hits > 0.8, f"{hits}; by chance 1 in 32"


def test_one_place_is_like_another():
    """Away from the rim a shift of the maps shifts the logits, but for the coordinates."""
    net = GridNet(1, 1, 64, 32, 2, 8)
    with torch.no_grad():
        net.free.weight.normal_()
        net.stem.weight[:, 1:] = 0.0
    maps = torch.zeros(2, 1, 64, 64)
    maps[0, 0, 30:32, 30:32] = maps[1, 0, 32:34, 34:36] = 1.0
    first, second = net({"maps": maps, "numbers": torch.zeros(2, 1)})[0].reshape(2, 2, 32, 32)
    torch.testing.assert_close(second[:, 14:19, 15:20], first[:, 13:18, 13:18])
    assert not torch.allclose(first[:, 13:18, 13:18], first[:, 9:14, 9:14])


def test_what_is_kept_decides_the_same(tmp_path):
    envs = make_sb3("Ptycho-v0", 2, action="grid", infos="final", exposures=4)
    model = MaskablePPO(GridPolicy, envs, policy_kwargs={"width": 8}, **SMALL)
    model.learn(32)
    file = tmp_path / "policy.safetensors"
    save_policy(file, model.policy.network(), "Ptycho-v0", 0, 32)
    net = load_policy(file, "Ptycho-v0")
    seen = {name: torch.from_numpy(one) for name, one in envs.reset().items()}
    torch.testing.assert_close(net(seen)[0], model.policy.network()(seen)[0])
    # In the default environment, whose actions are continuous.
    agent, env = PolicyAgent(net, "Ptycho-v0", "mine"), gym.make("microgym:Ptycho-v0", exposures=4)
    agent.reset()
    action = agent.act(env.reset(seed=1)[0])
    assert action in env.action_space
    assert np.rint((action[:2] + 1) * 8 - 0.5) == pytest.approx((action[:2] + 1) * 8 - 0.5)
    with pytest.raises(ValueError, match="PFM-v0 has no adapter"):
        PolicyAgent(net, "PFM-v0", "mine")
    model.save(tmp_path / "model")
    again = MaskablePPO.load(tmp_path / "model", device="cpu")
    torch.testing.assert_close(again.policy.network()(seen)[0], net(seen)[0])
    model.policy.save(tmp_path / "policy")
    policy = GridPolicy.load(tmp_path / "policy", device="cpu")
    torch.testing.assert_close(policy.network()(seen)[0], net(seen)[0])


@pytest.mark.parametrize(
    ("env_id", "words", "message"),
    [
        ("Ptycho-v0", {}, "actions must be cells of a grid on 32 cells"),
        ("Ptycho-v0", {"action": "grid", "observation": "features"}, "square 'maps'"),
        ("STMTip-v0", {}, "square 'maps'"),
    ],
)
def test_other_environments_are_refused(env_id, words, message):
    with pytest.raises(ValueError, match=message):
        PPO(GridPolicy, make_sb3(env_id, 1, **words), **SMALL)
