"""Validation of actions: shape, type, NaN and bounds, before anything reaches the physics."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from gymnasium import Space, spaces
from numpy.typing import NDArray

TOLERANCE = 1e-6
"""Continuous actions may leave their bounds by this much and are clipped: float32 rounding
(design choice)."""


class ActionChecker:
    """Turns an agent's actions into a batch [N, ...] of valid actions.

    Args:
        space: one microscope's action space, `Box`, `Discrete`, `MultiDiscrete`, or a `Dict`.
        num_envs: N.
        single: the agent sends one action without the batch axis (N is 1).
        name: of the actions, for messages.

    Raises:
        TypeError: a space of another kind.
    """

    def __init__(self, space: Space[Any], num_envs: int, *, single: bool, name: str = "") -> None:
        self._name = name or ("action" if single else "actions")
        self._parts: dict[str, ActionChecker] = {}
        if isinstance(space, spaces.Dict):
            for part, one in space.items():
                label = f"{self._name}[{part!r}]"
                self._parts[part] = ActionChecker(one, num_envs, single=single, name=label)
            return
        if isinstance(space, spaces.Box):
            low, high = space.low, space.high
        elif isinstance(space, spaces.Discrete | spaces.MultiDiscrete):
            low = np.asarray(space.start)
            high = low + (space.n if isinstance(space, spaces.Discrete) else space.nvec) - 1
        else:
            raise TypeError(f"actions must be of Box, Discrete or MultiDiscrete, not {space}")
        self._low: NDArray[Any] = low
        self._high: NDArray[Any] = high
        self._shape = (num_envs, *low.shape)
        self._single = single
        self._continuous = low.dtype.kind == "f"
        slack = TOLERANCE if self._continuous else 0.0
        self._least, self._most = low.astype(np.float64) - slack, high.astype(np.float64) + slack

    def __call__(self, actions: Any, used: NDArray[np.bool_] | None = None) -> Any:
        """Check and convert.

        Args:
            actions: one action (single) or N of them: an array, or anything NumPy makes one of; a
                mapping of such for a `Dict`.
            used: bool [N]: rows whose values matter; in the others only shape and type are
                checked. None means all.

        Returns:
            [N, ...], fresh, contiguous and writeable (a read-only array would make Numba compile
            every kernel a second time), in the space's dtype, within the space's bounds in the
            rows that matter and at the lower bound in the others.

        Raises:
            TypeError: numbers of a kind that cannot be an action (text, complex, fractions where
                integers are due).
            ValueError: wrong shape, NaN, or a value out of bounds.
        """
        if self._parts:
            if not isinstance(actions, Mapping) or set(actions) != set(self._parts):
                known = sorted(self._parts)
                raise ValueError(f"{self._name} must map {known} to values, got {actions!r}")
            return {name: check(actions[name], used) for name, check in self._parts.items()}
        try:
            array = np.asarray(actions)
        except ValueError as error:
            raise ValueError(f"{self._name} is not a regular array: {actions!r}") from error
        if array.dtype.kind not in ("fiu" if self._continuous else "iu"):
            due = "real numbers" if self._continuous else "integers"
            raise TypeError(f"{self._name} must be {due}, got {actions!r} ({array.dtype})")
        wanted = self._shape[1:] if self._single else self._shape
        if array.shape != wanted:
            raise ValueError(f"{self._name} must have shape {wanted}, got {array.shape}")
        array = array.reshape(self._shape).copy()
        if used is not None:
            array[~used] = self._low
        inside = (array >= self._least) & (array <= self._most)
        if not inside.all():
            where = tuple(int(i) for i in np.argwhere(~inside)[0])
            low, high = self._low[where[1:]], self._high[where[1:]]
            index = where[1:] if self._single else where
            label = self._name + (f"[{', '.join(map(str, index))}]" if index else "")
            value = "NaN" if np.isnan(array[where]) else array[where]
            raise ValueError(f"{label} is {value}; it must be in [{low}, {high}]")
        return np.clip(array.astype(self._low.dtype, order="C"), self._low, self._high)
