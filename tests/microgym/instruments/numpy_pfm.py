"""Bias pulses on ferroelectric films in NumPy, with shifted arrays for the neighbours."""

from typing import Any

import numpy as np

from microgym.baselines.benchmarks.instruments import PLACES, PULSE_S, STEPS, Films, pulse_volts
from microgym.instruments.pfm.film_kernels import (
    PULSE_UNIT_S,
    REST_STEPS,
    REST_UNIT_S,
)
from microgym.instruments.pfm.state import SIZE
from microgym.physics.ferroelectric import ACTIVATION_FIELD, ATTEMPT_S, driven_reach
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
        self.rested = instrument.state.rested_s.astype(precision)
        self.imprint = (strength * instrument.state.imprint).astype(precision)
        self.beta = (1.0 + strength * instrument.state.bond).astype(precision)
        self.alive = np.where(dead, 0.0, 1.0).astype(precision)
        self.spots, self.turn = films.spots, films.turn
        self.generator = np.random.default_rng(0)

    def run(self) -> None:
        """One pulse in each film: rest beyond the reach of the tip, then creep within it."""
        chosen = self.settings
        y, x = self.spots[self.turn % PLACES]
        at = np.arange(SIZE)
        r2 = (at[:, None] - y) ** 2 + (at[None, :] - x) ** 2
        peak = chosen.field_per_v * pulse_volts(self.turn)
        self.turn += 1
        reach = driven_reach(peak, chosen.tip_cells)
        whole, inside = (slice(None),) * 3, r2 < reach**2
        time = np.where(inside, 0.0, PULSE_S)
        steps = REST_STEPS * np.log(1.0 + time / (REST_UNIT_S + self.rested))
        count = int(np.ceil(REST_STEPS * np.log(1.0 + PULSE_S / REST_UNIT_S)))
        self.evolve(whole, count, 1.0 / count, 1.0, self.alive * steps, self.imprint)
        self.rested += self.precision(1.0) * time
        low, high = (int(f(c - s * reach)) for f, c, s in ((np.floor, y, 1), (np.ceil, y, -1)))
        left, right = (int(f(c - s * reach)) for f, c, s in ((np.floor, x, 1), (np.ceil, x, -1)))
        part = (
            slice(None), slice(max(low - 1, 0), high + 2), slice(max(left - 1, 0), right + 2)
        )  # fmt: skip
        shape = (1.0 + r2 / chosen.tip_cells**2) ** -1.5
        field = (self.imprint + peak * shape)[part]
        mobility = self.alive[part] * inside[part[1:]] * np.exp(-ACTIVATION_FIELD / np.abs(field))
        grown = np.log(1.0 + PULSE_S / PULSE_UNIT_S)
        growth = np.exp(grown / STEPS)
        first = PULSE_UNIT_S * (growth - 1.0) / ATTEMPT_S
        self.evolve(part, STEPS, first, growth, mobility, field)
        self.rested[part] *= np.exp(-PULSE_S / ATTEMPT_S * mobility)

    def evolve(
        self, part: Any, steps: int, factor: float, growth: float, mobility: Any, field: Any
    ) -> None:
        """Some steps of a part of every film, which may grow."""
        lattice, precision = self.settings.lattice, self.precision
        p, beta = self.p[part], self.beta[part]
        field, scale = field.astype(precision), precision(np.sqrt(2.0 * lattice.theta))
        for step in range(steps):
            up, down = np.roll(p, 1, axis=1), np.roll(p, -1, axis=1)
            left, right = np.roll(p, 1, axis=2), np.roll(p, -1, axis=2)
            up[:, 0], down[:, -1] = p[:, 0], p[:, -1]
            left[:, :, 0], right[:, :, -1] = p[:, :, 0], p[:, :, -1]
            bend = up + down + left + right - 4.0 * p
            force = p - beta * p**3 + precision(lattice.kappa) * bend + field
            dt = lattice.dt * np.minimum(mobility * (factor * growth**step), 1.0).astype(precision)
            p = p + dt * force
            if self.noise:
                p += scale * np.sqrt(dt) * self.generator.standard_normal(p.shape, precision)
        self.p[part] = p
