"""Training of the network that finds adatoms: where their centres are, of simulated images.

Every pixel is asked whether the centre of an adatom is in it (cross entropy), and pixels next to
one where it is (likelihood of a normal distribution, whose width the network states too), as in
DECODE (Speiser et al., Nat. Methods 18, 1082, 2021) but for the number of adatoms in an image,
which is not asked for.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from microgym.baselines.observation_models.stm.dataset import PIXEL_NM, Images, levelled
from microgym.baselines.observation_models.stm.model import AdatomUNet
from microgym.instruments.stm.state import PIXELS

_BATCH = 32
_NEAR = 1.5  # px: pixels that are asked where an adatom is


@dataclass(frozen=True)
class Trained:
    """What training leaves.

    Attributes:
        net: the network.
        losses: mean loss of each hundred steps, an image.
    """

    net: AdatomUNet
    losses: list[float]


def train_detector(
    images: Images,
    *,
    seed: int,
    steps: int,
    rate: float = 3e-3,
    progress: Callable[[int], None] | None = None,
) -> Trained:
    """Train from scratch.

    Args:
        images: of training specimens.
        seed: of the weights and of the order.
        steps: of thirty-two images each.
        rate: highest learning rate; it falls to a hundredth along a cosine.
        progress: is told of every step.

    Returns:
        The network and how its loss fell.
    """
    torch.manual_seed(seed)
    torch.set_num_threads(1)
    generator = np.random.default_rng(seed)
    heights = torch.from_numpy(levelled(images.heights))
    places = torch.from_numpy((images.places / PIXEL_NM + 0.5 * PIXELS).astype(np.float32))
    places[torch.from_numpy(~images.present)] = -100.0
    net = AdatomUNet()
    # Typed for tensors only, but modules take it too.
    cast("Any", net).to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(net.parameters(), rate)
    recent: list[float] = []
    losses: list[float] = []
    for step in range(steps):
        share = 0.5 * (1.0 + math.cos(math.pi * step / steps))
        optimizer.param_groups[0]["lr"] = rate * min(1.0, (step + 1) / 100) * (0.01 + 0.99 * share)
        chosen = torch.from_numpy(generator.integers(0, len(heights), _BATCH))
        loss = _loss(net, heights[chosen], places[chosen])
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 5.0)
        optimizer.step()
        recent.append(float(loss.detach()))
        if len(recent) == 100:
            losses.append(float(np.mean(recent)))
            recent.clear()
        if progress is not None:
            progress(1)
    return Trained(net.eval(), losses)


def _loss(net: AdatomUNet, heights: Tensor, places: Tensor) -> Tensor:
    """Cross entropy an image, and surprise at the place a pixel that is asked for it."""
    odds, offset, doubt = net(heights)
    centres = torch.arange(PIXELS) + 0.5
    x = places[:, :, 0, None] - centres
    y = places[:, :, 1, None] - centres
    square = y.square()[:, :, :, None] + x.square()[:, :, None, :]
    _, nearest = square.min(dim=1)
    dx = _picked(x, nearest, 2)
    dy = _picked(y, nearest, 1)
    there = ((dx.abs() <= 0.5) & (dy.abs() <= 0.5)).float()
    near = (dx.abs() <= _NEAR) & (dy.abs() <= _NEAR)
    found = torch.nn.functional.binary_cross_entropy_with_logits(odds, there, reduction="sum")
    error = (offset[:, 0] - dx).square() + (offset[:, 1] - dy).square()
    surprise = 0.5 * error * torch.exp(-2.0 * doubt) + 2.0 * doubt
    return found / len(heights) + surprise[near].mean()


def _picked(distance: Tensor, nearest: Tensor, axis: int) -> Tensor:
    """Distance (B, A, n) along one axis of the nearest adatom of every pixel, (B, n, n)."""
    wide = distance[:, :, :, None] if axis == 1 else distance[:, :, None, :]
    return wide.expand(-1, -1, PIXELS, PIXELS).gather(1, nearest[:, None])[:, 0]


def look(
    net: AdatomUNet, heights: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Run the network in PyTorch.

    Args:
        net: the network.
        heights: (N, PIXELS, PIXELS) nm.

    Returns:
        Probability (N, PIXELS, PIXELS), place (N, 2, PIXELS, PIXELS), px, and uncertainty
        (N, PIXELS, PIXELS), px, of every pixel, float32.
    """
    parts: list[tuple[NDArray[np.float32], ...]] = []
    with torch.inference_mode():
        for start in range(0, len(heights), 64):
            odds, offset, doubt = net(torch.from_numpy(levelled(heights[start : start + 64])))
            parts.append((odds.sigmoid().numpy(), offset.numpy(), doubt.exp().numpy()))
    chance, place, spread = (np.concatenate(some) for some in zip(*parts, strict=True))
    return chance, place, spread
