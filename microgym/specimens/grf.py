"""`grf`: a Gaussian random field in amplitude and phase, structure everywhere.

The recipe is PtychoPINN's (Hoidn, Mishra and Mehta, Sci. Rep. 13, 22789, 2023): a Gaussian field
of power P(k) = k^-0.4 at half the sampling, stretched to [0, 1], enlarged twice (bilinear) and
blurred by 1 px; the phase is pi tanh((A - max A / 2) / (3 mean A)). Here the field is cut from a
periodic one of the next power of two, so its borders do not match.
"""

import numpy as np
from numpy.typing import NDArray

from microgym.jit import inline_kernel, kernel
from microgym.numerics.array_views import view2d
from microgym.numerics.fft import FFTPlan, workspace
from microgym.numerics.libm import exp64
from microgym.random import WORLD, stream
from microgym.random.streams import SpecimenWorld
from microgym.specimens.drawing import blur_columns, blur_rows, gaussian_weights
from microgym.specimens.spectral import periodic_field

Plane = NDArray[np.float32]

_FIELD = np.int64(SpecimenWorld.RANDOM_FIELD)
_EXPONENT = -0.4
_BLUR = 1.0
_HALO = 4


def field_size(height: int, width: int) -> int:
    """Edge of the periodic field: a power of two that holds half of the larger edge."""
    coarse = (max(height, width) + 1) // 2
    size = 16
    while size < coarse:
        size *= 2
    return size


def grf_work(height: int, width: int) -> int:
    """Length of the float32 work array of `draw_grf`."""
    n = field_size(height, width)
    tall, wide = height + 2 * _HALO, width + 2 * _HALO
    return 2 * n * n + workspace(n) + tall * (wide + width) + 2 * _HALO + 1


@inline_kernel
def _mirrored(i: int, n: int) -> int:
    """Reflect an index at the borders, the edge pixel repeated."""
    i = -1 - i if i < 0 else i
    return 2 * n - 1 - i if i >= n else i


@kernel
def _enlarge(
    field: Plane, n: int, low: np.float32, scale: np.float32, height: int, width: int, out: Plane
) -> None:
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
def draw_grf(
    k0: np.uint32,
    k1: np.uint32,
    amplitude: Plane,
    phase: Plane,
    fft: FFTPlan,
    work: Plane,
) -> None:
    """Draw amplitude, not normalised (mean about 0.5), and phase, as in the paper.

    Args:
        k0: first word of the specimen's key.
        k1: second word.
        amplitude: (H, W) float32, written.
        phase: (H, W) float32, rad, written.
        fft: plan of the transform for `field_size(H, W)`.
        work: (`grf_work(H, W)`,) float32.
    """
    s0, s1 = stream(k0, k1, WORLD, _FIELD)
    height, width = amplitude.shape
    n = fft.n
    re, im = work[: n * n], work[n * n : 2 * n * n]
    fft_work = work[2 * n * n :]
    # |k| to half the exponent of the power, since this is an amplitude.
    half = 0.25 * _EXPONENT
    periodic_field(s0, s1, np.int64(0), 0.0, 1.0, half, re, im, fft, fft_work)
    low, high = re[0], re[0]
    for i in range((height + 1) // 2):
        for j in range((width + 1) // 2):
            low = min(low, re[i * n + j])
            high = max(high, re[i * n + j])
    tall, wide = height + 2 * _HALO, width + 2 * _HALO
    rest = work[2 * n * n :]
    large = view2d(rest, 0, tall, wide)
    rows = view2d(rest, tall * wide, tall, width)
    weights = rest[tall * (wide + width) :]
    _enlarge(re, n, low, np.float32(1.0) / (high - low), height, width, large)
    radius = gaussian_weights(_BLUR, weights)
    blur_rows(large, _HALO, weights, radius, np.float32(1.0), rows)
    for i in range(height):
        for j in range(width):
            amplitude[i, j] = np.float32(0.0)
    blur_columns(rows, _HALO, weights, radius, amplitude)
    _phase(amplitude, phase)


@kernel
def _phase(amplitude: Plane, phase: Plane) -> None:
    """Write the phase pi tanh((A - max A / 2) / (3 mean A))."""
    height, width = amplitude.shape
    largest = amplitude[0, 0]
    total = 0.0
    for i in range(height):
        for j in range(width):
            largest = max(largest, amplitude[i, j])
            total += amplitude[i, j]
    slope = height * width / (3.0 * total)
    for i in range(height):
        for j in range(width):
            u = exp64(2.0 * slope * (amplitude[i, j] - 0.5 * largest))
            phase[i, j] = np.float32(3.141592653589793 * (u - 1.0) / (u + 1.0))
