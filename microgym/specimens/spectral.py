"""Gaussian random fields with a power spectrum of choice, by the Fourier transform."""

from functools import cache
from typing import NamedTuple

import numpy as np

from microgym.jit import kernel
from microgym.numerics.fft import FFTPlan, fft2, plan, workspace
from microgym.numerics.libm import exp64, log64
from microgym.random import fill_normal
from microgym.state import Float32

_plan = cache(plan)


class SpectralWork(NamedTuple):
    """Two periodic fields of n by n, and what their transform takes.

    Attributes:
        re, im: (n*n,), the fields.
        fft: plan of the transform.
        transform: its work array.
    """

    re: Float32
    im: Float32
    fft: FFTPlan
    transform: Float32


def spectral_work(edge: int) -> SpectralWork:
    """Fields of the next power of two that holds `edge` px, at least 16."""
    n = max(16, 1 << (edge - 1).bit_length())
    re, im, transform = (np.empty(size, np.float32) for size in (n * n, n * n, workspace(n)))
    return SpectralWork(re, im, _plan(n), transform)


@kernel
def _colour(re, im, n, offset, scale, half_power):
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
def periodic_field(key, tick, offset, scale, half_power, work):
    """Draw two independent periodic Gaussian fields of power (offset + scale k^2)^(2 half_power).

    Args:
        key: stream key of the fields.
        tick: tick at which they are drawn; the next one is used too.
        offset: at least 0.
        scale: above 0; k is in periods per n px.
        half_power: half the exponent, that of the amplitude.
        work: `SpectralWork`; its fields are written, of zero mean.

    Returns:
        The variance that either field has on average, float64.
    """
    re, im = work.re, work.im
    fill_normal(*key, tick, re)
    fill_normal(*key, tick + 1, im)
    variance = _colour(re, im, work.fft.n, offset, scale, half_power)
    fft2(re, im, re, im, work.fft, work.transform)
    return variance
