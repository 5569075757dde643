"""Benchmarks of one action of each scanning probe microscope: a line, a drag, a bias pulse.

`tests/slow/test_speed.py` compares them with NumPy.
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from microgym.baselines.benchmarks.timing import Alternative, Benchmark, Effort, at_most, benchmark
from microgym.envs.afm.config import AFMConfig
from microgym.envs.pfm.config import PFMConfig
from microgym.instruments.afm.instrument import AFMInstrument
from microgym.instruments.pfm.instrument import PFMInstrument
from microgym.instruments.pfm.settings import PFMSettings
from microgym.instruments.pfm.state import SIZE
from microgym.instruments.stm.instrument import STMInstrument
from microgym.instruments.stm.settings import DRIFT_LEVELS, NOISE_LEVELS, STMSettings
from microgym.physics.adatoms import LATTICE_NM
from microgym.physics.stm_tip import APEX_LEVELS
from microgym.random import episode_key

PERFECT = AFMConfig(drift="off", tip="off", loop="off")
"""Arguments without drift, wear and noise, which the compiled line computes all the same."""
RATE_HZ = 8.0
"""Line rate: 6250 ticks of the controller."""
SETPOINT, GAIN = 0.7, 1000.0
"""Setpoint as a fraction of the free amplitude, and integral gain, 1/s, of every line."""

DRAGS = 16
"""Number of microscopes that drag in one call."""
BIAS_V, CONDUCTANCE_US = 0.01, 4.5
"""Setpoint of every drag: the middle of the action space."""
WAY = np.array([5.0 * LATTICE_NM, 0.0])
"""Displacement of every drag, along a row and back in turn, nm."""

STEPS, PULSE_S = 47, 1e-2
"""Lattice steps and length, s, of the standard pulse."""
PLACES = 16
"""Places that are pulsed in turn, each with the opposite sign after a round."""


def keys(count: int, seed: int = 0) -> NDArray[np.uint32]:
    """Keys of episodes with consecutive seeds, (count, words)."""
    return np.stack([episode_key(seed + number) for number in range(count)])


def force_microscope(seed: int = 0) -> AFMInstrument:
    """Force microscope with a fresh surface."""
    instrument = AFMInstrument(1, PERFECT.settings)
    instrument.reset(np.arange(1), keys(1, seed), PERFECT.specimen, "train", SETPOINT)
    return instrument


class Lines:
    """Lines of one force microscope, one call each."""

    def __init__(self, seed: int = 0) -> None:
        self.instrument, self.rows = force_microscope(seed), np.arange(1)
        self.dials = np.array([[SETPOINT, GAIN, 0.0, RATE_HZ]])

    def run(self) -> None:
        """Scan the next line, from the top again at the end of a frame."""
        ledger = self.instrument.state.ledger
        if ledger.exposures[0] >= self.instrument.settings.lines:
            ledger.exposures[0] = 0
        self.instrument.scan(self.rows, self.dials)


@benchmark
def force(effort: Effort) -> Iterator[Benchmark]:
    """Line of the force microscope."""
    title = "line of AFM-v0, trace and retrace of 256 pixels, 6250 ticks of the controller"
    yield _within(500.0, title, "line", Alternative(Lines().run))


def tunnelling_microscopes(count: int, seed: int = 0) -> STMInstrument:
    """Tunnelling microscopes with a fresh surface each, tips alike and no drift."""
    drift, tip, noise = DRIFT_LEVELS["off"], APEX_LEVELS["off"], NOISE_LEVELS["easy"]
    instrument = STMInstrument(count, STMSettings(drift=drift, tip=tip, noise=noise))
    instrument.reset(np.arange(count), keys(count, seed), "terrace", "train", 1, (1.0, 3.0))
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


@benchmark
def drag(effort: Effort) -> Iterator[Benchmark]:
    """Drag of an adatom over five lattice constants, with the current trace."""
    title = f"drag of an adatom over {1e3 * WAY[0]:.0f} pm, with its current"
    yield _within(50.0, title, "drag", Alternative(Drags().run, DRAGS))


def film_settings() -> PFMSettings:
    """Default film and tip, without motion and dead time between pulses."""
    chosen = PFMConfig(drift="off", tip="off", heat="real").settings
    return replace(chosen, dead_time_s=0.0, speed_cells_s=1e12)


def pulse_volts(turn: int) -> float:
    """Bias of a pulse, V: positive in one round, negative in the next."""
    return 8.0 if (turn // PLACES) % 2 == 0 else -8.0


class Films:
    """Ferroelectric films that are pulsed in one call, at places far from one another, cells."""

    def __init__(self, count: int) -> None:
        self.instrument = PFMInstrument(count, film_settings())
        self.rows = np.arange(count)
        self.instrument.reset(self.rows, keys(count), "mixed", "train")
        self.seconds = np.full(count, PULSE_S)
        self.spots, self.turn = 8.0 + 16.0 * np.argwhere(np.ones((4, PLACES // 4))), 0

    def run(self) -> None:
        """One pulse in each film."""
        count = len(self.rows)
        spot = np.broadcast_to(self.spots[self.turn % PLACES], (count, 2)).copy()
        volts = np.full(count, pulse_volts(self.turn))
        self.turn += 1
        self.instrument.pulse(self.rows, spot, volts, self.seconds)


@benchmark
def pulse(effort: Effort) -> Iterator[Benchmark]:
    """A pulse of 47 lattice steps with thermal noise, for 1 and for 64 microscopes."""
    for count in (1, 64):
        title = (
            f"bias pulse of {STEPS} lattice steps on a film of {SIZE}x{SIZE}, microscopes: {count}"
        )
        yield _within(250.0, title, "pulse", Alternative(Films(count).run, count))


def _within(microseconds: float, title: str, unit: str, compiled: Alternative) -> Benchmark:
    bounds = [at_most("microgym", microseconds)]
    return Benchmark(title, {"microgym": compiled}, bounds, unit)
