"""Detectors of adatoms: where adatoms are in constant-current images, and how sure that is.

Two, behind one interface: "classical" levels the image and looks for maxima of a matched filter,
"neural" asks a network (`microgym.baselines.observation_models.stm`), run by own kernels: bits do
not depend on batch, thread or processor, and no deep-learning library is loaded.
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

from microgym.numerics.libm import exp
from microgym.numerics.workspace import workspace
from microgym.reconstruction.adatoms.peak_detection import MOST, match_rows, match_size
from microgym.reconstruction.adatoms.unet_kernels import (
    CELL,
    INPUTS,
    WIDTHS,
    detect_rows,
    work_size,
)
from microgym.reconstruction.nn.layers import layer_tensors, pack_layers
from microgym.reconstruction.nn.weights_io import check_tensors, read_tensors
from microgym.reconstruction.observation_model import ObservationModel
from microgym.reconstruction.validation import number, whole_number
from microgym.state import Float32, Float64, Int64, Shape, allocate

Rows = NDArray[np.int64]

FILE = "STM-v0.safetensors"
"""Name of the file of the network that comes with the package."""
FORMAT = "microgym-adatoms-1"
""""format" in the metadata of such a file."""
CALIBRATION = ("least", "trust", "slope", "place")
"""What is fitted on validation specimens: the least probability that is told, the factor of the
uncertainty, slope and place of the calibration of the probability (`tell_peaks`)."""


class Adatoms(NamedTuple):
    """Adatoms in N images, as detected.

    Attributes:
        found: of each adatom x and y from the middle of the image, nm, the probability that it is
            one, and the uncertainty of x and of y, nm; in the order of pixels.
        counts: number of adatoms.
    """

    found: Annotated[Float64, Shape(MOST, 4)]
    counts: Annotated[Int64, Shape()]


class DetectorModel(ObservationModel[Float32, Adatoms]):
    """Detector of adatoms in N constant-current images.

    Args:
        num_envs: N.
        pixels: edge of an image, px.
        field_nm: edge of an image, nm.

    Raises:
        ValueError: images that the detector cannot take.
    """

    def __init__(self, num_envs: int, pixels: int, field_nm: float) -> None:
        self.pixels = whole_number("pixels", pixels, 16, 1024)
        self.scale = number("field_nm", field_nm, 1e-3, 1e6) / self.pixels
        self._adatoms = allocate(Adatoms, num_envs)

    @property
    def state(self) -> Adatoms:
        """The adatoms of the last images."""
        return self._adatoms

    def estimate(self, rows: Rows, image: Float32, /) -> Adatoms:
        """Adatoms in the images of the listed rows; see `ObservationModel.estimate`.

        Args:
            rows: (k,) int64.
            image: (N, pixels, pixels) float32, heights, nm; first index from low to high y.

        Returns:
            The adatoms; valid in the listed rows until the next call.

        Raises:
            ValueError: images of another shape or dtype.
        """
        shape = (len(self.state.counts), self.pixels, self.pixels)
        if image.shape != shape or image.dtype != np.float32:
            raise ValueError(
                f"image must be float32 of shape {shape}, got {image.dtype} of shape {image.shape}"
            )
        self._detect(rows, image)
        return self.state

    @abstractmethod
    def _detect(self, rows: Rows, image: Float32) -> None:
        """Write the adatoms of the listed rows into `state`."""


@dataclass(frozen=True)
class MatchedFilter:
    """Settings of the classical detector.

    Those by default were found by search (`microgym.baselines.observation_models.stm.classical`) on
    images of validation specimens as STM-v0 takes them, half of them with a close pair.

    Attributes:
        width_nm: standard deviation of the profile that is looked for, nm.
        reach_px: distance within which only the strongest response is told, px, 1 to 6.
        threshold: least response, adatoms' heights.
        slope, place: the probability is a logistic function of the response, of this slope, one
            half at this place.
        spread_nm: uncertainty of a place along one axis, nm.
        lag_nm: how far the feedback shifts what is seen along the line, nm.
    """

    width_nm: float = 0.3
    reach_px: int = 2
    threshold: float = 0.55
    slope: float = 8.7
    place: float = 0.49
    spread_nm: float = 0.042
    lag_nm: float = 0.016

    def __post_init__(self) -> None:
        """Check every number."""
        number("width_nm", self.width_nm, 0.05, 1.0)
        whole_number("reach_px", self.reach_px, 1, 6)
        number("threshold", self.threshold, 0.0, 10.0)
        number("slope", self.slope, 0.0, 1e3)
        number("place", self.place, -10.0, 10.0)
        number("spread_nm", self.spread_nm, 0.0, 1.0)
        number("lag_nm", self.lag_nm, -1.0, 1.0)

    def template(self, pixel_nm: float) -> Float32:
        """The filter: (2 m + 1, 2 m + 1), of mean zero, and of product one with the profile."""
        width = self.width_nm / pixel_nm
        m = max(int(np.ceil(2.0 * width)), self.reach_px)
        square = np.arange(-m, m + 1, dtype=np.float64) ** 2
        profile = exp(-0.5 * (square[:, None] + square) / width**2)
        centred = profile - profile.mean()
        return (centred / np.sum(centred * profile)).astype(np.float32)


class ClassicalDetector(DetectorModel):
    """Levelled lines, matched filter, local maxima, parabolas; see `match_rows`."""

    def __init__(
        self, num_envs: int, pixels: int, field_nm: float, settings: MatchedFilter | None = None
    ) -> None:
        super().__init__(num_envs, pixels, field_nm)
        self.settings = settings or MatchedFilter()
        self._template = self.settings.template(self.scale)

    def _detect(self, rows: Rows, image: Float32) -> None:
        chosen = self.settings
        match_rows(
            rows,
            image,
            self._template,
            chosen.reach_px,
            np.float32(chosen.threshold),
            (chosen.slope, chosen.place, chosen.spread_nm, chosen.lag_nm),
            self.scale,
            workspace(match_size(self.pixels, self._template.shape[0] // 2)),
            *self.state,
        )


@dataclass(frozen=True, eq=False)
class Weights:
    """A trained network, packed for the kernels.

    Attributes:
        values, layers: of 17 convolutions, see `microgym.reconstruction.nn.layers.pack_layers`.
        told: the numbers of `CALIBRATION`, float32.
    """

    values: Float32
    layers: NDArray[np.int64]
    told: tuple[np.float32, ...]


def layer_shapes() -> dict[str, tuple[int, int, int]]:
    """Every convolution of the network.

    Returns:
        Name to outputs, inputs and edge of the kernel, in the order in which they run.
    """
    fine, middle, coarse = WIDTHS
    pixels = CELL * CELL
    return {
        "stem": (fine, pixels, 1),
        "fine1": (fine, fine, 3),
        "down1": (middle, fine, 2),
        "middle": (middle, middle, 3),
        "down2": (coarse, middle, 2),
        "coarse1": (coarse, coarse, 3),
        "coarse2": (coarse, coarse, 3),
        "up2": (4 * middle, coarse, 1),
        "up1": (4 * fine, middle, 1),
        "fine2": (fine, fine, 3),
        "head": (4 * pixels, fine, 1),
    }


def pack(tensors: Mapping[str, Float32]) -> Weights:
    """Put the tensors of a trained network in the order in which the kernels read them.

    Args:
        tensors: "<layer>.weight" (outputs, inputs, k, k) and "<layer>.bias" (outputs,) of every
            layer of `layer_shapes`, and "calibration" (4,), see `CALIBRATION`.

    Returns:
        The packed network.

    Raises:
        ValueError: a tensor is missing, superfluous, of another shape, or not finite.
    """
    shapes = layer_tensors(layer_shapes())
    check_tensors(tensors, {**shapes, "calibration": (len(CALIBRATION),)})
    # Kernels read a multiple of eight channels; the rest of the first layer's are zero.
    stem = np.zeros((WIDTHS[0], INPUTS, 1, 1), np.float32)
    stem[:, : CELL * CELL] = tensors["stem.weight"]
    values, table = pack_layers({**tensors, "stem.weight": stem}, layer_shapes())
    told = tuple(np.float32(one) for one in tensors["calibration"])
    return Weights(values, table, told)


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
        path: of a safetensors file that `microgym.baselines.observation_models.stm` wrote.

    Returns:
        The packed network.

    Raises:
        FileNotFoundError: no such file.
        ValueError: not such a file.
    """
    return pack(read_tensors(path, FORMAT))


class NeuralDetector(DetectorModel):
    """What the network finds; see `detect_rows`.

    Args:
        num_envs: N.
        pixels: edge of an image, px, a multiple of 32.
        field_nm: edge of an image, nm.
        weights: the network; None for the one that comes with the package.
    """

    def __init__(
        self, num_envs: int, pixels: int, field_nm: float, weights: Weights | None = None
    ) -> None:
        if pixels % (16 * CELL):
            raise ValueError(f"an image of {pixels} px must be a multiple of {16 * CELL} px")
        super().__init__(num_envs, pixels, field_nm)
        self._weights = shipped_weights() if weights is None else weights

    def _detect(self, rows: Rows, image: Float32) -> None:
        cells = self.pixels // CELL
        detect_rows(
            rows,
            image,
            cells,
            self._weights.values,
            self._weights.layers,
            self._weights.told,
            self.scale,
            workspace(work_size(cells)),
            *self.state,
        )
