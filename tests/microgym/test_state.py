"""State declared as named tuples: allocation, clearing, and parameters gathered from settings."""

from dataclasses import dataclass
from typing import Annotated, NamedTuple

import numpy as np
import pytest

from microgym.state import (
    LARGEST,
    LONGEST_S,
    MOST,
    MOST_UNSIGNED,
    Float32,
    Float64,
    Int64,
    Shape,
    Uint8,
    allocate,
    arrays,
    clear,
    fields,
    gather,
    ranges,
)


class Inner(NamedTuple):
    counts: Annotated[Int64, Shape()]


class Outer(NamedTuple):
    image: Annotated[Float32, Shape("lines", 3, unit="nm")]
    inner: Inner


class Undeclared(NamedTuple):
    image: np.ndarray


class Numbers(NamedTuple):
    length: float
    number: int
    both: float


@dataclass
class Settings:
    length: int = 2
    number: int = 3


def test_a_state_is_allocated_as_declared():
    state = allocate(Outer, 4, lines=5)
    assert state.image.shape == (4, 5, 3)
    assert state.image.dtype == np.float32
    assert state.inner.counts.shape == (4,)
    assert [name for name, _ in arrays(state)] == ["image", "inner.counts"]
    with pytest.raises(KeyError, match="lines"):
        allocate(Outer, 4)
    with pytest.raises(TypeError, match=r"Undeclared\.image"):
        fields(Undeclared)


def test_clearing_leaves_no_array_out_and_touches_no_other_row():
    state = allocate(Outer, 3, lines=2)
    for _, array in arrays(state):
        array[:] = 1
    clear(state, np.array([0, 2]))
    for _, array in arrays(state):
        assert not array[[0, 2]].any()
        assert (array[1] == 1).all()


def test_parameters_are_gathered_from_settings():
    found = gather(Numbers, Settings(), both=1)
    assert found == Numbers(2.0, 3, 1.0)
    assert [type(value) for value in found] == [float, int, float]
    with pytest.raises(AttributeError, match="both"):
        gather(Numbers, Settings())


class RangedState(NamedTuple):
    corners: Annotated[Int64, Shape("taken", 2, high=lambda sizes: sizes["edge"] - 1)]
    image: Annotated[Float64, Shape("edge", "edge")]
    wait: Annotated[Float64, Shape(unit="s", high=60.0)]
    until: Annotated[Float64, Shape(unit="s")]
    dragged: Annotated[Int64, Shape(low=-1)]
    kind: Annotated[Uint8, Shape()]


class HoldingState(NamedTuple):
    inner: RangedState
    place: Annotated[Int64, Shape("taken", high=lambda sizes: sizes["taken"] - 1)]


def test_ranges_are_declared_or_follow_from_kind_and_unit():
    state = allocate(HoldingState, 2, taken=3, edge=8)
    found = {name: (low, high) for name, low, high in ranges(state, "a.")}
    assert found == {
        "a.inner.corners": (0, 7),
        "a.inner.image": (-LARGEST, LARGEST),
        "a.inner.wait": (0, 60.0),
        "a.inner.until": (0, LONGEST_S),
        "a.inner.dragged": (-1, MOST),
        "a.inner.kind": (0, MOST_UNSIGNED),
        "a.place": (0, 2),
    }
