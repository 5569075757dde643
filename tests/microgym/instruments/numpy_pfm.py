"""Bias pulses on ferroelectric films in NumPy, with shifted arrays for the neighbours."""

from typing import Any

import numpy as np

from microgym.baselines.benchmarks.instruments import PLACES, STEPS, Films, pulse_volts
from microgym.instruments.pfm.state import SIZE
from microgym.specimens.ferroelectrics import DEAD_PART


class NumpyFilms:
    """The same films in NumPy, with shifted arrays for the neighbours.

    Args:
        films: initial state.
        precision: of the arrays.
        noise: add thermal noise; without it the results can be compared.
    """

    def __init__(self, films: Films, precision: Any, *, noise: bool = True) -> None:
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
        field = self.imprint + (chosen.field_per_v * pulse_volts(self.turn) * shape).astype(
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
