"""Overlap of a found set of pixels with the true one."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from microgym.metrics.validation import Real, as_mask

_PIXELS = (-2, -1)


def _counts(found: ArrayLike, truth: ArrayLike) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pixels in both sets, and the sum of the two sets' sizes."""
    shape = np.shape(found)
    if len(shape) < 2 or 0 in shape or shape != np.shape(truth):
        raise ValueError(
            f"found of shape {shape} and truth of shape {np.shape(truth)} must agree, (..., H, W)"
        )
    a, b = as_mask("found", found, shape), as_mask("truth", truth, shape)
    both = np.count_nonzero(a & b, axis=_PIXELS)
    return both, np.count_nonzero(a, axis=_PIXELS) + np.count_nonzero(b, axis=_PIXELS)


def jaccard(found: ArrayLike, truth: ArrayLike) -> Real:
    """Jaccard index, |found and truth| / |found or truth|.

    Args:
        found: (..., H, W) 0 and 1 or booleans.
        truth: (..., H, W) 0 and 1 or booleans.

    Returns:
        (...) float64 in [0, 1]; 1 where both sets are empty.

    Raises:
        TypeError: if a mask is neither boolean nor numeric.
        ValueError: if shapes disagree or another value than 0 and 1 occurs.
    """
    both, total = _counts(found, truth)
    return np.where(total > 0, both / np.maximum(total - both, 1), 1.0)


def f1(found: ArrayLike, truth: ArrayLike) -> Real:
    """F1 score (Dice coefficient), 2 |found and truth| / (|found| + |truth|).

    Arguments, result and errors as for `jaccard`.
    """
    both, total = _counts(found, truth)
    return np.where(total > 0, 2.0 * both / np.maximum(total, 1), 1.0)
