"""PyTorch twin of the network that restores heights from lines of a force microscope.

Residual convolutions along the line with growing distances between their taps (Yu and Koltun, arXiv
1511.07122), on cells of four pixels: pixels of a cell become channels at the start, channels become
pixels at the end. Its input is the newest line and those scanned before it.
"""

import torch
from torch import Tensor, nn

from microgym.baselines.observation_models.network import TwinNetwork
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

_COUNT = len(CANDIDATES)


class TopographyNet(TwinNetwork):
    """Lines and settings in, restored heights of the newest line and their uncertainty out.

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
