"""Declared interventions: hidden quantities that may be set, and their ranges."""

from collections.abc import Mapping
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from microgym.validation import choice

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class BoxIntervention:
    """Numbers that may be set.

    Attributes:
        doc: meaning, with the unit.
        target: path of the task's array to be set, such as "instrument.state.wear", or of the
            method that sets it, of rows and values.
        column: of the array's last axis, where it is one of several.
        low, high: closed range.
        above: open lower bound.
        example: a value for tests and pages.
    """

    doc: str
    target: str
    column: int | None = None
    low: float = -np.inf
    high: float = np.inf
    above: float = -np.inf
    example: Any = None

    def read(self, name: str, value: Any, rows: Rows, axes: tuple[int, ...]) -> NDArray[np.float64]:
        """Check a value.

        Args:
            name: as errors have it.
            value: one for all rows, or one for each.
            rows: (k,) int64.
            axes: shape of one environment's value.

        Returns:
            (k, *axes) float64.

        Raises:
            ValueError: a wrong shape, or a number that is not finite or out of range.
        """
        shape = (rows.size, *axes)
        try:
            found = np.broadcast_to(np.asarray(value, np.float64), shape)
        except (TypeError, ValueError) as error:
            wanted = f"{axes} or {shape}"
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
    doc: str
    target: str
    column: int | None = None
    example: Any = None

    def read(self, name: str, value: Any, rows: Rows, axes: tuple[int, ...]) -> NDArray[np.int64]:
        """Check a name, the same for all rows; (k,) int64, its place among the names."""
        del axes
        return np.full(rows.size, self.names.index(choice(name, value, self.names)))


Intervention = BoxIntervention | ChoiceIntervention


def drift(
    unit: str, axes: str = "y, x", state: str = "instrument.state.drift"
) -> dict[str, Intervention]:
    """The two hidden parts of an instrument's drift, of a unit and with some components."""
    return {
        f"drift_velocity_{unit}_s": BoxIntervention(
            f"linear drift ({axes}), {unit}/s", f"{state}.velocity", example=0.5
        ),
        f"settling_{unit}": BoxIntervention(
            f"settling that is left ({axes}), {unit}", f"{state}.settling", example=2.0
        ),
    }


def apply(
    task: Any, rows: Rows, values: Mapping[str, Any], known: Mapping[str, Intervention]
) -> None:
    """Set hidden quantities of a task, after all values have been checked; see `intervene`."""
    ready: list[tuple[Any, int | None, NDArray[Any]]] = []
    for name, value in values.items():
        if name not in known:
            raise ValueError(f"unknown intervention {name!r}; known are {sorted(known)}")
        one = known[name]
        target = attrgetter(one.target)(task)
        axes = () if callable(target) or one.column is not None else target.shape[1:]
        ready.append((target, one.column, one.read(name, value, rows, axes)))
    for target, column, value in ready:
        if callable(target):
            target(rows, value)
        else:
            target[rows if column is None else (rows, column)] = value
