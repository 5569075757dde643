"""What an operator's computer makes of the lines of a force microscope: restored heights.

"classical" corrects heights by the error signals and takes the lower of the two directions, since a
tip flies above a surface but never below it. "neural" is a small network that was trained on
simulated scans (`microgym.baselines.observation_models.afm`) and is run by own kernels
(`microgym.reconstruction.topography.convnet_kernels`): bits do not depend on batch, thread or
processor, and no deep-learning library is loaded. Neither knows more than the operator: signals and
dials.
"""

import functools
import os
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np
from numpy.typing import NDArray

from microgym.jit import kernel
from microgym.numerics.array_views import view1d
from microgym.numerics.workspace import workspace
from microgym.reconstruction.nn.weights_io import check_tensors, read_tensors
from microgym.reconstruction.observation_model import ObservationModel
from microgym.reconstruction.topography.convnet_kernels import (
    CELL,
    DISTANCES,
    INPUTS,
    LEAST_NM,
    LINES,
    OUTPUTS,
    SEEN,
    SETTINGS,
    SIGNALS,
    TOLD,
    WIDTH,
    correct_line,
    enter_rows,
    restore_rows,
    tell_rows,
    work_size,
)
from microgym.state import Bool, Float32, Float64, Shape, allocate
from microgym.validation import integer, positive

FILE = "AFM-v0.safetensors"
"""Name of the file of the network that comes with the package."""
FORMAT = "microgym-lines-1"
""""format" in the metadata of such a file."""
STATED = (0.5, 0.68, 0.9, 0.95)
"""Parts of errors that `Weights.radii` tells bounds of."""
UNKNOWN_NM = 1e3
"""Uncertainty of a line that was scanned with the tip withdrawn, nm."""
PIXEL_NM, PITCH_NM = 1000.0 / 256, 1000.0 / 64
"""Pixel and distance of lines of the default frame of AFM-v0, nm: units of what the network is
told."""

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Raster:
    """How a frame is scanned.

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

    pixels: int = 256
    overscan: int = 16
    pixel_nm: float = PIXEL_NM
    pitch_nm: float = PITCH_NM
    lag_s: float = 4.2e-4

    def __post_init__(self) -> None:
        """Check every number."""
        if integer("pixels", self.pixels, 16, 4096) % (4 * CELL):
            raise ValueError(f"pixels={self.pixels!r} must be a multiple of {4 * CELL}")
        integer("overscan", self.overscan, 0, 4096)
        for name in ("pixel_nm", "pitch_nm", "lag_s"):
            positive(name, getattr(self, name))


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
        raster: how frames are scanned.
    """

    def __init__(self, num_envs: int, raster: Raster) -> None:
        count = integer("num_envs", num_envs, 1, 1 << 16)
        self.raster = raster
        self._history = allocate(LineHistory, count, pixels=raster.pixels)
        self.reset(np.arange(count))

    @property
    def state(self) -> LineHistory:
        """The newest lines and the last estimate."""
        return self._history

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
        tell_rows(rows, dials, engaged, raster.lag_s, width, state.settings, state.lag_px)
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
    for k in range(rows.size):
        b = rows[k]
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


@dataclass(frozen=True, eq=False)
class Weights:
    """A trained network, packed for the kernels.

    Attributes:
        values: float32, for each layer its bias and then [taps, inputs, outputs].
        starts: (7,) int64, where each layer's values begin.
        trust: factor that makes 68% of errors stay below the uncertainty.
        radii: (4,) float64, multiples of the uncertainty that `STATED` parts of errors stay below.
    """

    values: Float32
    starts: NDArray[np.int64]
    trust: np.float32
    radii: Float64


def layer_shapes() -> dict[str, tuple[int, int, int]]:
    """Every layer of the network: name to outputs, inputs and taps, in the order they run in."""
    blocks = {f"blocks.{n}": (WIDTH, WIDTH, 3) for n in range(len(DISTANCES))}
    return {"stem": (WIDTH, SEEN + TOLD, 1), **blocks, "head": (OUTPUTS, WIDTH, 1)}


def pack(tensors: Mapping[str, Float32]) -> Weights:
    """Put the tensors of a trained network in the order in which the kernels read them.

    Args:
        tensors: "<layer>.weight" (outputs, inputs, taps) and "<layer>.bias" (outputs,) of every
            layer of `layer_shapes`, "trust" () and "radii" (4,).

    Returns:
        The packed network.

    Raises:
        ValueError: a tensor is missing, superfluous, of another shape, or not finite.
    """
    shapes: dict[str, tuple[int, ...]] = {"trust": (), "radii": (len(STATED),)}
    for name, (outputs, inputs, taps) in layer_shapes().items():
        shapes |= {f"{name}.weight": (outputs, inputs, taps), f"{name}.bias": (outputs,)}
    check_tensors(tensors, shapes)
    values: list[Float32] = []
    starts: list[int] = []
    for name in layer_shapes():
        weight, bias = tensors[f"{name}.weight"], tensors[f"{name}.bias"]
        if name == "stem":
            weight = np.pad(weight, ((0, 0), (0, INPUTS - weight.shape[1]), (0, 0)))
        starts.append(sum(one.size for one in values))
        values.append(np.concatenate([bias, weight.transpose(2, 1, 0).ravel()]))
    flat = np.concatenate(values).astype(np.float32)
    radii = tensors["radii"].astype(np.float64)
    return Weights(flat, np.array(starts, np.int64), np.float32(tensors["trust"]), radii)


def shipped_file() -> Path:
    """Where the network that comes with the package is."""
    return Path(str(resources.files("microgym.reconstruction"))) / "weights" / FILE


@functools.cache
def shipped_weights() -> Weights:
    """The network that comes with the package."""
    return load_weights(shipped_file())


def load_weights(path: str | os.PathLike[str]) -> Weights:
    """Read a trained network.

    Args:
        path: of a safetensors file that `microgym.baselines.observation_models.afm` wrote.

    Returns:
        The packed network.

    Raises:
        FileNotFoundError: no such file.
        ValueError: not such a file.
    """
    return pack(read_tensors(path, FORMAT))


class NeuralTopography(TopographyModel):
    """Restoration of the last lines by the network.

    Args:
        num_envs: N.
        raster: how frames are scanned.
        weights: the network; None for the one that comes with the package.
    """

    def __init__(self, num_envs: int, raster: Raster, weights: Weights | None = None) -> None:
        super().__init__(num_envs, raster)
        self._weights = shipped_weights() if weights is None else weights
        self._frame = (raster.pixel_nm / PIXEL_NM, raster.pitch_nm / PITCH_NM)

    def _restore(self, rows: Rows) -> None:
        weights, state = self._weights, self.state
        restore_rows(
            rows,
            state.lines,
            state.lag_px,
            state.settings,
            self._frame,
            weights.values,
            weights.starts,
            weights.trust,
            workspace(work_size(self.raster.pixels)),
            *state.estimate,
        )


TOPOGRAPHIES: dict[str, type[TopographyModel] | None] = {
    "raw": None,
    "classical": ClassicalTopography,
    "neural": NeuralTopography,
}
"""Observation models of lines by name; "raw" has none: the signals alone are shown."""
