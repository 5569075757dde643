"""Benchmark of PFM-v0's physics: a bias pulse on the lattice, compared with NumPy."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from microgym.baselines.benchmarks.thresholds import AtLeast, AtMost
from microgym.baselines.benchmarks.timing import Alternative, Benchmark, Effort, benchmark
from microgym.envs.pfm.config import PFMConfig
from microgym.instruments.pfm.instrument import PFMInstrument
from microgym.instruments.pfm.settings import PFMSettings
from microgym.instruments.pfm.state import SIZE
from microgym.random import episode_key
from microgym.specimens.ferroelectrics import DEAD_PART

STEPS = 20
"""Lattice steps of the standard pulse."""
PULSE_S = 1e-2
"""Its length, s."""
SLOWEST_US = 250.0
"""Largest time of a pulse: 4,000 a second on one core."""
PLACES = 16
"""Places that are pulsed in turn, each with the opposite sign after a round."""


def settings() -> PFMSettings:
    """Default film and tip, without motion and dead time between pulses."""
    chosen = PFMConfig(drift="off", tip="off", heat="real").settings
    return replace(chosen, dead_time_s=0.0, speed_cells_s=1e12)


def places() -> NDArray[np.float64]:
    """Positions of pulses, (PLACES, 2) float64, cells, far from one another."""
    at = np.stack([np.arange(PLACES) // 4, np.arange(PLACES) % 4], axis=1)
    return 8.0 + 16.0 * at.astype(np.float64)


class CompiledFilms:
    """Films of the compiled instrument.

    Args:
        count: number of films.
    """

    def __init__(self, count: int) -> None:
        self.instrument = PFMInstrument(count, settings())
        self.rows = np.arange(count)
        keys = np.stack([episode_key(number) for number in range(count)])
        self.instrument.reset(self.rows, keys, "mixed", "train")
        self.seconds = np.full(count, PULSE_S)
        self.spots, self.turn = places(), 0

    def run(self) -> None:
        """One pulse in each film."""
        count = len(self.rows)
        spot = np.broadcast_to(self.spots[self.turn % PLACES], (count, 2)).copy()
        volts = np.full(count, _volts(self.turn))
        self.turn += 1
        self.instrument.pulse(self.rows, spot, volts, self.seconds)


class NumpyFilms:
    """The same films in NumPy, with shifted arrays for the neighbours.

    Args:
        films: initial state.
        precision: of the arrays.
        noise: add thermal noise; without it the results can be compared.
    """

    def __init__(self, films: CompiledFilms, precision: Any, *, noise: bool = True) -> None:
        instrument = films.instrument
        self.settings, self.precision, self.noise = instrument.settings, precision, noise
        strength = instrument.state.strength[:, None, None]
        dead = instrument.state.barrier < DEAD_PART * strength
        self.p = instrument.state.p.astype(precision)
        self.imprint = (strength * instrument.state.imprint).astype(precision)
        self.beta = (1.0 + strength * instrument.state.bond).astype(precision)
        self.rate = np.where(dead, 0.0, self.settings.lattice.dt).astype(precision)
        self.spots, self.turn = films.spots, films.turn
        self.generator = np.random.default_rng(0)

    def run(self) -> None:
        """One pulse in each film."""
        chosen, lattice = self.settings, self.settings.lattice
        y, x = self.spots[self.turn % PLACES]
        at = np.arange(SIZE)
        r2 = (at[:, None] - y) ** 2 + (at[None, :] - x) ** 2
        shape = (1.0 + r2 / chosen.tip_cells**2) ** -1.5
        field = self.imprint + (chosen.field_per_v * _volts(self.turn) * shape).astype(
            self.precision
        )
        self.turn += 1
        p, scale = self.p, self.precision(np.sqrt(2.0 * lattice.theta / lattice.dt))
        for _ in range(STEPS):
            up, down = np.roll(p, 1, axis=1), np.roll(p, -1, axis=1)
            left, right = np.roll(p, 1, axis=2), np.roll(p, -1, axis=2)
            up[:, 0], down[:, -1] = p[:, 0], p[:, -1]
            left[:, :, 0], right[:, :, -1] = p[:, :, 0], p[:, :, -1]
            bend = up + down + left + right - 4.0 * p
            force = p - self.beta * p**3 + self.precision(lattice.kappa) * bend + field
            if self.noise:
                force = force + scale * self.generator.standard_normal(p.shape, self.precision)
            p = p + self.rate * force
        self.p = p


def _volts(turn: int) -> float:
    """Bias of a pulse, V: positive in one round, negative in the next."""
    return 8.0 if (turn // PLACES) % 2 == 0 else -8.0


@benchmark("pulse")
def pulse(effort: Effort) -> Iterator[Benchmark]:
    """A pulse of 20 lattice steps at 64x64 with thermal noise, for 1 and for 64 microscopes."""
    for count in (1, 64):
        single, double = (
            NumpyFilms(CompiledFilms(count), precision) for precision in (np.float32, np.float64)
        )
        numpys = ("NumPy, float32", "NumPy, float64")
        yield Benchmark(
            f"bias pulse of {STEPS} lattice steps, {SIZE}x{SIZE}, microscopes: {count}",
            "NumPy, float32",
            {
                numpys[0]: Alternative(single.run, count),
                numpys[1]: Alternative(double.run, count),
                "microgym": Alternative(CompiledFilms(count).run, count),
            },
            [AtLeast("microgym", 20.0, numpys), AtMost("microgym", SLOWEST_US)],
            "pulse",
        )
