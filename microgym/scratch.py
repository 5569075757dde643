"""Work memory of compiled kernels: one buffer a thread, grown on demand, part of no state."""

import threading

import numpy as np
from numpy.typing import NDArray

_local = threading.local()


def scratch(size: int) -> NDArray[np.float32]:
    """The calling thread's work array.

    Args:
        size: elements needed.

    Returns:
        (size,) float32 with arbitrary content, valid until the thread's next call.
    """
    buffer: NDArray[np.float32] | None = getattr(_local, "buffer", None)
    if buffer is None or buffer.size < size:
        buffer = np.empty(size, np.float32)
        _local.buffer = buffer
    return buffer[:size]
