"""Observation models of ptychography: raw signals, and the running reconstruction.

Each shows a complex image and the standard deviation of its error on the field of the specimen.
`microgym.reconstruction.ptychography.neural` restores the reconstruction by a network.
"""

import copy
from typing import Annotated, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from microgym.jit import kernel
from microgym.numerics.array_views import view1d
from microgym.physics.diffraction import add_fluence
from microgym.physics.probe import intensity
from microgym.reconstruction.observation_model import ObservationModel
from microgym.state import Float32, Float64, Int64, Shape, allocate

PRIOR_CONTRAST = 0.3
"""Standard deviation of a specimen's contrast where nothing was measured (design choice)."""


class RunningScan(NamedTuple):
    """State of a scan, as known without hidden quantities.

    Attributes:
        re, im: (N, H, W) float32, running reconstruction.
        fluence: (N, H, W) float32, photons per object pixel by the commanded positions.
    """

    re: Float32
    im: Float32
    fluence: Float32


class ImageEstimate(NamedTuple):
    """Complex transmission of specimens, as estimated.

    Attributes:
        re, im: (N, H, W) float32, real and imaginary part.
        sigma: (N, H, W) float32, standard deviation of the complex error.
    """

    re: Float32
    im: Float32
    sigma: Float32


class ImageModel(ObservationModel[RunningScan, ImageEstimate]):
    """Observation model of N scans; an estimate holds in the scanned region.

    Args:
        num_envs: N.
        field_px: edge H = W of the specimens, px.
        probe: (modes, n, n) complex64, power one.
        region: first row and column of the scanned region, and its edge, px.
    """

    def __init__(
        self, num_envs: int, field_px: int, probe: NDArray[np.complex64], region: tuple[int, int]
    ) -> None:
        self._region = region
        self._sigma = np.ones((num_envs, field_px, field_px), np.float32)
        self.illuminate(probe)

    def illuminate(self, probe: NDArray[np.complex64]) -> None:
        """Set what follows from the probe, (modes, n, n)."""
        light = intensity(probe).astype(np.float32).ravel()
        # The far tail of the probe does not count (design choice: a thousandth).
        self._footprint = np.where(light > 1e-3 * light.max(), light, 0.0).astype(np.float32)

    def tuned(self, probe: NDArray[np.complex64]) -> Self:
        """The same model, of the same arrays, under another probe, (modes, n, n)."""
        other = copy.copy(self)
        other.illuminate(probe)
        return other

    def add(self, rows: Int64, corner: Int64, signal: Float64) -> None:
        """Enter the newest exposure of each listed row.

        Args:
            rows: (k,) int64.
            corner: (N, 2) int64, corner of its patch, px.
            signal: (N, 2) float64, direct and scattered part of the photons.
        """
        del rows, corner, signal

    def _photon_statistics(self, rows: Int64, scan: RunningScan) -> Float32:
        """Standard deviation by photon statistics, written in the region."""
        shot_noise(rows, scan.fluence, *self._region, self._sigma)
        return self._sigma


@kernel
def record_rows(rows, measurement, footprint, disk, n, fluence, signal):
    """Enter the latest exposure of each row into fluence and signals.

    Args:
        rows: (k,) int64.
        measurement: of all rows.
        footprint: (n*n,) float32, intensity of the known probe, sum one.
        disk: (n*n,) float32, 1 inside the direct beam on the detector.
        n: edge of a patch of the specimen, px.
        fluence: (N, H, W) float32, updated.
        signal: (N, 2) float64, counts inside and outside the direct beam over the photons sent,
            written.
    """
    for b in rows:
        photons, reading, corner = measurement.photons[b], measurement.counts[b], measurement.corner
        # Fluence by the commanded position and the known probe: F += photons |P|^2.
        top, left = corner[b, 0], corner[b, 1]
        add_fluence(fluence[b], footprint, np.float32(photons), top, left, n)
        direct, total = 0.0, 0.0
        for j in range(n * n):
            direct += reading[j] * disk[j]
            total += reading[j]
        signal[b, 0] = min(max(direct / photons, 0.0), 1.0)
        signal[b, 1] = min(max((total - direct) / photons, 0.0), 1.0)


@kernel
def shot_noise(rows, fluence, start, size, sigma):
    """Standard deviation of pixels by photon statistics and a prior, of the listed rows.

    Args:
        rows: (k,) int64.
        fluence: (N, H, W) photons per pixel.
        start, size: first row and column of the region, and its edge, px.
        sigma: (N, H, W) written in the region.
    """
    one, prior = np.float32(1.0), np.float32(1.0 / (PRIOR_CONTRAST * PRIOR_CONTRAST))
    height, width = fluence.shape[1], fluence.shape[2]
    for b in rows:
        for i in range(start, start + size):
            at = (b * height + i) * width + start
            flux, out = view1d(fluence, at, size), view1d(sigma, at, size)
            for j in range(size):
                # n photons determine a complex transmission to 1/sqrt(2 n); with a prior of
                # standard deviation s, 1/sigma^2 = 1/s^2 + 2 n.
                out[j] = one / np.sqrt(prior + np.float32(2.0) * flux[j])


class ClassicalImage(ImageModel):
    """The running reconstruction as it is, with the uncertainty of photon statistics."""

    def estimate(self, rows: Int64, scan: RunningScan, /) -> ImageEstimate:
        """The reconstruction itself; see `ObservationModel.estimate`."""
        return ImageEstimate(scan.re, scan.im, self._photon_statistics(rows, scan))


class SignalMaps(NamedTuple):
    """Maps of the detector's signals, averaged over the exposures of a pixel.

    Each exposure gives the share of the photons inside the direct beam (bright field; absorption
    and scattering lower it) and the share outside (dark field). Weights are the probe's intensity.

    Attributes:
        re: weighted mean of the bright-field signal; 1 where no photon has been.
        im: weighted mean of the dark-field signal; 0 where no photon has been.
        weight: sum of the weights.
        bright, dark: weighted sums of the signals.
    """

    re: Annotated[Float32, Shape("field", "field")]
    im: Annotated[Float32, Shape("field", "field")]
    weight: Annotated[Float32, Shape("field", "field")]
    bright: Annotated[Float32, Shape("field", "field")]
    dark: Annotated[Float32, Shape("field", "field")]


@kernel
def _spread_rows(rows, corner, signal, footprint, maps, n):
    """Average the signals of each row's newest exposure into the maps under the probe."""
    zero, one = np.float32(0.0), np.float32(1.0)
    height, width = maps.weight.shape[1], maps.weight.shape[2]
    for b in rows:
        top, left = corner[b, 0], corner[b, 1]
        inside, outside = np.float32(signal[b, 0]), np.float32(signal[b, 1])
        for i in range(n):
            at = (b * height + top + i) * width + left
            light, w = view1d(footprint, i * n, n), view1d(maps.weight, at, n)
            p, q = view1d(maps.bright, at, n), view1d(maps.dark, at, n)
            x, y = view1d(maps.re, at, n), view1d(maps.im, at, n)
            for j in range(n):
                # Running mean: sum of light times signal over sum of light.
                w[j] += light[j]
                p[j] += light[j] * inside
                q[j] += light[j] * outside
                x[j] = p[j] / w[j] if w[j] > zero else one
                y[j] = q[j] / w[j] if w[j] > zero else zero


class RawImage(ImageModel):
    """Maps of bright-field and dark-field signals in the place of an image."""

    def __init__(
        self, num_envs: int, field_px: int, probe: NDArray[np.complex64], region: tuple[int, int]
    ) -> None:
        super().__init__(num_envs, field_px, probe, region)
        self._n = probe.shape[-1]
        self.state: SignalMaps = allocate(SignalMaps, num_envs, field=field_px)
        self.state.re.fill(1.0)

    def reset(self, rows: Int64) -> None:
        """Forget the exposures of the listed rows; see `ObservationModel.reset`."""
        super().reset(rows)
        self.state.re[rows] = 1.0

    def add(self, rows: Int64, corner: Int64, signal: Float64) -> None:
        """Average the newest exposure of each listed row in; see `ImageModel.add`."""
        _spread_rows(rows, corner, signal, self._footprint, self.state, self._n)

    def estimate(self, rows: Int64, scan: RunningScan, /) -> ImageEstimate:
        """The maps, with the uncertainty of photon statistics; see `ObservationModel.estimate`."""
        sigma = self._photon_statistics(rows, scan)
        return ImageEstimate(self.state.re, self.state.im, sigma)
