"""Observation models: what of a running scan an agent is shown.

Each is one `View`: "raw" shows what the detector says, "classical" the running reconstruction,
"neural" what a network makes of it. All three show a complex image and its uncertainty on the
field of the specimen, batched over N scans, the same to the bit for any batch and any thread.
"""

from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from microgym.jit import kernel
from microgym.numerics.array_views import view1d

Plane = NDArray[np.float32]
Planes = tuple[Plane, Plane]
Shown = tuple[Plane, Plane, Plane]
Rows = NDArray[np.int64]
Areas = NDArray[np.int64]

PRIOR_CONTRAST = 0.3
"""Standard deviation of a specimen's contrast where nothing was measured (design choice)."""


class View(ABC):
    """One observation model of N scans; arrays have the leading axis N.

    Args:
        num_envs: N.
        field_px: edge H = W of the specimens, px.
        probe: (modes, n, n) complex64, power one.
        region: first row and column of the scanned region, and its edge, px.

    Attributes:
        local: whether an exposure changes what is shown under its own patch and nowhere else.
    """

    local: ClassVar[bool] = True

    @abstractmethod
    def __init__(
        self, num_envs: int, field_px: int, probe: NDArray[np.complex64], region: tuple[int, int]
    ) -> None: ...

    def reset(self, rows: Rows) -> None:
        """Forget the listed rows' scans."""
        del rows

    def add(self, rows: Rows, corner: NDArray[np.int64], signal: NDArray[np.float64]) -> None:
        """Enter the latest exposure of each listed row.

        Args:
            rows: (k,) int64.
            corner: (N, 2) int64, corner of its patch, px.
            signal: (N, 2) float64, direct and scattered part of the photons.
        """
        del rows, corner, signal

    @abstractmethod
    def show(
        self, rows: Rows, estimate: Planes, fluence: Plane, areas: Areas | None = None
    ) -> Shown:
        """Look at the listed rows.

        Args:
            rows: (k,) int64.
            estimate: (N, H, W) float32, real and imaginary part of the running reconstruction.
            fluence: (N, H, W) float32, photons per object pixel that the operator knows of.
            areas: (N, 4) int64, first row, end of the rows, first column and end of the columns
                that matter in each row's field, px; None for the region.

        Returns:
            (N, H, W) float32: real part, imaginary part, and standard deviation of the complex
            error; valid in the listed rows, inside their areas, until the next call.
        """

    def state_arrays(self) -> dict[str, NDArray[np.generic]]:
        """The live arrays that are the whole state, by name."""
        return {}


def whole_region(num_envs: int, region: tuple[int, int]) -> Areas:
    """The areas of `View.show` that are the region.

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
    """Uncertainty of a pixel that photon statistics and a prior leave, of the listed rows.

    n photons through a pixel determine its complex transmission to 1/sqrt(2 n); against a prior
    contrast of standard deviation s, sigma^2 = 1 / (1/s^2 + 2 n).

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
                out[j] = one / np.sqrt(prior + np.float32(2.0) * flux[j])


class ClassicalView(View):
    """The running reconstruction as it is, with the uncertainty of photon statistics."""

    def __init__(
        self, num_envs: int, field_px: int, probe: NDArray[np.complex64], region: tuple[int, int]
    ) -> None:
        del probe
        self._region = whole_region(num_envs, region)
        self._sigma = np.ones((num_envs, field_px, field_px), np.float32)

    def show(
        self, rows: Rows, estimate: Planes, fluence: Plane, areas: Areas | None = None
    ) -> Shown:
        """The estimate itself."""
        shot_noise(rows, fluence, self._region if areas is None else areas, self._sigma)
        return *estimate, self._sigma
