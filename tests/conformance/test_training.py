"""Learners run on every environment: Stable-Baselines3, sb3-contrib, and a loop of one's own."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from sb3_contrib import MaskablePPO
from sb3_contrib.common.maskable.utils import get_action_masks
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import VecMonitor

from microgym.agents.training.sb3_vec_env import make_sb3
from tests.conformance.cases import CASES
from tests.conformance.single_file_ppo import Settings, train

BOXES = [case for case in CASES if case.kwargs.get("action") != "console"]
"""Cases but those whose actions are a `Dict`, which Stable-Baselines3 does not know."""
SMALL: dict[str, Any] = {"n_steps": 16, "batch_size": 32, "n_epochs": 1, "device": "cpu", "seed": 0}


@pytest.fixture(autouse=True)
def _one_torch_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def policy_kind(space: gym.Space[Any]) -> str:
    return "MultiInputPolicy" if isinstance(space, gym.spaces.Dict) else "MlpPolicy"


def weights(model: Any) -> torch.Tensor:
    return torch.cat([part.detach().reshape(-1).clone() for part in model.policy.parameters()])


@pytest.mark.parametrize("case", BOXES, ids=str)
def test_sb3_ppo(case):
    envs = VecMonitor(make_sb3(case.id, 4, infos="final", **case.arguments))
    model = PPO(policy_kind(envs.observation_space), envs, **SMALL)
    before = weights(model)
    model.learn(128)
    assert model.num_timesteps == 128
    assert torch.isfinite(weights(model)).all()
    assert not torch.equal(weights(model), before)
    assert model.ep_info_buffer, "no episode was seen to end"


@pytest.mark.parametrize("case", BOXES, ids=str)
def test_maskable_ppo_where_actions_are_discrete(case):
    envs = make_sb3(case.id, 4, **case.arguments)
    if isinstance(envs.action_space, gym.spaces.Box):
        assert not envs.has_attr("action_masks")
        return
    model = MaskablePPO(policy_kind(envs.observation_space), envs, **SMALL)
    before = weights(model)
    model.learn(128)
    assert not torch.equal(weights(model), before)
    observations: Any = envs.reset()
    for _ in range(2):
        masks = get_action_masks(envs)
        actions, _ = model.predict(observations, action_masks=masks)
        each = masks.reshape(*actions.shape, -1)
        allowed = np.take_along_axis(each, actions[..., None], axis=-1)
        assert allowed.all(), "a masked action was chosen"
        observations, *_ = envs.step(actions)


@pytest.mark.parametrize("case", BOXES, ids=str)
def test_a_loop_of_ones_own(case):
    settings = Settings()
    log = train(gym.make_vec(case.id, settings.num_envs, **case.arguments), settings)
    again = train(gym.make_vec(case.id, settings.num_envs, **case.arguments), settings)
    assert np.isfinite(log["loss"]).all()
    assert np.isfinite(log["reward"]).all()
    assert min(log["moved"]) > 0
    assert log == again
