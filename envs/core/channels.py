"""Declared observations and actions: named channels, and the spaces that follow from them."""

from collections import UserDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True)
class Channel:
    """One named entry of an array.

    Attributes:
        doc: meaning, with the value where there is none.
        unit: quantity that 1 stands for, such as "10 V"; empty for pure numbers.
    """

    doc: str
    unit: str = ""

    def __post_init__(self) -> None:
        if not self.doc.strip():
            raise ValueError("a channel must be documented")


class Channels(UserDict[str, Channel]):
    """Named entries along the first axis of a float32 array, with elements in [-1, 1] by default.

    Args:
        *shape: axes that follow the channels; a name stands for a length known to the task.
        **channels: name to `Channel`, or to its meaning.
    """

    def __init__(self, *shape: int | str, **channels: Channel | str) -> None:
        super().__init__(
            {name: Channel(one) if isinstance(one, str) else one for name, one in channels.items()}
        )
        self.shape = shape
        self.leading: tuple[str, ...] = ()
        self.within(-1.0, 1.0)

    def within(self, low: ArrayLike, high: ArrayLike) -> "Channels":
        """The same channels with elements in another range, one for all or one for each."""
        broadcast = (-1, *(1 for _ in self.shape))
        self.low = np.reshape(np.asarray(low, np.float32), broadcast)
        self.high = np.reshape(np.asarray(high, np.float32), broadcast)
        return self

    def along(self, axis: str) -> "Channels":
        """The same channels for each of several agents: an axis before that of the channels."""
        self.leading = (axis,)
        return self

    @property
    def names(self) -> tuple[str, ...]:
        """The channels' names, in order."""
        return tuple(self)

    def index(self, name: str) -> int:
        """Position of a channel."""
        return self.names.index(name)

    def space(self, sizes: Mapping[str, int]) -> spaces.Box:
        """Space of the array, from the lengths of named axes."""
        axes = [sizes[one] if isinstance(one, str) else one for one in self.shape]
        shape = (*(sizes[one] for one in self.leading), len(self), *axes)
        low, high = np.broadcast_to(self.low, shape), np.broadcast_to(self.high, shape)
        return spaces.Box(low, high, dtype=np.float32)

    def pack(self, **values: NDArray[Any]) -> NDArray[np.float32]:
        """Stack the channels of N environments and clip them to their range.

        Args:
            **values: (N, ...), every channel in the declared order; (N, agents, ...) where they are
                declared along an axis of agents.

        Returns:
            (N, channels, ...) or (N, agents, channels, ...) float32.

        Raises:
            ValueError: other names, or another order.
        """
        if tuple(values) != self.names:
            raise ValueError(f"channels must be {self.names}, got {tuple(values)}")
        stacked = np.stack(list(values.values()), axis=1 + len(self.leading))
        return np.clip(stacked, self.low, self.high).astype(np.float32)

    def unpack(self, array: NDArray[Any]) -> dict[str, NDArray[Any]]:
        """Views of the channels by name; the inverse of `pack`.

        Args:
            array: (N, channels, ...) or (N, agents, channels, ...).
        """
        return dict(zip(self.names, np.moveaxis(array, 1 + len(self.leading), 0), strict=True))


class Plane(Channels):
    """One array without an axis of channels.

    Args:
        *shape: axes; a name stands for a length known to the task.
        **channel: its name, and its `Channel` or meaning.
    """

    def space(self, sizes: Mapping[str, int]) -> spaces.Box:
        """Space of the array, from the lengths of named axes."""
        whole = super().space(sizes)
        return spaces.Box(whole.low[0], whole.high[0], dtype=np.float32)


@dataclass(frozen=True)
class Choices:
    """A discrete action: one of n.

    Attributes:
        n: number of actions.
        doc: meaning of an action's number.
        names: names of the actions, where they have some.
    """

    n: int
    doc: str
    names: tuple[str, ...] = ()

    def space(self, sizes: Mapping[str, int]) -> spaces.Discrete[Any]:
        """Space of the action."""
        del sizes
        return spaces.Discrete(self.n)


Declared = Channels | Choices | Mapping[str, Channels | Choices]


def space_of(declared: Declared, sizes: Mapping[str, int]) -> spaces.Space[Any]:
    """Space of a declaration, from the lengths of named axes; a `Dict` where it has parts."""
    if isinstance(declared, Channels | Choices):
        return declared.space(sizes)
    return spaces.Dict({name: part.space(sizes) for name, part in declared.items()})


def flattened(numbers: Channels, maps: Channels, names: tuple[str, ...], edge: int) -> Channels:
    """Channels of a vector: numbers, then some square maps of an edge, px, in reading order."""
    pixels = {
        f"{name}_{i}_{j}": maps[name] for name in names for i in range(edge) for j in range(edge)
    }
    return Channels(**{**numbers, **pixels})


def row_of(batched: Any, row: int) -> Any:
    """One row of a batched observation, an array or a dict of them, without a copy."""
    if isinstance(batched, Mapping):
        return {name: batched[name][row] for name in batched}
    return batched[row]


def stacked(actions: Sequence[Any]) -> Any:
    """Actions along a first axis, part by part where they have parts."""
    if isinstance(actions[0], Mapping):
        return {name: stacked([one[name] for one in actions]) for name in actions[0]}
    return np.stack([np.asarray(one) for one in actions])
