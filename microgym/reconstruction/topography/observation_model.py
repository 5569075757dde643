"""Observation models of force microscopy: heights of scan lines, with their uncertainty.

The classical model corrects heights by the error signals and takes the lower of the two directions,
since a tip flies above a surface but never below it. The neural one is a network
(`microgym.baselines.observation_models.afm`) run by the kernels of this package; no deep-learning
library is loaded. Both get signals and dials only.
"""

from abc import abstractmethod
from dataclasses import dataclass
from functools import partial
from typing import Annotated, NamedTuple

import numpy as np
from numpy.typing import NDArray

from microgym.jit import kernel
from microgym.numerics.array_views import view1d
from microgym.numerics.workspace import workspace
from microgym.reconstruction.nn.network import UNCERTAINTY, Layer, Network, Weights, line_network
from microgym.reconstruction.observation_model import ObservationModel
from microgym.reconstruction.topography.convnet_kernels import (
    CELL,
    LEAST_NM,
    LINES,
    OUTPUTS,
    SETTING_INPUTS,
    SETTINGS,
    SIGNAL_INPUTS,
    SIGNALS,
    candidates_size,
    correct_line,
    enter_rows,
    enter_settings,
    restore_rows,
)
from microgym.state import Bool, Float32, Float64, Shape, allocate
from microgym.validation import Checked, Positive, integer

UNKNOWN_NM = 1e3
"""Uncertainty of a line that was scanned with the tip withdrawn, nm."""
PIXEL_NM, PITCH_NM = 1000.0 / 256, 1000.0 / 64
"""Pixel and distance of lines of the default frame of AFM-v0, nm: units in the network's input."""

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Raster(Checked):
    """Raster of a frame.

    Attributes:
        pixels: of a line, a multiple of 16.
        overscan: pixels of a line besides, both ends together.
        pixel_nm: edge of a pixel, nm.
        pitch_nm: distance of lines, nm.
        lag_s: time constant of the error signal, s.

    Raises:
        TypeError: a value is no number.
        ValueError: a value is out of range.
    """

    pixels: Annotated[int, partial(integer, low=16, high=4096)] = 256
    overscan: Annotated[int, partial(integer, low=0, high=4096)] = 16
    pixel_nm: Positive = PIXEL_NM
    pitch_nm: Positive = PITCH_NM
    lag_s: Positive = 4.2e-4

    def __post_init__(self) -> None:
        """Check every number."""
        super().__post_init__()
        if self.pixels % (4 * CELL):
            raise ValueError(f"pixels={self.pixels!r} must be a multiple of {4 * CELL}")


class ScanLine(NamedTuple):
    """Newest lines of N scans.

    Attributes:
        images: trace, retrace, error, error of the retrace, nm, and cosine of the phase, (N, P)
            float32 each.
        dials: (N, 4) float64, see `microgym.instruments.afm.kernels.DIALS`.
        engaged: (N,) bool; a line of a withdrawn tip holds no measurement.
    """

    images: tuple[Float32, ...]
    dials: Float64
    engaged: Bool


class LineEstimate(NamedTuple):
    """Heights of N lines, as estimated.

    Attributes:
        heights: heights less their mean.
        sigma: uncertainty of the heights: the errors of 68% of the pixels are smaller.
    """

    heights: Annotated[Float32, Shape("pixels", unit="nm")]
    sigma: Annotated[Float32, Shape("pixels", unit="nm")]


class LineHistory(NamedTuple):
    """Newest lines of N scans, the newest first, and the last estimate.

    Attributes:
        lines: the signals of `SIGNALS`.
        settings: `SETTINGS` of each line, scaled.
        lag_px: lag of the signal.
        estimate: of the newest line.
    """

    lines: Annotated[Float32, Shape(LINES, len(SIGNALS), "pixels")]
    settings: Annotated[Float32, Shape(LINES, len(SETTINGS))]
    lag_px: Annotated[Float32, Shape(LINES, unit="px")]
    estimate: LineEstimate


class TopographyModel(ObservationModel[ScanLine, LineEstimate]):
    """Heights of the newest lines of N scans.

    Args:
        num_envs: N.
        raster: of the frames.
    """

    def __init__(self, num_envs: int, raster: Raster) -> None:
        count = integer("num_envs", num_envs, 1, 1 << 16)
        self.raster = raster
        self.state: LineHistory = allocate(LineHistory, count, pixels=raster.pixels)
        self.reset(np.arange(count))

    def reset(self, rows: Rows) -> None:
        """Forget the lines of the listed rows; see `ObservationModel.reset`."""
        super().reset(rows)
        self.state.estimate.sigma[rows] = UNKNOWN_NM

    def estimate(self, rows: Rows, line: ScanLine, /) -> LineEstimate:
        """Heights of the newest line; see `ObservationModel.estimate`."""
        raster, state = self.raster, self.state
        images, dials, engaged = line
        enter_rows(rows, images, engaged, state.lines)
        width = raster.pixels + raster.overscan
        enter_settings(rows, dials, engaged, raster.lag_s, width, state.settings, state.lag_px)
        there = engaged[rows]
        if not there.all():
            state.estimate.heights[rows[~there]] = 0.0
            state.estimate.sigma[rows[~there]] = UNKNOWN_NM
            rows = rows[there]
        self._restore(rows)
        return state.estimate

    @abstractmethod
    def _restore(self, rows: Rows) -> None:
        """Bring `state.estimate` of the listed rows up to their newest lines."""


@kernel
def lower_rows(rows, lines, lag_px, work, heights, sigma):
    """The lower of both directions, corrected by their errors, of the listed rows' newest lines.

    Args:
        rows: (k,) int64.
        lines, lag_px: of `LineHistory`.
        work: (2 P,) float32.
        heights: (N, P) float32, written, less their mean, nm.
        sigma: (N, P) float32, written: half of what the directions are apart, and no less than the
            unit of details, nm.
    """
    pixels = lines.shape[3]
    size = lines.shape[1] * lines.shape[2] * pixels
    half, least = np.float32(0.5), np.float32(LEAST_NM)
    there, back = view1d(work, 0, pixels), view1d(work, pixels, pixels)
    for b in rows:
        start = b * size
        z, y = view1d(lines, start, pixels), view1d(lines, start + pixels, pixels)
        e = view1d(lines, start + 2 * pixels, pixels)
        f = view1d(lines, start + 3 * pixels, pixels)
        correct_line(z, e, lag_px[b, 0], np.float32(1.0), there)
        correct_line(y, f, lag_px[b, 0], np.float32(-1.0), back)
        total = 0.0
        for i in range(pixels):
            heights[b, i] = min(there[i], back[i])
            sigma[b, i] = max(half * abs(there[i] - back[i]), least)
            total += np.float64(heights[b, i])
        mean = np.float32(total / pixels)
        for i in range(pixels):
            heights[b, i] -= mean


class ClassicalTopography(TopographyModel):
    """Heights corrected by the error signals, the lower of trace and retrace."""

    def _restore(self, rows: Rows) -> None:
        state, work = self.state, workspace(2 * self.raster.pixels)
        lower_rows(rows, state.lines, state.lag_px, work, *state.estimate)


NETWORK = Network(
    env_id="AFM-v0",
    format="microgym-lines-1",
    dimensions=1,
    inputs=SIGNAL_INPUTS + SETTING_INPUTS,
    layers=(
        Layer("stem", "stem", 48),
        # Sixteen cells to both sides of a cell contribute to its result.
        *(Layer(f"blocks.{n}", "residual", 48, dilation=d) for n, d in enumerate((1, 2, 4, 8, 1))),
        Layer("head", "head", OUTPUTS),
    ),
    calibration=UNCERTAINTY,
)
"""Residual network with dilated kernels on cells of four pixels."""


class NeuralTopography(TopographyModel):
    """Restoration of the last lines by the network.

    Args:
        num_envs: N.
        raster: of the frames.
        weights: the network; None for the one that comes with the package.
    """

    def __init__(self, num_envs: int, raster: Raster, weights: Weights | None = None) -> None:
        super().__init__(num_envs, raster)
        self._weights = weights or NETWORK.shipped()
        self._network = line_network(NETWORK, self._weights, raster.pixels // CELL)
        self._frame = (raster.pixel_nm / PIXEL_NM, raster.pitch_nm / PITCH_NM)

    def _restore(self, rows: Rows) -> None:
        work = workspace(self._network.size + candidates_size(self.raster.pixels))
        restore_rows(rows, self.state, self._frame, self._weights.trust, self._network, work)


TOPOGRAPHIES: dict[str, type[TopographyModel] | None] = {
    "raw": None,
    "classical": ClassicalTopography,
    "neural": NeuralTopography,
}
"""Observation models of lines by name; "raw" has none: the observation has the signals alone."""
