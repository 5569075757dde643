"""Inputs of the network in NumPy, as training forms them.

`microgym.reconstruction.topography.convnet_kernels` forms the same from the lines of a running
scan.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from microgym.baselines.observation_models.afm.dataset import Frames
from microgym.envs.afm.config import MODES
from microgym.instruments.afm.kernels import LEAD
from microgym.reconstruction.topography.convnet_kernels import LINES, SETTINGS
from microgym.reconstruction.topography.observation_model import (
    PITCH_NM,
    PIXEL_NM,
)

Float32 = NDArray[np.float32]


class Inputs(NamedTuple):
    """L lines, each with those before it.

    Attributes:
        signals: (S, 5, P) float32, all lines, heights less a constant of the line.
        place: (L, LINES) int64, numbers of these lines, the newest first; -1 for none.
        settings: (L, SETTING_INPUTS) float32, settings of the lines and size of the frame.
        lag_px: (L, LINES) float32.
        truth: (L, P) float32, less the line's mean, nm.
    """

    signals: Float32
    place: NDArray[np.int64]
    settings: Float32
    lag_px: Float32
    truth: Float32

    def some(self, chosen: NDArray[np.integer]) -> "Inputs":
        """The listed ones."""
        rest: Any = self[1:]
        return Inputs(self.signals, *(one[chosen] for one in rest))

    def hide(self, hidden: NDArray[np.bool_]) -> None:
        """Hide earlier lines.

        Args:
            hidden: (L, LINES) bool; the newest line is never hidden.
        """
        for n in range(1, LINES):
            gone = hidden[:, n]
            self.place[gone, n] = -1
            self.lag_px[gone, n] = 0.0
            self.settings[gone, n * len(SETTINGS) : (n + 1) * len(SETTINGS)] = 0.0

    def arrays(self) -> tuple[Float32, Float32, Float32]:
        """Lines (L, LINES, 5, P), settings and lags, as the network takes them."""
        lines = self.signals[self.place]
        lines[self.place < 0] = 0.0
        return lines, self.settings, self.lag_px


def make_inputs(frames: Sequence[Frames]) -> Inputs:
    """Inputs of every line of some frames.

    Args:
        frames: at least one.

    Returns:
        In the order of the lines.
    """
    parts: list[Inputs] = []
    for one in frames:
        parts.append(_inputs_of(one, sum(len(part.truth) for part in parts)))
    columns: Any = zip(*parts, strict=True)
    return Inputs(*map(np.concatenate, columns))


def _inputs_of(frames: Frames, first: int) -> Inputs:
    """Inputs of every line of frames whose lines begin at number `first`."""
    count, lines, _, pixels = frames.signals.shape
    signals = frames.signals.copy()
    signals[:, :, :2] -= signals[:, :, :1].mean(axis=-1, keepdims=True)
    truth = frames.truth - frames.truth.mean(axis=-1, keepdims=True)
    number = np.arange(lines)[:, None] - np.arange(LINES)
    start = first + lines * np.arange(count)[:, None, None]
    place = np.where(number >= 0, start + number, -1)
    scaled, lag = line_settings(frames)
    before, there = np.maximum(number, 0), number >= 0
    history = np.where(there[None, :, :, None], scaled[:, before], 0.0)
    field = frames.conditions.field_nm
    size = np.log([field / pixels / PIXEL_NM, field / lines / PITCH_NM])
    settings = [history.reshape(count * lines, -1), np.tile(size, (count * lines, 1))]
    return Inputs(
        signals.reshape(count * lines, 5, pixels),
        place.reshape(-1, LINES),
        np.concatenate(settings, axis=1).astype(np.float32),
        np.where(there, lag[:, before], 0.0).reshape(-1, LINES).astype(np.float32),
        truth.reshape(-1, pixels),
    )


def line_settings(frames: Frames) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Scaled settings of each line, (F, lines, 5), and lags, px; see `enter_settings`."""
    setpoint, gain, proportional, rate = np.moveaxis(frames.dials, -1, 0)
    width = frames.signals.shape[-1] + 2 * LEAD
    pixel_s = 0.5 / (rate * width)
    lag_px = MODES["amplitude"].lag_s / pixel_s
    scaled = (
        (setpoint - 0.65) / 0.3,
        0.5 * np.log(gain * pixel_s),
        5.0 * proportional,
        np.log(lag_px),
        np.ones_like(setpoint),
    )
    return np.stack(scaled, axis=-1), lag_px
