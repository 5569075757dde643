"""Work memory of compiled kernels: one buffer a thread, grown on demand, part of no state."""

import threading
from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import numpy as np
from numpy.typing import NDArray

_LINE = 64
"""Bytes that a processor fetches from memory at a time."""
_local = threading.local()


def aligned_empty(size: int) -> NDArray[np.float32]:
    """An array that begins where a line of the cache does, so that vectors do not straddle two.

    Args:
        size: elements.

    Returns:
        (size,) float32 with arbitrary content.
    """
    room = np.empty(size + _LINE // 4, np.float32)
    first = -room.ctypes.data % _LINE // 4
    return room[first : first + size]


def workspace(size: int) -> NDArray[np.float32]:
    """The calling thread's work array.

    Args:
        size: elements needed.

    Returns:
        (size,) float32, `aligned_empty`, with arbitrary content, valid until the thread's next
        call.
    """
    buffer: NDArray[np.float32] | None = getattr(_local, "buffer", None)
    if buffer is None or buffer.size < size:
        buffer = aligned_empty(size)
        _local.buffer = buffer
    return buffer[:size]


def cut(whole: NDArray[Any], sizes: Sequence[int]) -> list[NDArray[Any]]:
    """Consecutive parts of an array (n,), as `numpy.split`, which is too slow for every call."""
    ends = accumulate(sizes)
    return [whole[end - size : end] for size, end in zip(sizes, ends, strict=True)]
