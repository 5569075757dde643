"""The raw view: what the detector says at once, without any reconstruction.

Each exposure gives two numbers, the part of the photons inside the direct beam (absorption and
scattering darken it) and the part outside (dark field). They are spread over the pixels under the
probe, weighted by its intensity.
"""

import numpy as np
from numpy.typing import NDArray

from microgym.jit import kernel
from microgym.numerics.array_views import view1d
from microgym.physics.probe import intensity
from microgym.reconstruction.ptychography.observation_models import (
    Areas,
    Plane,
    Planes,
    Rows,
    Shown,
    View,
    shot_noise,
    whole_region,
)


@kernel
def _spread_rows(rows, corner, signal, footprint, weight, bright, dark, re, im, n):
    """Average the signals of each row's exposures under the probe."""
    height, width = weight.shape[1], weight.shape[2]
    for k in range(rows.size):
        b = rows[k]
        top, left = corner[b, 0], corner[b, 1]
        inside, outside = np.float32(signal[b, 0]), np.float32(signal[b, 1])
        for i in range(n):
            at = (b * height + top + i) * width + left
            light = view1d(footprint, i * n, n)
            w, p, q = view1d(weight, at, n), view1d(bright, at, n), view1d(dark, at, n)
            x, y = view1d(re, at, n), view1d(im, at, n)
            for j in range(n):
                w[j] += light[j]
                p[j] += light[j] * inside
                q[j] += light[j] * outside
                x[j] = p[j] / w[j] if w[j] > np.float32(0.0) else np.float32(1.0)
                y[j] = q[j] / w[j] if w[j] > np.float32(0.0) else np.float32(0.0)


class RawView(View):
    """Maps of bright-field and dark-field signals of N scans, in the place of an estimate.

    Attributes:
        re: (N, H, W) float32, direct beam over incident photons; 1 where no photon has been.
        im: (N, H, W) float32, scattered over incident photons; 0 where no photon has been.
    """

    def __init__(
        self, num_envs: int, field_px: int, probe: NDArray[np.complex64], region: tuple[int, int]
    ) -> None:
        self._region = whole_region(num_envs, region)
        self._n = probe.shape[-1]
        light = intensity(probe).astype(np.float32).ravel()
        # The far tail of the probe says nothing about a pixel (design choice: a thousandth).
        self._footprint = np.where(light > 1e-3 * light.max(), light, 0.0).astype(np.float32)
        shape = (num_envs, field_px, field_px)
        self.re = np.ones(shape, np.float32)
        self.im = np.zeros(shape, np.float32)
        self._sigma = np.ones(shape, np.float32)
        self._weight = np.zeros(shape, np.float32)
        self._bright = np.zeros(shape, np.float32)
        self._dark = np.zeros(shape, np.float32)

    def reset(self, rows: Rows) -> None:
        """Forget the listed rows' scans."""
        self.re[rows] = 1.0
        for plane in (self.im, self._weight, self._bright, self._dark):
            plane[rows] = 0.0

    def add(self, rows: Rows, corner: NDArray[np.int64], signal: NDArray[np.float64]) -> None:
        """Spread the latest exposure of each listed row under the probe.

        Args:
            rows: (k,) int64.
            corner: (N, 2) int64, corner of its patch, px.
            signal: (N, 2) float64, direct and scattered part of the photons.
        """
        _spread_rows(
            rows,
            corner,
            signal,
            self._footprint,
            self._weight,
            self._bright,
            self._dark,
            self.re,
            self.im,
            self._n,
        )

    def show(
        self, rows: Rows, estimate: Planes, fluence: Plane, areas: Areas | None = None
    ) -> Shown:
        """The signals, with the uncertainty that photon statistics alone leave."""
        del estimate
        shot_noise(rows, fluence, self._region if areas is None else areas, self._sigma)
        return self.re, self.im, self._sigma

    def state_arrays(self) -> dict[str, NDArray[np.generic]]:
        """The live arrays that are the whole state, by name."""
        return {
            "signal_re": self.re,
            "signal_im": self.im,
            "signal_weight": self._weight,
            "signal_bright": self._bright,
            "signal_dark": self._dark,
        }
