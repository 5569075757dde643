"""PyTorch twin and training of the network from diffraction patterns: it must predict others.

The input is the running reconstruction of one scan, the target the counts of further exposures of
the same specimen, by Poisson likelihood (PtychoPINN: Hoidn, Mishra and Mehta, Sci. Rep. 13, 22789,
2023). That the counts are others than those of the input keeps the network from learning their
noise (Batson and Royer, arXiv 1901.11365). Patterns do not fix the specimen's global phase; it is
held to that of the estimate. The power outside the direct beam grows with any contrast, right or
wrong, so only its distribution along rings counts; a prior holds detail down where no light was.
Only the uncertainty is learnt from the truth.
"""

import functools
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from microgym.baselines.observation_models.network import TwinNetwork, run_batches
from microgym.baselines.observation_models.ptycho.dataset import (
    INSIDE,
    MARGIN,
    REGION,
    Dataset,
    aligned_error,
    estimate_in,
    lit_in,
    make_dataset,
)
from microgym.baselines.observation_models.train import TrainingTask, calibrate_uncertainty
from microgym.metrics import complex_error
from microgym.reconstruction.nn.network import Tensors
from microgym.reconstruction.ptychography.neural import NETWORK
from microgym.reconstruction.ptychography.unet_kernels import CELL, CONTRAST_GAIN, DETAIL_GAIN
from microgym.state import Float32

_PHOTONS = 1e5  # of the exposures that are predicted (design choice)
_PLACES = 4
_LOG_SIGMA = (-7.0, 1.0)  # range of the logarithm of the uncertainty
_BATCH = 16
_INSET = 12  # px that their probe keeps from the region's edge, outside of which nothing is known
_FLOOR = 1e-7  # photons, relative: keeps the logarithm finite in the dark


class PtychoUNet(TwinNetwork):
    """Classical estimate and fluence in, restored contrast and its uncertainty out.

    A small U-shaped network (Ronneberger, Fischer and Brox, arXiv 1505.04597) on cells of 4x4
    pixels: pixels of a cell become channels at the start and channels become pixels at the end (Shi
    et al., arXiv 1609.05158), so that every convolution works on 32x32 cells or fewer.

    With c the contrast of the estimate (transmission minus one), the restored contrast is
    g c + d: a gate g in (0, 1) for every pixel, which shrinks what is noise, and a detail d, which
    is what the surroundings suggest. Last comes the logarithm of the standard deviation of the
    complex error, whose gradient does not reach the layers that make the image.
    """

    def __init__(self) -> None:
        super().__init__(NETWORK)
        with torch.no_grad():
            # The initial network is a mild shrinkage: no detail of its own, small gates.
            for name, bias in (("image", 0.0), ("doubt", -2.5)):
                self.get_parameter(f"{name}.weight").mul_(0.1)
                self.get_parameter(f"{name}.bias").fill_(bias)

    def forward(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Restore a batch.

        Args:
            inputs: (B, 3, H, W) float32: real and imaginary contrast of the estimate and logarithm
                of the fluence.

        Returns:
            Restored contrast (B, 2, H, W), real and imaginary; log standard deviation (B, H, W).
        """
        contrast, light = inputs[:, :2], inputs[:, 2:]
        cells = functional.pixel_unshuffle(
            torch.cat([CONTRAST_GAIN * contrast, light], dim=1), CELL
        )
        image, doubt = self.run(cells.to(memory_format=torch.channels_last))
        maps = functional.pixel_shuffle(image, CELL)
        restored = torch.sigmoid(maps[:, :1]) * contrast + DETAIL_GAIN * maps[:, 1:]
        return restored, functional.pixel_shuffle(doubt, CELL)[:, 0]


class ScanTask(TrainingTask):
    """Prediction of further exposures from the running reconstruction."""

    net = staticmethod(PtychoUNet)
    dataset = staticmethod(make_dataset)

    def loss(
        self, net: TwinNetwork, generator: np.random.Generator, step: int, steps: int
    ) -> Tensor:
        """Loss of sixteen inputs; see `TrainingTask.loss`."""
        data: Dataset = self.data
        chosen = generator.integers(0, len(data.inputs), _BATCH)
        specimen = data.specimen[chosen]
        turns, mirrored = int(generator.integers(4)), bool(generator.integers(2))
        inputs = _turned(data.inputs[chosen].astype(np.float32), turns, mirrored)
        truth = torch.from_numpy(_turned(data.truth[specimen], turns, mirrored))
        probe = torch.from_numpy(_turned(data.probes[data.optics[specimen]], turns, mirrored))
        contrast, log_sigma = net(torch.from_numpy(inputs))
        log_sigma = log_sigma.clamp(*_LOG_SIGMA)
        image = torch.complex(1.0 + contrast[:, 0], contrast[:, 1])
        corners = generator.integers(_INSET, REGION - _INSET, (_PLACES, 2)).tolist()
        misfit = _misfit(image, truth, probe, corners)
        lit = torch.from_numpy(lit_in(inputs))
        phase = _phase(image, torch.from_numpy(estimate_in(inputs)), lit).square().mean()
        error = _aligned_error(image.detach(), truth[:, INSIDE, INSIDE], lit)
        surprise = (error / torch.exp(2.0 * log_sigma) + 2.0 * log_sigma).mean()
        prior = (contrast.square() * ~lit[:, None]).mean()
        return 10.0 * misfit + phase + prior + 0.1 * surprise

    def calibrate(self, net: TwinNetwork, data: Dataset) -> tuple[Tensors, dict[str, float]]:
        """Calibrate the uncertainty on lit pixels; scores are mean E0 there."""
        images, sigmas = restore(net, data.inputs)
        truth = data.truth[data.specimen][:, INSIDE, INSIDE]
        lit = lit_in(data.inputs)
        errors = np.stack([aligned_error(*one) for one in zip(images, truth, lit, strict=True)])
        some = lit.any(axis=(1, 2))
        classical = estimate_in(data.inputs.astype(np.float32))
        scores = {
            name: float(np.mean(complex_error(image[some], truth[some], lit[some])))
            for name, image in (("classical", classical), ("neural", images))
        }
        return calibrate_uncertainty((errors / sigmas)[lit]), scores


def _turned(planes: NDArray[Any], turns: int, mirrored: bool) -> NDArray[Any]:
    """Specimen, input or probe turned by quarters and mirrored: an equally valid scan."""
    viewed = np.flip(planes, -1) if mirrored else planes
    return np.ascontiguousarray(np.rot90(viewed, turns, (-2, -1)))


def _intensity(field: Tensor, probe: Tensor, corners: list[list[int]]) -> Tensor:
    """Expected patterns of unit dose, (B, K, n, n)."""
    n = probe.shape[-1]
    patches = torch.stack([field[:, y : y + n, x : x + n] for y, x in corners], dim=1)
    far = torch.fft.fft2(probe[:, None] * patches, norm="ortho")
    return far.real.square() + far.imag.square()


def _misfit(image: Tensor, truth: Tensor, probe: Tensor, corners: list[list[int]]) -> Tensor:
    """Negative logarithm of the Poisson likelihood of the specimen's counts by the image.

    A photon, less that of counts predicted exactly. Outside the direct beam each ring of the
    prediction is scaled to the counts.
    """
    with torch.no_grad():
        counts = torch.poisson(_PHOTONS * _intensity(truth, probe, corners)) / _PHOTONS
        least = counts - torch.xlogy(counts, counts)
    field = functional.pad(image, (MARGIN, MARGIN, MARGIN, MARGIN), value=1.0)
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
    """Membership of pixels in rings, (n*n, rings) of zeros and ones."""
    # For products with it, which are many times as fast as gathering by indices.
    frequency = n * torch.fft.fftfreq(n)
    ring = torch.hypot(frequency[:, None], frequency).round().long().ravel()
    return functional.one_hot(ring).float()


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


def restore(net: TwinNetwork, inputs: NDArray[np.float16]) -> tuple[NDArray[np.complex64], Float32]:
    """Run the network in PyTorch on inputs (L, 3, REGION, REGION).

    Returns:
        (L, REGION, REGION) complex64 images and float32 uncalibrated standard deviations.
    """
    starts = range(0, len(inputs), 32)
    batches = ((inputs[start : start + 32].astype(np.float32),) for start in starts)
    contrast, log_sigma = (one.numpy() for one in run_batches(net, batches))
    images = 1.0 + contrast[:, 0] + 1j * contrast[:, 1]
    return images.astype(np.complex64), np.exp(log_sigma.clip(*_LOG_SIGMA))
