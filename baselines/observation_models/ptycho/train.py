"""Training of the network from diffraction patterns: what it restores must predict others.

The network looks at the running reconstruction of one scan and is asked what further exposures of
the same specimen, at other places, would count. The loss is the Poisson likelihood of those counts
(PtychoPINN: Hoidn, Mishra and Mehta, Sci. Rep. 13, 22789, 2023; that the counts are others than
those it has seen keeps it from learning the noise: Batson and Royer, arXiv 1901.11365). All
exposures see one specimen, so overlap binds them. Patterns do not fix the
specimen's global phase; it is held to that of the estimate. What is scattered out of the direct
beam grows with the square of the contrast, so its power asks for detail of any kind, right or
wrong; only how it is spread along rings counts there, and where no light has been a prior holds
detail down.

The image is learnt without the truth; only the uncertainty is learnt from the error, which
simulated specimens have, and calibrated on specimens of the validation split.
"""

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from microgym.baselines.observation_models.ptycho.dataset import (
    INSIDE,
    MARGIN,
    REGION,
    Lessons,
    as_cells,
)
from microgym.baselines.observation_models.ptycho.inputs import estimate_in, lit_in
from microgym.baselines.observation_models.ptycho.model import PtychoUNet

_PHOTONS = 1e5  # of the exposures that are predicted (design choice)
_PLACES = 4
_BATCH = 16
_INSET = 12  # px that their probe keeps from the region's edge, outside of which nothing is known
_FLOOR = 1e-7  # photons, relative: keeps the logarithm finite in the dark


@dataclass(frozen=True)
class Trained:
    """What training leaves.

    Attributes:
        net: the network.
        losses: mean loss of each hundred steps: relative to counts predicted exactly.
    """

    net: PtychoUNet
    losses: list[float]


def train_eye(
    lessons: Lessons,
    *,
    seed: int,
    steps: int,
    rate: float = 2e-3,
    progress: Callable[[int], None] | None = None,
) -> Trained:
    """Train from scratch.

    Args:
        lessons: looks at scans of training specimens.
        seed: of the weights and of the order.
        steps: of sixteen looks each.
        rate: highest learning rate; it falls to a hundredth along a cosine.
        progress: is told of every step.

    Returns:
        The network and how its loss fell.
    """
    torch.manual_seed(seed)
    torch.set_num_threads(1)
    generator = np.random.default_rng(seed)
    net = PtychoUNet()
    # Typed for tensors only, but modules take it too.
    cast("Any", net).to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(net.parameters(), rate)
    recent: list[float] = []
    losses: list[float] = []
    for step in range(steps):
        share = 0.5 * (1.0 + math.cos(math.pi * step / steps))
        optimizer.param_groups[0]["lr"] = rate * min(1.0, (step + 1) / 100) * (0.01 + 0.99 * share)
        chosen = generator.integers(0, len(lessons.seen), _BATCH)
        specimen = lessons.specimen[chosen]
        turns, mirrored = int(generator.integers(4)), bool(generator.integers(2))
        seen = _turned(lessons.seen[chosen].astype(np.float32), turns, mirrored)
        truth = torch.from_numpy(_turned(lessons.truth[specimen], turns, mirrored))
        probe = torch.from_numpy(_turned(lessons.probes[lessons.optics[specimen]], turns, mirrored))
        cells = torch.from_numpy(as_cells(seen)).to(memory_format=torch.channels_last)
        contrast, doubt = net(cells)
        doubt = doubt.clamp(-7.0, 1.0)
        image = torch.complex(1.0 + contrast[:, 0], contrast[:, 1])
        corners = generator.integers(_INSET, REGION - _INSET, (_PLACES, 2)).tolist()
        misfit = _misfit(image, truth, probe, corners)
        estimate = torch.from_numpy(estimate_in(seen))
        lit = torch.from_numpy(lit_in(seen))
        gauge = _phase(image, estimate, lit).square().mean()
        error = _aligned_error(image.detach(), truth[:, INSIDE, INSIDE], lit)
        surprise = (error / torch.exp(2.0 * doubt) + 2.0 * doubt).mean()
        prior = (contrast.square() * ~lit[:, None]).mean()
        loss = 10.0 * misfit + gauge + prior + 0.1 * surprise
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


def _turned(planes: NDArray[Any], turns: int, mirrored: bool) -> NDArray[Any]:
    """Specimen, look and probe from another side: as good a scan as the one that was taken."""
    seen_from = np.flip(planes, -1) if mirrored else planes
    return np.ascontiguousarray(np.rot90(seen_from, turns, (-2, -1)))


def _intensity(field: Tensor, probe: Tensor, corners: list[list[int]]) -> Tensor:
    """Expected patterns of unit dose, (B, K, n, n)."""
    n = probe.shape[-1]
    patches = torch.stack([field[:, y : y + n, x : x + n] for y, x in corners], dim=1)
    far = torch.fft.fft2(probe[:, None] * patches, norm="ortho")
    return far.real.square() + far.imag.square()


def _misfit(image: Tensor, truth: Tensor, probe: Tensor, corners: list[list[int]]) -> Tensor:
    """Poisson likelihood of counts that the specimen gives, of what the image predicts.

    Negative logarithm a photon, less that of counts predicted exactly. Outside the direct beam
    each ring of the prediction is scaled to the counts.
    """
    with torch.no_grad():
        counts = torch.poisson(_PHOTONS * _intensity(truth, probe, corners)) / _PHOTONS
        least = counts - torch.xlogy(counts, counts)
    field = torch.nn.functional.pad(image, (MARGIN, MARGIN, MARGIN, MARGIN), value=1.0)
    expected = _intensity(field, probe, corners) + _FLOOR
    beam = torch.fft.fft2(probe, norm="ortho").abs().square()[:, None]
    direct = beam >= 0.01 * beam.amax(dim=(-2, -1), keepdim=True)
    scaled = expected * (_rings(counts) + _FLOOR) / (_rings(expected) + _FLOOR)
    expected = torch.where(direct, expected, scaled)
    return (expected - counts * torch.log(expected) - least).sum(dim=(-2, -1)).mean()


def _rings(patterns: Tensor) -> Tensor:
    """Patterns (B, K, n, n) with every pixel replaced by the mean of its ring, a pixel wide."""
    member = _membership(patterns.shape[-1])
    flat = patterns.flatten(start_dim=-2)
    return ((flat @ (member / member.sum(dim=0))) @ member.T).reshape(patterns.shape)


@functools.cache
def _membership(n: int) -> Tensor:
    """Which ring each pixel belongs to, (n*n, rings) of zeros and ones."""
    # For products with it, which are many times as fast as gathering by indices.
    frequency = n * torch.fft.fftfreq(n)
    ring = torch.hypot(frequency[:, None], frequency).round().long().ravel()
    return torch.nn.functional.one_hot(ring).float()


def _phase(image: Tensor, other: Tensor, lit: Tensor) -> Tensor:
    """Sine of the phase between two images where light has been, (B,)."""
    overlap = (image.conj() * other * lit).sum(dim=(-2, -1))
    return overlap.imag / overlap.abs().clamp(min=1e-6)


def _aligned_error(image: Tensor, truth: Tensor, lit: Tensor) -> Tensor:
    """Squared error of every pixel after the global phase that fits best where light has been."""
    overlap = (image.conj() * truth * lit).sum(dim=(-2, -1), keepdim=True)
    size = overlap.abs()
    turn = torch.where(size > 1e-6, overlap / size.clamp(min=1e-6), torch.ones_like(overlap))
    return (turn * image - truth).abs().square()


def restore(
    net: PtychoUNet, seen: NDArray[np.float16]
) -> tuple[NDArray[np.complex64], NDArray[np.float32]]:
    """Run the network in PyTorch.

    Args:
        net: the network.
        seen: (L, 3, REGION, REGION) looks.

    Returns:
        (L, REGION, REGION) complex64 images and float32 uncalibrated standard deviations.
    """
    images: list[NDArray[np.complex128]] = []
    doubts: list[NDArray[np.float32]] = []
    with torch.inference_mode():
        for start in range(0, len(seen), 32):
            cells = torch.from_numpy(as_cells(seen[start : start + 32].astype(np.float32)))
            contrast, doubt = net(cells)
            images.append(1.0 + contrast[:, 0].numpy() + 1j * contrast[:, 1].numpy())
            doubts.append(np.exp(doubt.clamp(-7.0, 1.0).numpy()))
    return np.concatenate(images).astype(np.complex64), np.concatenate(doubts)
