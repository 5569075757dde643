"""Benchmarks of one action of each scanning probe microscope: a line, a drag, a bias pulse.

`tests/slow/test_speed.py` compares them with NumPy.
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from microgym.baselines.benchmarks.thresholds import AtMost
from microgym.baselines.benchmarks.timing import Alternative, Benchmark, Effort, benchmark
from microgym.envs.afm.config import AFMConfig
from microgym.envs.pfm.config import PFMConfig
from microgym.instruments.afm.instrument import AFMInstrument
from microgym.instruments.pfm.instrument import PFMInstrument
from microgym.instruments.pfm.settings import PFMSettings
from microgym.instruments.pfm.state import SIZE
from microgym.instruments.stm.instrument import STMInstrument
from microgym.instruments.stm.settings import STMSettings
from microgym.physics.adatoms import LATTICE_NM
from microgym.random import episode_key

PERFECT = AFMConfig(drift="off", tip="off", loop="off")
"""Arguments without drift, wear and noise, which the compiled line computes all the same."""
RATE_HZ = 8.0
"""Line rate at which a pixel has the fewest ticks, 8."""
SETPOINT, GAIN = 0.7, 2000.0
"""Setpoint as a fraction of the free amplitude, and integral gain, 1/s, of every line."""

DRAGS = 16
"""Number of microscopes that drag in one call."""
BIAS_V, CONDUCTANCE_US = 0.01, 4.5
"""Setpoint of every drag: the middle of the action space."""
WAY = np.array([5.0 * LATTICE_NM, 0.0])
"""Displacement of every drag, along a row and back in turn, nm."""

STEPS, PULSE_S = 20, 1e-2
"""Lattice steps and length, s, of the standard pulse."""
PLACES = 16
"""Places that are pulsed in turn, each with the opposite sign after a round."""


def force_microscope(seed: int = 0) -> AFMInstrument:
    """Force microscope with a fresh surface."""
    instrument = AFMInstrument(1, PERFECT.settings)
    instrument.reset(np.arange(1), episode_key(seed)[None], PERFECT.specimen, "train", SETPOINT)
    return instrument


class Lines:
    """Lines of one force microscope, one call each."""

    def __init__(self, instrument: AFMInstrument) -> None:
        self.instrument, self.rows = instrument, np.arange(1)
        self.dials = np.array([[SETPOINT, GAIN, 0.0, RATE_HZ]])

    def run(self) -> None:
        """Scan the next line, from the top again at the end of a frame."""
        ledger = self.instrument.state.ledger
        if ledger.exposures[0] >= self.instrument.settings.lines:
            ledger.exposures[0] = 0
        self.instrument.scan(self.rows, self.dials)


@benchmark("force")
def lines(effort: Effort) -> Iterator[Benchmark]:
    """Line of the force microscope."""
    title = "line of AFM-v0, trace and retrace of 256 pixels, 8 ticks a pixel"
    alternatives = {"microgym": Alternative(Lines(force_microscope()).run)}
    yield Benchmark(title, "microgym", alternatives, [AtMost("microgym", 500.0)], "line")


def tunnelling_microscopes(count: int, seed: int = 0) -> STMInstrument:
    """Tunnelling microscopes with a fresh surface each."""
    instrument = STMInstrument(count, STMSettings())
    keys = np.stack([episode_key(seed + number) for number in range(count)])
    instrument.reset(np.arange(count), keys, "terrace", "train", 1, (1.0, 3.0))
    return instrument


class Drags:
    """Drags of `DRAGS` microscopes in one call, back and forth."""

    def __init__(self) -> None:
        self.instrument = tunnelling_microscopes(DRAGS)
        self.rows = np.arange(DRAGS)
        self.bias, self.conductance = np.full(DRAGS, BIAS_V), np.full(DRAGS, CONDUCTANCE_US)
        here = self.instrument.state.field.places[:, 0].copy()
        self.ends = [here, here + WAY]

    def run(self) -> None:
        """One drag of each microscope."""
        start, end = self.ends
        self.instrument.drag(self.rows, start, end, self.bias, self.conductance)
        self.ends = [end, start]


@benchmark("drag")
def drag(effort: Effort) -> Iterator[Benchmark]:
    """Drag of an adatom over five lattice constants, with the current trace."""
    title = f"drag of an adatom over {1e3 * WAY[0]:.0f} pm, with its current"
    alternatives = {"microgym": Alternative(Drags().run, DRAGS)}
    yield Benchmark(title, "microgym", alternatives, [AtMost("microgym", 50.0)], "drag")


def film_settings() -> PFMSettings:
    """Default film and tip, without motion and dead time between pulses."""
    chosen = PFMConfig(drift="off", tip="off", heat="real").settings
    return replace(chosen, dead_time_s=0.0, speed_cells_s=1e12)


def places() -> NDArray[np.float64]:
    """Positions of pulses, (PLACES, 2) float64, cells, far from one another."""
    at = np.stack([np.arange(PLACES) // 4, np.arange(PLACES) % 4], axis=1)
    return 8.0 + 16.0 * at.astype(np.float64)


def pulse_volts(turn: int) -> float:
    """Bias of a pulse, V: positive in one round, negative in the next."""
    return 8.0 if (turn // PLACES) % 2 == 0 else -8.0


class Films:
    """Ferroelectric films that are pulsed in one call.

    Args:
        count: number of films.
    """

    def __init__(self, count: int) -> None:
        self.instrument = PFMInstrument(count, film_settings())
        self.rows = np.arange(count)
        keys = np.stack([episode_key(number) for number in range(count)])
        self.instrument.reset(self.rows, keys, "mixed", "train")
        self.seconds = np.full(count, PULSE_S)
        self.spots, self.turn = places(), 0

    def run(self) -> None:
        """One pulse in each film."""
        count = len(self.rows)
        spot = np.broadcast_to(self.spots[self.turn % PLACES], (count, 2)).copy()
        volts = np.full(count, pulse_volts(self.turn))
        self.turn += 1
        self.instrument.pulse(self.rows, spot, volts, self.seconds)


@benchmark("pulse")
def pulse(effort: Effort) -> Iterator[Benchmark]:
    """A pulse of 20 lattice steps at 64x64 with thermal noise, for 1 and for 64 microscopes."""
    for count in (1, 64):
        title = f"bias pulse of {STEPS} lattice steps, {SIZE}x{SIZE}, microscopes: {count}"
        alternatives = {"microgym": Alternative(Films(count).run, count)}
        yield Benchmark(title, "microgym", alternatives, [AtMost("microgym", 250.0)], "pulse")
