"""Validation of the arguments of reconstructions; each check raises before anything changes."""

import numbers
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray


def number(name: str, value: float, low: float, high: float) -> float:
    """A number from low to high.

    Raises:
        TypeError: if it is not a number.
        ValueError: if it is out of range or NaN.
    """
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise TypeError(f"{name}={value!r} must be a number")
    if not low <= value <= high:
        raise ValueError(f"{name}={value!r} must be from {low} to {high}")
    return float(value)


def check_rows(rows: Sequence[int] | NDArray[np.int64] | None, num: int) -> NDArray[np.int64]:
    """Rows of a batch as an array, each at most once; None means all.

    Raises:
        TypeError: if they are not integers.
        ValueError: if one is out of range or twice there.
    """
    if rows is None:
        return np.arange(num)
    chosen = np.atleast_1d(np.asarray(rows))
    if chosen.size == 0:
        return np.zeros(0, np.int64)
    if chosen.ndim != 1 or chosen.dtype.kind not in "iu":
        raise TypeError(f"rows={rows!r} must be a sequence of integers")
    if chosen.min() < 0 or chosen.max() >= num:
        raise ValueError(f"rows={chosen.tolist()} must be from 0 to {num - 1}")
    if np.unique(chosen).size != chosen.size:
        raise ValueError(f"rows={chosen.tolist()} names a row twice")
    return chosen.astype(np.int64)


def _finite(name: str, values: ArrayLike) -> NDArray[np.generic]:
    array = np.asarray(values)
    if array.dtype.kind not in "iufb":
        raise TypeError(f"{name} must hold real numbers, not {array.dtype}")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} holds NaN or infinite values")
    return array


def check_counts(counts: ArrayLike, rows: int, n: int) -> NDArray[np.generic]:
    """Counts of shape (rows, any, n, n), finite and not negative.

    Raises:
        TypeError: if they are not real numbers.
        ValueError: if shape or values are wrong.
    """
    array = _finite("counts", counts)
    if array.ndim != 4 or array.shape[0] != rows or array.shape[2:] != (n, n):
        raise ValueError(f"counts of shape {array.shape} must be ({rows}, exposures, {n}, {n})")
    if array.size and array.min() < 0:
        raise ValueError(f"counts must not be negative; the least is {array.min()}")
    return array


def check_positions(
    positions: ArrayLike, shape: tuple[int, int], n: int, field: tuple[int, int]
) -> NDArray[np.float64]:
    """Positions of shape (*shape, 2) whose patches of edge n lie inside the field.

    Raises:
        TypeError: if they are not real numbers.
        ValueError: if shape or values are wrong.
    """
    array = _finite("positions", positions).astype(np.float64)
    if array.shape != (*shape, 2):
        raise ValueError(f"positions of shape {array.shape} must be {(*shape, 2)}")
    corner = np.floor(array + 0.5) - n // 2
    outside = (corner < 0) | (corner > np.array(field) - n)
    if outside.any():
        where = array[outside.any(axis=-1)][0]
        raise ValueError(
            f"positions: the patch of {n} px centred at {where.tolist()} leaves the field of "
            f"{field[0]} x {field[1]} px"
        )
    return array


def check_photons(photons: ArrayLike, shape: tuple[int, int]) -> NDArray[np.float64]:
    """Positive photon numbers, broadcast to a shape.

    Raises:
        TypeError: if they are not real numbers.
        ValueError: if they do not fit or are not positive.
    """
    array = _finite("photons", photons).astype(np.float64)
    try:
        array = np.broadcast_to(array, shape)
    except ValueError:
        raise ValueError(f"photons of shape {array.shape} must fit {shape}") from None
    if array.size and array.min() <= 0.0:
        raise ValueError(f"photons must be above 0; the least is {array.min()}")
    return array


def check_known(known: ArrayLike | None, n: int) -> NDArray[np.float32]:
    """Mask of measured pixels as float32 0 and 1, at least one of them 1.

    Raises:
        TypeError: if it is not boolean.
        ValueError: if the shape is wrong or no pixel is known.
    """
    if known is None:
        return np.ones((n, n), np.float32)
    mask = np.asarray(known)
    if mask.dtype != np.bool_:
        raise TypeError(f"known must be boolean, not {mask.dtype}")
    if mask.shape != (n, n):
        raise ValueError(f"known of shape {mask.shape} must be ({n}, {n})")
    if not mask.any():
        raise ValueError("known: no pixel of the detector is known")
    return mask.astype(np.float32)
