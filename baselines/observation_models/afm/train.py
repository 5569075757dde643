"""Training of the network that restores heights from lines."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from microgym.baselines.observation_models.afm.dataset import random_frames
from microgym.baselines.observation_models.afm.inputs import Looks, looks_at
from microgym.baselines.observation_models.afm.model import TopographyNet

_BATCH = 64
_FLOOR_NM = 0.02  # errors that count as none: the detector's noise (design choice)
_FORGOTTEN = 0.03  # part of the earlier lines that are hidden, as lines of a withdrawn tip are
_ROUND = 32  # sets of conditions that are in memory at a time


@dataclass(frozen=True)
class Trained:
    """What training leaves.

    Attributes:
        net: the network.
        losses: mean over each hundred steps of the logarithm of a line's root mean square error.
    """

    net: TopographyNet
    losses: list[float]


def train_lines(
    *,
    seed: int,
    groups: int,
    steps: int,
    rate: float = 2e-3,
    progress: Callable[[int], None] | None = None,
) -> Trained:
    """Train from scratch.

    Args:
        seed: of everything random.
        groups: sets of conditions to learn from, four frames each; a part of them is scanned,
            learnt from and forgotten before the next.
        steps: of sixty-four lines each.
        rate: highest learning rate; it falls to a hundredth along a cosine.
        progress: is told of every step.

    Returns:
        The network and how its loss fell.
    """
    torch.manual_seed(seed)
    torch.set_num_threads(1)
    generator = np.random.default_rng(seed)
    net = TopographyNet()
    optimizer = torch.optim.Adam(net.parameters(), rate)
    recent: list[float] = []
    losses: list[float] = []
    rounds = max(groups // _ROUND, 1)
    looks: Looks | None = None
    for step in range(steps):
        if step * rounds // steps != (step - 1) * rounds // steps or looks is None:
            part = int(generator.integers(1 << 60))
            looks = looks_at(random_frames(part, min(groups, _ROUND), "train"))
        share = 0.5 * (1.0 + math.cos(math.pi * step / steps))
        optimizer.param_groups[0]["lr"] = rate * min(1.0, (step + 1) / 100) * (0.01 + 0.99 * share)
        chosen = looks.some(generator.integers(0, len(looks.truth), _BATCH))
        chosen.forget(generator.random(chosen.lag_px.shape) < _FORGOTTEN)
        heights, doubt = net(*map(torch.from_numpy, chosen.inputs()))
        error = residual(heights, torch.from_numpy(chosen.truth))
        misfit = 0.5 * torch.log(error.square().mean(dim=-1) + _FLOOR_NM**2).mean()
        # Laplace's likelihood: errors at edges are large and rare, and would rule a Gaussian one.
        surprise = (error.detach().abs() * torch.exp(-doubt) + doubt).mean()
        loss = misfit + 0.1 * surprise
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        recent.append(float(misfit.detach()))
        if len(recent) == 100:
            losses.append(float(np.mean(recent)))
            recent.clear()
        if progress is not None:
            progress(1)
    return Trained(net.eval(), losses)


def residual(heights: Tensor, truth: Tensor) -> Tensor:
    """Errors of lines (B, P), each line's mean apart, nm."""
    error = heights - truth
    return error - error.mean(dim=-1, keepdim=True)


def restore(net: TopographyNet, looks: Looks) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Run the network in PyTorch.

    Args:
        net: the network.
        looks: L lines with those before them.

    Returns:
        (L, P) heights less their mean, and uncalibrated standard deviations, nm.
    """
    heights: list[NDArray[np.float32]] = []
    sigmas: list[NDArray[np.float32]] = []
    with torch.inference_mode():
        for start in range(0, len(looks.truth), 256):
            some = looks.some(np.arange(start, min(start + 256, len(looks.truth))))
            found, doubt = net(*map(torch.from_numpy, some.inputs()))
            heights.append((found - found.mean(dim=-1, keepdim=True)).numpy())
            sigmas.append(torch.exp(doubt).numpy())
    return np.concatenate(heights), np.concatenate(sigmas)
