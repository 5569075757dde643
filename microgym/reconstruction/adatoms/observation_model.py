"""Observation models of STM images: places of adatoms, with probability and uncertainty.

The classical detector levels the image and takes the maxima of a matched filter. The neural one is
a network (`microgym.baselines.observation_models.stm`) run by the kernels of this package; no
deep-learning library is loaded.
"""

from abc import abstractmethod
from dataclasses import dataclass
from functools import partial
from typing import Annotated, NamedTuple

import numpy as np
from numpy.typing import NDArray

from microgym.numerics.libm import exp
from microgym.numerics.workspace import workspace
from microgym.reconstruction.adatoms.peak_detection import MOST, match_rows, match_size
from microgym.reconstruction.adatoms.unet_kernels import CELL, detect_rows, maps_size
from microgym.reconstruction.nn.network import Layer, Network, Weights, image_network
from microgym.reconstruction.observation_model import ObservationModel
from microgym.state import Float32, Float64, Int64, Shape, allocate
from microgym.validation import Checked, integer, within

Rows = NDArray[np.int64]


class Adatoms(NamedTuple):
    """Adatoms in N images, as detected.

    Attributes:
        found: of each adatom x and y from the middle of the image, nm, the probability that it is
            one, and the uncertainty of x and of y, nm; in the order of pixels.
        counts: number of adatoms.
    """

    found: Annotated[Float64, Shape(MOST, 4)]
    counts: Annotated[Int64, Shape(high=MOST)]


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
        self.pixels = integer("pixels", pixels, 16, 1024)
        self.scale = within("field_nm", field_nm, 1e-3, 1e6) / self.pixels
        self.state: Adatoms = allocate(Adatoms, num_envs)

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
class MatchedFilter(Checked):
    """Settings of the classical detector.

    Those by default were found by search (`microgym.baselines.observation_models.stm.classical`) on
    images of validation specimens as STM-v0 takes them, half of them with a close pair.

    Attributes:
        width_nm: standard deviation of the profile that is looked for, nm.
        reach_px: distance within which only the strongest response counts, px, 1 to 6.
        threshold: least response, adatoms' heights.
        slope, place: the probability is a logistic function of the response, of this slope, one
            half at this place.
        spread_nm: uncertainty of a place along one axis, nm.
        lag_nm: how far the feedback shifts what is seen along the line, nm.
    """

    width_nm: Annotated[float, partial(within, low=0.05, high=1.0)] = 0.3
    reach_px: Annotated[int, partial(integer, low=1, high=6)] = 2
    threshold: Annotated[float, partial(within, low=0.0, high=10.0)] = 0.55
    slope: Annotated[float, partial(within, low=0.0, high=1e3)] = 8.7
    place: Annotated[float, partial(within, low=-10.0, high=10.0)] = 0.49
    spread_nm: Annotated[float, partial(within, low=0.0, high=1.0)] = 0.042
    lag_nm: Annotated[float, partial(within, low=-1.0, high=1.0)] = 0.016

    def template(self, pixel_nm: float) -> Float32:
        """The filter: (2 m + 1, 2 m + 1), of mean zero, and of product one with the profile."""
        width = self.width_nm / pixel_nm
        m = max(int(np.ceil(2.0 * width)), self.reach_px)
        square = np.arange(-m, m + 1, dtype=np.float64) ** 2
        profile = exp(-0.5 * (square[:, None] + square) / width**2)
        centred = profile - profile.mean()
        return (centred / np.sum(centred * profile)).astype(np.float32)


class ClassicalDetector(DetectorModel):
    """Adatoms by levelling, matched filter, local maxima and parabolas; see `match_rows`."""

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


NETWORK = Network(
    env_id="STM-v0",
    format="microgym-adatoms-1",
    inputs=CELL * CELL,
    layers=(
        Layer("stem", "stem", 16),
        Layer("fine1", "residual", 16),
        Layer("down1", "down", 24),
        Layer("middle", "residual", 24),
        Layer("down2", "down", 32),
        Layer("coarse1", "residual", 32),
        Layer("coarse2", "residual", 32),
        Layer("up2", "up", 24),
        Layer("up1", "up", 16),
        Layer("fine2", "residual", 16),
        # Logarithm of the odds, place of the centre (x, y), logarithm of its uncertainty.
        Layer("head", "head", 4 * CELL * CELL),
    ),
    calibration=(("calibration", (4,)),),
)
"""U-shaped network on cells of 2x2 pixels. Its calibration: least probability of an adatom, factor
of the uncertainty, slope and place of the calibration of the probability (`gather_peaks`)."""


class NeuralDetector(DetectorModel):
    """Adatoms by the network; see `detect_rows`.

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
        weights = weights or NETWORK.shipped()
        self._calibration = weights.calibration["calibration"]
        self._network = image_network(NETWORK, weights, pixels // CELL)

    def _detect(self, rows: Rows, image: Float32) -> None:
        network, calibration = self._network, self._calibration
        work = workspace(network.size + maps_size(self.pixels // CELL))
        detect_rows(rows, image, calibration, self.scale, network, work, *self.state)
