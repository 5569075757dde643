"""Validation and conventions of the arrays of a recorded scan."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

ORDERS: Final = ("auto", "fft", "centred")
"""Place of the zero frequency in stored patterns: detected, at [0, 0], or at [n//2, n//2]."""

_WIDEST_FIELD_PX: Final = 100_000
_LARGEST_COUNT: Final = 2.0**24


def as_array(name: str, value: Any, dtype: Any, kinds: str) -> NDArray[Any]:
    """A copy of `value` as `dtype`; a TypeError unless its NumPy kind is one of `kinds`."""
    array = np.asarray(value)
    if array.dtype.kind not in kinds:
        raise TypeError(f"{name} must hold numbers fit for {np.dtype(dtype)}, got {array.dtype}")
    return np.array(array, dtype, order="C", copy=True)


def check_patterns(patterns: NDArray[np.float32]) -> None:
    """Raise ValueError unless patterns are (K, n, n) counts: finite, >= 0, exact, not all zero."""
    if patterns.ndim != 3 or patterns.shape[1] != patterns.shape[2]:
        raise ValueError(f"patterns must have shape (K, n, n), got {patterns.shape}")
    if patterns.shape[0] < 1 or not 8 <= patterns.shape[1] <= 4096:
        raise ValueError(f"patterns must be K >= 1 of 8 to 4096 px, got {patterns.shape}")
    if not np.isfinite(patterns).all():
        raise ValueError("patterns hold counts that are not finite (NaN or infinity)")
    if float(patterns.min()) < 0.0:
        raise ValueError(f"patterns hold negative counts (down to {patterns.min():g})")
    if float(patterns.max()) > _LARGEST_COUNT:
        raise ValueError(
            f"patterns hold counts up to {patterns.max():g}, above 2^24, where float32 is not exact"
        )
    if not patterns.any():
        raise ValueError("patterns hold no counts at all")


def check_positions(positions: NDArray[np.float64], count: int) -> None:
    """Raise ValueError unless positions are (count, 2), finite, and span a sane field."""
    if positions.shape != (count, 2):
        raise ValueError(
            f"positions must have shape ({count}, 2) for {count} patterns, got {positions.shape}"
        )
    if not np.isfinite(positions).all():
        raise ValueError("positions hold values that are not finite (NaN or infinity)")
    field = float(np.ptp(positions, axis=0).max())
    if field > _WIDEST_FIELD_PX:
        raise ValueError(
            f"positions span {field:g} object pixels, more than {_WIDEST_FIELD_PX}: wrong units?"
        )


def check_probe(probe: NDArray[np.complex64], n: int) -> None:
    """Raise ValueError unless the probe is (modes, n, n), finite and somewhere not zero."""
    if probe.ndim != 3 or probe.shape[0] < 1 or probe.shape[1:] != (n, n):
        raise ValueError(f"probe must have shape (modes, {n}, {n}), got {probe.shape}")
    if not np.isfinite(probe).all():
        raise ValueError("probe holds values that are not finite (NaN or infinity)")
    if not probe.any():
        raise ValueError("probe is zero everywhere")


def without_leading_ones(array: NDArray[Any], ndim: int) -> NDArray[Any]:
    """Array without leading axes of length one, down to `ndim` axes."""
    while array.ndim > ndim and array.shape[0] == 1:
        array = array[0]
    return array


def as_modes(probe: NDArray[Any]) -> NDArray[Any]:
    """Probe of shape (modes, n, n); one axis before the last two may be longer than one.

    Raises:
        ValueError: fewer than two axes, or several that could be the modes.
    """
    leading = [n for n in probe.shape[:-2] if n != 1]
    if probe.ndim < 2 or len(leading) > 1:
        raise ValueError(f"probe has shape {probe.shape}, expected (n, n) or (modes, n, n)")
    return probe.reshape(-1, *probe.shape[-2:])


def is_centred(patterns: NDArray[Any]) -> bool:
    """Whether the zero frequency is in the middle of the patterns, judged by the counts.

    Args:
        patterns: (K, n, n) counts.

    Returns:
        True where the middle half of the frame holds more counts than the same frequencies would
        in FFT order.

    Raises:
        ValueError: the two arrangements cannot be told apart.
    """
    n = patterns.shape[-1]
    mean = patterns.mean(axis=0, dtype=np.float64)
    window = slice(n // 4, n - n // 4)
    middle = float(mean[window, window].sum())
    corners = float(np.fft.fftshift(mean)[window, window].sum())
    if middle == corners:
        raise ValueError(
            "cannot tell where the zero frequency of the patterns is: give order='fft' or 'centred'"
        )
    return middle > corners
