"""Residual policy of AFM-v0: features of a scan line, and corrections to the expert's settings."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from microgym.agents.afm.references import ExpertAgent, even_pace, to_action
from microgym.agents.core.residual_policy import ResidualController
from microgym.envs.afm.config import GAINS, LINE_S, RATES_HZ, AFMConfig
from microgym.envs.afm.observation import CELLS, NUMBERS, SIGNALS
from microgym.state import Float32, Float64

DIALS = (0, 1, 3)
"""Components of the action that may be corrected: setpoint, integral gain, line rate."""
RANGE = (0.7, 0.25, 0.4)
"""Largest correction of each (design choice): 0.23 of the free amplitude, a factor of 1.8 of the
gain, from which the expert continues, and a factor of 2.1 of the line rate."""

RESERVE = 0.85
"""Part of its even share of the frame's time that each later line keeps (chosen on validation
specimens among 0.5, 0.7 and 0.85)."""

_RANKS = (16, 32, 48, 61)
"""Order statistics of the 64 cells of a line: quartiles, and nearly the largest. A ringing loop
raises the low quartiles too; a slow one only the largest cells, at edges."""
_ROUGHNESS = 4.0
"""Factor that brings the change of the trace from cell to cell into a range of 1."""


class AFMResidual(ResidualController):
    """Settings of the next line, of which setpoint, integral gain and line rate are corrected.

    Args:
        history: number of lines in an observation.
    """

    def __init__(self, history: int) -> None:
        super().__init__(
            ExpertAgent(),
            history,
            {"signals": (len(SIGNALS), CELLS), "numbers": (len(NUMBERS),)},
            components=5,
            corrected=DIALS,
            limits=RANGE,
            width=len(NUMBERS) + 4 + 1 + 3 * len(_RANKS),
        )

    def observe_correction(self, changes: Float64) -> None:
        """Continue from the corrected gain; the expert would undo the correction otherwise."""
        low, high = GAINS
        self.expert.state.gain[:] *= np.exp(0.5 * math.log(high / low) * changes[:, DIALS.index(1)])

    def clip_action(self, action: Float64, features: Float32) -> None:
        """Keep a reserve of time for later lines; an even pace of what is left is allowed.

        Later lines are unknown: time that is spent early is missing where the surface is steep.
        """
        numbers = NUMBERS.unpack(features[:, : len(NUMBERS)].astype(np.float64))
        lines = np.maximum(AFMConfig.lines * numbers["lines_left"], 1.0)
        even = even_pace(numbers)
        longest = np.maximum(lines * even - RESERVE * LINE_S * (lines - 1.0), even)
        slowest = to_action(RATES_HZ, 1.0 / longest)
        action[:, DIALS[2]] = np.maximum(action[:, DIALS[2]], slowest)

    def features(self, observation: Mapping[str, NDArray[Any]], action: Float32) -> NDArray[Any]:
        """Numbers, the expert's action, whether its gain still rises, and statistics of the line.

        Order statistics over the cells of the line of the error's roughness, of the steps of the
        trace from cell to cell, and of trace less retrace.
        """
        line = SIGNALS.unpack(np.asarray(observation["signals"], np.float64))
        trace, apart = line["trace"], np.abs(line["trace"] - line["retrace"])
        steps = np.abs(np.diff(trace, axis=1, prepend=trace[:, :1]))
        cells = np.sort([line["unrest"], _ROUGHNESS * steps, _ROUGHNESS * apart])[..., _RANKS]
        climbing = self.expert.state.climbing[:, None]
        return np.concatenate([observation["numbers"], action[:, :4], climbing, *cells], axis=1)
