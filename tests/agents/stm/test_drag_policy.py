"""Policy that searches drags on a belief: choices, privileged targets, training."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch

from microgym.agents.core.config import load_config
from microgym.agents.core.learner import Learner
from microgym.agents.core.network import TARGET
from microgym.agents.core.registry import make_agent
from microgym.agents.core.trained_agent import PolicyAgent, load_policy, save_policy
from microgym.agents.stm import drag_belief
from microgym.agents.stm.drag_network import (
    COUNT,
    DRAG,
    DRAGS,
    STATUS,
    TOLD,
    DragPolicyNet,
    DragProposals,
)
from microgym.agents.training.trainer import train
from microgym.baselines.evaluation.env_config import EnvironmentConfig
from microgym.baselines.evaluation.evaluate import evaluate_all
from microgym.physics.stm_tip import ApexParameters

SMALL = {
    "num_envs": 2,
    "n_steps": 4,
    "batch_size": 8,
    "n_epochs": 1,
    "aux_batch_size": 8,
    "aux_epochs": 1,
    "width": 8,
    "checkpoint_s": 0.0,
}


def told(**values: float) -> dict[str, torch.Tensor]:
    """Observation of a network with drags of costs 1, 2, ..., and some numbers of the status."""
    drags, status = torch.zeros(1, COUNT, len(DRAG)), torch.zeros(1, len(TOLD))
    drags[0, :, 0] = torch.arange(1.0, COUNT + 1.0)
    drags[0, :, DRAG.index("hit")] = values.pop("hit", 0.0)
    for name, value in {"cost": 3.0, **values}.items():
        status[0, TOLD.index(name)] = value
    return {DRAGS: drags, STATUS: status}


@pytest.mark.parametrize(
    ("values", "choice"),
    [
        ({}, 0),
        ({"last": 1.0, "hit": 0.9}, COUNT),  # an image shows whether it was the last drag
        ({"last": 1.0, "hit": 0.1}, 0),
        ({"drags": 5.0 / 6.0}, COUNT),
        ({"cost": 1.0, "drags": 0.5}, 2 * COUNT),  # nothing to be gained
        ({"cost": 1.0, "useless": 1.0}, 0),
        ({"forced": 1.0}, 2 * COUNT),
    ],
)
def test_a_fresh_network_makes_the_best_drag_and_looks_when_due(values, choice):
    assert DragPolicyNet().decide(told(**values)).item() == choice


def test_drags_of_each_conductance_are_proposed():
    """A weak well that is not expected yet is found by drags at a large conductance."""
    env: Any = gym.make_vec("STM-v0", 8, split="validation")
    observation, _ = env.reset(seed=0)
    proposals = DragProposals(1)
    proposals.allocate(8)
    press = proposals.adapt_observation(observation)[DRAGS][..., DRAG.index("press")]
    for one in (-1.0, 0.0, 1.0):
        assert ((press == one).sum(axis=1) == COUNT // 3).all()


def test_a_fresh_network_is_better_than_the_expert_and_does_not_depend_on_the_batch():
    setting, net = EnvironmentConfig("STMBuild-v0", "validation"), DragPolicyNet()
    agent = PolicyAgent(net, "STMBuild-v0", "fresh")
    found = evaluate_all(setting, {"fresh": agent}, episodes=16, num_envs=16, whole=True)["fresh"]
    expert = {"expert": make_agent("STMBuild-v0", "expert")}
    other = evaluate_all(setting, expert, episodes=16, num_envs=16, whole=True)["expert"]
    assert found.returns.mean() > other.returns.mean() + 0.05
    again = evaluate_all(setting, {"fresh": agent}, episodes=2, num_envs=1, whole=True)["fresh"]
    assert np.array_equal(again.returns, found.returns[:2])


def test_a_policy_is_stored_and_read(tmp_path):
    path, net = tmp_path / "policy.safetensors", DragPolicyNet(8)
    save_policy(path, net, "STM-v0", 0, 1)
    read = load_policy(path, "STM-v0")
    assert isinstance(read, DragPolicyNet)
    assert read.width == 8
    seen = told(last=1.0)
    assert torch.equal(read(seen)[0], net(seen)[0])


@pytest.mark.parametrize(("env_id", "size"), [("STM-v0", 7), ("STMBuild-v0", 8)])
def test_choices_are_drags_within_reach(env_id, size):
    env: Any = gym.make_vec(env_id, 3)
    adapter = DragPolicyNet().adapter(env_id)
    assert isinstance(adapter, DragProposals)
    adapter.allocate(3)
    observation, _ = env.reset(seed=5)
    seen = adapter.adapt_observation(observation)
    assert seen[DRAGS].shape == (3, COUNT, len(DRAG))
    drag, both, look = (adapter.adapt_action(np.full(3, k)) for k in (0, COUNT, 2 * COUNT))
    assert drag.shape == (3, size)
    assert np.abs(drag).max() <= 1.0
    assert np.array_equal(np.delete(drag, 6, axis=1), np.delete(both, 6, axis=1))
    assert [one[0, 6] for one in (drag, both, look)] == [-1.0, 0.0, 1.0]


def test_targets_are_the_outcomes_on_the_true_surface(monkeypatch):
    """Where all is known, drags have the same outcomes on the belief as on the true surface."""
    for name in ("_PLACE_NM", "_MARK_NM", "_DRIFT_NM"):
        monkeypatch.setattr(drag_belief, name, 1e-3)
    monkeypatch.setattr(drag_belief, "_PRIOR", ApexParameters())
    settings = {**load_config("STMBuild-v0")["training"], **SMALL, "num_envs": 8}
    env: Any = Learner("STMBuild-v0", settings).environment(
        {"noise": "off", "drift": "off", "tip": "off"}
    )
    observation, _ = env.reset(seed=3)
    cost, there = np.moveaxis(observation[TARGET], -1, 0)
    assert (there[:, 0] == 1.0).all()
    apart = np.abs(observation[DRAGS][..., 0] - cost)[there == 1.0]
    assert np.median(apart) < 0.02  # bystanders, heat, and rounding of the actions
    env.close()


@pytest.mark.parametrize("env_id", ["STM-v0", "STMBuild-v0"])
def test_training_runs_and_is_repeatable(env_id, tmp_path):
    words: Any = {"config": SMALL, "seed": 1, "total_timesteps": 16}
    paths = [train(env_id, output=tmp_path / name, **words).path for name in ("a", "b")]
    nets = [load_policy(path, env_id) for path in paths]
    one, other = (net.state_dict() for net in nets)
    assert all(torch.equal(value, other[name]) for name, value in one.items())
    fresh = DragPolicyNet(8).state_dict()
    assert any(not torch.equal(value, fresh[name]) for name, value in one.items())
