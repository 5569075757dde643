"""The learnt operator of AFM-v0: its actions, its file, its training in small."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from microgym.agents import lines
from microgym.agents.lines import (
    POLICY_FILE,
    LineActor,
    LineAgent,
    even_pace,
    to_dials,
    to_feedback,
    train,
)
from microgym.agents.registry import make_agent
from microgym.envs.afm.arguments import AFMArguments


@pytest.fixture(scope="module")
def policy(tmp_path_factory):
    """A policy after the shortest of trainings, and what was told of it."""
    told: list[str] = []
    folder = tmp_path_factory.mktemp("policy")
    before = torch.get_num_threads()
    path = train(folder, seed=0, steps=0, rounds=1, episodes=2, progress=told.append)
    torch.set_num_threads(before)
    return path, told


def test_both_kinds_of_action_say_the_same():
    rng = np.random.default_rng(0)
    dials = np.full((20, 5), -1.0, np.float32)
    dials[:, :2] = rng.uniform(-1.0, 1.0, (20, 2))
    dials[:, 3] = rng.uniform(-0.2, 0.4, 20)
    pace = rng.uniform(3.0, 5.0, 20)
    assert to_dials(to_feedback(dials, pace), pace) == pytest.approx(dials, abs=1e-5)


def test_the_pace_is_that_of_the_environment():
    feedback = gym.make_vec("AFM-v0", 2, lines=16, time_budget_s=5.0, action="feedback")
    dials = gym.make_vec("AFM-v0", 2, lines=16, time_budget_s=5.0)
    chosen = np.array([[0.1, 0.2, 0.3], [-0.2, 0.1, -0.4]], np.float32)
    arguments = AFMArguments(lines=16, time_budget_s=5.0)
    seen, other = feedback.reset(seed=3)[0], dials.reset(seed=3)[0]
    for _ in range(4):
        action = to_dials(chosen, even_pace(other, arguments))
        seen, other = feedback.step(chosen)[0], dials.step(action)[0]
        # Settings and what is left; what the loop makes of rounded settings differs a little.
        assert seen["numbers"][:, :7] == pytest.approx(other["numbers"][:, :7], abs=1e-5)


def test_training_leaves_a_policy_that_acts(policy):
    path, told = policy
    assert path.name == POLICY_FILE
    assert len(told) == 1
    envs = gym.make_vec("AFM-v0", 3, lines=8)
    agent = make_agent("AFM-v0", str(path), {"lines": 8})
    agent.reset(3, range(3))
    observation, info = envs.reset(seed=1)
    action = agent.act(observation, info)
    assert action in envs.action_space
    assert (action[:, 4] == -1.0).all()
    alone = {key: values[1:2] for key, values in observation.items()}
    assert np.array_equal(agent.act(alone, {})[0], action[1])


def test_the_file_holds_what_the_policy_would_do(policy, monkeypatch):
    held: list[tuple[Any, Any, Any]] = []
    weights = lines._weights

    def spy(model):
        rng = np.random.default_rng(0)
        observation = {
            "signals": rng.uniform(-1.0, 1.0, (5, 5, 64)).astype(np.float32),
            "numbers": rng.uniform(-1.0, 1.0, (5, 17)).astype(np.float32),
        }
        found = weights(model)
        held.append((observation, model.predict(observation, deterministic=True)[0], found))
        return found

    monkeypatch.setattr(lines, "_weights", spy)
    train(policy[0].parent / "other", seed=1, steps=0, rounds=1, episodes=1, progress=str)
    observation, expected, found = held[0]
    actor = LineActor()
    actor.load_state_dict(found)
    with torch.inference_mode():
        mine = actor({key: torch.from_numpy(value) for key, value in observation.items()}).numpy()
    assert np.clip(mine, -1.0, 1.0) == pytest.approx(expected, abs=1e-6)


def test_files_that_are_no_policy_are_refused(tmp_path, policy):
    with pytest.raises(FileNotFoundError, match="there is no policy at"):
        LineAgent(tmp_path)
    wrong = tmp_path / "wrong.safetensors"
    wrong.write_bytes(b"nothing")
    with pytest.raises(ValueError, match="safetensors"):
        LineAgent(wrong)
    save_file({"a": torch.zeros(1)}, wrong)
    with pytest.raises(ValueError, match="no policy"):
        LineAgent(wrong)
    save_file({"a": torch.zeros(1)}, wrong, {"format": lines._FORMAT, "env": "AFM-v0"})
    with pytest.raises(ValueError, match="damaged"):
        LineAgent(wrong)
    with pytest.raises(ValueError, match="seed"):
        train(tmp_path, seed=-1)


@pytest.mark.slow
def test_ppo_goes_on_from_the_apprenticeship(tmp_path):
    told: list[str] = []
    path = train(tmp_path, seed=0, steps=4096, rounds=1, episodes=2, progress=told.append)
    assert path.is_file()
    assert told[0].startswith("apprenticeship")
    assert told[1].startswith("4096 steps")
