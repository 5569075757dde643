"""Residual policy of the STM: features, corrections, privileged targets and training."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch

from microgym.agents.core.config import load_config
from microgym.agents.core.learner import Learner
from microgym.agents.core.network import TARGET
from microgym.agents.core.privileged_observation import PrivilegedObservationWrapper
from microgym.agents.core.registry import make_agent
from microgym.agents.core.residual_policy import HISTORY, ResidualPolicyNet
from microgym.agents.core.trained_agent import PolicyAgent, load_policy, save_policy
from microgym.agents.stm.privileged import STMTeacher
from microgym.agents.stm.references import ExpertAgent
from microgym.agents.stm.residual import RANGE, STMResidual, width_of
from microgym.agents.training.trainer import train
from microgym.baselines.evaluation.env_config import EnvironmentConfig
from microgym.baselines.evaluation.evaluate import evaluate_all

SMALL = {
    "num_envs": 4,
    "n_steps": 8,
    "batch_size": 16,
    "n_epochs": 1,
    "aux_batch_size": 16,
    "aux_epochs": 1,
    "history": 2,
    "net_arch": [8],
    "record_every": 0,
    "checkpoint_s": 0.0,
}


def fresh_net(movers: int = 1, history: int = 2) -> ResidualPolicyNet:
    torch.manual_seed(0)
    return ResidualPolicyNet(history, width_of(movers), 7 if movers == 1 else 8, [8])


def silent(net: ResidualPolicyNet) -> ResidualPolicyNet:
    with torch.no_grad():
        net.head.weight.zero_()
        net.head.bias.zero_()
    return net


@pytest.mark.parametrize("movers", [1, 2, 3, 5])
def test_the_width_says_how_many_adatoms(movers):
    assert STMResidual.for_width(width_of(movers), 1).expert.movers == movers
    env: Any = gym.make("STMBuild-v0", atoms=movers) if movers > 1 else gym.make("STM-v0")
    assert width_of(movers) == env.observation_space.shape[0] + env.action_space.shape[0] + 4
    with pytest.raises(ValueError, match="no number of adatoms gives 7 features"):
        STMResidual.for_width(7, 1)


def test_no_corrections_leave_the_expert_as_it_is(tmp_path):
    path = tmp_path / "policy.safetensors"
    save_policy(path, silent(fresh_net()), "STM-v0", 0, 1)
    agents = {
        "expert": ExpertAgent(),
        "trained": PolicyAgent(load_policy(path, "STM-v0"), "STM-v0", "trained"),
    }
    found = evaluate_all(EnvironmentConfig("STM-v0", "validation"), agents, episodes=6, num_envs=3)
    assert np.array_equal(found["expert"].returns, found["trained"].returns)


def test_corrections_are_bounded_and_memory_begins_anew():
    env: Any = gym.make_vec("STM-v0", 2)
    observation, _ = env.reset(seed=1)
    corrections = STMResidual(1, 3)
    corrections.allocate(2)
    first = corrections.adapt_observation(observation)[HISTORY]
    assert first.shape == (2, 3 * width_of(1))
    assert np.abs(first).max() <= 1.0
    assert (first[:, : 2 * width_of(1)] == 0.0).all()
    far = corrections.adapt_action(np.full((2, 7), 9.0))
    assert far == pytest.approx(np.clip(corrections.state.proposed + np.array(RANGE[:7]), -1, 1))
    second = corrections.adapt_observation(observation)[HISTORY]
    assert np.array_equal(second[:, width_of(1) : 2 * width_of(1)], first[:, 2 * width_of(1) :])
    corrections.reset_rows(np.array([True, False]))
    third = corrections.adapt_observation(observation)[HISTORY]
    assert (third[0, : 2 * width_of(1)] == 0.0).all()
    assert (third[1, : width_of(1)] != 0.0).any()
    two_of_three = STMResidual(3, 2)
    two_of_three.allocate(2)
    with pytest.raises(ValueError, match=r"'numbers' must have shape \(57,\) or .*, got \(2, 41\)"):
        two_of_three.adapt_observation(observation)


def test_the_target_says_where_a_drag_should_lie():
    """Applied in full, it makes the expert hit as if nothing were hidden."""
    placed: dict[str, float] = {}
    for taught in (False, True):
        env: Any = gym.make_vec(
            "STM-v0", 32, split="validation", reveal=True, tip="hard", autoreset_mode="SameStep"
        )
        controller = STMResidual(1, 1)
        wrapped = PrivilegedObservationWrapper(
            env, controller, STMTeacher(controller, {}, {}), 0.95
        )
        controller.limits = np.array([1.0, 1.0, 0.2, 0.2, 0, 0, 0])
        seen, _ = wrapped.reset(seed=1)
        ended, reached = 0, 0.0
        for _ in range(40):
            missing = seen[TARGET][:, :2] * taught
            zeros = np.zeros((32, 3))
            actions = np.concatenate([missing / 0.4, missing / 0.4, zeros], axis=1)
            seen, _, over, _, info = wrapped.step(actions)
            if over.any():
                ended += int(over.sum())
                reached += float(info["final_info"]["metrics"]["placed"][over].sum())
        placed[str(taught)] = reached / ended
    assert placed["True"] > placed["False"] + 0.02


@pytest.mark.parametrize("env_id", ["STM-v0", "AFM-v0"])
def test_training_runs_resumes_and_leaves_a_policy(tmp_path, env_id):
    whole = train(env_id, seed=1, output=tmp_path / "whole", total_timesteps=96, config=SMALL)
    assert whole.complete

    def stop(done: int) -> None:
        if done:
            raise KeyboardInterrupt

    part = train(
        env_id, seed=1, output=tmp_path / "part", total_timesteps=96, config=SMALL, progress=stop
    )
    assert not part.complete
    rest = train(
        env_id, seed=1, output=tmp_path / "part", total_timesteps=96, config=SMALL, resume=True
    )
    assert rest.complete
    one, other = (load_policy(tmp_path / name, env_id) for name in ("whole", "part"))
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))
    assert isinstance(one, ResidualPolicyNet)


def test_the_auxiliary_loss_ends_when_it_should():
    chosen = load_config("STM-v0")["training"]
    learner = Learner("STM-v0", {**chosen, "num_envs": 1})
    learner.environment({}).close()
    auxiliary = learner.auxiliary_loss(fresh_net(1, chosen["history"]))
    assert auxiliary is not None
    before = [p.clone() for p in auxiliary._net.parameters()]
    seen = torch.zeros(4, chosen["history"] * width_of(1))
    target = torch.tensor([[0.1, 0.0, 1.0]] * 4)
    auxiliary._rollout = {HISTORY: seen, TARGET: target}
    auxiliary.num_timesteps = chosen["aux_until_step"] + 1
    auxiliary._on_rollout_start()
    now = auxiliary._net.parameters()
    assert all(torch.equal(a, b) for a, b in zip(before, now, strict=True))


@pytest.mark.parametrize(("env_id", "components"), [("STM-v0", 7), ("STMBuild-v0", 8)])
def test_a_policy_for_each_task_comes_with_the_package(env_id, components):
    env: Any = gym.make_vec(env_id, 2)
    observation, info = env.reset(seed=1)
    agent = make_agent(env_id, "trained")
    agent.reset(2, [1, 2])
    assert agent.act(observation, info).shape == (2, components)


def test_the_shipped_policy_is_better_than_the_expert_whom_it_corrects():
    agents = {name: make_agent("STM-v0", name) for name in ("expert", "trained")}
    found = evaluate_all(EnvironmentConfig("STM-v0", "test"), agents, episodes=400, num_envs=100)
    gain = found["trained"].returns - found["expert"].returns
    assert gain.mean() > 1.96 * gain.std() / np.sqrt(gain.size)


@pytest.mark.parametrize(("env_id", "episodes"), [("STMBuild-v0", 128), ("AFM-v0", 64)])
def test_the_shipped_policy_is_not_worse_than_the_expert_whom_it_corrects(env_id, episodes):
    """By interval: the record says how much it adds."""
    agents = {name: make_agent(env_id, name) for name in ("expert", "trained")}
    found = evaluate_all(EnvironmentConfig(env_id, "test"), agents, episodes=episodes, num_envs=64)
    gain = found["trained"].returns - found["expert"].returns
    assert gain.mean() > -1.96 * gain.std() / np.sqrt(gain.size)
