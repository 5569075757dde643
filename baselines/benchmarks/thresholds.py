"""Conditions on the times of a benchmark."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Table = Mapping[str, NDArray[np.float64]]
"""Name of an alternative to its seconds a unit of work, (rounds,) float64."""


@dataclass(frozen=True)
class Threshold:
    """A measured value and its limit.

    Attributes:
        what: name of the quantity.
        value: as measured; NaN if it could not be.
        sense: ">=", "<=" or "<".
        limit: of the value.
        unit: of both, such as "x".
        interval: 95% interval of the value, if there is one.
    """

    what: str
    value: float
    sense: str
    limit: float
    unit: str
    interval: tuple[float, float] | None = None

    @property
    def met(self) -> bool:
        """Whether the value is within the limit; NaN is not."""
        if self.sense == ">=":
            return self.value >= self.limit
        return self.value <= self.limit if self.sense == "<=" else self.value < self.limit


@dataclass(frozen=True)
class AtLeast:
    """Least speed of an alternative relative to the fastest of others.

    Attributes:
        name: the alternative.
        times: least ratio of the speeds.
        over: the others.
    """

    name: str
    times: float
    over: tuple[str, ...]

    def check(self, table: Table) -> Threshold:
        """Compare with the measured times."""
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
    """Largest overhead of an alternative over another.

    Attributes:
        name: the alternative.
        percent: largest additional time.
        over: the other.
    """

    name: str
    percent: float
    over: str

    def check(self, table: Table) -> Threshold:
        """Compare with the measured times."""
        value, interval = median(100.0 * (table[self.name] / table[self.over] - 1.0))
        return Threshold(
            f"{self.name} adds to {self.over}", value, "<", self.percent, "%", interval
        )


@dataclass(frozen=True)
class AtMost:
    """Largest time of an alternative.

    Attributes:
        name: the alternative.
        microseconds: largest time of a unit of work.
    """

    name: str
    microseconds: float

    def check(self, table: Table) -> Threshold:
        """Compare with the measured times."""
        value, interval = median(1e6 * table[self.name])
        return Threshold(self.name, value, "<=", self.microseconds, "us", interval)


def threshold_text(check: Threshold) -> str:
    """Threshold as a line of text."""
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
    """Median and its 95% interval from order statistics, for any distribution.

    Conover, Practical Nonparametric Statistics, 3rd edition, 3.2, normal approximation. The
    interval of five values or fewer is their range, which has less coverage.
    """
    ordered = np.sort(values)
    count = len(ordered)
    out = max(math.floor(0.5 * (count - 1.96 * math.sqrt(count))), 0)
    return float(np.median(ordered)), (float(ordered[out]), float(ordered[count - 1 - out]))
