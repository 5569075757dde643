"""Residual policy of AFM-v0: features, corrections, privileged targets and potential."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch

from microgym.agents.afm.references import ExpertAgent, line_action
from microgym.agents.afm.residual import RANGE, SPEED, AFMResidual, AFMTeacher
from microgym.agents.core.asymmetric_policy import AsymmetricPolicy
from microgym.agents.core.config import load_config
from microgym.agents.core.learner import Learner, conditions_of
from microgym.agents.core.network import CRITIC, TARGET
from microgym.agents.core.privileged_observation import PrivilegedObservationWrapper
from microgym.agents.core.residual_policy import (
    HISTORY,
    ResidualPolicyNet,
)
from microgym.agents.core.trained_agent import PolicyAgent
from microgym.agents.training.sb3_vec_env import SB3VecEnv

GAMMA = 0.9


def corrected(count: int, **arguments: Any) -> PrivilegedObservationWrapper:
    words: Any = {"lines": 16, "reveal": True, "autoreset_mode": "SameStep", **arguments}
    controller = AFMResidual(2)
    teacher = AFMTeacher(controller, {}, {})
    return PrivilegedObservationWrapper(
        gym.make_vec("AFM-v0", count, **words), controller, teacher, GAMMA
    )


def test_no_corrections_leave_the_expert_as_it_is():
    env: Any = gym.make_vec("AFM-v0", 3, split="validation")
    observation, _ = env.reset(seed=4)
    corrections, alone = AFMResidual(2), ExpertAgent()
    corrections.allocate(3)
    alone.reset(3, range(3))
    for _ in range(6):
        corrections.adapt_observation(observation)
        action = corrections.adapt_action(np.zeros((3, 1)))
        assert np.array_equal(action, alone.act(observation, {}))
        observation, *_ = env.step(action)


def test_only_the_line_rate_is_corrected_and_within_bounds():
    env: Any = gym.make_vec("AFM-v0", 2, lines=8)
    observation, _ = env.reset(seed=1)
    corrections = AFMResidual(2)
    corrections.allocate(2)
    seen = corrections.adapt_observation(observation)[HISTORY]
    assert seen.shape == (2, 2 * corrections.width)
    assert np.abs(seen).max() <= corrections.feature_bound
    far = corrections.adapt_action(np.full((2, 1), 9.0))
    proposed = corrections.state.proposed
    assert far[:, SPEED] == pytest.approx(np.clip(proposed[:, SPEED] + RANGE, -1.0, 1.0), abs=1e-6)
    assert np.array_equal(far[:, :SPEED], proposed[:, :SPEED])


def test_what_is_seen_tells_a_loop_that_rings_from_one_that_does_not():
    """The quiet cells of the line do, whatever the surface."""
    env: Any = gym.make_vec("AFM-v0", 16, lines=8, split="validation", reveal=True)
    quiet: dict[float, np.ndarray] = {}
    for part in (0.5, 1.2):
        proposals = AFMResidual(1)
        proposals.expert.reset(16)
        observation, info = env.reset(seed=3)
        action = line_action(0.75, part * info["latent"]["gain_limit"], np.ones(16))
        for _ in range(3):
            observation, *_ = env.step(action)
        quiet[part] = proposals.features(observation, action)[:, 19]
    assert (quiet[1.2] > quiet[0.5]).mean() > 0.9


def test_the_potential_moves_rewards_and_does_not_change_the_discounted_return():
    env, plain = corrected(3), gym.make_vec("AFM-v0", 3, lines=16, autoreset_mode="SameStep")
    env.reset(seed=5)
    plain.reset(seed=5)
    rng = np.random.default_rng(0)
    paid, earned, discount, steps = np.zeros(3), np.zeros(3), 1.0, []
    for _ in range(16):
        choice = rng.uniform(-0.3, 0.3, (3, 1))
        action = env.adapter.adapt_action(choice)
        _, reward, over, _, _ = env.step(choice)
        reward = reward + env.shaping
        _, plainly, ended, _, _ = plain.step(action)
        assert np.array_equal(over, ended)
        running = ~np.isnan(paid)
        paid[running] += discount * reward[running]
        earned[running] += discount * plainly[running]
        discount *= GAMMA
        steps.append(reward - plainly)
        if over.any():
            assert paid[over] == pytest.approx(earned[over], abs=1e-9)
            paid[over] = np.nan
    assert np.isnan(paid).any()
    assert np.abs(np.array(steps[:8])).min(axis=0).max() > 1e-3


def test_targets_taken_in_full_make_an_oracle_of_the_expert():
    returns: dict[bool, float] = {}
    for taught in (False, True):
        env = corrected(24, lines=32, split="validation")
        seen, _ = env.reset(seed=7)
        total, running = np.zeros(24), np.ones(24, np.bool_)
        while running.any():
            seen, reward, over, _, _ = env.step(seen[TARGET] * taught)
            total += np.where(running, reward, 0.0)
            running &= ~over
        returns[taught] = float(total.mean())
    assert returns[True] > returns[False] + 0.05


def test_the_actor_sees_nothing_of_the_truth_and_the_critic_does():
    chosen = {**load_config("AFM-v0")["training"], "num_envs": 2}
    learner = Learner("AFM-v0", chosen)
    native: Any = learner.environment({"lines": 8})
    env = SB3VecEnv(native)
    policy: Any = AsymmetricPolicy(
        env.observation_space, env.action_space, lambda _: 1e-3, **learner.policy_kwargs()
    )
    native.reset(seed=1)
    seen, *_ = native.step(np.zeros((2, 1)))
    told = {name: torch.from_numpy(part) for name, part in seen.items()}
    other = {**told, CRITIC: told[CRITIC] + 1.0, TARGET: told[TARGET] + 1.0}
    with torch.no_grad():
        means = [policy.get_distribution(one).distribution.mean for one in (told, other)]
        values = [policy.predict_values(one) for one in (told, other)]
        kept = policy.network()({HISTORY: told[HISTORY]})
    assert torch.equal(*means)
    assert torch.allclose(kept, means[0], atol=1e-6)
    assert (values[0] != values[1]).all()


def test_a_snapshot_brings_everything_back():
    env = corrected(2)
    env.reset(seed=2)
    for _ in range(5):
        env.step(np.full((2, 1), 0.1))
    state = env.snapshot()
    first = [env.step(np.full((2, 1), -0.2)) for _ in range(4)]
    env.restore(state)
    second = [env.step(np.full((2, 1), -0.2)) for _ in range(4)]
    for one, other in zip(first, second, strict=True):
        assert np.array_equal(one[1], other[1])
        assert all(np.array_equal(one[0][name], other[0][name]) for name in one[0])


def test_what_cannot_be_corrected():
    with pytest.raises(ValueError, match=r"PFM-v0 has no expert that can be corrected"):
        ResidualPolicyNet(1, 7, 1, [4]).adapter("PFM-v0")
    with pytest.raises(ValueError, match=r"7 features must be .* in AFM-v0"):
        ResidualPolicyNet(1, 7, 1, [4]).adapter("AFM-v0")
    agent = PolicyAgent(ResidualPolicyNet(1, 31, 1, [4]), "AFM-v0", "net")
    agent.reset(1)
    with pytest.raises(ValueError, match=r"must be a mapping with \['numbers', 'signals'\]"):
        agent.act(np.zeros((1, 14), np.float32))


def test_conditions_go_to_the_environments_in_turn_and_stay():
    some = [{}, {"specimen": "particles", "loop": "hard"}, {"tip": "real"}]
    assert conditions_of(some, 4) == {
        "specimen": [None, "particles", None, None],
        "loop": [None, "hard", None, None],
        "tip": [None, None, "real", None],
    }
    settings = {**load_config("AFM-v0")["training"], "num_envs": 3, "conditions": some}
    env: Any = Learner("AFM-v0", settings).environment({"lines": 8})
    for seed in (1, 2):
        env.reset(seed=seed)
        task = env.unwrapped.task
        seen = [task.variants.of(row).config for row in range(3)]
        assert [one.specimen for one in seen] == ["mixed", "particles", "mixed"]
        assert [one.loop for one in seen] == ["real", "hard", "real"]
        assert [one.tip for one in seen] == ["easy", "easy", "real"]
