"""Benchmark of the force microscope: trace and retrace of 256 pixels, 8 ticks a pixel."""

from collections.abc import Iterator

import numpy as np

from microgym.baselines.benchmarks.alternatives.afm import NumpyLines
from microgym.baselines.benchmarks.thresholds import AtLeast, AtMost
from microgym.baselines.benchmarks.timing import Alternative, Benchmark, Effort, benchmark
from microgym.envs.afm.config import AFMConfig
from microgym.instruments.afm.instrument import AFMInstrument
from microgym.random import episode_key

PERFECT = AFMConfig(drift="off", tip="off", loop="off")
"""Arguments without drift, wear and noise, which the compiled line computes all the same."""
RATE_HZ = 8.0
"""Line rate at which a pixel has the fewest ticks, 8."""
SETPOINT, GAIN = 0.7, 2000.0
LINES_PER_S = 2000.0
"""Least number of compiled lines a second on one core."""


def microscope(seed: int = 0) -> AFMInstrument:
    """Microscope with a fresh surface."""
    instrument = AFMInstrument(1, PERFECT.settings)
    instrument.reset(np.arange(1), episode_key(seed)[None], PERFECT.specimen, "train", SETPOINT)
    return instrument


class CompiledLines:
    """Lines of one compiled microscope, one call each."""

    def __init__(self, instrument: AFMInstrument) -> None:
        self.instrument, self.rows = instrument, np.arange(1)
        self.dials = np.array([[SETPOINT, GAIN, 0.0, RATE_HZ]])

    def scan(self) -> None:
        """Scan the next line, from the top again at the end of a frame."""
        ledger = self.instrument.state.ledger
        if ledger.exposures[0] >= self.instrument.settings.lines:
            ledger.exposures[0] = 0
        self.instrument.scan(self.rows, self.dials)


@benchmark("force")
def lines(effort: Effort) -> Iterator[Benchmark]:
    """Line of the force microscope, compiled and in NumPy."""
    compiled = CompiledLines(microscope())
    plain = NumpyLines(microscope(), np.random.default_rng(0))

    def scan() -> None:
        plain.number %= PERFECT.lines
        plain.scan(SETPOINT, GAIN, RATE_HZ)

    ours, theirs = "compiled", "NumPy and Python"
    yield Benchmark(
        "line of AFM-v0, trace and retrace of 256 pixels, 8 ticks a pixel",
        theirs,
        {theirs: Alternative(scan), ours: Alternative(compiled.scan)},
        [AtLeast(ours, 20.0, (theirs,)), AtMost(ours, 1e6 / LINES_PER_S)],
        "line",
    )
