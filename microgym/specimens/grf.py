"""`grf`: a Gaussian random field in amplitude and phase, structure everywhere.

The recipe is PtychoPINN's (Hoidn, Mishra and Mehta, Sci. Rep. 13, 22789, 2023): a Gaussian field
of power P(k) = k^-0.4 at half the sampling, stretched to [0, 1], enlarged twice (bilinear) and
blurred by 1 px; the phase is pi tanh((A - max A / 2) / (3 mean A)). Here the field is cut from a
periodic one of the next power of two, so its borders do not match.
"""

from typing import NamedTuple

import numpy as np

from microgym.jit import inline_kernel, kernel
from microgym.numerics.libm import exp64
from microgym.random import WORLD, stream
from microgym.random.streams import SpecimenWorld
from microgym.specimens.drawing import BlurWork, add_blur, blur_work, to_transmission
from microgym.specimens.spectral import SpectralWork, periodic_field, spectral_work

_FIELD = np.int64(SpecimenWorld.RANDOM_FIELD)
_EXPONENT = -0.4
_BLUR = 1.0
_HALO = 4


class GRFWork(NamedTuple):
    """Work arrays of `draw_grf`: of the field at half the sampling, and of its enlargement."""

    field: SpectralWork
    blur: BlurWork


def grf_work(height: int, width: int, margin: int) -> GRFWork:
    """Work arrays of `draw_grf`."""
    del margin
    return GRFWork(spectral_work((max(height, width) + 1) // 2), blur_work(height, width, _HALO))


@inline_kernel
def _mirrored(i, n):
    """Reflect an index at the borders, the edge pixel repeated."""
    i = -1 - i if i < 0 else i
    return 2 * n - 1 - i if i >= n else i


@kernel
def _enlarge(field, n, low, scale, height, width, out):
    """Bilinear doubling of the stretched field, with a mirrored halo around it."""
    rows, columns = (height + 1) // 2, (width + 1) // 2
    for p in range(height + 2 * _HALO):
        y = 0.5 * _mirrored(p - _HALO, height) - 0.25
        i = int(np.floor(y))
        fy = np.float32(y - i)
        upper = min(max(i, 0), rows - 1) * n
        lower = min(max(i + 1, 0), rows - 1) * n
        for q in range(width + 2 * _HALO):
            x = 0.5 * _mirrored(q - _HALO, width) - 0.25
            j = int(np.floor(x))
            fx = np.float32(x - j)
            a = min(max(j, 0), columns - 1)
            b = min(max(j + 1, 0), columns - 1)
            above = field[upper + a] + fx * (field[upper + b] - field[upper + a])
            below = field[lower + a] + fx * (field[lower + b] - field[lower + a])
            out[p, q] = scale * (above + fy * (below - above) - low)


@kernel
def draw_grf_polar(key, amplitude, phase, work):
    """Draw amplitude, not normalised (mean about 0.5), and phase, as in the paper.

    Args:
        key: (2,) uint32, of the specimen.
        amplitude: (H, W) float32, written.
        phase: (H, W) float32, rad, written.
        work: of `grf_work`.
    """
    height, width = amplitude.shape
    # |k| to half the exponent of the power, since this is an amplitude.
    half = 0.25 * _EXPONENT
    process = stream(key[0], key[1], WORLD, _FIELD)
    periodic_field(process, np.int64(0), 0.0, 1.0, half, work.field)
    field, n = work.field.re, work.field.fft.n
    low, high = field[0], field[0]
    for i in range((height + 1) // 2):
        for j in range((width + 1) // 2):
            low = min(low, field[i * n + j])
            high = max(high, field[i * n + j])
    _enlarge(field, n, low, np.float32(1.0) / (high - low), height, width, work.blur.padded)
    amplitude[:] = np.float32(0.0)
    add_blur(work.blur, _BLUR, np.float32(1.0), amplitude)
    # phase = pi tanh((A - max A / 2) / (3 mean A))
    largest, total = amplitude.max(), 0.0
    for i in range(height):
        for j in range(width):
            total += amplitude[i, j]
    slope = height * width / (3.0 * total)
    for i in range(height):
        for j in range(width):
            u = exp64(2.0 * slope * (amplitude[i, j] - 0.5 * largest))
            phase[i, j] = np.float32(3.141592653589793 * (u - 1.0) / (u + 1.0))


@kernel
def draw_grf(key, margin, real, imag, structure, work):
    """Draw one specimen, see `microgym.specimens.families`."""
    draw_grf_polar(key, real, imag, work)
    to_transmission(real, imag)
