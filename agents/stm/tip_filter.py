"""Bayesian filter of a tip: state, traits and hardness, from readings and actions alone.

A hidden Markov model. Within a generation the tip is one of the cells of a grid over state, blur,
ghost, flicker and hardness, with the prior that tips are drawn with; conditioning and imaging may
begin a new generation of the same hardness, whose state follows the chain of
`microgym.physics.stm_tip`: dips that change nothing tell how hard a tip is. The forward recursion
is exact on the grid (Rabiner, Proc. IEEE 77, 257, 1989).
"""

import functools
import itertools
from collections.abc import Mapping

import numpy as np

from microgym.envs.stm.observation import SCALES
from microgym.envs.stm.tip_task import ACCEPT, DIP, PULSE, SPOILT
from microgym.instruments.stm.settings import IMAGING_PA, IMAGING_V, STMSettings
from microgym.physics import stm_tip
from microgym.physics.stm_tip import APEX_LEVELS, DIPS_NM, PULSES_V, READING_LEVELS, READINGS
from microgym.state import Float64, Int64

STATES = len(stm_tip.STATES)
_PARTS = (6, 6, 5)
"""Parts of the ranges of blur, ghost and flicker (design choices)."""
_HARDNESS = np.array([-1.28, -0.52, 0.0, 0.52, 1.28])
"""Hardness of the cells, each of probability 1/5, in standard deviations of its logarithm."""
HARDNESS_CELLS = _HARDNESS.size
_LEAST_NOISE = 1e-3  # of a reading, in its unit: without noise a reading fits its own cell only


@functools.cache
def transitions(cause: int) -> Float64:
    """Probability of each state after a change by a cause, (states, states), rows are before."""
    draws = (np.arange(1000) + 0.5) / 1000
    found = np.zeros((STATES, STATES))
    for state, u in itertools.product(range(STATES), draws):
        found[state, stm_tip.next_state(state, cause, u)] += 1.0 / draws.size
    return found


CONDITIONING = range(PULSE, DIP + len(DIPS_NM))
"""Actions that pulse or dip."""
GENTLE = tuple(k for k in CONDITIONING if SPOILT[k] == SPOILT[PULSE])
"""Those that spoil little surface."""


def changes(action: int, hardness: float) -> Float64:
    """Probabilities that a pulse or dip changes a tip, (states, states), rows are before.

    Args:
        action: one of `CONDITIONING`.
        hardness: of the tip, nm.

    Returns:
        Rows that sum to the probability of a change, which may lead to the same state.
    """
    dip = DIPS_NM[action - DIP] if action >= DIP else 0.0
    pulse = 0.0 if action >= DIP else PULSES_V[action - PULSE]
    chance = stm_tip.change_probability(dip, pulse, hardness)
    return chance * transitions(stm_tip.cause_of(dip, pulse, hardness))


class TipFilter:
    """Probabilities of the cells of N tips.

    Cells are ordered by state, then by hardness.

    Args:
        noise, tip: levels of the environment's switches.

    Attributes:
        state: (cells,) int64, state of the tip in each cell.
        fresh: (cells,) float64, probability of a cell given its state.
        cells: number of cells.
        hardness_nm: (hardness,) float64, hardness of the cells.
        changes: action to its `changes` of a tip of each hardness, (hardness, states, states).
    """

    def __init__(self, noise: str, tip: str) -> None:
        spread = APEX_LEVELS[tip]
        states: list[Int64] = []
        places: list[Float64] = []
        widths: list[Float64] = []
        for state, (_, _, blur, flicker) in enumerate(stm_tip.OF_STATE):
            ghosts = _PARTS[1] if state == stm_tip.DOUBLE else 1
            middle = [(np.arange(n) + 0.5) / n for n in (_PARTS[0], ghosts, _PARTS[2])]
            ghost = 0.1 + 0.8 * middle[1] if state == stm_tip.DOUBLE else np.zeros(1)
            slope = np.array([stm_tip.FOULED_SLOPE if state == stm_tip.CONTAMINATED else 1.0])
            seen = [blur * (0.5 + middle[0]), ghost, flicker * (0.5 + middle[2]), slope]
            grid = np.meshgrid(_HARDNESS, *seen, indexing="ij")
            places.append(np.stack([one.ravel() for one in grid[1:]], axis=1))
            size = [blur / _PARTS[0], 0.8 / ghosts * (ghosts > 1), flicker / _PARTS[2], 0.0]
            widths.append(np.tile(size, (len(places[-1]), 1)))
            states.append(np.full(len(places[-1]), state))
        self.state = np.concatenate(states)
        self.cells = self.state.size
        self.fresh = 1.0 / np.bincount(self.state)[self.state]
        self.readings = np.concatenate(places)
        counts = np.bincount(self.state) // HARDNESS_CELLS
        self._hardness = np.concatenate([np.arange(HARDNESS_CELLS).repeat(one) for one in counts])
        self._edges = np.append(0, counts.repeat(HARDNESS_CELLS).cumsum()[:-1])
        # A tip lies anywhere in its cell: the variance of a uniform range is added to the noise.
        error = np.maximum(np.array(READING_LEVELS[noise]), _LEAST_NOISE * np.array(SCALES))
        variance = error**2 + np.concatenate(widths) ** 2 / 12.0
        self._precision = 0.5 / variance
        self._norm = np.sqrt(np.prod(self._precision * np.array(SCALES) ** 2, axis=1))
        self.hardness_nm = stm_tip.HARDNESS_NM * np.exp(spread.hardness_spread * _HARDNESS)
        self.changes = {
            k: np.array([changes(k, one) for one in self.hardness_nm]) for k in CONDITIONING
        }
        rate = stm_tip.change_rate(IMAGING_PA, IMAGING_V, spread.change_hz)
        by_itself = 1.0 - np.exp(-rate * STMSettings().image_s)
        self._by_itself = np.tile(by_itself * transitions(stm_tip.ITSELF), (HARDNESS_CELLS, 1, 1))
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
                belief[rows] = self._changed(belief[rows], self.changes[k])
        belief[:] = self._changed(belief, self._by_itself)
        distance = np.zeros(belief.shape)
        for k, (name, scale) in enumerate(zip(READINGS, SCALES, strict=True)):
            away = scale * seen[name][:, None] - self.readings[:, k]
            distance += away * away * self._precision[:, k]
        belief *= self._norm * np.exp(distance.min(axis=1, keepdims=True) - distance)
        belief /= belief.sum(axis=1, keepdims=True)

    def states(self, belief: Float64) -> Float64:
        """Probabilities of the states, (N, states), of beliefs (N, cells)."""
        return self.joint(belief).sum(axis=2)

    def hardness(self, belief: Float64) -> Float64:
        """Probabilities of the cells' hardness, (N, hardness)."""
        return self.joint(belief).sum(axis=1)

    def sharpened(self, belief: Float64) -> Float64:
        """Probability of a sharp tip after each gentle action, (N, gentle)."""
        joint = self.joint(belief)
        found: list[Float64] = []
        for k in GENTLE:
            moved = self.changes[k]
            arriving = (joint * moved[:, :, stm_tip.SHARP].T).sum(axis=(1, 2))
            stays = joint[:, stm_tip.SHARP] * (1.0 - moved[:, stm_tip.SHARP].sum(axis=1))
            found.append(stays.sum(axis=1) + arriving)
        return np.stack(found, axis=1)

    def joint(self, belief: Float64) -> Float64:
        """Probabilities of states and hardness, (N, states, hardness)."""
        parts = np.add.reduceat(belief, self._edges, axis=1)
        return parts.reshape(len(belief), STATES, HARDNESS_CELLS)

    def _changed(self, belief: Float64, moved: Float64) -> Float64:
        """Beliefs after something that changes tips as told, (hardness, states, states)."""
        joint = self.joint(belief)
        # Sums in a fixed order, so that a row does not depend on the others.
        arriving = (joint[:, :, None] * moved.transpose(1, 2, 0)).sum(axis=1)
        stays = 1.0 - moved.sum(axis=2)[self._hardness, self.state]
        there = arriving[:, self.state, self._hardness] * HARDNESS_CELLS
        return belief * stays + there * self.fresh
