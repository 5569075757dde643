"""Declared observations and actions: named channels, and the spaces that follow from them."""

from collections import UserDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import ArrayLike, NDArray

from microgym.validation import finite, positive


@dataclass(frozen=True)
class Channel:
    """One named entry of an array.

    Attributes:
        doc: meaning, with the value where there is none.
        unit: quantity that the value 1 stands for, such as "10 V"; empty for pure numbers.
        scale, centre: of an observation, which is (value - centre) / scale: the size of its signal
            and its usual value, both in the unit.

    Raises:
        ValueError: no meaning; a scale that is not above zero, or a centre that is not finite.
    """

    doc: str
    unit: str = ""
    scale: float = 1.0
    centre: float = 0.0

    def __post_init__(self) -> None:
        if not self.doc.strip():
            raise ValueError("a channel must be documented")
        positive("scale", self.scale)
        finite("centre", self.centre)


class Channels(UserDict[str, Channel]):
    """Named entries along the first axis of a float32 array, with values in [-1, 1] by default.

    An array of observations holds (value - centre) / scale of each channel.

    Args:
        *shape: axes that follow the channels; a name stands for a length known to the task.
        **channels: name to `Channel`, or to its meaning.

    Attributes:
        low, high: ranges of the values, float32, one for all channels or one for each.
        scale, centre: of each channel, float32; both have an axis of length 1 for each of `shape`.
    """

    def __init__(self, *shape: int | str, **channels: Channel | str) -> None:
        super().__init__(
            {name: Channel(one) if isinstance(one, str) else one for name, one in channels.items()}
        )
        self.shape = shape
        self.leading: tuple[str, ...] = ()
        self.scale = self._column([one.scale for one in self.values()])
        self.centre = self._column([one.centre for one in self.values()])
        self._plain = not ((self.scale != 1.0) | (self.centre != 0.0)).any()
        self.within(-1.0, 1.0)

    def _column(self, numbers: ArrayLike) -> NDArray[np.float32]:
        """Numbers along the axis of the channels."""
        return np.reshape(np.asarray(numbers, np.float32), (-1, *(1 for _ in self.shape)))

    def within(self, low: ArrayLike, high: ArrayLike) -> "Channels":
        """The same channels with values in another range, one for all or one for each."""
        self.low, self.high = self._column(low), self._column(high)
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
        low, high = (np.broadcast_to(self.scaled(one), shape) for one in (self.low, self.high))
        return spaces.Box(low, high, dtype=np.float32)

    def scaled(self, values: NDArray[Any]) -> NDArray[np.float32]:
        """The observation for an array of values: clipped to their ranges, centred and scaled.

        Args:
            values: (N, channels, ...) or (N, agents, channels, ...).

        Returns:
            An array of the same shape, float32, fresh.
        """
        found = np.clip(values, self.low, self.high).astype(np.float32, copy=False)
        if self._plain:
            return found
        found = found - self.centre
        found /= self.scale
        return found

    def pack(self, **values: NDArray[Any]) -> NDArray[np.float32]:
        """The observation of N environments for the values of the channels; see `scaled`.

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
        return self.scaled(np.stack(list(values.values()), axis=1 + len(self.leading)))

    def unpack(self, array: NDArray[Any]) -> dict[str, NDArray[Any]]:
        """Values of the channels by name; the inverse of `pack`.

        Args:
            array: (N, channels, ...) or (N, agents, channels, ...), as observed.

        Returns:
            Name to (N, ...) or (N, agents, ...) in the array's dtype; not to be written to.
        """
        values = array if self._plain else array * self.scale + self.centre
        return dict(zip(self.names, np.moveaxis(values, 1 + len(self.leading), 0), strict=True))


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

    def pack(self, **values: NDArray[Any]) -> NDArray[np.float32]:
        """The observation, (N, ...), for the values of the one channel, (N, ...)."""
        return super().pack(**values)[:, 0]

    def unpack(self, array: NDArray[Any]) -> dict[str, NDArray[Any]]:
        """The values, (N, ...), by the name of the one channel."""
        return super().unpack(array[:, None])


@dataclass(frozen=True)
class Choices:
    """A discrete action: one of n.

    Attributes:
        n: number of actions.
        doc: meaning of an action's number.
        names: names of the actions, where they have some.
        leading: axis of several agents that choose one each; none for one agent.
    """

    n: int
    doc: str
    names: tuple[str, ...] = ()
    leading: tuple[str, ...] = ()

    def along(self, axis: str) -> "Choices":
        """The same choice for each of several agents."""
        return replace(self, leading=(axis,))

    def space(self, sizes: Mapping[str, int]) -> spaces.Discrete[Any] | spaces.MultiDiscrete:
        """Space of the action, from the lengths of named axes."""
        if self.leading:
            return spaces.MultiDiscrete([self.n] * sizes[self.leading[0]])
        return spaces.Discrete(self.n)


Declared = Channels | Choices | Mapping[str, Channels | Choices]


def space_of(declared: Declared, sizes: Mapping[str, int]) -> spaces.Space[Any]:
    """Space of a declaration, from the lengths of named axes; a `Dict` where it has parts."""
    if isinstance(declared, Channels | Choices):
        return declared.space(sizes)
    return spaces.Dict({name: part.space(sizes) for name, part in declared.items()})


def flattened(numbers: Channels, maps: Channels, names: tuple[str, ...], edge: int) -> Channels:
    """Channels of a vector: numbers, then some square maps of an edge, px, in reading order.

    Scales and ranges of values are those of the parts.
    """
    cells = [f"{i}_{j}" for i in range(edge) for j in range(edge)]
    pixels = {f"{name}_{cell}": maps[name] for name in names for cell in cells}
    places = [maps.index(name) for name in names]

    def joined(of_numbers: NDArray[Any], of_maps: NDArray[Any]) -> NDArray[Any]:
        each = np.broadcast_to(of_maps.ravel(), len(maps))[places]
        return np.append(np.broadcast_to(of_numbers, len(numbers)), np.repeat(each, len(cells)))

    low, high = joined(numbers.low, maps.low), joined(numbers.high, maps.high)
    return Channels(**{**numbers, **pixels}).within(low, high)


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
