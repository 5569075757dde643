"""Bayesian filter of a tip: state, traits and hardness, from readings and actions alone.

A hidden Markov model. Within a generation the tip is one of the cells of a grid over state, blur,
ghost, flicker and hardness, with the prior that tips are drawn with; conditioning and imaging may
begin a new generation, whose state follows the chain of `microgym.physics.stm_tip`. The forward
recursion is exact on the grid (Rabiner, Proc. IEEE 77, 257, 1989).
"""

import functools
import itertools
from collections.abc import Mapping

import numpy as np

from microgym.envs.stm.observation import SCALES
from microgym.envs.stm.tip_task import ACCEPT, DIP, PULSE
from microgym.instruments.stm.settings import IMAGING_PA, IMAGING_V, STMSettings
from microgym.physics import stm_tip
from microgym.physics.stm_tip import APEX_LEVELS, DIPS_NM, PULSES_V, READING_LEVELS, READINGS
from microgym.state import Float64, Int64

STATES = len(stm_tip.STATES)
_PARTS = (6, 6, 5)
"""Parts of the ranges of blur, ghost and flicker (design choices)."""
_HARDNESS = np.array([-1.28, -0.52, 0.0, 0.52, 1.28])
"""Hardness of the cells, each of probability 1/5, in standard deviations of its logarithm."""
_LEAST_NOISE = 1e-3  # of a reading, in its unit: without noise a reading fits its own cell only


@functools.cache
def transitions(cause: int) -> Float64:
    """Probability of each state after a change by a cause, (states, states), rows are before."""
    draws = (np.arange(200) + 0.5) / 200
    found = np.zeros((STATES, STATES))
    for state, u in itertools.product(range(STATES), draws):
        found[state, stm_tip.next_state(state, cause, u)] += 1.0 / draws.size
    return found


def cause_of(action: int) -> int:
    """Cause of the change that a pulse or dip may make."""
    if action >= DIP:
        return stm_tip.GENTLE if DIPS_NM[action - DIP] <= 1.8 else stm_tip.DEEP
    return stm_tip.PULSE if abs(PULSES_V[action - PULSE]) < 8.0 else stm_tip.STRONG_PULSE


def change_chance(action: int, hardness: float) -> float:
    """Probability that a pulse or dip changes a tip of a hardness, nm."""
    dip = DIPS_NM[action - DIP] if action >= DIP else 0.0
    pulse = 0.0 if action >= DIP else PULSES_V[action - PULSE]
    return float(stm_tip.change_probability(dip, pulse, hardness))


CONDITIONING = range(PULSE, DIP + len(DIPS_NM))
"""Actions that pulse or dip."""
GENTLE = tuple(k for k in CONDITIONING if cause_of(k) in (stm_tip.GENTLE, stm_tip.PULSE))
"""Those that spoil little surface."""


class TipFilter:
    """Probabilities of the cells of N tips.

    Args:
        noise, tip: levels of the environment's switches.

    Attributes:
        state: (cells,) int64, state of the tip in each cell.
        fresh: (cells,) float64, probability of a cell given its state.
        cells: number of cells.
    """

    def __init__(self, noise: str, tip: str) -> None:
        spread = APEX_LEVELS[tip]
        states: list[Int64] = []
        places: list[Float64] = []
        widths: list[Float64] = []
        for state, (_, _, blur, flicker) in enumerate(stm_tip.OF_STATE):
            ghosts = _PARTS[1] if state == stm_tip.DOUBLE else 1
            middle = [(np.arange(n) + 0.5) / n for n in (_PARTS[0], ghosts, _PARTS[2])]
            seen = [blur * (0.5 + middle[0]), np.zeros(1), flicker * (0.5 + middle[2])]
            if state == stm_tip.DOUBLE:
                seen[1] = 0.1 + 0.8 * middle[1]
            grid = np.meshgrid(*seen, spread.hardness_spread * _HARDNESS, indexing="ij")
            flat = np.stack([one.ravel() for one in grid], axis=1)
            slope = stm_tip.FOULED_SLOPE if state == stm_tip.CONTAMINATED else 1.0
            places.append(np.insert(flat, 3, slope, axis=1))
            size = [blur / _PARTS[0], 0.8 / ghosts * (ghosts > 1), flicker / _PARTS[2], 0.0]
            widths.append(np.tile(size, (len(flat), 1)))
            states.append(np.full(len(flat), state))
        self.state = np.concatenate(states)
        self.cells = self.state.size
        self.fresh = 1.0 / np.bincount(self.state)[self.state]
        found = np.concatenate(places)
        self._places = found[:, : len(READINGS)] / SCALES
        # A tip lies anywhere in its cell: the variance of a uniform range is added to the noise.
        noise_of = np.maximum(np.array(READING_LEVELS[noise]) / SCALES, _LEAST_NOISE)
        variance = noise_of**2 + (np.concatenate(widths) / SCALES) ** 2 / 12.0
        self._precision = 0.5 / variance
        self._norm = np.sqrt(np.prod(self._precision, axis=1))
        hardness = stm_tip.HARDNESS_NM * np.exp(found[:, 4])
        self.chances = {
            k: np.array([change_chance(k, one) for one in np.unique(hardness)])[
                np.unique(hardness, return_inverse=True)[1]
            ]
            for k in CONDITIONING
        }
        rate = stm_tip.change_rate(IMAGING_PA, IMAGING_V, spread.change_hz)
        self._by_itself = 1.0 - np.exp(-rate * STMSettings().image_s)
        bad = np.where(np.arange(STATES) == stm_tip.SHARP, 0.0, 1.0 / (STATES - 1))
        self._prior = bad[self.state] * self.fresh

    def update(self, belief: Float64, seen: Mapping[str, Float64]) -> None:
        """Let the last action and the image after it act on the beliefs (N, cells), in place.

        Args:
            seen: values of the channels of the observation, each (N,).
        """
        done = np.stack([seen[f"count_{k}"] for k in range(ACCEPT)])
        begun = done.sum(axis=0) == 0.0
        belief[begun] = self._prior
        for k in CONDITIONING:
            rows = ~begun & (seen[f"last_{k}"] > 0.5)
            if rows.any():
                belief[rows] = self.changed(belief[rows], self.chances[k], cause_of(k))
        belief[:] = self.changed(belief, np.full(self.cells, self._by_itself), stm_tip.ITSELF)
        away = np.stack([seen[name] for name in READINGS], axis=1)[:, None] - self._places
        distance = (away**2 * self._precision).sum(axis=2)
        belief *= self._norm * np.exp(distance.min(axis=1, keepdims=True) - distance)
        belief /= belief.sum(axis=1, keepdims=True)

    def changed(self, belief: Float64, chance: Float64, cause: int) -> Float64:
        """Beliefs (n, cells) after something that changes tips with a chance, (cells,)."""
        leaving = belief * chance
        return (
            belief
            - leaving
            + (self.states(leaving) @ transitions(cause))[:, self.state] * (self.fresh)
        )

    def states(self, belief: Float64) -> Float64:
        """Probabilities of the states, (n, states), of beliefs (n, cells)."""
        edges = np.searchsorted(self.state, np.arange(STATES))
        return np.add.reduceat(belief, edges, axis=1)

    def sharpened(self, belief: Float64) -> Float64:
        """Probability of a sharp tip after each gentle action, (N, gentle)."""
        found = [
            self.states(self.changed(belief, self.chances[k], cause_of(k)))[:, stm_tip.SHARP]
            for k in GENTLE
        ]
        return np.stack(found, axis=1)
