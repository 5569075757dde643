"""Gaussian random fields with a power spectrum of choice, by the Fourier transform."""

import numpy as np
from numpy.typing import NDArray

from microgym.jit import kernel
from microgym.numerics.fft import FFTPlan, fft2
from microgym.numerics.libm import exp64, log64
from microgym.random import fill_normal

Plane = NDArray[np.float32]


@kernel
def _colour(re: Plane, im: Plane, n: int, offset: float, scale: float, half_power: float) -> float:
    """Give white noise in Fourier space its spectrum, and no mean; return the field's variance."""
    total = 0.0
    for i in range(n):
        ky = i if i < n - i else n - i
        for j in range(n):
            kx = j if j < n - j else n - j
            # Amplitude (offset + scale k^2)^half_power; the mean frequency is removed below.
            k2 = max(1, ky * ky + kx * kx)
            factor = np.float32(exp64(half_power * log64(offset + scale * np.float64(k2))))
            re[i * n + j] *= factor
            im[i * n + j] *= factor
            if i + j > 0:
                total += np.float64(factor) * np.float64(factor)
    re[0] = np.float32(0.0)
    im[0] = np.float32(0.0)
    return total / (n * n)


@kernel
def periodic_field(
    s0: np.uint32,
    s1: np.uint32,
    tick: int,
    offset: float,
    scale: float,
    half_power: float,
    re: Plane,
    im: Plane,
    fft: FFTPlan,
    work: Plane,
) -> float:
    """Draw two independent periodic Gaussian fields of power (offset + scale k^2)^(2 half_power).

    Args:
        s0: first word of the stream key of the field.
        s1: second word.
        tick: tick at which it is drawn; the next one is used too.
        offset: at least 0.
        scale: above 0; k is in periods per n px.
        half_power: half the exponent, that of the amplitude.
        re: (n*n,) float32, written: the first field, of zero mean.
        im: (n*n,) float32, written: the second.
        fft: plan of the transform of n by n.
        work: float32, `workspace(n)` or more.

    Returns:
        The variance that either field has on average, float64.
    """
    fill_normal(s0, s1, tick, re)
    fill_normal(s0, s1, tick + 1, im)
    variance = _colour(re, im, fft.n, offset, scale, half_power)
    fft2(re, im, re, im, fft, work)
    return variance
