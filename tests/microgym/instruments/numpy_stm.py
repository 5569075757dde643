"""Drag of an adatom in NumPy and Python, one microscope after another."""

import math

import numpy as np
from numpy.typing import NDArray

from microgym.baselines.benchmarks.instruments import CONDUCTANCE_US, tunnelling_microscopes
from microgym.instruments.stm.drag_kernels import PITCH_NM
from microgym.instruments.stm.kernels import ADATOM_NM, ADATOM_WIDTH_NM
from microgym.instruments.stm.settings import BOLTZMANN_EV_K, STMSettings
from microgym.instruments.stm.state import TRACE
from microgym.physics import stm_tip
from microgym.physics.adatoms import (
    ATTEMPTS_HZ,
    BARRIER_EV,
    DEPTH_EXPONENT,
    LATTICE_NM,
    TRANSFER,
)
from microgym.physics.tunnelling import QUANTUM_US, decay_constant

Float64 = NDArray[np.float64]

_ROOT3 = math.sqrt(3.0)


class NumpyDrag:
    """Drag in NumPy and Python, one microscope after another."""

    def __init__(self, seed: int) -> None:
        instrument = tunnelling_microscopes(1, seed)
        fields = instrument.state.field
        present = fields.present[0]
        self.sites = [tuple(int(k) for k in site) for site in fields.sites[0][present]]
        self.places = fields.places[0][present].copy()
        self.traits = instrument.state.tip.traits[0].copy()
        self.settings = STMSettings()
        self.rng = np.random.default_rng(seed)
        self.thermal = BOLTZMANN_EV_K * self.settings.temperature_k
        self.kappa = decay_constant(self.settings.work_function_ev)

    def place(self, site: tuple[int, ...]) -> Float64:
        """Position of a hollow site, nm."""
        n, m, s = site
        u, v = n + (s + 1) / 3, m + (s + 1) / 3
        return LATTICE_NM * np.array([u + 0.5 * v, 0.5 * _ROOT3 * v])

    def run(self, start: Float64, end: Float64) -> Float64:
        """Drag from start to end, nm; the current relative to its setpoint, (TRACE,) float64."""
        depth = self.traits[stm_tip.STRENGTH] * (CONDUCTANCE_US / QUANTUM_US) ** DEPTH_EXPONENT
        width = self.traits[stm_tip.WIDTH]
        offset = self.traits[[stm_tip.OFFSET_X, stm_tip.OFFSET_Y]]
        variance = ADATOM_WIDTH_NM**2 + self.traits[stm_tip.BLUR] ** 2
        length = float(np.hypot(*(end - start)))
        count = max(math.ceil(length / PITCH_NM), 1)
        duration = length / self.settings.speed_nm_s / count
        swell = (np.exp(2.0 * self.kappa * ADATOM_NM) - 1.0) * ADATOM_WIDTH_NM**2 / variance
        trace = np.zeros(TRACE)
        filled = 0
        for done in range(1, count + 1):
            tip = start + (end - start) * done / count
            away = np.hypot(*(self.places - tip - offset).T)
            for atom in np.flatnonzero(away < 6.0 * width):
                self._hop(int(atom), tip + offset, depth, width, duration)
            wanted = TRACE * done // count
            if wanted > filled:
                square = np.sum((self.places - tip) ** 2, axis=1)
                density = 1.0 + np.sum(swell * np.exp(-0.5 * square / variance))
                shaken = np.exp(2.0 * self.kappa * 0.003 * self.rng.normal(size=wanted - filled))
                trace[filled:wanted] = density / (1.0 + swell) * shaken
                filled = wanted
        return trace

    def _hop(self, atom: int, tip: Float64, depth: float, width: float, duration: float) -> None:
        left = duration
        while True:
            n, m, s = self.sites[atom]
            step = 1 if s == 1 else -1
            around = [(n, m, 1 - s), (n + step, m, 1 - s), (n, m + step, 1 - s)]
            places = np.array([self.place(site) for site in around])
            wells = -depth * np.exp(-0.5 * np.sum((places - tip) ** 2, axis=1) / width**2)
            here = -depth * np.exp(-0.5 * np.sum((self.places[atom] - tip) ** 2) / width**2)
            barrier = np.maximum(BARRIER_EV - TRANSFER * (here - wells), 0.0)
            rates = ATTEMPTS_HZ * np.exp(-barrier / self.thermal)
            others = np.delete(self.places, atom, axis=0)
            if len(others):
                near = np.hypot(*(others[None] - places[:, None]).transpose(2, 0, 1))
                rates[(near < 0.9 * LATTICE_NM).any(axis=1)] = 0.0
            total = rates.sum()
            if total == 0.0:
                return
            left -= self.rng.exponential() / total
            if left < 0.0:
                return
            choice = int(self.rng.choice(3, p=rates / total))
            self.sites[atom], self.places[atom] = around[choice], places[choice]
