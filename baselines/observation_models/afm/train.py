"""Training of the network that restores heights from lines."""

import numpy as np
import torch
from torch import Tensor

from microgym.baselines.observation_models.afm.dataset import (
    Frames,
    Inputs,
    make_inputs,
    random_frames,
)
from microgym.baselines.observation_models.afm.model import TopographyNet
from microgym.baselines.observation_models.network import TwinNetwork, run_batches
from microgym.baselines.observation_models.train import TrainingTask, calibrate_uncertainty
from microgym.reconstruction.nn.network import Tensors
from microgym.state import Float32

_BATCH = 64
_FLOOR_NM = 0.02  # errors that count as none: the detector's noise (design choice)
_HIDDEN = 0.03  # share of the earlier lines that are hidden, as lines of a withdrawn tip are
_ROUND = 32  # sets of conditions that are in memory at a time


class LineTask(TrainingTask):
    """Heights of the newest line from that line and those before it.

    Sets of conditions are scanned while training, a part at a time, which is dropped before the
    next. The reported loss is the mean logarithm of a line's root mean square error.

    Args:
        groups: sets of conditions, four frames each.
    """

    net = staticmethod(TopographyNet)
    dataset = staticmethod(random_frames)

    def __init__(self, groups: int) -> None:
        super().__init__(None)
        self._groups, self._rounds = groups, max(groups // _ROUND, 1)

    @classmethod
    def prepare(cls, seed: int, groups: int) -> "LineTask":
        """Make the task; its frames come from the generator of the training."""
        return cls(groups)

    def loss(
        self, net: TwinNetwork, generator: np.random.Generator, step: int, steps: int
    ) -> tuple[Tensor, Tensor]:
        """Loss of sixty-four lines; see `TrainingTask.loss`."""
        rounds, inputs = self._rounds, self.data
        if inputs is None or step * rounds // steps != (step - 1) * rounds // steps:
            seed = int(generator.integers(1 << 60))
            inputs = make_inputs(random_frames(seed, min(self._groups, _ROUND), "train"))
            self.data = inputs
        chosen = inputs.some(generator.integers(0, len(inputs.truth), _BATCH))
        chosen.hide(generator.random(chosen.lag_px.shape) < _HIDDEN)
        heights, log_sigma = net(*map(torch.from_numpy, chosen.arrays()))
        error = level(heights - torch.from_numpy(chosen.truth))
        misfit = 0.5 * torch.log(error.square().mean(dim=-1) + _FLOOR_NM**2).mean()
        # Laplace's likelihood: errors at edges are large and rare, and would rule a Gaussian one.
        surprise = (error.detach().abs() * torch.exp(-log_sigma) + log_sigma).mean()
        return misfit + 0.1 * surprise, misfit

    def calibrate(self, net: TwinNetwork, data: list[Frames]) -> tuple[Tensors, dict[str, float]]:
        """Calibrate the uncertainty of all pixels; scores are median errors of lines."""
        inputs = make_inputs(data)
        heights, sigmas = restore(net, inputs)
        errors = np.abs(heights - inputs.truth).astype(np.float64)
        trace = inputs.signals[inputs.place[:, 0], 0]
        plain = trace - trace.mean(axis=-1, keepdims=True) - inputs.truth
        scores = {
            name: float(np.median(np.sqrt(np.mean(np.square(one, dtype=np.float64), axis=-1))))
            for name, one in (("trace", plain), ("neural", errors))
        }
        return calibrate_uncertainty(errors / sigmas), scores


def level(lines: Tensor) -> Tensor:
    """Lines (B, P) less the mean of each."""
    return lines - lines.mean(dim=-1, keepdim=True)


def restore(net: TwinNetwork, inputs: Inputs) -> tuple[Float32, Float32]:
    """Run the network in PyTorch on L lines with those before them.

    Returns:
        (L, P) heights less their mean, and uncalibrated standard deviations, nm.
    """
    count = len(inputs.truth)
    parts = (np.arange(start, min(start + 256, count)) for start in range(0, count, 256))
    heights, log_sigma = run_batches(net, (inputs.some(one).arrays() for one in parts))
    return level(heights).numpy(), log_sigma.exp().numpy()
