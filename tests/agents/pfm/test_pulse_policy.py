"""Candidate-ranking policy of PFM-v0: candidates, scores, privileged targets, training."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch

from microgym.agents.core.config import load_config
from microgym.agents.core.learner import Learner
from microgym.agents.core.network import CRITIC, TARGET
from microgym.agents.core.privileged_observation import PrivilegedObservationWrapper
from microgym.agents.core.registry import make_agent
from microgym.agents.core.trained_agent import PolicyAgent, load_policy
from microgym.agents.pfm.domain_model import CELLS
from microgym.agents.pfm.film import MODEL, STRONGEST_V
from microgym.agents.pfm.network import (
    BELIEFS,
    COUNT,
    FIRST_LOOK,
    MAPS,
    PULSE,
    PULSES,
    STATUS,
    PulsePolicyNet,
    PulseProposals,
    PulseTeacher,
)
from microgym.agents.training.trainer import train
from microgym.envs.pfm import observation as channels
from microgym.envs.pfm.observation import NUMBERS

REACH = PulsePolicyNet.reach

SMALL = {
    "num_envs": 4,
    "n_steps": 8,
    "batch_size": 16,
    "n_epochs": 1,
    "num_privileged_envs": 2,
    "aux_batch_size": 8,
    "aux_epochs": 1,
    "width": 8,
    "record_every": 0,
    "checkpoint_s": 0.0,
}


def observation(count: int = 1) -> dict[str, Any]:
    """A film that points down; a figure is wanted."""
    maps = np.zeros((count, len(channels.MAPS), CELLS, CELLS), np.float32)
    maps[:, channels.MAPS.index("response")] = -1.0
    maps[:, channels.MAPS.index("wanted"), 8:14, 20:26] = 1.0
    numbers = np.zeros((count, len(NUMBERS)), np.float32)
    for name in ("pulses_left", "time_left"):
        numbers[:, NUMBERS.index(name)] = 1.0
    return {"maps": channels.MAPS.scaled(maps), "numbers": NUMBERS.scaled(numbers)}


def tensors(seen: dict[str, Any]) -> dict[str, torch.Tensor]:
    return {name: torch.from_numpy(part) for name, part in seen.items()}


def fresh_net() -> PulsePolicyNet:
    torch.manual_seed(0)
    return PulsePolicyNet(8)


def test_pulses_are_proposed_in_the_order_of_what_they_are_worth():
    candidates = PulseProposals()
    candidates.allocate(2)
    seen = candidates.adapt_observation(observation(2))
    assert seen[MAPS].shape == (2, len(BELIEFS), CELLS, CELLS)
    assert seen[STATUS].shape == (2, len(NUMBERS) + 1)
    assert seen[PULSES].shape == (2, COUNT, len(PULSE))
    cell, volts, hit, spilt = seen[PULSES][0].T
    assert (cell[0] // CELLS, cell[0] % CELLS) == pytest.approx((10.5, 22.5), abs=1.6)
    assert 0.1 * min(MODEL.volts) <= volts.min() <= volts.max() <= 0.1 * STRONGEST_V
    # The wanted square has 144 cells of the film, of which one pulse writes more than half.
    assert 72.0 < hit[0] <= 144.0
    worth = hit / (144.0 + spilt) - 0.1 * spilt / 144.0
    assert (np.diff(worth) < 1e-6).all()
    action = candidates.adapt_action(np.array([1, 2 * COUNT - 1]))
    where = candidates.state.places[[0, 1], [1, COUNT - 1]]
    assert 31.5 * (action[:, :2] + 1.0) == pytest.approx(where, abs=1e-4)
    assert 10.0 * action[:, 2] == pytest.approx(candidates.state.volts[[0, 1], [1, COUNT - 1]])
    assert list(action[:, 4] > 0.0) == [False, True]
    agent = PolicyAgent(fresh_net(), "PFM-v0", "net")
    agent.reset(1)
    with pytest.raises(
        ValueError, match=r"'maps' must have shape \(5, 32, 32\) or \(1, 5, 32, 32\)"
    ):
        agent.act({**observation(), "maps": np.zeros((1, 5, 64, 64))})


def test_the_network_sees_what_surrounds_a_proposal():
    net = fresh_net()
    maps = torch.arange(CELLS * CELLS, dtype=torch.float32).view(1, 1, CELLS, CELLS)
    maps = maps.expand(1, len(BELIEFS), -1, -1)
    places = torch.zeros(1, COUNT)
    places[0, 3] = 12 * CELLS + 17
    around = net.surroundings(maps, places)
    assert around.shape == (
        1,
        COUNT,
        len(BELIEFS),
        2 * REACH + 1,
        2 * REACH + 1,
    )
    wanted = maps[
        0,
        0,
        12 - REACH : 13 + REACH,
        17 - REACH : 18 + REACH,
    ]
    assert torch.equal(around[0, 3, 1], wanted)
    corner = around[0, 0, 0]
    assert not corner[:REACH].any()
    assert torch.equal(
        corner[REACH:, REACH:],
        maps[0, 0, : REACH + 1, : REACH + 1],
    )


def test_an_untrained_network_gives_the_best_pulse_and_looks_once():
    env: Any = gym.make_vec("PFM-v0", 2, split="validation")
    agent = PolicyAgent(fresh_net(), "PFM-v0", "net")
    agent.reset(2)
    seen, info = env.reset(seed=3)
    looks: list[bool] = []
    for _ in range(8):
        action = agent.act(seen, info)
        best = agent._adapter.state.places[:, 0]  # type: ignore[attr-defined]
        assert 31.5 * (action[:, :2] + 1.0) == pytest.approx(best, abs=1e-4)
        looks.append(bool((action[:, 4] > 0.0).all()))
        seen, _, _, _, info = env.step(action)
    assert looks == [step == FIRST_LOOK for step in range(8)]


def test_the_target_is_what_the_pulses_do():
    """The proposal that writes most, given, writes what was foretold of it."""
    chosen: dict[str, Any] = {"drift": "off", "tip": "off", "heat": "off"}
    env: Any = gym.make_vec(
        "PFM-v0", 3, split="validation", reveal=True, autoreset_mode="SameStep", **chosen
    )
    proposals = PulseProposals()
    teacher = PulseTeacher(proposals, chosen, {"num_privileged_envs": 2})
    wrapped = PrivilegedObservationWrapper(env, proposals, teacher, 0.9)
    seen, info = wrapped.reset(seed=1)
    assert wrapped.single_observation_space.contains({name: x[0] for name, x in seen.items()})
    assert (seen[TARGET][:2, :, 2] == 1.0).all()
    assert not seen[TARGET][2].any(), "nothing is tried for the others"
    foretold = seen[PULSES][:2, :, 2]
    wrong = np.abs(foretold - seen[TARGET][:2, :, 0])
    assert wrong.mean() < 0.4 * foretold.mean(), "on a film of which nothing is known yet"
    best = seen[TARGET][..., 0].argmax(axis=1)
    told = seen[TARGET][np.arange(3), best]
    size = np.count_nonzero(info["latent"]["target"], axis=(1, 2))
    before = seen[CRITIC]
    seen, _, _, _, info = wrapped.step(best)
    gained = size[:, None] * (seen[CRITIC] - before)
    assert (told[:2, 0] > 20.0).all()
    assert gained[:2] == pytest.approx(told[:2, :2], abs=2.0)
    state = wrapped.snapshot()
    after = wrapped.step(best)
    wrapped.restore(state)
    again = wrapped.step(best)
    assert all(np.array_equal(after[0][name], again[0][name]) for name in after[0])
    with pytest.raises(ValueError, match=r"memory_belief\.p must have shape"):
        wrapped.restore({**state, "memory_belief.p": np.zeros(3)})


def test_the_auxiliary_loss_trains_the_prediction():
    """On the differences between candidates: here, a strong pulse writes more than is expected."""
    config = load_config("PFM-v0")["training"]
    config |= {"num_envs": 1, "num_privileged_envs": 1, "aux_learning_rate": 3e-3}
    net = fresh_net()
    learner = Learner("PFM-v0", config)
    learner.environment({}).close()
    auxiliary = learner.auxiliary_loss(net)
    assert auxiliary is not None
    candidates = PulseProposals()
    candidates.allocate(8)
    seen = tensors(candidates.adapt_observation(observation(8)))
    tried = torch.zeros(8, COUNT, 3)
    more = 600.0 * seen[PULSES][..., PULSE.index("volts"), None]
    tried[..., :2] = net.effects(seen).detach() + more - 300.0
    tried[..., 2] = 1.0

    def error() -> float:
        wrong = (net.effects(seen) - tried[..., :2]).detach()
        return float((wrong - wrong.mean(dim=1, keepdim=True)).square().mean())

    first = error()
    assert first == pytest.approx(float(more.var(dim=1, correction=0).mean()), rel=1e-4)
    auxiliary.model = type("Model", (), {"logger": type("Log", (), {"record": print})})  # type: ignore[assignment]
    auxiliary.locals = {"total_timesteps": 10}
    for _ in range(60):
        auxiliary._rollout = {**seen, TARGET: tried}
        auxiliary._on_rollout_start()
    assert error() < 0.5 * first
    auxiliary.num_timesteps = 10
    auxiliary._rollout = {**seen, TARGET: tried}
    auxiliary._on_rollout_start()
    assert auxiliary.optimizer.param_groups[0]["lr"] == pytest.approx(
        0.1 * config["aux_learning_rate"]
    )


def test_training_runs_resumes_and_leaves_a_policy(tmp_path):
    whole = train("PFM-v0", seed=1, output=tmp_path / "whole", total_timesteps=96, config=SMALL)
    assert whole.complete

    def stop(done: int) -> None:
        if done:
            raise KeyboardInterrupt

    part = train(
        "PFM-v0", seed=1, output=tmp_path / "part", total_timesteps=96, config=SMALL, progress=stop
    )
    assert not part.complete
    rest = train(
        "PFM-v0", seed=1, output=tmp_path / "part", total_timesteps=96, config=SMALL, resume=True
    )
    assert rest.complete
    one, other = (load_policy(tmp_path / name, "PFM-v0") for name in ("whole", "part"))
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))
    assert isinstance(one, PulsePolicyNet)


def test_a_decision_does_not_depend_on_the_batch():
    env: Any = gym.make_vec("PFM-v0", 3, split="validation", autoreset_mode="Disabled")
    many, one = (PolicyAgent(fresh_net(), "PFM-v0", "net") for _ in range(2))
    seen, info = env.reset(seed=4)
    many.reset(3, [0, 1, 2])
    one.reset(1, [2])
    for _ in range(14):
        actions = many.act(seen, info)
        alone = one.act({name: part[2:] for name, part in seen.items()}, info)
        assert np.array_equal(actions[2:], alone)
        seen, _, _, _, info = env.step(actions)


@pytest.mark.parametrize("env_id", ["PFM-v0", "PFMLoop-v0"])
def test_a_policy_comes_with_the_package(env_id):
    env: Any = gym.make_vec(env_id, 2)
    seen, info = env.reset(seed=1)
    agent = make_agent(env_id, "trained")
    agent.reset(2, [1, 2])
    assert agent.act(seen, info).shape == (2, 5)
