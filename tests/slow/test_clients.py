"""Reinforcement-learning libraries that accept every environment, as `make test-clients` lays them.

TorchRL, skrl, Minari and MO-Gymnasium are installed in a folder of their own, over .venv.
"""

import importlib.util
from importlib import import_module

import gymnasium as gym
import numpy as np
import pytest
import torch

from microgym.envs.core.registry import entries

IDS = [entry.id for entry in entries()]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(importlib.util.find_spec("torchrl") is None, reason="run make test-clients"),
    pytest.mark.parametrize("env_id", IDS),
]


def play(env, steps=3):
    """Take random steps, into further episodes where one ends; the last step."""
    env.reset(seed=0)
    env.action_space.seed(0)
    last = env.step(env.action_space.sample())
    for _ in range(steps - 1):
        if np.all(last[2] | last[3]):
            env.reset()
        last = env.step(env.action_space.sample())
    assert last[4]
    return last


def test_torchrl(env_id):
    env = import_module("torchrl.envs").GymEnv(env_id)
    import_module("torchrl.envs.utils").check_env_specs(env)
    rollout = env.rollout(4, break_when_any_done=False)
    assert rollout.batch_size == (4,)
    assert rollout["next", "reward"].isfinite().all()


def test_skrl(env_id):
    native = gym.make_vec(env_id, 2)
    env = import_module("skrl.envs.wrappers.torch").wrap_env(native, verbose=False)
    assert env.num_envs == 2
    env.reset()
    for _ in range(3):
        actions = torch.as_tensor(native.action_space.sample()).view(2, -1)
        _, rewards, terminated, _, _ = env.step(actions)
        assert rewards.shape == terminated.shape == (2, 1)


@pytest.mark.filterwarnings("ignore:`.*` is set to None")
def test_minari(env_id, tmp_path, monkeypatch):
    minari = import_module("minari")
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    env = minari.DataCollector(gym.make(env_id, max_episode_steps=3), record_infos=True)
    play(env, steps=6)
    made = env.create_dataset(f"microgym/{env_id.lower()}", code_permalink="-")
    assert made.total_steps == 6
    (episode, _) = made.iterate_episodes()
    assert np.isfinite(episode.rewards).all()
    assert made.recover_environment().spec.id == env_id


def test_mo_gymnasium(env_id):
    mo = import_module("mo_gymnasium")
    env = mo.make(env_id, reward_mode="vector")
    terms = env.unwrapped.reward_space.shape
    assert play(env)[1].shape == terms
    weights = np.arange(1.0, 1.0 + terms[0])
    env.reset(seed=0)
    action = env.action_space.sample()
    vector = env.step(action)[1]
    linear = mo.wrappers.LinearReward(mo.make(env_id, reward_mode="vector"), weight=weights)
    linear.reset(seed=0)
    assert linear.step(action)[1] == pytest.approx(vector @ weights)


@pytest.mark.parametrize(
    ("wrapper", "mode"),
    [
        ("RecordEpisodeStatistics", "NextStep"),
        ("RecordEpisodeStatistics", "SameStep"),
        ("NormalizeReward", "NextStep"),
        ("DictInfoToList", "NextStep"),
        ("DictInfoToList", "SameStep"),
        ("FlattenObservation", "NextStep"),  # Gymnasium refuses the other mode
    ],
)
def test_vector_wrappers_of_gymnasium(env_id, wrapper, mode):
    native = gym.make_vec(env_id, 2, autoreset_mode=mode)
    env = getattr(gym.wrappers.vector, wrapper)(native)
    observation, reward, *_ = play(env, steps=2)
    assert observation in env.observation_space
    assert reward.shape == (2,)


def test_attributes_of_native_vectors(env_id):
    env = gym.make_vec(env_id, 2)
    env.reset(seed=0)
    assert env.get_attr("render_mode") == (None, None)
    env.set_attr("render_mode", ["rgb_array", "rgb_array"])
    assert env.get_attr("render_mode") == ("rgb_array", "rgb_array")
    assert [frame.shape[2] for frame in env.call("render")] == [3, 3]
