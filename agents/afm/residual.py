"""Corrections to an operator's dials: what a network sees of a line, and what it may change."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from microgym.agents.afm.references import ExpertAgent, even_pace, to_action
from microgym.envs.afm.config import GAINS, LINE_S, RATES_HZ, AFMConfig
from microgym.envs.afm.observation import CELLS, NUMBERS, SIGNALS

Float32 = NDArray[np.float32]

DIALS = (0, 1, 3)
"""Components of the action that may be corrected: setpoint, integral gain, line rate."""
RANGE = (0.7, 0.25, 0.4)
"""Largest correction of each (design choice): 0.23 of the free amplitude, a factor of 1.8 of the
gain, from which the operator goes on, and one of 2.1 of the line rate."""

RESERVE = 0.85
"""Part of its even share of the frame's time that each line to come is left (chosen on validation
specimens among 0.5, 0.7 and 0.85)."""

_RANKS = (16, 32, 48, 61)
"""Which of the 64 cells of a line, in order of size, stand for all: quartiles, and nearly the
largest. A loop that rings does so in the quiet cells too; one that is too slow, at edges only."""
_ROUGHNESS = 4.0
"""Factor that brings the change of the trace from cell to cell into a range of 1."""


def _ranked(cells: NDArray[Any]) -> NDArray[Any]:
    return np.sort(cells, axis=1)[:, _RANKS]


class AFMResidualSpec:
    """Settings of the next line, of which setpoint, integral gain and rate may be corrected.

    Attributes:
        operator, components, places, range, width: as for `ResidualSpec`.
    """

    def __init__(self) -> None:
        self.operator = ExpertAgent()
        self.components = 5
        self.places = np.array(DIALS)
        self.range = np.array(RANGE)
        self.width = len(NUMBERS) + 4 + 1 + 3 * len(_RANKS)

    def check(self, observation: Any) -> None:
        """See that an observation holds numbers and signals.

        Raises:
            ValueError: it does not.
        """
        if not isinstance(observation, Mapping) or "signals" not in observation:
            raise ValueError('observations must hold the last line: observation="signals"')

    def heed(self, changes: NDArray[np.float64]) -> None:
        """The operator goes on from the gain that was set; else it would make up for the change."""
        low, high = GAINS
        self.operator.gain *= np.exp(0.5 * math.log(high / low) * changes[:, DIALS.index(1)])

    def bound(self, action: NDArray[np.float64], told: Float32) -> None:
        """No line takes time that those to come need; an even pace of what is left is allowed.

        What lies ahead is unknown: time that is spent early is missing where it is steep.
        """
        numbers = told[:, : len(NUMBERS)].astype(np.float64)
        lines = np.maximum(AFMConfig.lines * numbers[:, NUMBERS.index("lines_left")], 1.0)
        even = even_pace(numbers)
        longest = np.maximum(lines * even - RESERVE * LINE_S * (lines - 1.0), even)
        slowest = to_action(RATES_HZ, 1.0 / longest)
        action[:, DIALS[2]] = np.maximum(action[:, DIALS[2]], slowest)

    def told(self, observation: Any, proposed: Float32) -> NDArray[Any]:
        """Numbers, proposals, whether the gain is still being found, and the line in short.

        The line in short: unrest of its cells, steps of the trace from cell to cell, and trace less
        retrace, each as a few of the cells in order of size.
        """
        signals = np.asarray(observation["signals"], np.float64).reshape(-1, len(SIGNALS), CELLS)
        trace, retrace, unrest = (
            signals[:, SIGNALS.index(name)] for name in ("trace", "retrace", "unrest")
        )
        steps = np.zeros_like(trace)
        steps[:, 1:] = np.abs(np.diff(trace, axis=1))
        line = [_ranked(unrest), *(_ROUGHNESS * _ranked(x) for x in (steps, abs(trace - retrace)))]
        climbing = self.operator.climbing[:, None]
        return np.concatenate([observation["numbers"], proposed[:, :4], climbing, *line], axis=1)
