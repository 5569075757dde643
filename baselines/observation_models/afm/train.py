"""Training of the network that restores heights from lines."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from microgym.baselines.observation_models.afm.dataset import random_frames
from microgym.baselines.observation_models.afm.inputs import Inputs, make_inputs
from microgym.baselines.observation_models.afm.model import TopographyNet
from microgym.baselines.observation_models.train import TrainingTask, calibrate_uncertainty
from microgym.reconstruction.nn.weights_io import Tensors

_BATCH = 64
_FLOOR_NM = 0.02  # errors that count as none: the detector's noise (design choice)
_HIDDEN = 0.03  # share of the earlier lines that are hidden, as lines of a withdrawn tip are
_ROUND = 32  # sets of conditions that are in memory at a time


class LineTask(TrainingTask[TopographyNet]):
    """Heights of the newest line from that line and those before it.

    A part of the sets of conditions is scanned, trained on and dropped before the next. The
    reported loss is the mean logarithm of a line's root mean square error.

    Args:
        groups: sets of conditions, four frames each.
    """

    def __init__(self, groups: int) -> None:
        self._groups = groups
        self._rounds = max(groups // _ROUND, 1)
        self._inputs: Inputs | None = None

    @classmethod
    def prepare(cls, seed: int, groups: int) -> "LineTask":
        """Frames are scanned while training; see `TrainingTask.prepare`."""
        return cls(groups)

    def make_net(self) -> TopographyNet:
        """An untrained network."""
        return TopographyNet()

    def loss(
        self, net: TopographyNet, generator: np.random.Generator, step: int, steps: int
    ) -> tuple[Tensor, Tensor]:
        """Loss of sixty-four lines; see `TrainingTask.loss`."""
        rounds, inputs = self._rounds, self._inputs
        if inputs is None or step * rounds // steps != (step - 1) * rounds // steps:
            seed = int(generator.integers(1 << 60))
            inputs = make_inputs(random_frames(seed, min(self._groups, _ROUND), "train"))
            self._inputs = inputs
        chosen = inputs.some(generator.integers(0, len(inputs.truth), _BATCH))
        chosen.hide(generator.random(chosen.lag_px.shape) < _HIDDEN)
        heights, log_sigma = net(*map(torch.from_numpy, chosen.arrays()))
        error = residual(heights, torch.from_numpy(chosen.truth))
        misfit = 0.5 * torch.log(error.square().mean(dim=-1) + _FLOOR_NM**2).mean()
        # Laplace's likelihood: errors at edges are large and rare, and would rule a Gaussian one.
        surprise = (error.detach().abs() * torch.exp(-log_sigma) + log_sigma).mean()
        return misfit + 0.1 * surprise, misfit

    def calibrate(
        self, net: TopographyNet, seed: int, groups: int
    ) -> tuple[Tensors, dict[str, float]]:
        """Calibrate the uncertainty of all pixels; see `TrainingTask.calibrate`."""
        inputs = make_inputs(random_frames(seed, groups, "validation"))
        heights, sigmas = restore(net, inputs)
        errors = np.abs(heights - inputs.truth).astype(np.float64)
        trace = inputs.signals[inputs.place[:, 0], 0]
        plain = trace - trace.mean(axis=-1, keepdims=True) - inputs.truth
        scores = {
            name: float(np.median(np.sqrt(np.mean(np.square(one, dtype=np.float64), axis=-1))))
            for name, one in (("trace", plain), ("neural", errors))
        }
        return calibrate_uncertainty(errors / sigmas), scores


def residual(heights: Tensor, truth: Tensor) -> Tensor:
    """Errors of lines (B, P), each line's mean apart, nm."""
    error = heights - truth
    return error - error.mean(dim=-1, keepdim=True)


def restore(net: TopographyNet, inputs: Inputs) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Run the network in PyTorch.

    Args:
        net: the network.
        inputs: L lines with those before them.

    Returns:
        (L, P) heights less their mean, and uncalibrated standard deviations, nm.
    """
    heights: list[NDArray[np.float32]] = []
    sigmas: list[NDArray[np.float32]] = []
    with torch.inference_mode():
        for start in range(0, len(inputs.truth), 256):
            some = inputs.some(np.arange(start, min(start + 256, len(inputs.truth))))
            found, log_sigma = net(*map(torch.from_numpy, some.arrays()))
            heights.append((found - found.mean(dim=-1, keepdim=True)).numpy())
            sigmas.append(torch.exp(log_sigma).numpy())
    return np.concatenate(heights), np.concatenate(sigmas)
