"""Timings of alternatives side by side in one process, in rotating order, round by round."""

import math
import operator
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from microgym.validation import integer, positive

SLICE_S = 0.02
"""Time of an alternative in one round: long compared with the clock's resolution, short compared
with the fluctuations of a shared machine (design choice)."""

Clock = Callable[[], float]
Interval = tuple[float, float]
Table = Mapping[str, NDArray[np.float64]]
"""Name of an alternative to its seconds a unit of work, (rounds,) float64."""


@dataclass(frozen=True)
class Threshold:
    """A measured value and its limit.

    Attributes:
        what: name of the quantity.
        value: as measured; NaN, which meets no limit, if it could not be.
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
    interval: Interval | None = None

    @property
    def met(self) -> bool:
        """Whether the value is within the limit."""
        within = {">=": operator.ge, "<=": operator.le, "<": operator.lt}[self.sense]
        return bool(within(self.value, self.limit))

    def __str__(self) -> str:
        """A line of text."""
        space = "" if self.unit in ("x", "%") else " "
        bound = f"must be {self.sense} {self.limit:g}{space}{self.unit}"
        if math.isnan(self.value):
            return f"NOT MEASURED  {self.what}: {bound}"
        word = "met" if self.met else "MISSED"
        ends = "" if self.interval is None else " ({:.3g} to {:.3g})".format(*self.interval)
        return f"{word:<6}  {self.what}: {self.value:.3g}{space}{self.unit}{ends}, {bound}"


Bound = Callable[[Table], Threshold]


def at_least(name: str, times: float, over: Sequence[str]) -> Bound:
    """Least speed of an alternative relative to the fastest of others."""

    def check(table: Table) -> Threshold:
        there = [other for other in over if other in table]
        if not there:
            return Threshold(f"{name} over {' or '.join(over)}", math.nan, ">=", times, "x")
        fastest = min(there, key=lambda other: float(np.median(table[other])))
        value, interval = median(table[fastest] / table[name])
        return Threshold(f"{name} over {fastest}", value, ">=", times, "x", interval)

    return check


def adds(name: str, percent: float, over: str) -> Bound:
    """Largest overhead of an alternative over another."""

    def check(table: Table) -> Threshold:
        value, interval = median(100.0 * (table[name] / table[over] - 1.0))
        return Threshold(f"{name} adds to {over}", value, "<", percent, "%", interval)

    return check


def at_most(name: str, microseconds: float) -> Bound:
    """Longest time of an alternative for a unit of work."""

    def check(table: Table) -> Threshold:
        value, interval = median(1e6 * table[name])
        return Threshold(name, value, "<=", microseconds, "us", interval)

    return check


def at_rate(name: str, least: float, unit: str) -> Bound:
    """Least speed of an alternative, units of work a second."""

    def check(table: Table) -> Threshold:
        value, interval = median(1.0 / table[name])
        return Threshold(name, value, ">=", least, f"{unit}/s", interval)

    return check


def median(values: NDArray[np.float64]) -> tuple[float, Interval]:
    """Median and its 95% interval from order statistics, for any distribution.

    Conover, Practical Nonparametric Statistics, 3rd edition, 3.2, normal approximation. The
    interval of five values or fewer is their range, which has less coverage.
    """
    ordered = np.sort(values)
    count = len(ordered)
    out = max(math.floor(0.5 * (count - 1.96 * math.sqrt(count))), 0)
    return float(np.median(ordered)), (float(ordered[out]), float(ordered[count - 1 - out]))


@dataclass(frozen=True)
class Effort:
    """Amount of measurement.

    Attributes:
        rounds: of every benchmark, at least 1; a benchmark may take a multiple or a part of them.
        slice_s: seconds for each alternative in a round.
        steps: of the benchmarks that count steps; None for their default.
        progress: called with 1 after every round.
        wall, processor: clocks in seconds; replaced in tests.
    """

    rounds: int = 24
    slice_s: float = SLICE_S
    steps: int | None = None
    progress: Callable[[int], None] = lambda _: None
    wall: Clock = time.perf_counter
    processor: Clock = time.process_time

    def __post_init__(self) -> None:
        integer("rounds", self.rounds, 1, 10**9)
        positive("slice_s", self.slice_s)
        if self.steps is not None:
            integer("steps", self.steps, 1, 10**9)


@dataclass(frozen=True)
class Alternative:
    """One implementation of the work.

    Attributes:
        run: does the work.
        units: number of units of work of a call.
        before: called before every slice, and not timed.
    """

    run: Callable[[], object]
    units: int = 1
    before: Callable[[], object] = lambda: None

    def time(self, calls: int, effort: Effort) -> tuple[float, float]:
        """Wall and processor time of a unit of work in a slice of some calls, s."""
        self.before()
        wall, processor = effort.wall(), effort.processor()
        for _ in range(calls):
            self.run()
        units = self.units * calls
        return (effort.wall() - wall) / units, (effort.processor() - processor) / units

    def calls_in_slice(self, effort: Effort) -> int:
        """Number of calls that fills a slice."""
        calls = 1
        while calls < 1 << 24:
            # The faster of two slices: the first one may free memory of the compiler.
            fastest = min(self.time(calls, effort)[1] for _ in range(2))
            taken = fastest * self.units * calls
            if taken >= effort.slice_s / 2:
                break
            grown = int(calls * effort.slice_s / max(taken, effort.slice_s / 64))
            calls = max(2 * calls, grown)
        return calls


@dataclass(frozen=True)
class Benchmark:
    """Alternatives that do the same work.

    Attributes:
        title: description of the work.
        alternatives: by name.
        bounds: conditions on the times.
        unit: of work.
        reference: name of the alternative that the others are compared with; by default the first.
        threads: that an alternative may use. With one, processor time counts; with more, wall time.
        calls: calls in a slice; None for as many as fill it.
        share: of the rounds asked for, and no fewer than 3 of them.
        notes: remarks shown with the result.
    """

    title: str
    alternatives: Mapping[str, Alternative]
    bounds: Sequence[Bound] = ()
    unit: str = "call"
    reference: str | None = None
    threads: int = 1
    calls: int | None = None
    share: float = 1.0
    notes: Sequence[str] = ()


@dataclass(frozen=True)
class Timing:
    """Speed of an alternative.

    Attributes:
        name: of the alternative.
        processor_us, wall_us: median time of one unit of work.
        ratio: median over the rounds of (reference's time) / (its time) by the clock that counts; 2
            is twice as fast.
        interval: 95% interval of that median.
    """

    name: str
    processor_us: float
    wall_us: float
    ratio: float
    interval: Interval


@dataclass(frozen=True)
class Measurement:
    """A single number with its name and unit."""

    name: str
    value: float
    unit: str


@dataclass(frozen=True)
class Result:
    """Result of one benchmark, with title, notes, reference and unit as of `Benchmark`.

    Attributes:
        clock: clock of the ratios and bounds.
        rows: timings or measurements.
        checks: bounds with the values measured.
    """

    title: str
    clock: str
    rows: Sequence[Timing | Measurement]
    checks: Sequence[Threshold] = ()
    notes: Sequence[str] = ()
    reference: str | None = None
    unit: str = ""

    def as_record(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "title": self.title,
            "clock": self.clock,
            "reference": self.reference,
            "unit": self.unit,
            "results": [vars(row) for row in self.rows],
            "bounds": [vars(check) | {"met": check.met} for check in self.checks],
            "notes": list(self.notes),
        }

    def __str__(self) -> str:
        """A table of text."""
        lines = [f"{self.title}  [{self.clock}]"]
        width = max(len(row.name) for row in self.rows)
        for row in self.rows:
            if isinstance(row, Measurement):
                lines.append(f"  {row.name:<{width}}  {row.value:12.4g} {row.unit}")
                continue
            shown, both = row.processor_us, ""
            if not self.clock.startswith("processor"):
                shown, both = row.wall_us, f"  (processor {row.processor_us:.1f} us)"
            note = "{:8.2f}x   ({:.2f} to {:.2f})".format(row.ratio, *row.interval)
            note = "reference" if row.name == self.reference else note
            rate = f"{1e6 / shown:11,.0f}/s" if shown else ""
            lines.append(f"  {row.name:<{width}}  {shown:11.2f} us {rate}  {note}{both}")
        return "\n".join([*lines, *(f"  {one}" for one in (*self.checks, *self.notes))])


BenchmarkFunction = Callable[[Effort], Iterator[Benchmark | Result]]

BENCHMARKS: dict[str, BenchmarkFunction] = {}
"""Every benchmark of the modules imported so far, by the name that `microgym bench` takes."""


def benchmark(function: BenchmarkFunction) -> BenchmarkFunction:
    """Register a function that yields benchmarks to time, or results, under its name."""
    BENCHMARKS[function.__name__] = function
    return function


def run_benchmark(function: BenchmarkFunction, effort: Effort) -> Iterator[Result]:
    """Results of a registered function, timed as they are asked for."""
    for one in function(effort):
        yield measure(one, effort) if isinstance(one, Benchmark) else one


def measure(spec: Benchmark, effort: Effort) -> Result:
    """Time the alternatives of a benchmark.

    Each alternative is called once first, which compiles, and then as often as fills a slice. All
    run in every round, in an order that rotates from round to round, so that a machine that slows
    down does so for all; ratios are taken within a round.

    Returns:
        Timings in the order of the alternatives, and the bounds with their values.

    Raises:
        ValueError: a reference that is no alternative.
    """
    reference = spec.reference or next(iter(spec.alternatives))
    if reference not in spec.alternatives:
        raise ValueError(f"no alternative {reference!r} among {[*spec.alternatives]}")
    calls: dict[str, int] = {}
    for name, one in spec.alternatives.items():
        one.time(1, effort)
        calls[name] = spec.calls or one.calls_in_slice(effort)
    order = list(calls)
    slices: dict[str, list[tuple[float, float]]] = {name: [] for name in order}
    for _ in range(max(round(effort.rounds * spec.share), min(effort.rounds, 3))):
        for name in order:
            slices[name].append(spec.alternatives[name].time(calls[name], effort))
        order.append(order.pop(0))
        effort.progress(1)
    times = {name: np.array(found).T for name, found in slices.items()}
    table = {name: clocks[int(spec.threads == 1)] for name, clocks in times.items()}
    timings: list[Timing] = []
    for name, clocks in times.items():
        wall, processor = (1e6 * np.median(clocks, axis=1)).tolist()
        timings.append(Timing(name, processor, wall, *median(table[reference] / table[name])))
    clock = "processor time" if spec.threads == 1 else f"wall time, {spec.threads} threads"
    checks = [bound(table) for bound in spec.bounds]
    return Result(spec.title, clock, timings, checks, spec.notes, reference, spec.unit)
