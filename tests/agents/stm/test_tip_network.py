"""Policy of STMTip-v0: beliefs beside the observation, its network, its training."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch

from microgym.agents.core.network import CRITIC, TARGET
from microgym.agents.core.privileged_observation import PrivilegedObservationWrapper
from microgym.agents.core.registry import make_agent
from microgym.agents.core.trained_agent import PolicyAgent, load_policy, save_policy
from microgym.agents.stm.tip_network import BELIEF, NUMBERS, TipBeliefs, TipPolicyNet, TipTeacher
from microgym.agents.stm.tip_references import TipExpertAgent
from microgym.agents.training.trainer import train
from microgym.baselines.evaluation.env_config import EnvironmentConfig
from microgym.baselines.evaluation.evaluate import evaluate_all
from microgym.physics import stm_tip


def test_beliefs_are_those_of_the_expert_and_begin_anew():
    env: Any = gym.make_vec("STMTip-v0", 8, autoreset_mode="SameStep")
    observation, info = env.reset(seed=1)
    expert, adapter = TipExpertAgent(), TipBeliefs()
    expert.reset(8)
    adapter.allocate(8)
    ended = 0
    for _ in range(12):
        action = expert.act(observation, info)
        seen = adapter.adapt_observation(observation)
        assert np.array_equal(adapter.state.belief, expert.state.belief)
        odds = np.exp(3.0 * seen[BELIEF][:, : len(stm_tip.STATES)])
        assert (odds / (1.0 + odds)).sum(axis=1) == pytest.approx(1.0, abs=5e-3)
        assert np.array_equal(seen[NUMBERS], observation)
        observation, _, over, _, info = env.step(action)
        expert.reset_rows(over)
        adapter.reset_rows(over)
        ended += over.sum()
    assert ended > 3


def test_in_training_the_critic_sees_the_tip():
    env: Any = gym.make_vec("STMTip-v0", 4, reveal=True, autoreset_mode="SameStep")
    adapter = TipBeliefs()
    wrapped = PrivilegedObservationWrapper(env, adapter, TipTeacher(adapter, {}, {}), 0.99)
    seen, info = wrapped.reset(seed=3)
    kinds = info["latent"]["tip_state"]
    assert seen[TARGET][:, 0].tolist() == kinds.tolist()
    assert seen[CRITIC][:, :-1].argmax(axis=1).tolist() == kinds.tolist()
    assert seen[CRITIC][:, -1] == pytest.approx(info["latent"]["traits"][:, stm_tip.HARDNESS])
    batch = {name: torch.from_numpy(part) for name, part in seen.items()}
    net = TipPolicyNet()
    loss = TipTeacher(adapter, {}, {}).loss(net, batch)
    loss.backward()
    assert net.states.weight.grad is not None
    assert net.choice.weight.grad is None
    assert loss.item() == pytest.approx(np.log(5), abs=0.5)


def test_a_policy_is_stored_and_trained(tmp_path):
    small = {
        "num_envs": 4,
        "n_steps": 8,
        "batch_size": 16,
        "aux_batch_size": 16,
        "hidden": [8],
        "record_every": 0,
        "checkpoint_s": 0.0,
    }
    done = train("STMTip-v0", seed=1, output=tmp_path, total_timesteps=64, config=small)
    assert done.complete
    net = load_policy(tmp_path, "STMTip-v0")
    assert isinstance(net, TipPolicyNet)
    assert net.hidden == [8]
    again = tmp_path / "again.safetensors"
    save_policy(again, net, "STMTip-v0", 0, 1)
    agent = PolicyAgent(load_policy(again, "STMTip-v0"), "STMTip-v0", "trained")
    env: Any = gym.make_vec("STMTip-v0", 2)
    observation, info = env.reset(seed=1)
    agent.reset(2)
    assert agent.act(observation, info).shape == (2,)


def test_the_shipped_policy_is_better_than_the_filter():
    """Paired over the same test specimens: better by interval."""
    agents = {name: make_agent("STMTip-v0", name) for name in ("expert", "trained")}
    found = evaluate_all(EnvironmentConfig("STMTip-v0", "test"), agents, episodes=400, num_envs=100)
    gain = found["trained"].returns - found["expert"].returns
    assert gain.mean() > 1.96 * gain.std() / np.sqrt(gain.size)
    assert found["trained"].metrics["recovered"].mean() > 0.9
