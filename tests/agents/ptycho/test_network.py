"""Network of Ptycho-v0: what it scores before any training, and what each loss changes."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces

from microgym.agents.core.network import TARGET
from microgym.agents.core.trained_agent import load_policy
from microgym.agents.ptycho.network import (
    BELIEF,
    ENV_ID,
    USUAL_LEVEL,
    ExposureGridAdapter,
    ScanPolicyNet,
    StructureTeacher,
)
from microgym.envs.ptycho.config import GRID, GRID_DWELLS_S
from microgym.envs.ptycho.observation import MAPS, NUMBERS

CELLS = 2 * GRID


def observed(structure: np.ndarray, at: tuple[float, float] = (0.0, 0.0)) -> dict[str, Any]:
    """What is seen where nothing was exposed yet, the stage at some place."""
    planes = {name: np.zeros((1, CELLS, CELLS)) for name in MAPS}
    numbers = {name: np.zeros(1) for name in NUMBERS}
    numbers["y"][:], numbers["x"][:] = at
    seen = {"maps": MAPS.pack(**planes), "numbers": NUMBERS.pack(**numbers)}
    return {n: torch.from_numpy(np.float32(one)) for n, one in seen.items()} | {
        TARGET: torch.from_numpy(structure[None])
    }


def believing(structure: np.ndarray) -> ScanPolicyNet:
    """A fresh network that believes in a given structure, whatever it sees."""
    net = ScanPolicyNet()
    logits = torch.from_numpy(np.where(structure > 0, 8.0, -8.0).astype(np.float32))
    net.belief = Fixed(torch.nn.functional.pixel_unshuffle(logits[None, None], 2))  # type: ignore[assignment]
    return net


class Fixed(torch.nn.Module):
    """The same output for any input."""

    def __init__(self, value: torch.Tensor) -> None:
        super().__init__()
        self._value = value

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self._value + 0.0 * x.sum()


def spots(*cells: tuple[int, int]) -> np.ndarray:
    plane = np.zeros((CELLS, CELLS), np.float32)
    for y, x in cells:
        plane[y - 2 : y + 2, x - 2 : x + 2] = 1.0
    return plane


def chosen(net: ScanPolicyNet, seen: dict[str, Any]) -> np.ndarray:
    """Choice with the largest logit: (y, x) in [-1, 1], and log10 of the exposure time."""
    with torch.inference_mode():
        return ExposureGridAdapter().adapt_action(net(seen)[0].argmax(dim=1).numpy())[0]


@pytest.mark.parametrize("cell", [(6, 10), (24, 4), (16, 28)])
def test_a_fresh_network_exposes_the_structure_that_it_believes_in(cell):
    place = 2.0 * np.array(cell) / CELLS - 1.0
    action = chosen(believing(spots(cell)), observed(spots(cell)))
    assert action[:2] == pytest.approx(place, abs=2.0 / GRID)
    assert action[2] == pytest.approx(np.log10(GRID_DWELLS_S[USUAL_LEVEL]), abs=1e-6)


def test_of_equal_places_a_fresh_network_takes_the_nearer_one():
    structure = spots((8, 8), (24, 24))
    net = believing(structure)
    for at, near in (((-0.6, -0.4), -0.5), ((0.4, 0.6), 0.5)):
        assert chosen(net, observed(structure, at))[:2] == pytest.approx([near] * 2, abs=0.1)


def test_a_turned_or_mirrored_scan_is_decided_alike():
    torch.manual_seed(1)
    net = load_policy(BELIEF, ENV_ID)
    maps, numbers = torch.randn(6, len(MAPS), CELLS, CELLS), torch.rand(6, len(NUMBERS))
    numbers[:, :2] = 2.0 * numbers[:, :2] - 1.0
    turned, mirrored = numbers.clone(), numbers.clone()
    # By a quarter turn what was at the right edge comes to the upper one.
    turned[:, 0], turned[:, 1] = -numbers[:, 1], numbers[:, 0]
    mirrored[:, 1] = -numbers[:, 1]

    def places(maps: torch.Tensor, numbers: torch.Tensor) -> np.ndarray:
        with torch.inference_mode():
            chosen = net.decide({"maps": maps, "numbers": numbers}).numpy()
        return ExposureGridAdapter().adapt_action(chosen)

    wanted = places(maps, numbers)
    found = places(torch.rot90(maps, 1, (-2, -1)), turned)
    assert found[:, 0] == pytest.approx(-wanted[:, 1])
    assert found[:, 1] == pytest.approx(wanted[:, 0])
    assert found[:, 2] == pytest.approx(wanted[:, 2])
    found = places(maps.flip(-1), mirrored)
    assert found == pytest.approx(wanted * [1.0, -1.0, 1.0])


def test_training_starts_from_the_belief_of_the_package():
    env = gym.make_vec(ENV_ID, 1, action="grid")
    space, actions = env.single_observation_space, env.single_action_space
    env.close()
    assert isinstance(space, spaces.Dict)
    believed = load_policy(BELIEF, ENV_ID)
    seen = observed(spots((8, 8)))
    with torch.inference_mode():
        alike = ScanPolicyNet.from_spaces(space, actions, width=24)(seen)[2]
        other = ScanPolicyNet.from_spaces(space, actions, width=8)(seen)[2]
        wanted = believed(seen)[2]
    assert torch.equal(alike, wanted)
    assert not torch.equal(other, wanted), "a network of another width starts afresh"


def gradients(net: ScanPolicyNet, loss: torch.Tensor) -> set[str]:
    net.zero_grad()
    loss.backward()
    found = {n for n, p in net.named_parameters() if p.grad is not None and p.grad.abs().sum() > 0}
    return {name.partition(".")[0] for name in found}


def test_each_loss_trains_its_own_layers():
    torch.manual_seed(0)
    net = ScanPolicyNet()
    with torch.no_grad():
        net.free.weight.normal_()
    seen = observed(spots((8, 8)))
    believed = {"stem", "body", "belief"}
    logits, value, _ = net(seen)
    acts = {"plan", "ahead", "free", "probe", "log_scale", "forget", "travel"}
    assert gradients(net, logits.square().sum()) <= acts
    assert {"plan", "free", "probe", "travel"} <= gradients(net, net(seen)[0].square().sum())
    assert gradients(net, value.sum()) == {"value"}
    teacher = StructureTeacher(ExposureGridAdapter(), {}, {})
    assert gradients(net, teacher.loss(net, seen)) == believed


def test_the_critic_is_told_how_much_structure_shows():
    structure = spots((8, 8), (24, 24))
    seen = observed(structure)
    told = ScanPolicyNet().critic_features(seen)[0].numpy()
    assert len(told) == ScanPolicyNet.privileged_features
    part = structure.mean()
    assert told[:2] == pytest.approx([part, part], rel=1e-5), "nothing is covered"
    shown = seen["maps"][0].numpy()[:, structure > 0].mean(axis=1)
    assert told[3:] == pytest.approx(shown, rel=1e-4, abs=1e-5)
