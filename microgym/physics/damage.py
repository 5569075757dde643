"""Radiation damage: structure fades with fluence, fine detail before coarse.

The contrast of a specimen, its transmission minus that of vacuum, is split into octave bands of
spatial frequency that add up to it. Under a fluence F (photons per object pixel) band b keeps
exp(-F / F_b). The tolerable dose grows in proportion to the size of the detail, 1e8 Gy per nm
(Howells et al., J. Electron Spectrosc. Relat. Phenom. 170, 4, 2009), so F_b doubles from one octave
to the next.
"""

import math
from dataclasses import dataclass
from functools import partial
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from microgym.jit import inline_kernel, kernel
from microgym.numerics.array_views import view1d
from microgym.numerics.libm import exp32
from microgym.validation import Checked, integer, positive, within

Plane = NDArray[np.float32]


_UNSEEN = np.float32(1e-8)

BANDS = 3
"""Octave bands. Design choice: details of about 1 to 2, 2 to 4, and more than 4 px."""


@dataclass(frozen=True)
class DamageParameters(Checked):
    """Fading of a specimen.

    Attributes:
        critical_fluence: photons per object pixel after which the finest band has fallen to 1/e;
            infinity for a specimen that does not fade.
        exponent: g in F_b = critical_fluence * 2^(g b); 1 after Howells et al., 2009; 0 to 4.
        bands: number of octave bands, 1 to 6.

    Raises:
        TypeError: if a number is not a number.
        ValueError: if one is out of range.
    """

    critical_fluence: float = math.inf
    exponent: Annotated[float, partial(within, low=0.0, high=4.0)] = 1.0
    bands: Annotated[int, partial(integer, low=1, high=6)] = BANDS

    def __post_init__(self) -> None:
        """Check every number."""
        super().__post_init__()
        if self.critical_fluence != math.inf:
            positive("critical_fluence", self.critical_fluence)

    def inverse_critical(self) -> Plane:
        """1 / F_b of every band, finest first.

        Returns:
            (bands,) float32, object pixels per photon, falling; zeros without damage.
        """
        fluence = self.critical_fluence * 2.0 ** (self.exponent * np.arange(self.bands))
        return (1.0 / fluence).astype(np.float32)


DAMAGE_LEVELS: dict[str, DamageParameters] = {
    "off": DamageParameters(),
    "easy": DamageParameters(7900.0),
    "real": DamageParameters(1500.0),
    "hard": DamageParameters(500.0),
}
"""The switch of radiation damage: critical fluence of the finest band, photons per object pixel.

At 8 keV, pixels of 10 nm and `microgym.physics.dose.PHOTON_SCALE` these are doses of 1.0e9, 1.9e8
and 6.4e7 Gy for details of one pixel or two. "easy" is the line of Howells et al., 1e9 Gy at 10 nm;
"real" and "hard" are specimens 5 and 16 times more sensitive (design choices).

A nominal exposure of 1e5 photons in a probe of 25 px gives about 200 photons per pixel: at "real"
five exposures of one spot leave half of the finest detail and 85 % of the coarsest.
"""


@kernel
def _reflect(i, size):
    """Index mirrored at the edges, the edge pixel repeated."""
    while i < 0 or i >= size:
        i = -1 - i if i < 0 else 2 * size - 1 - i
    return i


@kernel
def _smooth(plane, step, out, work):
    """Blur a plane with the cubic-spline weights (1, 4, 6, 4, 1) / 16, taps `step` apart."""
    height, width = plane.shape
    outer, inner, centre = np.float32(0.0625), np.float32(0.25), np.float32(0.375)
    # Down the columns, with rows mirrored at the edges.
    for i in range(height):
        far_up, up = plane[_reflect(i - 2 * step, height)], plane[_reflect(i - step, height)]
        far_down, down = plane[_reflect(i + 2 * step, height)], plane[_reflect(i + step, height)]
        middle, target = plane[i], work[i]
        for j in range(width):
            target[j] = (
                outer * (far_up[j] + far_down[j]) + inner * (up[j] + down[j]) + centre * middle[j]
            )
    # Along the rows: the inside in a plain loop, the margins with mirrored columns.
    margin = min(2 * step, width)
    inside = max(width - 4 * step, 0)
    for i in range(height):
        row, target = work[i], out[i]
        far_left, left = row[:inside], row[step : step + inside]
        middle = row[2 * step : 2 * step + inside]
        right, far_right = row[3 * step : 3 * step + inside], row[4 * step : 4 * step + inside]
        open_target = target[2 * step : 2 * step + inside]
        for j in range(inside):
            open_target[j] = (
                outer * (far_left[j] + far_right[j])
                + inner * (left[j] + right[j])
                + centre * middle[j]
            )
        for side in range(2):
            first = 0 if side == 0 else max(width - margin, margin)
            last = margin if side == 0 else width
            for j in range(first, last):
                target[j] = (
                    outer
                    * (row[_reflect(j - 2 * step, width)] + row[_reflect(j + 2 * step, width)])
                    + inner * (row[_reflect(j - step, width)] + row[_reflect(j + step, width)])
                    + centre * row[j]
                )


@kernel
def split_bands(real, imag, out, work):
    """Split the contrast of a specimen into octave bands that add up to it.

    Band b is the difference of two blurs, the coarsest band the last blur (the undecimated wavelet
    transform of Starck, Murtagh and Fadili, Sparse Image and Signal Processing, 2010, 3.5); edges
    are mirrored. The blurs are averages, so a specimen whose coarse bands fade no faster than the
    fine ones never amplifies.

    Args:
        real: (H, W) float32, real part of the transmission function; 1 in vacuum.
        imag: (H, W) float32, imaginary part.
        out: (bands, 2, H, W) float32, written: finest band first, real and imaginary.
        work: (2, H, W) float32, overwritten.
    """
    bands = out.shape[0]
    height, width = real.shape
    for part in range(2):
        source = real if part == 0 else imag
        offset = np.float32(1.0 if part == 0 else 0.0)
        # Contrast: transmission minus that of vacuum.
        for i in range(height):
            row, target = source[i], out[0, part, i]
            for j in range(width):
                target[j] = row[j] - offset
        for band in range(bands - 1):
            # Band b = blur_b - blur_(b+1), of doubled distances of the taps.
            coarse = out[band + 1, part]
            _smooth(out[band, part], 1 << band, coarse, work[part])
            for i in range(height):
                fine_row, coarse_row = out[band, part, i], coarse[i]
                for j in range(width):
                    fine_row[j] -= coarse_row[j]


@inline_kernel
def _fade_row(bands, at, total, inverse_critical, re, im):
    """Write a row of the specimen, O = 1 + sum over bands of exp(-F / F_b) c_b.

    Args:
        bands: (bands, 2, H, W) contrast of the fresh specimen.
        at: first pixel of the row in a plane.
        total: (n,) fluence F.
        inverse_critical: (bands,).
        re, im: (n,) written.
    """
    n, plane = total.size, bands.shape[2] * bands.shape[3]
    for j in range(n):
        re[j], im[j] = np.float32(1.0), np.float32(0.0)
    for band in range(inverse_critical.size):
        rate = -inverse_critical[band]
        band_re = view1d(bands, 2 * band * plane + at, n)
        band_im = view1d(bands, (2 * band + 1) * plane + at, n)
        for j in range(n):
            left_over = exp32(rate * total[j])
            re[j] += left_over * band_re[j]
            im[j] += left_over * band_im[j]


@kernel
def fade_patch(
    bands,
    fluence,
    object_re,
    object_im,
    earlier,
    light,
    photons,
    share,
    top,
    left,
    inverse_critical,
    out_re,
    out_im,
    work,
):
    """Write the specimen under the beam as it is within an exposure; the specimen stays as it is.

    The fluence is what fell before the exposure, plus photons * (earlier + share * light).

    Args:
        bands, fluence, object_re, object_im, inverse_critical: as for `expose_patch`.
        earlier: (n*n,) light of the exposure so far, times its share of the photons.
        light: (n*n,) light at present, sum one.
        photons: incident photons of the exposure.
        share: part of them that the present light has sent.
        top, left: corner of the patch, px.
        out_re, out_im: (n, n) the specimen, written.
        work: (n,) float32, overwritten.
    """
    n, scale, part = out_re.shape[0], np.float32(photons), np.float32(share)
    total, finest, width = work[:n], inverse_critical[0], fluence.shape[1]
    for i in range(n):
        at = (top + i) * width + left
        before = view1d(fluence, at, n)
        past, now = view1d(earlier, i * n, n), view1d(light, i * n, n)
        re, im = view1d(out_re, i * n, n), view1d(out_im, i * n, n)
        lit = np.int32(0)
        for j in range(n):
            added = scale * (past[j] + part * now[j])
            total[j] = before[j] + added
            lit += np.int32(1) if added * finest > _UNSEEN else np.int32(0)
        if lit:
            _fade_row(bands, at, total, inverse_critical, re, im)
        else:
            o_re, o_im = view1d(object_re, at, n), view1d(object_im, at, n)
            for j in range(n):
                re[j], im[j] = o_re[j], o_im[j]


@kernel
def expose_patch(
    bands, fluence, object_re, object_im, probe_intensity, photons, top, left, n, inverse_critical
):
    """Add the fluence of one exposure and fade the specimen under it.

    Rows in which no band fades by more than 1e-8 (a sixth of float32's resolution) are left until
    an exposure lights them better; their fluence is counted.

    Args:
        bands: (bands, 2, H, W) of the fresh specimen, from `split_bands`.
        fluence: (H, W) photons per object pixel so far, updated.
        object_re: (H, W) specimen as it is now, real part; the patch becomes
            1 + sum exp(-fluence / F_b) band_b. Nothing outside is touched.
        object_im: (H, W) imaginary part.
        probe_intensity: (n*n,) squared modulus of the probe over all modes, sum one.
        photons: incident photons; for zero nothing happens.
        top: first row of the patch, px; the patch must lie inside the specimen.
        left: first column of the patch, px.
        n: edge of the patch, px.
        inverse_critical: (bands,) from `DamageParameters.inverse_critical`.
    """
    if photons <= 0.0:
        return
    scale = np.float32(photons)
    finest = inverse_critical[0]
    width = fluence.shape[1]
    for i in range(n):
        at = (top + i) * width + left
        total, light = view1d(fluence, at, n), view1d(probe_intensity, i * n, n)
        re, im = view1d(object_re, at, n), view1d(object_im, at, n)
        # Fluence of the exposure, and the pixels where the finest band fades visibly.
        lit = np.int32(0)
        for j in range(n):
            added = scale * light[j]
            total[j] += added
            lit += np.int32(1) if added * finest > _UNSEEN else np.int32(0)
        if lit:
            _fade_row(bands, at, total, inverse_critical, re, im)
