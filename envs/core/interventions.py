"""Declared interventions: hidden quantities that may be set, and their ranges."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class BoxIntervention:
    """Numbers that may be set.

    Attributes:
        doc: meaning, with the unit.
        target: attribute of the task that is the array to be set, such as "instrument.state.wear";
            empty where the task's `apply_intervention` does it.
        column: of the array's last axis, where it is one of several.
        shape: of one environment's value.
        low, high: closed range.
        above: open lower bound.
        example: a value for tests and pages.
    """

    doc: str = ""
    target: str = ""
    column: int | None = None
    shape: tuple[int, ...] = ()
    low: float = -np.inf
    high: float = np.inf
    above: float = -np.inf
    example: Any = None

    def read(self, name: str, value: Any, rows: Rows) -> NDArray[np.float64]:
        """Check a value.

        Args:
            name: as errors have it.
            value: one for all rows, or one for each.
            rows: (k,) int64.

        Returns:
            (k, *shape) float64.

        Raises:
            ValueError: a wrong shape, or a number that is not finite or out of range.
        """
        shape = (rows.size, *self.shape)
        try:
            found = np.broadcast_to(np.asarray(value, np.float64), shape)
        except (TypeError, ValueError) as error:
            wanted = f"{self.shape} or {shape}"
            raise ValueError(f"{name}={value!r} must be numbers of shape {wanted}") from error
        if not np.isfinite(found).all():
            raise ValueError(f"{name}={value!r} must be finite")
        if not (found > self.above).all():
            raise ValueError(f"{name}={value!r} must be above {self.above:g}")
        if not ((found >= self.low) & (found <= self.high)).all():
            raise ValueError(f"{name}={value!r} must be in [{self.low:g}, {self.high:g}]")
        return found


@dataclass(frozen=True)
class ChoiceIntervention:
    """One of several states.

    Attributes:
        names: of the states.
        doc, target, column, example: as in `BoxIntervention`; the array holds the position among
            the names.
    """

    names: tuple[str, ...]
    doc: str = ""
    target: str = ""
    column: int | None = None
    example: Any = None

    def read(self, name: str, value: Any, rows: Rows) -> NDArray[np.int64]:
        """Check a value; the same for all rows.

        Returns:
            (k,) int64, the place among the names.

        Raises:
            ValueError: none of them.
        """
        if value not in self.names:
            raise ValueError(f"{name}={value!r} must be one of {self.names}")
        return np.full(rows.size, self.names.index(value))


def read(
    rows: Rows, values: Mapping[str, Any], known: Mapping[str, BoxIntervention | ChoiceIntervention]
) -> dict[str, NDArray[Any]]:
    """Check all values before anything is set.

    Args:
        rows: (k,) int64.
        values: name to value.
        known: what may be set.

    Returns:
        Name to an array of k.

    Raises:
        ValueError: an unknown name, or a value that must not be.
    """
    for name in values:
        if name not in known:
            raise ValueError(f"unknown intervention {name!r}; known are {sorted(known)}")
    return {name: known[name].read(name, value, rows) for name, value in values.items()}
