"""Raw observation model of ptychography: maps of detector signals, without reconstruction.

Each exposure gives two signals, the share of the photons inside the direct beam (bright field;
absorption and scattering lower it) and the share outside (dark field). Each is averaged over the
exposures of a pixel, weighted by the probe's intensity there.
"""

from typing import Annotated, NamedTuple

import numpy as np
from numpy.typing import NDArray

from microgym.jit import kernel
from microgym.numerics.array_views import view1d
from microgym.physics.probe import intensity
from microgym.reconstruction.ptychography.observation_models import (
    ImageEstimate,
    ImageModel,
    Rows,
    RunningScan,
    shot_noise,
    whole_region,
)
from microgym.state import Float32, Shape, allocate


class SignalMaps(NamedTuple):
    """Maps of the detector's signals.

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
    for k in range(rows.size):
        b = rows[k]
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
        self._region = whole_region(num_envs, region)
        self._n = probe.shape[-1]
        light = intensity(probe).astype(np.float32).ravel()
        # The far tail of the probe does not count (design choice: a thousandth).
        self._footprint = np.where(light > 1e-3 * light.max(), light, 0.0).astype(np.float32)
        self._sigma = np.ones((num_envs, field_px, field_px), np.float32)
        self._maps = allocate(SignalMaps, num_envs, field=field_px)
        self._maps.re.fill(1.0)

    @property
    def state(self) -> SignalMaps:
        """The maps."""
        return self._maps

    def reset(self, rows: Rows) -> None:
        """Forget the exposures of the listed rows; see `ObservationModel.reset`."""
        super().reset(rows)
        self.state.re[rows] = 1.0

    def add(self, rows: Rows, corner: NDArray[np.int64], signal: NDArray[np.float64]) -> None:
        """Average the newest exposure of each listed row in; see `ImageModel.add`."""
        _spread_rows(rows, corner, signal, self._footprint, self.state, self._n)

    def estimate(self, rows: Rows, scan: RunningScan, /) -> ImageEstimate:
        """The maps, with the uncertainty of photon statistics; see `ObservationModel.estimate`."""
        _, _, fluence, areas = scan
        shot_noise(rows, fluence, self._region if areas is None else areas, self._sigma)
        return ImageEstimate(self.state.re, self.state.im, self._sigma)
