"""Validation of actions: shape, type, NaN and bounds, before anything reaches the physics.

A valid action becomes a fresh, contiguous, writeable array in the action space's own dtype (a
read-only one would make Numba compile every kernel a second time).
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from gymnasium import Space, spaces
from numpy.typing import NDArray

TOLERANCE = 1e-6
"""Continuous actions may leave their bounds by this much and are clipped: float32 rounding
(design choice)."""


def action_checker(space: Space[Any], num_envs: int, *, single: bool) -> "Checker":
    """The checker of an action space.

    Args:
        space: one microscope's action space; `Dict` spaces of the others, too.
        num_envs: N.
        single: actions come without the batch axis (N is 1).

    Raises:
        TypeError: a kind of space that no task of this package uses.
    """
    if isinstance(space, spaces.Dict):
        return DictActionChecker(space, num_envs, single=single)
    return ActionChecker(space, num_envs, single=single)


class DictActionChecker:
    """Checks actions of several parts; arguments as `action_checker`."""

    def __init__(self, space: spaces.Dict, num_envs: int, *, single: bool) -> None:
        self._parts = {
            name: action_checker(part, num_envs, single=single) for name, part in space.items()
        }

    def __call__(self, actions: Any, used: NDArray[np.bool_] | None = None) -> dict[str, Any]:
        """Check and convert every part.

        Args:
            actions: a mapping of the parts, each as `ActionChecker` takes it.
            used: bool [N]: rows whose values matter.

        Raises:
            TypeError: no mapping.
            ValueError: parts that are missing or unknown; a bad part, named.
        """
        if not isinstance(actions, Mapping):
            raise TypeError(f"actions must map {sorted(self._parts)} to values, got {actions!r}")
        if set(actions) != set(self._parts):
            raise ValueError(f"actions must have {sorted(self._parts)}, got {sorted(actions)}")
        found: dict[str, Any] = {}
        for name, part in self._parts.items():
            try:
                found[name] = part(actions[name], used)
            except (TypeError, ValueError) as error:
                raise type(error)(f"{name!r}: {error}") from error
        return found


class ActionChecker:
    """Turns an agent's actions into a batch [N, ...] of valid actions.

    Args:
        space: one microscope's action space.
        num_envs: N.
        single: the agent sends one action without the batch axis (N is 1).

    Raises:
        TypeError: a kind of space that no task of this package uses.
    """

    def __init__(self, space: Space[Any], num_envs: int, *, single: bool) -> None:
        self._single = single
        self._num_envs = num_envs
        if isinstance(space, spaces.Box):
            low, high = space.low, space.high
            self._continuous = bool(np.issubdtype(space.low.dtype, np.floating))
        elif isinstance(space, spaces.Discrete):
            low = np.asarray(space.start, np.int64)
            high = low + np.int64(space.n - 1)
            self._continuous = False
        elif isinstance(space, spaces.MultiDiscrete):
            low = np.asarray(space.start)
            high = low + space.nvec - 1
            self._continuous = False
        elif isinstance(space, spaces.MultiBinary):
            low = np.zeros(space.shape, np.int8)
            high = np.ones(space.shape, np.int8)
            self._continuous = False
        else:
            raise TypeError(
                "the action space must be Box, Discrete, MultiDiscrete or MultiBinary, "
                f"got {type(space).__name__}"
            )
        self._low: NDArray[Any] = low
        self._high: NDArray[Any] = high
        self._shape = (num_envs, *low.shape)
        slack = TOLERANCE if self._continuous else 0
        self._low_slack = low.astype(np.float64) - slack if self._continuous else low
        self._high_slack = high.astype(np.float64) + slack if self._continuous else high

    def __call__(self, actions: Any, used: NDArray[np.bool_] | None = None) -> NDArray[Any]:
        """Check and convert.

        Args:
            actions: one action (single) or N of them: an array, or anything NumPy makes one of.
            used: bool [N]: rows whose values matter; in the others only shape and type are
                checked. None means all.

        Returns:
            [N, ...], fresh, contiguous, in the space's dtype, within the space's bounds in the
            rows that matter and zero in the others.

        Raises:
            TypeError: numbers of a kind that cannot be an action (text, complex, fractions where
                integers are due).
            ValueError: wrong shape, NaN, or a value out of bounds.
        """
        array = self._as_array(actions)
        wanted = self._shape[1:] if self._single else self._shape
        if array.shape != wanted:
            raise ValueError(f"{self._name()} must have shape {wanted}, got {array.shape}")
        array = array.reshape(self._shape)
        if used is not None:
            array = array.copy()
            array[~used] = self._low
        inside = (array >= self._low_slack) & (array <= self._high_slack)
        if not inside.all():
            self._refuse(array, inside)
        fresh = np.array(array, dtype=self._low.dtype, order="C")
        if self._continuous:
            np.maximum(fresh, self._low, out=fresh)
            np.minimum(fresh, self._high, out=fresh)
        return fresh

    def _as_array(self, actions: Any) -> NDArray[Any]:
        try:
            array = np.asarray(actions)
        except ValueError as error:
            raise ValueError(f"{self._name()} is not a regular array: {actions!r}") from error
        kinds = "fiu" if self._continuous else "iu"
        if not self._continuous and self._low.dtype == np.int8:
            kinds = "biu"
        if array.dtype.kind not in kinds:
            due = "real numbers" if self._continuous else "integers"
            raise TypeError(f"{self._name()} must be {due}, got {actions!r} ({array.dtype})")
        return array

    def _name(self) -> str:
        return "action" if self._single else "actions"

    def _refuse(self, array: NDArray[Any], inside: NDArray[np.bool_]) -> None:
        where = tuple(int(i) for i in np.argwhere(~inside)[0])
        low, high = self._low[where[1:]], self._high[where[1:]]
        index = where[1:] if self._single else where
        label = self._name() + (f"[{', '.join(map(str, index))}]" if index else "")
        value = array[where]
        if np.isnan(value):
            raise ValueError(f"{label} is NaN; it must be in [{low}, {high}]")
        raise ValueError(f"{label} is {value}; it must be in [{low}, {high}]")


Checker = ActionChecker | DictActionChecker
