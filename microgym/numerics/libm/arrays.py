"""Elementary functions of whole float64 arrays, for Python; see `microgym.numerics.libm`."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from microgym.jit import kernel
from microgym.numerics.libm.float64 import exp64, log64, sincos64

Real = NDArray[np.float64]


@kernel
def _fill_exp(x, out):
    for i in range(x.size):
        out[i] = exp64(x[i])


@kernel
def _fill_log(x, out):
    for i in range(x.size):
        out[i] = log64(x[i])


@kernel
def _fill_sincos(x, sine, cosine):
    for i in range(x.size):
        sine[i], cosine[i] = sincos64(x[i])


def exp(x: ArrayLike) -> Real:
    """Exponential, as `exp64`.

    Args:
        x: real numbers of any shape.

    Returns:
        float64 of the same shape, fresh.
    """
    given = np.ascontiguousarray(x, np.float64)
    out = np.empty(given.size)
    _fill_exp(given.ravel(), out)
    return out.reshape(np.shape(x))


def log(x: ArrayLike) -> Real:
    """Natural logarithm, as `log64`.

    Args:
        x: real numbers of any shape.

    Returns:
        float64 of the same shape, fresh.
    """
    given = np.ascontiguousarray(x, np.float64)
    out = np.empty(given.size)
    _fill_log(given.ravel(), out)
    return out.reshape(np.shape(x))


def sincos(x: ArrayLike) -> tuple[Real, Real]:
    """Sine and cosine, as `sincos64`.

    Args:
        x: real numbers of any shape, in radians.

    Returns:
        Two float64 arrays of the same shape, fresh.
    """
    given = np.ascontiguousarray(x, np.float64)
    sine, cosine = np.empty(given.size), np.empty(given.size)
    _fill_sincos(given.ravel(), sine, cosine)
    return sine.reshape(np.shape(x)), cosine.reshape(np.shape(x))
