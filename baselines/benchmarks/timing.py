"""Timings of alternatives side by side in one process, in rotating order, round by round."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from microgym.baselines.benchmarks.thresholds import (
    Adds,
    AtLeast,
    AtMost,
    Threshold,
    median,
    threshold_text,
)

SLICE_S = 0.02
"""Time of an alternative in one round: long compared with the clock's resolution, short compared
with the fluctuations of a shared machine (design choice)."""

Clock = Callable[[], float]


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
        if self.rounds < 1 or not self.slice_s > 0:
            raise ValueError(
                f"rounds={self.rounds!r} and slice_s={self.slice_s!r} must be positive"
            )
        if self.steps is not None and self.steps < 1:
            raise ValueError(f"steps={self.steps!r} must be at least 1")


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
    before: Callable[[], object] | None = None


@dataclass(frozen=True)
class Benchmark:
    """Alternatives that do the same work.

    Attributes:
        title: description of the work.
        reference: name of the alternative that the others are compared with.
        alternatives: by name.
        bounds: conditions on the times.
        unit: of work.
        threads: that an alternative may use. With one, processor time counts; with more, wall time.
        calls: calls in a slice; None for as many as fill it.
        share: of the rounds asked for, and no fewer than 3 of them.
        notes: remarks shown with the result.
    """

    title: str
    reference: str
    alternatives: Mapping[str, Alternative]
    bounds: Sequence[AtLeast | AtMost | Adds] = ()
    unit: str = "call"
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
    interval: tuple[float, float]


@dataclass(frozen=True)
class Measurement:
    """A single number.

    Attributes:
        name: of the quantity.
        value: the number.
        unit: its unit.
    """

    name: str
    value: float
    unit: str


@dataclass(frozen=True)
class Result:
    """Result of one benchmark.

    Attributes:
        title: description of the work.
        clock: clock of the ratios and bounds.
        rows: timings or measurements.
        checks: bounds with the values measured.
        notes: remarks.
        reference: name of the timing that the others are compared with.
        unit: of work.
    """

    title: str
    clock: str
    rows: Sequence[Timing | Measurement]
    checks: Sequence[Threshold] = ()
    notes: Sequence[str] = ()
    reference: str | None = None
    unit: str = ""


BenchmarkFunction = Callable[[Effort], Iterator[Benchmark | Result]]

BENCHMARKS: dict[str, BenchmarkFunction] = {}
"""Every benchmark of the modules imported so far, by the name that `microgym bench` takes."""
LONG: set[str] = set()
"""Benchmarks that take minutes, and are run only where they are named."""


def benchmark(
    name: str, *, long: bool = False
) -> Callable[[Callable[[Effort], Iterator[Any]]], BenchmarkFunction]:
    """Decorator that registers a benchmark.

    Args:
        name: for the command line.
        long: it takes minutes.

    Returns:
        The decorator of a function that takes the effort and yields benchmarks to be timed, or
        results.
    """

    def register(function: BenchmarkFunction) -> BenchmarkFunction:
        BENCHMARKS[name] = function
        if long:
            LONG.add(name)
        return function

    return register


def run_benchmark(function: BenchmarkFunction, effort: Effort) -> Iterator[Result]:
    """Results of a registered function, timed as they are asked for."""
    for one in function(effort):
        yield measure(one, effort) if isinstance(one, Benchmark) else one


@dataclass
class _Runner:
    """An alternative while it is timed."""

    alternative: Alternative
    calls: int = 1
    wall: list[float] = field(default_factory=list[float])
    processor: list[float] = field(default_factory=list[float])

    def run(self, effort: Effort) -> tuple[float, float]:
        """Run one slice; wall and processor time of a unit, s."""
        run, units = self.alternative.run, self.alternative.units * self.calls
        if self.alternative.before is not None:
            self.alternative.before()
        wall, processor = effort.wall(), effort.processor()
        for _ in range(self.calls):
            run()
        return (effort.wall() - wall) / units, (effort.processor() - processor) / units

    def fill(self, effort: Effort) -> None:
        """Choose the number of calls that fills a slice."""
        while self.calls < 1 << 24:
            # The faster of two slices: the first one may free memory of the compiler.
            fastest = min(self.run(effort)[1] for _ in range(2))
            taken = fastest * self.alternative.units * self.calls
            if taken >= effort.slice_s / 2:
                return
            grown = int(self.calls * effort.slice_s / max(taken, effort.slice_s / 64))
            self.calls = max(2 * self.calls, grown)


def measure(spec: Benchmark, effort: Effort) -> Result:
    """Time the alternatives of a benchmark.

    Each alternative is called once first, which compiles, and then as often as fills a slice. All
    run in every round, in an order that rotates from round to round, so that a machine that slows
    down does so for all; ratios are taken within a round.

    Args:
        spec: the benchmark.
        effort: amount of measurement.

    Returns:
        Timings in the order of the alternatives, and the bounds with their values.

    Raises:
        ValueError: a reference that is no alternative.
    """
    if spec.reference not in spec.alternatives:
        raise ValueError(f"no alternative {spec.reference!r} among {[*spec.alternatives]}")
    runners = {name: _Runner(one, spec.calls or 1) for name, one in spec.alternatives.items()}
    for runner in runners.values():
        runner.run(effort)
        if spec.calls is None:
            runner.fill(effort)
    order = list(runners.values())
    for _ in range(max(round(effort.rounds * spec.share), min(effort.rounds, 3))):
        for runner in order:
            wall, processor = runner.run(effort)
            runner.wall.append(wall)
            runner.processor.append(processor)
        order.append(order.pop(0))
        effort.progress(1)
    walls = {name: np.array(runner.wall) for name, runner in runners.items()}
    processors = {name: np.array(runner.processor) for name, runner in runners.items()}
    table = processors if spec.threads == 1 else walls
    timings: list[Timing] = []
    for name in runners:
        ratio, interval = median(table[spec.reference] / table[name])
        processor, wall = (1e6 * float(np.median(times[name])) for times in (processors, walls))
        timings.append(Timing(name, processor, wall, ratio, interval))
    clock = "processor time" if spec.threads == 1 else f"wall time, {spec.threads} threads"
    checks = [bound.check(table) for bound in spec.bounds]
    return Result(spec.title, clock, timings, checks, spec.notes, spec.reference, spec.unit)


def as_record(result: Result) -> dict[str, Any]:
    """Result as plain values for JSON."""
    return {
        "title": result.title,
        "clock": result.clock,
        "reference": result.reference,
        "unit": result.unit,
        "results": [vars(row) for row in result.rows],
        "bounds": [vars(check) | {"met": check.met} for check in result.checks],
        "notes": list(result.notes),
    }


def as_text(result: Result) -> str:
    """Result as a table of text."""
    lines = [f"{result.title}  [{result.clock}]"]
    width = max(len(row.name) for row in result.rows)
    for row in result.rows:
        if isinstance(row, Measurement):
            lines.append(f"  {row.name:<{width}}  {row.value:12.4g} {row.unit}")
            continue
        shown, other = row.processor_us, row.wall_us
        if not result.clock.startswith("processor"):
            shown, other = other, shown
        low, high = row.interval
        note = f"{row.ratio:8.2f}x   ({low:.2f} to {high:.2f})"
        note = "reference" if row.name == result.reference else note
        both = "" if result.clock.startswith("processor") else f"  (processor {other:.1f} us)"
        rate = f"{1e6 / shown:11,.0f}/s" if shown else ""
        lines.append(f"  {row.name:<{width}}  {shown:11.2f} us {rate}  {note}{both}")
    lines += [f"  {threshold_text(check)}" for check in result.checks]
    return "\n".join([*lines, *(f"  {note}" for note in result.notes)])
