"""Declared interventions: hidden quantities that may be set, and their ranges."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from microgym.validation import choice


@dataclass(frozen=True)
class Intervention:
    """Numbers that may be set, or one of several states.

    Attributes:
        doc: meaning, with the unit.
        target: path of the task's array to be set, such as "instrument.state.wear", or of the
            method that sets it, of rows and values.
        column: of the array's last axis, where it is one of several.
        low, high: closed range.
        above: open lower bound.
        names: of the states, where the array holds a position among them.
        example: a value for tests and pages.
    """

    doc: str
    target: str
    column: int | None = None
    low: float = -np.inf
    high: float = np.inf
    above: float = -np.inf
    names: tuple[str, ...] = ()
    example: Any = None

    def read(self, name: str, value: Any, shape: tuple[int, ...]) -> NDArray[Any]:
        """Check a value.

        Args:
            name: as errors have it.
            value: numbers, one for all rows or one for each; or one name for all.
            shape: k, and the shape of one environment's value.

        Returns:
            (k, ...) float64, or int64 positions among the names.

        Raises:
            ValueError: a wrong shape, a number that is not finite or out of range, no such name.
        """
        if self.names:
            return np.full(shape, self.names.index(choice(name, value, self.names)))
        try:
            found = np.broadcast_to(np.asarray(value, np.float64), shape)
        except (TypeError, ValueError) as error:
            wanted = f"{shape[1:]} or {shape}"
            raise ValueError(f"{name}={value!r} must be numbers of shape {wanted}") from error
        if not np.isfinite(found).all():
            raise ValueError(f"{name}={value!r} must be finite")
        if not (found > self.above).all():
            raise ValueError(f"{name}={value!r} must be above {self.above:g}")
        if not ((found >= self.low) & (found <= self.high)).all():
            raise ValueError(f"{name}={value!r} must be in [{self.low:g}, {self.high:g}]")
        return found


def drift(
    unit: str, axes: str = "y, x", state: str = "instrument.state.drift"
) -> dict[str, Intervention]:
    """The two hidden parts of a drift, of a unit and with some components, held at a path."""
    return {
        f"drift_velocity_{unit}_s": Intervention(
            f"linear drift ({axes}), {unit}/s", f"{state}.velocity", example=0.5
        ),
        f"settling_{unit}": Intervention(
            f"settling that is left ({axes}), {unit}", f"{state}.settling", example=2.0
        ),
    }
