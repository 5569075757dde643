"""The adapter is what Stable-Baselines3's own `DummyVecEnv` would be, but faster."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv

from microgym.agents.training.sb3_vec_env import SB3VecEnv, make_sb3
from microgym.envs.core.comparison import assert_same
from microgym.envs.core.testing import ActionSource
from tests.envs.toy.env import ToyEnv

TOY = "tests.envs.toy:MicrogymToy-v0"


def collect(envs: VecEnv, steps: int = 20) -> list[Any]:
    source = ActionSource(envs.action_space, 0)
    envs.seed(3)
    record: list[Any] = [envs.reset()]
    for _ in range(steps):
        record.append(envs.step(source.batch(envs.num_envs)))
        record.append(list(envs.reset_infos))
    return record


@pytest.mark.parametrize(
    "arguments",
    [{}, {"action": "grid", "reveal": True}, {"observation": "features"}],
    ids=["default", "grid", "features"],
)
def test_equal_to_dummy_vec_env(arguments):
    ours = collect(make_sb3(TOY, 3, **arguments))
    theirs = collect(DummyVecEnv([lambda: ToyEnv(**arguments)] * 3))
    assert_same(ours, theirs)
    assert any(step[2].any() for step in ours[1::2])


def test_cut_episodes_are_marked():
    envs = make_sb3(TOY, 2, max_episode_steps=2, drift="off")
    envs.seed(0)
    envs.reset()
    action = np.full((2, 3), -1.0, np.float32)
    envs.step(action)
    _, _, dones, infos = envs.step(action)
    assert dones.all()
    assert [info["TimeLimit.truncated"] for info in infos] == [True, True]
    assert infos[0]["terminal_observation"]["image"][1].sum() == 2


class Rewards(BaseCallback):
    """Rewards that PPO learns from, and those of the environments."""

    def __init__(self, steps: list[Any]) -> None:
        super().__init__()
        self.steps = steps

    def _on_step(self) -> bool:
        return True

    def _on_rollout_end(self) -> None:
        model: Any = self.model
        self.learnt = model.rollout_buffer.rewards.copy()
        self.expected = np.array([rewards for _, rewards, _, _ in self.steps])
        for t, (_, _, dones, infos) in enumerate(self.steps):
            for row in np.flatnonzero(dones):
                last, _ = model.policy.obs_to_tensor(infos[row]["terminal_observation"])
                value = model.policy.predict_values(last).item()
                assert value != 0.0
                self.expected[t, row] += model.gamma * value


def test_cut_episodes_are_bootstrapped_from_their_last_observation(monkeypatch):
    envs = make_sb3(TOY, 2, max_episode_steps=2, drift="off", infos="final")
    steps: list[Any] = []
    step_wait = envs.step_wait

    def recorded() -> Any:
        observations, rewards, dones, infos = step_wait()
        steps.append((observations, rewards.copy(), dones, infos))
        return observations, rewards, dones, infos

    monkeypatch.setattr(envs, "step_wait", recorded)
    model = PPO("MultiInputPolicy", envs, n_steps=4, batch_size=8, n_epochs=1, seed=0, device="cpu")
    rewards = Rewards(steps)
    model.learn(8, callback=rewards)
    assert sum(dones.sum() for _, _, dones, _ in steps) == 4
    assert rewards.learnt == pytest.approx(rewards.expected, abs=1e-6)


def test_lean_infos():
    envs = make_sb3(TOY, 2, infos="final")
    envs.seed(0)
    envs.reset()
    source = ActionSource(envs.action_space, 0)
    for _ in range(10):
        _, _, dones, infos = envs.step(source.batch(2))
        for done, info in zip(dones, infos, strict=True):
            assert ("ledger" in info) == done
            assert "TimeLimit.truncated" in info


def test_attributes_and_methods():
    envs = make_sb3(TOY, 3, action="grid", render_mode="rgb_array")
    envs.reset()
    masks = envs.env_method("action_masks", indices=[2, 0])
    assert [mask.shape for mask in masks] == [(16,), (16,)]
    assert envs.get_attr("num_envs") == [3, 3, 3]
    assert envs.has_attr("action_masks")
    assert not make_sb3(TOY, 3).has_attr("action_masks")
    assert envs.env_is_wrapped(gym.Wrapper) == [False] * 3
    assert np.asarray(envs.render()).shape == (64, 64, 3)
    envs.set_attr("render_mode", None)
    assert envs.get_attr("render_mode") == [None] * 3
    with pytest.raises(ValueError, match="leave indices out"):
        envs.set_attr("render_mode", None, indices=[1])
    with pytest.raises(ValueError, match="'reset'"):
        envs.env_method("reset")
    envs.close()


def test_options():
    envs = make_sb3(TOY, 2, drift="off")
    for options in ({"budget": 1}, [{}, {"budget": 2}]):
        envs.set_options(options)
        with pytest.raises(ValueError, match=r"unknown reset options \['budget'\]"):
            envs.reset()
    easy, plain = (make_sb3(TOY, 1, difficulty=one) for one in ("easy", "default"))
    envs = make_sb3(TOY, 2)
    envs.set_options([{}, {"difficulty": "easy"}])
    for one, seed in ((envs, 4), (plain, 4), (easy, 5)):
        one.seed(seed)
    first = [one.reset() for one in (envs, plain, easy)]
    steps = [one.step(np.zeros((one.num_envs, 3), np.float32)) for one in (envs, plain, easy)]
    for name in first[0]:
        for row, other in enumerate((1, 2)):
            np.testing.assert_array_equal(first[0][name][row], first[other][name][0])
            np.testing.assert_array_equal(steps[0][0][name][row], steps[other][0][name][0])


def test_refusals():
    with pytest.raises(ValueError, match="autoreset_mode='SameStep'"):
        SB3VecEnv(gym.make_vec(TOY, 2))
    with pytest.raises(ValueError, match="infos must be one of"):
        make_sb3(TOY, 2, infos="some")
