"""Fair timings: alternatives side by side in one process, in rotating order, by processor time."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Alternative = Callable[[], object]

ROUNDS = 24
SLICE_S = 0.02
"""How long an alternative runs in one round: long against the clock's resolution, short against
the swings of a shared machine (design choice)."""


@dataclass(frozen=True)
class Benchmark:
    """Alternatives that do the same work.

    Attributes:
        title: what is timed.
        reference: the alternative that the others are compared with.
        alternatives: name to a function of no arguments that does the work `units` times.
        units: how often.
    """

    title: str
    reference: str
    alternatives: Mapping[str, Alternative]
    units: int = 1


@dataclass(frozen=True)
class Timing:
    """How fast an alternative is.

    Attributes:
        name: of the alternative.
        microseconds: median processor time of one unit of work.
        ratio: median of (reference's time) / (its time), round by round; 2 is twice as fast.
        ratio_low: lower quartile of that.
        ratio_high: upper quartile of that.
    """

    name: str
    microseconds: float
    ratio: float
    ratio_low: float
    ratio_high: float


def measure(
    benchmark: Benchmark,
    *,
    rounds: int = ROUNDS,
    slice_s: float = SLICE_S,
    clock: Callable[[], float] = time.process_time,
    progress: Callable[[int], None] | None = None,
) -> list[Timing]:
    """Time a benchmark's alternatives.

    Each is called once first (compiled code is compiled then), and as often as fills a slice. Then
    all run in every round, each round beginning with the next one, so that a machine that slows
    down does so for all; ratios are taken within a round.

    Args:
        benchmark: what to time.
        rounds: how many, at least 1.
        slice_s: seconds for each alternative in a round.
        clock: processor time in seconds; replaced in tests.
        progress: is told of every round.

    Returns:
        Timings in the order of the alternatives.

    Raises:
        ValueError: rounds or slice out of range, or a reference that is no alternative.
    """
    if rounds < 1 or not slice_s > 0:
        raise ValueError(f"rounds and slice_s must be positive, got {rounds} and {slice_s}")
    names = list(benchmark.alternatives)
    if benchmark.reference not in names:
        raise ValueError(f"no alternative {benchmark.reference!r} among {names}")
    calls = {name: _calls(run, slice_s, clock) for name, run in benchmark.alternatives.items()}
    table = np.empty((rounds, len(names)))
    for number in range(rounds):
        for step in range(len(names)):
            place = (number + step) % len(names)
            run = benchmark.alternatives[names[place]]
            table[number, place] = _seconds(run, calls[names[place]], clock)
        if progress is not None:
            progress(1)
    return _timings(benchmark, names, table / benchmark.units)


def as_record(benchmark: Benchmark, timings: Sequence[Timing]) -> dict[str, Any]:
    """One benchmark as plain values for JSON."""
    return {
        "title": benchmark.title,
        "reference": benchmark.reference,
        "results": [
            {
                "name": one.name,
                "microseconds": one.microseconds,
                "ratio": one.ratio,
                "ratio_quartiles": [one.ratio_low, one.ratio_high],
            }
            for one in timings
        ],
    }


def as_text(benchmark: Benchmark, timings: Sequence[Timing]) -> str:
    """One benchmark as a table for people."""
    lines = [benchmark.title]
    width = max(len(one.name) for one in timings)
    for one in timings:
        ratio = f"{one.ratio:8.2f}x   ({one.ratio_low:.2f} to {one.ratio_high:.2f})"
        note = "  reference" if one.name == benchmark.reference else ratio
        lines.append(f"  {one.name:<{width}}  {one.microseconds:12.2f} us  {note}")
    return "\n".join(lines)


def _calls(run: Alternative, slice_s: float, clock: Callable[[], float]) -> int:
    run()
    calls = 1
    while (taken := _seconds(run, calls, clock) * calls) < slice_s / 2 and calls < 1 << 24:
        calls = max(2 * calls, int(calls * slice_s / max(taken, slice_s / 64)))
    return calls


def _seconds(run: Alternative, calls: int, clock: Callable[[], float]) -> float:
    start = clock()
    for _ in range(calls):
        run()
    return (clock() - start) / calls


def _timings(
    benchmark: Benchmark, names: Sequence[str], table: NDArray[np.float64]
) -> list[Timing]:
    reference = table[:, names.index(benchmark.reference)]
    timings: list[Timing] = []
    for place, name in enumerate(names):
        low, middle, high = np.quantile(reference / table[:, place], [0.25, 0.5, 0.75])
        median = float(np.median(table[:, place])) * 1e6
        timings.append(Timing(name, median, float(middle), float(low), float(high)))
    return timings
