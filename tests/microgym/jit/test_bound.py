"""Kernels with fixed arguments are called as the kernels themselves are."""

import pickle
from typing import NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

from microgym.jit import WAY, kernel
from microgym.jit.bound import Bound


class Pair(NamedTuple):
    first: NDArray[np.float64]
    second: NDArray[np.float64]


@kernel
def add_pair(rows, scale, pair):
    total = 0.0
    for k in range(rows.size):
        pair.second[rows[k]] += scale * pair.first[rows[k]]
        total += pair.second[rows[k]]
    return total


def made() -> Pair:
    return Pair(np.arange(4.0), np.ones(4))


def test_every_call_is_the_kernels():
    ours, theirs = made(), made()
    bound = Bound(add_pair, ours)
    for rows in (np.arange(4), np.array([2]), np.array([1, 3])):
        assert bound(rows, 0.5) == add_pair(rows, 0.5, theirs)
    assert np.array_equal(ours.second, theirs.second)


@pytest.mark.parametrize(
    "arguments",
    [
        (np.arange(4, dtype=np.int32), 0.5),
        (np.arange(8)[::2] // 2, 0.5),
        (np.arange(4), 2),
        (np.arange(4), np.float32(0.5)),
    ],
    ids=["dtype", "strides", "integer", "float32"],
)
def test_arguments_of_other_types_are_told_apart(arguments):
    ours, theirs = made(), made()
    bound = Bound(add_pair, ours)
    bound(np.arange(4), 0.5)
    add_pair(np.arange(4), 0.5, theirs)
    assert bound(*arguments) == add_pair(*arguments, theirs)
    assert bound(np.arange(4), 0.5) == add_pair(np.arange(4), 0.5, theirs)
    assert np.array_equal(ours.second, theirs.second)


def test_wrong_arguments_are_refused_as_the_kernel_does():
    bound = Bound(add_pair, made())
    bound(np.arange(4), 0.5)
    with pytest.raises(TypeError):
        bound(np.arange(4))
    with pytest.raises(Exception, match="rows"):
        bound(1.5, 0.5)


def test_a_copy_has_arguments_of_its_own():
    pair = made()
    copy = pickle.loads(pickle.dumps(Bound(add_pair, pair)))
    copy(np.arange(4), 1.0)
    assert pair.second.tolist() == [1.0] * 4
    assert copy._fixed[0].second.tolist() == [1.0, 2.0, 3.0, 4.0]


@pytest.mark.skipif(WAY != "linked", reason="the shortcut is of the linked way")
def test_the_kernel_is_looked_up_once(monkeypatch):
    bound = Bound(add_pair, made())
    bound(np.arange(4), 0.5)
    monkeypatch.setattr(bound, "_kernel", None)
    assert bound(np.array([1]), 0.5) == 2.0
