"""PyTorch twin and training of the network that restores heights from lines."""

import numpy as np
import torch
from torch import Tensor, nn

from microgym.baselines.observation_models.afm.dataset import (
    Frames,
    Inputs,
    make_inputs,
    random_frames,
)
from microgym.baselines.observation_models.network import TwinNetwork, run_batches
from microgym.baselines.observation_models.train import TrainingTask, calibrate_uncertainty
from microgym.reconstruction.nn.network import Tensors
from microgym.reconstruction.topography.convnet_kernels import (
    CANDIDATES,
    CELL,
    HEIGHT_NM,
    LAG_SHARE,
    LEAST_NM,
    LINES,
    MOST_LOG_SIGMA,
    SIGNAL_INPUTS,
    SIGNALS,
)
from microgym.reconstruction.topography.observation_model import NETWORK
from microgym.state import Float32

_BATCH = 64
_FLOOR_NM = 0.02  # errors that count as none: the detector's noise (design choice)
_HIDDEN = 0.03  # share of the earlier lines that are hidden, as lines of a withdrawn tip are
_ROUND = 32  # sets of conditions that are in memory at a time
_COUNT = len(CANDIDATES)


class TopographyNet(TwinNetwork):
    """Lines and settings in, restored heights of the newest line and their uncertainty out.

    Residual convolutions along the line with growing distances between their taps (Yu and Koltun,
    arXiv 1511.07122), on cells of four pixels: pixels of a cell become channels at the start,
    channels become pixels at the end.

    The height of a pixel is a mean of `CANDIDATES`, with weights of its own for every pixel, and a
    detail. Detail and uncertainty are in units of the signals' ambiguity there: the difference of
    trace and retrace, the errors, and the slope.
    """

    def __init__(self) -> None:
        super().__init__(NETWORK)
        weight, bias = self.get_parameter("head.weight"), self.get_parameter("head.bias")
        with torch.no_grad():
            # The initial network gives the mean of the candidates, with no detail of its own.
            weight.mul_(0.1)
            bias.zero_()
            bias[-CELL:] = -2.0

    def forward(self, lines: Tensor, settings: Tensor, lag_px: Tensor) -> tuple[Tensor, Tensor]:
        """Restore a batch.

        Args:
            lines: (B, LINES, 5, P) float32, trace, retrace, error, error of the retrace, phase; the
                newest line first; zeros where there is none.
            settings: (B, SETTING_INPUTS) float32: settings of the lines as
                `microgym.reconstruction.topography.convnet_kernels.enter_settings` scales them, and
                logarithms of pixel and distance of lines over those of the default frame.
            lag_px: (B, LINES) float32, pixels that a line passes in the signal's time constant.

        Returns:
            Heights less a constant of the line, and logarithm of the uncertainty, in nm;
            (B, P) each.
        """
        candidates, base = self._candidates(lines, lag_px)
        signals, unit = self._features(lines, base)
        many = settings[:, :, None].expand(-1, -1, signals.shape[-1])
        (head,) = self.run(torch.cat([signals, many], dim=1))
        count, cells = head.shape[0], head.shape[-1]
        output = head.reshape(count, _COUNT + 2, CELL, cells).transpose(2, 3)
        output = output.reshape(count, _COUNT + 2, CELL * cells)
        gates = torch.softmax(output[:, :_COUNT], dim=1)
        scale = unit.repeat_interleave(CELL, dim=1)
        heights = (gates * candidates).sum(dim=1) + scale * output[:, _COUNT]
        log_sigma = output[:, _COUNT + 1].clamp(-MOST_LOG_SIGMA, MOST_LOG_SIGMA)
        return heights, log_sigma + torch.log(scale)

    @staticmethod
    def _candidates(lines: Tensor, lag_px: Tensor) -> tuple[Tensor, Tensor]:
        """Simple restorations of the newest line (B, CANDIDATES, P), and of all lines (B, L, P)."""
        z, y, e, f = (lines[:, :, i] for i in range(4))
        ahead = LAG_SHARE * lag_px[:, :, None]
        a = z - (e + ahead * torch.gradient(e, dim=-1)[0])
        b = y - (f - ahead * torch.gradient(f, dim=-1)[0])
        base = 0.5 * (a + b)
        middle = base.mean(dim=-1, keepdim=True)
        base = base - middle
        near = _smooth(base[:, 0])
        far = _smooth(_smooth(_smooth(near)))
        kept = [(one - middle)[:, 0] for one in (z, y, a, b)]
        return torch.stack([*kept, near, far], dim=1), base

    @staticmethod
    def _features(lines: Tensor, base: Tensor) -> tuple[Tensor, Tensor]:
        """Inputs from the signals (B, 60, cells), and the unit of details (B, cells), nm."""
        slope = torch.diff(base[:, 0], dim=-1, prepend=base[:, 0, :1])
        apart = lines[:, :, 0] - lines[:, :, 1]
        e, f, phase = lines[:, :, 2], lines[:, :, 3], lines[:, :, 4]
        first = torch.cat([slope[:, None], base[:, 1:] - base[:, :1]], dim=1)
        pixels = torch.stack([*map(_squeezed, (first, apart, e, f)), phase], dim=2)
        count, cells = pixels.shape[0], pixels.shape[-1] // CELL
        signals = pixels.reshape(count, LINES * len(SIGNALS), cells, CELL).transpose(2, 3)
        size = apart[:, 0].abs() + e[:, 0].abs() + f[:, 0].abs() + slope.abs()
        within = size.reshape(count, cells, CELL).sum(dim=-1)
        around = nn.functional.pad(within, (1, 1))
        unit = (around[:, :-2] + within + around[:, 2:]) / (3 * CELL) + LEAST_NM
        return signals.reshape(count, SIGNAL_INPUTS, cells), unit


def _smooth(x: Tensor) -> Tensor:
    """Mean with the neighbours, weights 1, 2, 1; ends are continued."""
    wide = nn.functional.pad(x[:, None], (1, 1), mode="replicate")[:, 0]
    return 0.25 * (wide[..., :-2] + 2.0 * x + wide[..., 2:])


def _squeezed(x: Tensor) -> Tensor:
    """Lengths in nm on a scale that is linear where they are small."""
    return torch.sign(x) * torch.log1p(x.abs() / HEIGHT_NM)


class LineTask(TrainingTask):
    """Heights of the newest line from that line and those before it.

    Sets of conditions are scanned while training, a part at a time, which is dropped before the
    next.

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
    ) -> Tensor:
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
        return misfit + 0.1 * surprise

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
