"""Observation models of ptychography: raw signals, running reconstruction, neural restoration.

Each shows a complex image and the standard deviation of its error on the field of the specimen.
This module holds what they share, and the classical one.
"""

from abc import abstractmethod
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from microgym.jit import kernel
from microgym.numerics.array_views import view1d
from microgym.reconstruction.observation_model import ObservationModel

Plane = NDArray[np.float32]
Planes = tuple[Plane, Plane]
Rows = NDArray[np.int64]
Areas = NDArray[np.int64]

PRIOR_CONTRAST = 0.3
"""Standard deviation of a specimen's contrast where nothing was measured (design choice)."""


class RunningScan(NamedTuple):
    """State of a scan, as known without hidden quantities.

    Attributes:
        re, im: (N, H, W) float32, running reconstruction.
        fluence: (N, H, W) float32, photons per object pixel by the commanded positions.
        areas: (N, 4) int64, first row, end of the rows, first column and end of the columns of the
            field that are asked for, px; None for the scanned region.
    """

    re: Plane
    im: Plane
    fluence: Plane
    areas: Areas | None = None


class ImageEstimate(NamedTuple):
    """Complex transmission of specimens, as estimated.

    Attributes:
        re, im: (N, H, W) float32, real and imaginary part.
        sigma: (N, H, W) float32, standard deviation of the complex error.
    """

    re: Plane
    im: Plane
    sigma: Plane


class ImageModel(ObservationModel[RunningScan, ImageEstimate]):
    """Observation model of N scans; an estimate holds in the areas that were asked for.

    Args:
        num_envs: N.
        field_px: edge H = W of the specimens, px.
        probe: (modes, n, n) complex64, power one.
        region: first row and column of the scanned region, and its edge, px.
    """

    @abstractmethod
    def __init__(
        self, num_envs: int, field_px: int, probe: NDArray[np.complex64], region: tuple[int, int]
    ) -> None: ...

    def add(self, rows: Rows, corner: NDArray[np.int64], signal: NDArray[np.float64]) -> None:
        """Enter the newest exposure of each listed row.

        Args:
            rows: (k,) int64.
            corner: (N, 2) int64, corner of its patch, px.
            signal: (N, 2) float64, direct and scattered part of the photons.
        """
        del rows, corner, signal


def whole_region(num_envs: int, region: tuple[int, int]) -> Areas:
    """The areas of a `RunningScan` that cover the region.

    Args:
        num_envs: N.
        region: its first row and column, and its edge, px.

    Returns:
        (N, 4) int64.
    """
    start, size = region
    return np.tile(np.array([start, start + size] * 2, np.int64), (num_envs, 1))


@kernel
def shot_noise(rows, fluence, areas, sigma):
    """Standard deviation of pixels by photon statistics and a prior, of the listed rows.

    Args:
        rows: (k,) int64.
        fluence: (N, H, W) photons per pixel.
        areas: (N, 4) int64, first row, end of the rows, first column and end of the columns, px.
        sigma: (N, H, W) written in the areas.
    """
    one, prior = np.float32(1.0), np.float32(1.0 / (PRIOR_CONTRAST * PRIOR_CONTRAST))
    height, width = fluence.shape[1], fluence.shape[2]
    for k in range(rows.size):
        b = rows[k]
        left, count = areas[b, 2], areas[b, 3] - areas[b, 2]
        for i in range(areas[b, 0], areas[b, 1]):
            at = (b * height + i) * width + left
            flux, out = view1d(fluence, at, count), view1d(sigma, at, count)
            for j in range(count):
                # n photons determine a complex transmission to 1/sqrt(2 n); with a prior of
                # standard deviation s, 1/sigma^2 = 1/s^2 + 2 n.
                out[j] = one / np.sqrt(prior + np.float32(2.0) * flux[j])


class ClassicalImage(ImageModel):
    """The running reconstruction as it is, with the uncertainty of photon statistics."""

    def __init__(
        self, num_envs: int, field_px: int, probe: NDArray[np.complex64], region: tuple[int, int]
    ) -> None:
        del probe
        self._region = whole_region(num_envs, region)
        self._sigma = np.ones((num_envs, field_px, field_px), np.float32)

    def estimate(self, rows: Rows, scan: RunningScan, /) -> ImageEstimate:
        """The reconstruction itself; see `ObservationModel.estimate`."""
        re, im, fluence, areas = scan
        shot_noise(rows, fluence, self._region if areas is None else areas, self._sigma)
        return ImageEstimate(re, im, self._sigma)
