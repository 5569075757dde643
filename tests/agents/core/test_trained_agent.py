"""A trained policy on disk: whole or not at all, and the same decision in any company."""

import json
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from microgym.agents.core import trained_agent
from microgym.agents.core.registry import make_agent
from microgym.agents.core.trained_agent import (
    POLICY_FILE,
    PolicyAgent,
    load_policy,
    save_policy,
)
from microgym.agents.ptycho.network import ScanPolicyNet
from microgym.envs.ptycho.config import GRID, GRID_DWELLS_S

ENV = "Ptycho-v0"


def network(seed: int = 0, **changes: int) -> ScanPolicyNet:
    torch.manual_seed(seed)
    net = ScanPolicyNet(**{"width": 8, **changes})
    with torch.no_grad():
        for weight in net.parameters():
            weight.add_(0.3 * torch.randn_like(weight))
    return net


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / POLICY_FILE
    save_policy(file, network(), ENV, seed=3, steps=100)
    return file


def observations(count: int = 5, seed: int = 0) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    return {
        "maps": rng.uniform(-1, 1, (count, 5, 32, 32)).astype(np.float32),
        "numbers": rng.uniform(-1, 1, (count, 7)).astype(np.float32),
        "structure": np.zeros((count, 32, 32), np.float32),
    }


def logits(net: ScanPolicyNet) -> torch.Tensor:
    seen = {name: torch.from_numpy(one) for name, one in observations().items()}
    with torch.inference_mode():
        return net(seen)[0]


def test_what_is_saved_is_loaded(path):
    net = network()
    assert torch.equal(logits(load_policy(path, ENV)), logits(net))
    assert torch.equal(logits(load_policy(path.parent, ENV)), logits(net)), "by its folder"
    assert not load_policy(path, ENV).training
    assert [file.name for file in path.parent.iterdir()] == [POLICY_FILE]


def test_shapes_are_part_of_the_file(tmp_path):
    file = tmp_path / "other.safetensors"
    net = network(channels=6, numbers=4, levels=2, width=6)
    save_policy(file, net, ENV, seed=0, steps=1)
    again = load_policy(file, ENV)
    assert again.sizes() == net.sizes() == {"channels": 6, "numbers": 4, "levels": 2, "width": 6}
    assert again.stem.in_channels == 10
    assert {n: t.shape for n, t in again.state_dict().items()} == {
        n: t.shape for n, t in net.state_dict().items()
    }


def test_a_file_is_replaced_whole_or_not_at_all(path, monkeypatch):
    before = path.read_bytes()

    def fail(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(trained_agent.os, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        save_policy(path, network(1), ENV, seed=0, steps=1)
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == [POLICY_FILE]
    monkeypatch.undo()
    save_policy(path, network(1), ENV, seed=0, steps=1)
    assert path.read_bytes() != before


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError):
        save_policy(tmp_path / "nowhere" / "policy.safetensors", network(), ENV, seed=0, steps=1)
    assert not list(tmp_path.iterdir())


def test_missing_policies(tmp_path):
    for place in (tmp_path, tmp_path / "none.safetensors"):
        with pytest.raises(FileNotFoundError, match="there is no policy at"):
            load_policy(place, ENV)
        with pytest.raises(FileNotFoundError):
            make_agent(ENV, str(place))


@pytest.mark.parametrize("kept", [0, 4, 200, -100])
def test_truncated_policies(path, kept):
    whole = path.read_bytes()
    path.write_bytes(whole[:kept])
    with pytest.raises(ValueError, match="is not a policy in safetensors format"):
        load_policy(path, ENV)


@pytest.mark.parametrize("content", [b"\x80\x04K\x01.", b"PK\x03\x04" + bytes(60), b"weights" * 9])
def test_foreign_files(path, content):
    path.write_bytes(content)
    with pytest.raises(ValueError, match="is not a policy in safetensors format"):
        load_policy(path, ENV)


def rewrite(path: Path, tensors: Any = None, **changes: Any) -> None:
    """The policy's file with some of its contents changed."""
    metadata = {
        "format": "microgym-policy-2",
        "env": ENV,
        "network": "scan",
        "shape": json.dumps({"channels": 5, "numbers": 7, "levels": 3, "width": 8}),
        **changes,
    }
    kept = {name: value for name, value in metadata.items() if value is not None}
    save_file(load_file(path) if tensors is None else tensors, path, kept)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": "other"}, "holds no policy of this package"),
        ({"format": None}, "holds no policy of this package"),
        ({"env": "Other-v0"}, "is a policy for 'Other-v0', not for 'Ptycho-v0'"),
        ({"network": "other"}, "is damaged"),
        ({"network": None}, "is damaged"),
        ({"shape": None}, "is damaged"),
        ({"shape": "{"}, "is damaged"),
        ({"shape": json.dumps({"colour": 1})}, "is damaged"),
        ({"shape": json.dumps({"width": 9})}, "is damaged"),
    ],
)
def test_policies_of_another_kind(path, changes, message):
    rewrite(path, **changes)
    with pytest.raises(ValueError, match=message):
        load_policy(path, ENV)


def test_policies_with_other_tensors(path):
    tensors = load_file(path)
    name, tensor = next(iter(tensors.items()))
    for changed in (
        {n: t for n, t in tensors.items() if n != name},
        {**tensors, "extra": torch.zeros(2)},
        {**tensors, name: torch.zeros((*tensor.shape, 2))},
    ):
        rewrite(path, changed)
        with pytest.raises(ValueError, match="is damaged"):
            load_policy(path, ENV)


def test_decisions_do_not_depend_on_the_batch(path):
    agent = PolicyAgent(load_policy(path, ENV), ENV, "trained")
    agent.reset(5, list(range(5)))
    seen = observations()
    together = agent.act(seen, {})
    backwards = agent.act({name: one[::-1].copy() for name, one in seen.items()}, {})
    assert backwards[::-1].tobytes() == together.tobytes()
    agent.reset(1)
    for row in range(5):
        alone = agent.act({name: one[row : row + 1] for name, one in seen.items()}, {})
        assert alone.tobytes() == together[row : row + 1].tobytes()
        single = agent.act({name: one[row] for name, one in seen.items()})
        assert single.tobytes() == together[row].tobytes()


def test_actions_are_the_cells_decided_for(path):
    agent = PolicyAgent(load_policy(path, ENV), ENV, "mine")
    assert agent.name == "mine"
    agent.reset(5)
    assert not agent.uses_privileged_info
    actions = agent.act(observations(), {})
    seen = {name: torch.from_numpy(one) for name, one in observations().items()}
    with torch.inference_mode():
        best = network().decide(seen).numpy()
    assert actions.dtype == np.float32
    assert actions.shape == (5, 3)
    for action, choice in zip(actions, best, strict=True):
        level, cell = divmod(int(choice), GRID * GRID)
        y, x = divmod(cell, GRID)
        wanted = [2 * (y + 0.5) / GRID - 1, 2 * (x + 0.5) / GRID - 1]
        assert action[:2] == pytest.approx(wanted)
        assert 10.0 ** float(action[2]) == pytest.approx(GRID_DWELLS_S[level], rel=1e-5)


def test_the_truth_is_not_looked_at(path):
    agent = PolicyAgent(load_policy(path, ENV), ENV, "trained")
    agent.reset(5)
    seen = observations()
    without = {name: seen[name] for name in ("maps", "numbers")}
    assert agent.act(seen, {}).tobytes() == agent.act(without, {}).tobytes()


def test_it_plays_an_episode(path):
    envs = gym.make_vec("microgym:Ptycho-v0", 2, exposures=3, time_budget_s=100.0)
    agent = make_agent(ENV, str(path))
    observation, info = envs.reset(seed=0)
    agent.reset(2, [0, 1])
    ends = []
    for _ in range(3):
        observation, _, ended, _, info = envs.step(agent.act(observation, info))
        ends.append(ended.tolist())
    assert ends == [[False, False], [False, False], [True, True]]
