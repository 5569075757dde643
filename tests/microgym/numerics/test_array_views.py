"""Array views of kernels."""

import sys
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from microgym.jit import kernel
from microgym.numerics.array_views import borrowed


class Pair(NamedTuple):
    """Arrays in a tuple of tuples."""

    first: NDArray[np.float64]
    rest: tuple[NDArray[np.float32], int]


@kernel
def add_to_borrowed(pair):
    lent = borrowed(pair)
    for i in range(lent.first.size):
        lent.first[i] += lent.rest[1]
        lent.rest[0][i] = np.float32(lent.first[i])


def test_borrowed_arrays_are_the_same_and_not_released():
    pair = Pair(np.arange(3.0), (np.zeros(3, np.float32), 2))
    before = sys.getrefcount(pair.first), sys.getrefcount(pair.rest[0])
    for _ in range(5):
        add_to_borrowed(pair)
    assert (sys.getrefcount(pair.first), sys.getrefcount(pair.rest[0])) == before
    assert pair.first.tolist() == pair.rest[0].tolist() == [10.0, 11.0, 12.0]
