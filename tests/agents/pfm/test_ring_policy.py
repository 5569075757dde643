"""Policy of PFMLoop-v0: features of the ring, its network, its training."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch

from microgym.agents.core.network import CRITIC, TARGET
from microgym.agents.core.privileged_observation import PrivilegedObservationWrapper
from microgym.agents.core.registry import make_agent
from microgym.agents.core.trained_agent import load_policy
from microgym.agents.pfm.ring_network import (
    AROUND,
    LOOPS,
    NUMBERS,
    PLACES,
    RADIUS,
    VOLTS,
    RingFeatures,
    RingPolicyNet,
    RingTeacher,
)
from microgym.agents.training.trainer import train
from microgym.baselines.evaluation.env_config import EnvironmentConfig
from microgym.baselines.evaluation.evaluate import evaluate_all
from microgym.envs.pfm.observation import LOOP_NUMBERS

WAIT = PLACES * len(VOLTS)


def test_choices_are_pulses_on_the_ring_and_loops_are_remembered():
    env: Any = gym.make_vec("PFMLoop-v0", 3, reveal=True)
    observation, _ = env.reset(seed=1)
    adapter = RingFeatures()
    adapter.allocate(3)
    first = adapter.adapt_observation(observation)
    assert not first[NUMBERS][:, len(LOOP_NUMBERS) :][:, : LOOPS + 1].any()
    assert not first[AROUND][:, 3:].any()
    # The top of the ring, its right, and no pulse.
    choice = np.array([0, PLACES // 4 + PLACES * (len(VOLTS) - 1), WAIT])
    action = adapter.adapt_action(choice)
    assert action[:, 2] == pytest.approx([VOLTS[0] / 10.0, VOLTS[-1] / 10.0, 0.0])
    assert (action[:, 4] > 0.0).all()
    at = 31.5 * action[:2, :2]
    assert at == pytest.approx(np.array([[-RADIUS, 0.0], [0.0, RADIUS]]), abs=1e-4)
    observation, _, _, _, _ = env.step(action)
    second = adapter.adapt_observation(observation)
    told = LOOP_NUMBERS.unpack(observation["numbers"])
    memory = second[NUMBERS][:, len(LOOP_NUMBERS) :]
    assert memory[:, 0] == pytest.approx(told["excess"] / 0.3, abs=1e-5)
    assert not memory[:, 1:LOOPS].any()
    assert second[AROUND][0, 5, 0] == pytest.approx(VOLTS[0] / 10.0)
    # Maps of past pulses are read where the pulses went.
    assert second[AROUND][0, 4].argmax() == 0
    assert second[AROUND][1, 3].argmax() == PLACES // 4


def test_the_policy_turns_with_the_film():
    torch.manual_seed(0)
    net = RingPolicyNet(16)
    around, numbers = torch.randn(2, 7, PLACES), torch.randn(2, len(LOOP_NUMBERS) + LOOPS + 2)
    logits, value, error = net({AROUND: around, NUMBERS: numbers})
    turned = net({AROUND: around.roll(5, dims=2), NUMBERS: numbers})
    assert torch.allclose(turned[1], value, atol=1e-5)
    assert torch.allclose(turned[2], error, atol=1e-5)
    pulses = logits[:, :WAIT].reshape(2, len(VOLTS), PLACES)
    assert torch.allclose(turned[0][:, :WAIT].reshape(pulses.shape), pulses.roll(5, 2), atol=1e-5)
    assert torch.allclose(turned[0][:, WAIT], logits[:, WAIT], atol=1e-5)
    assert not torch.allclose(pulses, pulses.roll(5, 2), atol=1e-5)


def test_in_training_the_critic_sees_the_true_error():
    env: Any = gym.make_vec("PFMLoop-v0", 4, reveal=True, autoreset_mode="SameStep")
    adapter = RingFeatures()
    wrapped = PrivilegedObservationWrapper(env, adapter, RingTeacher(adapter, {}, {}), 0.95)
    seen, info = wrapped.reset(seed=3)
    error = info["latent"]["imprint_v"] - info["latent"]["asked_v"]
    assert seen[TARGET][:, 0] == pytest.approx(2.0 * error, abs=1e-5)
    assert np.abs(error).min() > 0.14
    assert seen[CRITIC][:, 0] == pytest.approx(2.0 * error, abs=1e-5)
    assert seen[CRITIC].shape == (4, RingPolicyNet.privileged_features)
    batch = {name: torch.from_numpy(part) for name, part in seen.items()}
    net = RingPolicyNet()
    RingTeacher(adapter, {}, {}).loss(net, batch).backward()
    assert net.error.weight.grad is not None
    assert net.logits.weight.grad is None


def test_a_policy_is_stored_and_trained(tmp_path):
    small = {
        "num_envs": 4,
        "n_steps": 8,
        "batch_size": 16,
        "aux_batch_size": 16,
        "width": 8,
        "record_every": 0,
        "checkpoint_s": 0.0,
    }
    assert train("PFMLoop-v0", seed=1, output=tmp_path, total_timesteps=64, config=small).complete
    net = load_policy(tmp_path, "PFMLoop-v0")
    assert isinstance(net, RingPolicyNet)
    assert net.width == 8


def test_the_shipped_policy_beats_the_expert():
    setting = EnvironmentConfig("PFMLoop-v0", split="validation")
    agents = {name: make_agent("PFMLoop-v0", name) for name in ("expert", "trained")}
    found = evaluate_all(setting, agents, episodes=128, num_envs=64)
    gain = found["trained"].returns - found["expert"].returns
    assert gain.mean() > 2.0 * gain.std() / np.sqrt(gain.size) > 0.0
