"""PyTorch twin and training of the network that finds adatoms, on images with known ones.

The probability that the centre of an adatom lies in a pixel is learnt by cross entropy, the place
of the centre and its uncertainty by the likelihood of a normal distribution at pixels near one, as
in DECODE (Speiser et al., Nat. Methods 18, 1082, 2021) but for the number of adatoms in an image.
"""

import numpy as np
import torch
from torch import Tensor, nn

from microgym.baselines.observation_models.network import TwinNetwork, run_batches, tensors_of
from microgym.baselines.observation_models.stm.classical import at_least, find, logistic_fit
from microgym.baselines.observation_models.stm.dataset import (
    PIXEL_NM,
    LabelledImages,
    levelled,
    make_dataset,
)
from microgym.baselines.observation_models.train import TrainingTask
from microgym.instruments.stm.state import PIXELS
from microgym.reconstruction.adatoms.observation_model import NETWORK
from microgym.reconstruction.adatoms.unet_kernels import CELL, SPREAD
from microgym.reconstruction.nn.network import Tensors
from microgym.state import Float32

THRESHOLDS = tuple(round(0.2 + 0.02 * k, 2) for k in range(31))
"""Least probabilities that are tried."""
STATED = 0.6827
"""Share of errors along an axis that is to stay below the uncertainty."""
_BATCH = 32
_NEAR = 1.5  # px: pixels at which the place of an adatom is learnt
RARE = -6.0
"""Initial logarithm of the odds that an adatom is in a pixel."""


class AdatomUNet(TwinNetwork):
    """Levelled heights in; probability, place and uncertainty of an adatom in every pixel out.

    A small U-shaped network (Ronneberger, Fischer and Brox, arXiv 1505.04597) on cells of 2x2
    pixels.
    """

    def __init__(self) -> None:
        super().__init__(NETWORK)
        bias = self.get_parameter("head.bias")
        with torch.no_grad():
            bias.zero_()
            bias[: CELL * CELL] = RARE

    def forward(self, levelled: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Detect in a batch.

        Args:
            levelled: (B, H, W) float32, as `level_line` makes them.

        Returns:
            Logarithm of the odds that an adatom's centre is in the pixel (B, H, W); its place from
            the pixel's middle, x and y (B, 2, H, W), px; logarithm of the standard deviation of
            that along one axis (B, H, W), px.
        """
        (head,) = self.run(nn.functional.pixel_unshuffle(levelled[:, None], CELL))
        maps = nn.functional.pixel_shuffle(head, CELL)
        return maps[:, 0], maps[:, 1:3], maps[:, 3].clamp(*SPREAD)


class DetectionTask(TrainingTask):
    """Detection of adatoms."""

    net = staticmethod(AdatomUNet)
    dataset = staticmethod(make_dataset)
    learning_rate = 3e-3
    max_grad_norm = 5.0

    def __init__(self, data: LabelledImages) -> None:
        super().__init__(data)
        self._heights = torch.from_numpy(levelled(data.heights))
        places = torch.from_numpy((data.places / PIXEL_NM + 0.5 * PIXELS).astype(np.float32))
        places[torch.from_numpy(~data.present)] = -100.0
        self._places = places

    def loss(
        self, net: TwinNetwork, generator: np.random.Generator, step: int, steps: int
    ) -> Tensor:
        """Loss of thirty-two images; see `TrainingTask.loss`."""
        chosen = torch.from_numpy(generator.integers(0, len(self._heights), _BATCH))
        return _loss(net, self._heights[chosen], self._places[chosen])

    def calibrate(self, net: TwinNetwork, data: LabelledImages) -> tuple[Tensors, dict[str, float]]:
        """Calibrate probability and uncertainty; see `TrainingTask.calibrate`."""
        tensors = tensors_of(net)
        calibration = calibrate(tensors, data)
        found = find(NETWORK.pack({**tensors, "calibration": calibration}), data)
        error = float(np.nanmean(found.errors)) if found.hit.any() else float("nan")
        scores = {
            "f1": float(found.f1.mean()),
            "precision": found.precision,
            "recall": found.recall,
            "error_pm": 1e3 * error,
        }
        return {"calibration": calibration}, scores


def calibrate(tensors: Tensors, images: LabelledImages) -> Float32:
    """Fit a network's probabilities, places and uncertainties to the truth of images.

    Returns:
        (4,) float32, see `microgym.reconstruction.adatoms.observation_model.NETWORK`.
    """
    identity = np.array([0.0, 1.0, 1.0, 0.0], np.float32)
    plain = find(NETWORK.pack({**tensors, "calibration": identity}), images)
    if not plain.hit.any():
        return identity
    chance = plain.spots[plain.valid][:, 2]
    slope, place = logistic_fit(np.log(chance / (1.0 - chance)), plain.hit[plain.valid])
    trust = float(np.quantile(plain.relative, STATED))
    fit = np.array([0.0, trust, slope, place], np.float32)
    found = find(NETWORK.pack({**tensors, "calibration": fit}), images)
    scores = [float(at_least(found, least, images).f1.mean()) for least in THRESHOLDS]
    fit[0] = THRESHOLDS[int(np.argmax(scores))]
    return fit


def _loss(net: TwinNetwork, heights: Tensor, places: Tensor) -> Tensor:
    """Cross entropy of an image, and surprise at the place of a pixel near an adatom."""
    odds, offset, log_sigma = net(heights)
    centres = torch.arange(PIXELS) + 0.5
    x = places[:, :, 0, None] - centres
    y = places[:, :, 1, None] - centres
    square = y.square()[:, :, :, None] + x.square()[:, :, None, :]
    _, nearest = square.min(dim=1)
    dx = _picked(x, nearest, 2)
    dy = _picked(y, nearest, 1)
    inside = ((dx.abs() <= 0.5) & (dy.abs() <= 0.5)).float()
    near = (dx.abs() <= _NEAR) & (dy.abs() <= _NEAR)
    found = torch.nn.functional.binary_cross_entropy_with_logits(odds, inside, reduction="sum")
    error = (offset[:, 0] - dx).square() + (offset[:, 1] - dy).square()
    surprise = 0.5 * error * torch.exp(-2.0 * log_sigma) + 2.0 * log_sigma
    return found / len(heights) + surprise[near].mean()


def _picked(distance: Tensor, nearest: Tensor, axis: int) -> Tensor:
    """Distance (B, A, n) along one axis of the nearest adatom of every pixel, (B, n, n)."""
    wide = distance[:, :, :, None] if axis == 1 else distance[:, :, None, :]
    return wide.expand(-1, -1, PIXELS, PIXELS).gather(1, nearest[:, None])[:, 0]


def infer(net: TwinNetwork, heights: Float32) -> tuple[Float32, ...]:
    """Run the network in PyTorch on heights (N, PIXELS, PIXELS), nm.

    Returns:
        Probability (N, PIXELS, PIXELS), place (N, 2, PIXELS, PIXELS), px, and uncertainty
        (N, PIXELS, PIXELS), px, of every pixel, float32.
    """
    batches = ((levelled(heights[start : start + 64]),) for start in range(0, len(heights), 64))
    odds, offset, log_sigma = run_batches(net, batches)
    return odds.sigmoid().numpy(), offset.numpy(), log_sigma.exp().numpy()
