"""State of N instruments or tasks: named tuples of arrays that kernels take whole.

A state is declared once:

    class ProbeState(NamedTuple):
        '''Stages of N microscopes.'''

        drift: Annotated[Float64, Shape(2, unit="nm")]
        image: Annotated[Float32, Shape("lines", 128)]

Allocation, zeroing of some rows, snapshots and restoring follow from the declaration, and the
ranges that a restored state is checked against.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, NamedTuple, TypeVar, get_args, get_origin, get_type_hints

import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]
Uint32 = NDArray[np.uint32]
Uint8 = NDArray[np.uint8]
Bool = NDArray[np.bool_]

StateT = TypeVar("StateT", bound=tuple[Any, ...])


class NoState(NamedTuple):
    """State of what keeps none."""


Bound = float | Callable[[Mapping[str, int]], float]
"""A number, or a function of the lengths of the axes that the declarations of a state name."""

LONGEST_S, MOST, MOST_UNSIGNED, LARGEST = 1e9, 2.0**31 - 1, 2.0**32 - 1, 1e15
"""Largest time, s, counts, and other number in a state that declares none (design choice): no
experiment takes decades, and counts stay far from overflow."""


@dataclass(frozen=True)
class Shape:
    """Shape of one row of a state array, and the unit and range of its elements.

    Args:
        *axes: lengths; a name stands for a length that `allocate` takes.
        unit: such as "nm"; empty for pure numbers.
        low: smallest value; by default 0 for integers and times in s, else -`LARGEST`.
        high: largest value; by default `MOST` for integers, `LONGEST_S` for times, else `LARGEST`.
            Every index of an array declares it.
    """

    axes: tuple[int | str, ...]
    unit: str
    low: Bound | None
    high: Bound | None

    def __init__(
        self, *axes: int | str, unit: str = "", low: Bound | None = None, high: Bound | None = None
    ) -> None:
        for name, value in {"axes": axes, "unit": unit, "low": low, "high": high}.items():
            object.__setattr__(self, name, value)


class Field(NamedTuple):
    """A declared array: its shape, and its dtype."""

    shape: Shape
    dtype: np.dtype[Any]


@cache
def fields(kind: type) -> Mapping[str, Field | type]:
    """Arrays and nested states that a state class declares, by name.

    Args:
        kind: a NamedTuple class whose annotations are `Annotated[NDArray[dtype], Shape(...)]`, or
            other such classes.

    Raises:
        TypeError: an annotation of another kind.
    """
    found: dict[str, Field | type] = {}
    for name, hint in get_type_hints(kind, include_extras=True).items():
        if get_origin(hint) is Annotated:
            array, shape = get_args(hint)[:2]
            dtype = get_args(get_args(array)[1])[0]
            found[name] = Field(shape, np.dtype(dtype))
        elif isinstance(hint, type) and hasattr(hint, "_fields"):
            found[name] = hint
        else:
            raise TypeError(f"{kind.__name__}.{name} must be an annotated array or a state")
    return found


def allocate(kind: type[StateT], num_envs: int, **sizes: int) -> StateT:
    """A state of zeros.

    Args:
        kind: the state class.
        num_envs: N, the leading axis of every array.
        **sizes: lengths of the axes that the declaration names.

    Returns:
        The state; its arrays are C-contiguous and keep their places in memory for life.

    Raises:
        KeyError: a named length was not given.
    """
    made: list[Any] = []
    for declared in fields(kind).values():
        if isinstance(declared, Field):
            axes = [sizes[one] if isinstance(one, str) else one for one in declared.shape.axes]
            made.append(np.zeros((num_envs, *axes), declared.dtype))
        else:
            made.append(allocate(declared, num_envs, **sizes))
    return kind(*made)


def arrays(state: tuple[Any, ...], prefix: str = "") -> Iterator[tuple[str, NDArray[Any]]]:
    """The live arrays of a state with their names; those of nested states as "outer.inner"."""
    named: Any = state
    for name, value in zip(named._fields, named, strict=True):
        if isinstance(value, np.ndarray):
            yield prefix + name, value
        else:
            yield from arrays(value, f"{prefix}{name}.")


def ranges(state: tuple[Any, ...], prefix: str = "") -> Iterator[tuple[str, float, float]]:
    """Names of the arrays of a state, as `arrays` gives them, with smallest and largest value.

    The axes that a range depends on are named in the same state or in one that holds it.
    """
    return _ranges(state, prefix, {})


def _ranges(
    state: tuple[Any, ...], prefix: str, sizes: Mapping[str, int]
) -> Iterator[tuple[str, float, float]]:
    hints, sizes = get_type_hints(type(state), include_extras=True), dict(sizes)
    shapes = {n: get_args(one)[1] for n, one in hints.items() if get_origin(one) is Annotated}
    named: Any = state
    for name, shape in shapes.items():
        lengths = zip(shape.axes, getattr(named, name).shape[1:], strict=True)
        sizes |= {axis: length for axis, length in lengths if isinstance(axis, str)}
    for name, value in zip(named._fields, named, strict=True):
        if isinstance(value, np.ndarray):
            yield prefix + name, *limits(value.dtype, shapes.get(name, Shape()), sizes)
        else:
            yield from _ranges(value, f"{prefix}{name}.", sizes)


def limits(dtype: np.dtype[Any], shape: Shape, sizes: Mapping[str, int]) -> tuple[float, float]:
    """Smallest and largest value of an array, from the lengths of the axes that are named."""
    usual = {"b": (0.0, 1.0), "u": (0.0, MOST_UNSIGNED), "i": (0.0, MOST)}
    low, high = usual.get(dtype.kind, (-LARGEST, LARGEST))
    if shape.unit == "s":
        low, high = 0.0, LONGEST_S
    ends = zip((shape.low, shape.high), (low, high), strict=True)
    low, high = (one if end is None else end(sizes) if callable(end) else end for end, one in ends)
    return low, high


def clear(state: tuple[Any, ...], rows: Int64) -> None:
    """Set some rows of all arrays to zero.

    Args:
        state: changed in place.
        rows: (k,) int64.
    """
    for _, array in arrays(state):
        array[rows] = 0


def gather(kind: type[StateT], *sources: Any, **values: Any) -> StateT:
    """Parameters of a kernel from settings.

    Args:
        kind: a NamedTuple class of parameters.
        *sources: settings; a field is the attribute of that name of the first that has it.
        **values: fields that are not found so.

    Returns:
        The parameters; integers are floats where the class says so.

    Raises:
        AttributeError: a field is nowhere to be found.
    """
    found: dict[str, Any] = {}
    for name, hint in get_type_hints(kind).items():
        if name in values:
            value = values[name]
        else:
            holder = next((one for one in sources if hasattr(one, name)), sources[-1])
            value = getattr(holder, name)
        found[name] = float(value) if hint is float else value
    return kind(**found)
