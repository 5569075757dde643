"""What must hold of a benchmark, and whether it does."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Table = Mapping[str, NDArray[np.float64]]
"""Seconds that each alternative took, (rounds,) a name."""


@dataclass(frozen=True)
class Threshold:
    """A bound, and what was measured.

    Attributes:
        what: is bounded.
        value: as measured; NaN where it could not be.
        sense: ">=", "<=" or "<".
        limit: what the value is held against.
        unit: of both, such as "x".
        interval: 95% interval of the value, where there is one.
    """

    what: str
    value: float
    sense: str
    limit: float
    unit: str
    interval: tuple[float, float] | None = None

    @property
    def met(self) -> bool:
        """Whether the bound holds; what was not measured does not."""
        if self.sense == ">=":
            return self.value >= self.limit
        return self.value <= self.limit if self.sense == "<=" else self.value < self.limit


@dataclass(frozen=True)
class AtLeast:
    """An alternative must be so many times as fast as the fastest of others.

    Attributes:
        name: the alternative.
        times: how many.
        over: the others.
    """

    name: str
    times: float
    over: tuple[str, ...]

    def check(self, table: Table) -> Threshold:
        """Hold it against a race's table of seconds, (rounds,) an alternative."""
        there = [name for name in self.over if name in table]
        what = f"{self.name} over {' or '.join(self.over)}"
        if not there:
            return Threshold(what, math.nan, ">=", self.times, "x")
        fastest = min(there, key=lambda name: float(np.median(table[name])))
        value, interval = median(table[fastest] / table[self.name])
        what = f"{self.name} over {fastest}"
        return Threshold(what, value, ">=", self.times, "x", interval)


@dataclass(frozen=True)
class Adds:
    """An alternative must cost less than so much more than another.

    Attributes:
        name: the alternative.
        percent: how much.
        over: the other.
    """

    name: str
    percent: float
    over: str

    def check(self, table: Table) -> Threshold:
        """Hold it against a race's table of seconds, (rounds,) an alternative."""
        value, interval = median(100.0 * (table[self.name] / table[self.over] - 1.0))
        return Threshold(
            f"{self.name} adds to {self.over}", value, "<", self.percent, "%", interval
        )


@dataclass(frozen=True)
class AtMost:
    """An alternative must take no longer than so long.

    Attributes:
        name: the alternative.
        microseconds: how long.
    """

    name: str
    microseconds: float

    def check(self, table: Table) -> Threshold:
        """Hold it against a race's table of seconds, (rounds,) an alternative."""
        value, interval = median(1e6 * table[self.name])
        return Threshold(self.name, value, "<=", self.microseconds, "us", interval)


def threshold_text(check: Threshold) -> str:
    """One bound in a line."""
    bound = f"{check.sense} {check.limit:g}{_spaced(check.unit)}"
    if math.isnan(check.value):
        return f"NOT MEASURED  {check.what}: must be {bound}"
    word = "met" if check.met else "MISSED"
    ends = (
        "" if check.interval is None else f" ({check.interval[0]:.3g} to {check.interval[1]:.3g})"
    )
    return f"{word:<6}  {check.what}: {check.value:.3g}{_spaced(check.unit)}{ends}, must be {bound}"


def _spaced(unit: str) -> str:
    return unit if unit in ("x", "%") else f" {unit}"


def median(values: NDArray[np.float64]) -> tuple[float, tuple[float, float]]:
    """A median and its 95% interval from the order of the values: binomial, no distribution asked.

    Conover, Practical Nonparametric Statistics, 3rd edition, 3.2, normal approximation; with five
    values or fewer the interval is their range, and says less.
    """
    ordered = np.sort(values)
    count = len(ordered)
    out = max(math.floor(0.5 * (count - 1.96 * math.sqrt(count))), 0)
    return float(np.median(ordered)), (float(ordered[out]), float(ordered[count - 1 - out]))
