"""Episodes of the STM environments: options of a reset, splits, and what idleness earns."""

from typing import Any

import gymnasium as gym
import numpy as np

from microgym.physics import stm_tip


def test_the_distance_of_the_target_and_the_difficulty_may_change_at_a_reset_by_row():
    envs: Any = gym.make_vec("STM-v0", 64)
    envs.reset(seed=1, options={"farthest_nm": [1.2, 5.0] * 32})
    ways = envs.unwrapped.task.distances[:, 0]
    slack = 0.5 * 0.288
    assert ways[::2].max() <= 1.2 + slack
    assert 1.0 - slack <= ways.min()
    assert ways[1::2].max() > 3.0
    envs.reset(options={"difficulty": "easy"})
    task = envs.unwrapped.task
    assert task.config.farthest_nm == type(task.config).PRESETS["easy"]["farthest_nm"]
    assert not task.instrument.state.drift.velocity.any()
    assert task.distances.max() <= task.config.farthest_nm + slack


def test_tips_belong_to_their_split():
    """The same seeds give other tips in another split."""
    traits = {}
    for split in ("train", "validation", "test"):
        envs: Any = gym.make_vec("STMTip-v0", 200, split=split)
        envs.reset(seed=1)
        tip = envs.unwrapped.task.instrument.state.tip
        traits[split] = np.column_stack([tip.kind, tip.traits[:, [stm_tip.STRENGTH, -1]]])
    for one, other in (("train", "validation"), ("train", "test"), ("validation", "test")):
        for column in range(3):
            a, b = traits[one][:, column], traits[other][:, column]
            assert abs(np.corrcoef(a, b)[0, 1]) < 0.2


def test_idleness_never_beats_trying():
    """Returns of zeros and of random actions: nothing is gained by doing nothing."""
    for env_id in ("STM-v0", "STMBuild-v0"):
        returns = {}
        for name in ("idle", "random"):
            env: Any = gym.make_vec(env_id, 32, autoreset_mode="Disabled")
            env.reset(seed=1)
            draws = np.random.default_rng(0)
            total, over = np.zeros(32), np.zeros(32, bool)
            while not over.all():
                shape = env.action_space.shape
                action = np.zeros(shape) if name == "idle" else draws.uniform(-1, 1, shape)
                _, reward, ended, _, _ = env.step(action.astype(np.float32))
                total += np.where(over, 0.0, reward)
                over |= ended
                if over.any():
                    env.reset(options={"reset_mask": ended}) if ended.any() else None
            returns[name] = total.mean()
        assert returns["idle"] <= returns["random"] + 0.01
