"""Checks of the metrics' inputs."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

Real = NDArray[np.float64]
Complex = NDArray[np.complex128]
Mask = NDArray[np.bool_]


def _finite(name: str, values: NDArray[np.generic]) -> None:
    """Raise ValueError unless an array holds images of finite numbers."""
    if values.ndim < 2 or 0 in values.shape:
        raise ValueError(f"{name} of shape {values.shape} must be (..., H, W) and not empty")
    if not np.isfinite(values).all():
        bad = int(values.size - np.isfinite(values).sum())
        raise ValueError(f"{name} holds {bad} values that are not finite")


def _numbers(name: str, values: ArrayLike) -> NDArray[np.generic]:
    """Values as an array; TypeError unless they are numbers."""
    array = np.asarray(values)
    if array.dtype.kind not in "buifc":
        raise TypeError(f"{name} must hold numbers, not {array.dtype}")
    return array


def real_image(name: str, values: ArrayLike) -> Real:
    """Images as float64.

    Args:
        name: the argument's name, for messages.
        values: (..., H, W), real and finite.

    Returns:
        (..., H, W) float64.

    Raises:
        TypeError: if the values are complex or no numbers.
        ValueError: if there are fewer than two axes, no pixels, or values that are not finite.
    """
    array = _numbers(name, values)
    if array.dtype.kind == "c":
        raise TypeError(f"{name} is complex: compare its amplitude or its phase")
    _finite(name, array)
    return array.astype(np.float64)


def complex_image(name: str, values: ArrayLike) -> Complex:
    """Images as complex128; otherwise like `real_image`."""
    array = _numbers(name, values)
    _finite(name, array)
    return array.astype(np.complex128)


def same_shape(first: str, a: NDArray[np.generic], second: str, b: NDArray[np.generic]) -> None:
    """Raise ValueError unless two arrays have one shape.

    Args:
        first, second: names of the arguments, for the message.
        a, b: the arrays.
    """
    if a.shape != b.shape:
        raise ValueError(f"{first} of shape {a.shape} and {second} of shape {b.shape} must agree")


def real_pair(estimate: ArrayLike, truth: ArrayLike) -> tuple[Real, Real]:
    """Estimate and truth, real, of one shape."""
    a, b = real_image("estimate", estimate), real_image("truth", truth)
    same_shape("estimate", a, "truth", b)
    return a, b


def complex_pair(estimate: ArrayLike, truth: ArrayLike) -> tuple[Complex, Complex]:
    """Estimate and truth, complex, of one shape."""
    a, b = complex_image("estimate", estimate), complex_image("truth", truth)
    same_shape("estimate", a, "truth", b)
    return a, b


def as_mask(name: str, mask: ArrayLike | None, shape: tuple[int, ...]) -> Mask:
    """A mask as booleans, broadcast to the images it belongs to.

    Args:
        name: the argument's name, for messages.
        mask: zeros and ones or booleans, of a shape that broadcasts to `shape`; None is all pixels.
        shape: (..., H, W) of the images.

    Returns:
        (..., H, W) bool, possibly a read-only view.

    Raises:
        TypeError: if the mask is neither boolean nor numeric.
        ValueError: if another value than 0 and 1 occurs, or the shape does not fit.
    """
    if mask is None:
        return np.ones(shape, np.bool_)
    array = np.asarray(mask)
    if array.dtype.kind not in "buif":
        raise TypeError(f"{name} must be boolean or hold 0 and 1, not {array.dtype}")
    chosen = array == 1
    if not (chosen | (array == 0)).all():
        raise ValueError(f"{name} must hold nothing but 0 and 1")
    try:
        return np.broadcast_to(chosen, shape)
    except ValueError:
        raise ValueError(f"{name} of shape {array.shape} does not fit images {shape}") from None
