"""Inputs of the network in NumPy, as training forms them.

`microgym.reconstruction.topography.convnet_kernels` forms the same from the lines of a running
scan.
"""

from collections.abc import Sequence
from dataclasses import dataclass

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


@dataclass(frozen=True)
class Inputs:
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
        return Inputs(
            self.signals,
            self.place[chosen],
            self.settings[chosen],
            self.lag_px[chosen],
            self.truth[chosen],
        )

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
    signals: list[Float32] = []
    places: list[NDArray[np.int64]] = []
    settings: list[Float32] = []
    lags: list[Float32] = []
    truths: list[Float32] = []
    done = 0
    for one in frames:
        count, lines, _, pixels = one.signals.shape
        kept = one.signals.copy()
        kept[:, :, :2] -= kept[:, :, :1].mean(axis=-1, keepdims=True)
        signals.append(kept.reshape(count * lines, 5, pixels))
        truths.append((one.truth - one.truth.mean(axis=-1, keepdims=True)).reshape(-1, pixels))
        number = np.arange(lines)[:, None] - np.arange(LINES)
        start = done + lines * np.arange(count)[:, None, None]
        places.append(np.where(number >= 0, start + number, -1).reshape(-1, LINES))
        done += count * lines
        scaled, lag = line_settings(one)
        before = np.maximum(number, 0)
        there = (number >= 0)[None, :, :, None]
        history = np.where(there, scaled[:, before], 0.0).reshape(count * lines, -1)
        field = one.conditions.field_nm
        size = np.log([field / pixels / PIXEL_NM, field / lines / PITCH_NM])
        size = np.broadcast_to(size, (count * lines, 2))
        settings.append(np.concatenate([history, size], axis=1).astype(np.float32))
        seen = np.where(number >= 0, lag[:, before], 0.0)
        lags.append(seen.reshape(-1, LINES).astype(np.float32))
    return Inputs(
        np.concatenate(signals),
        np.concatenate(places),
        np.concatenate(settings),
        np.concatenate(lags),
        np.concatenate(truths),
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
