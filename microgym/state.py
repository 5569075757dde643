"""State of N instruments or tasks: named tuples of arrays that kernels take whole.

A state is declared once:

    class ProbeState(NamedTuple):
        '''Stages of N microscopes.'''

        drift: Annotated[Float64, Shape(2, unit="nm")]
        image: Annotated[Float32, Shape("lines", 128)]

Allocation, zeroing of some rows, snapshots and restoring follow from the declaration.
"""

from collections.abc import Iterator, Mapping
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


@dataclass(frozen=True)
class Shape:
    """Shape of one row of a state array, and the unit of its elements.

    Args:
        *axes: lengths; a name stands for a length that `allocate` takes.
        unit: such as "nm"; empty for pure numbers.
    """

    axes: tuple[int | str, ...]
    unit: str

    def __init__(self, *axes: int | str, unit: str = "") -> None:
        object.__setattr__(self, "axes", axes)
        object.__setattr__(self, "unit", unit)


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
