"""Elementary functions of whole float64 arrays, for Python; see `microgym.numerics.libm`."""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from microgym.jit import kernel
from microgym.numerics.libm.float64 import exp64, log64, sincos64

Real = NDArray[np.float64]


@kernel
def _fill_exp(x, out):
    """Write exponentials, (1, n)."""
    for i in range(x.size):
        out[0, i] = exp64(x[i])


@kernel
def _fill_log(x, out):
    """Write logarithms, (1, n)."""
    for i in range(x.size):
        out[0, i] = log64(x[i])


@kernel
def _fill_sincos(x, out):
    """Write sines, then cosines, (2, n)."""
    for i in range(x.size):
        out[0, i], out[1, i] = sincos64(x[i])


def _filled(kernel: Callable[[Real, Real], None], outputs: int, x: ArrayLike) -> Real:
    """Results of a kernel for every element, [outputs, ...] float64."""
    given = np.ascontiguousarray(x, np.float64)
    out = np.empty((outputs, given.size))
    kernel(given.ravel(), out)
    return out.reshape(outputs, *np.shape(x))


def exp(x: ArrayLike) -> Real:
    """Exponential of real numbers of any shape, as `exp64`: fresh float64 of that shape."""
    return _filled(_fill_exp, 1, x)[0]


def log(x: ArrayLike) -> Real:
    """Natural logarithm of real numbers of any shape, as `log64`: fresh float64 of that shape."""
    return _filled(_fill_log, 1, x)[0]


def sincos(x: ArrayLike) -> tuple[Real, Real]:
    """Sine and cosine of radians of any shape, as `sincos64`: fresh float64 of that shape."""
    sine, cosine = _filled(_fill_sincos, 2, x)
    return sine, cosine
