"""Reference policies of PFM-v0: chance, a skilled operator, one who sees the truth and looks ahead.

All act on the continuous action (y, x, bias, pulse, read) of the default environment.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from microgym.agents.core.random_agent import SeededRandomAgent
from microgym.agents.pfm.domain_model import (
    CELLS,
    DomainBelief,
    DomainModel,
    PulseScorer,
    coordinates,
    to_action,
)
from microgym.envs.pfm.config import HIGHEST_V
from microgym.envs.pfm.observation import MAPS, NUMBERS
from microgym.instruments.pfm.settings import PFMSettings
from microgym.instruments.pfm.state import SIZE

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
Spectrum = NDArray[np.complex128]

_WANTED, _RAISED = (MAPS.index(name) for name in ("wanted", "raised"))
_ASKED, _RISING, _FALLING, _AGE, _TIME_LEFT = (
    NUMBERS.index(name) for name in ("asked", "rising", "falling", "age", "time_left")
)
GOLDEN_ANGLE = 2.399963
"""Between pulses on a ring, so that no two fall on one place."""


class RandomAgent(SeededRandomAgent):
    """Anywhere, with any bias, 10 ms long; looks after every fourth pulse."""

    def act(self, observation: Any, info: Mapping[str, Any]) -> Float32:
        """Draw places and biases."""
        del observation, info
        draws = self.draw(3)
        action = np.zeros((len(draws), 5), np.float32)
        action[:, :3] = 2.0 * draws - 1.0
        action[:, 4] = 1.0 if self._tick % 4 == 0 else -1.0
        return action


@dataclass(frozen=True)
class Operator:
    """What a skilled operator does; found by search on training films.

    Attributes:
        brush: how a pulse is thought to write.
        first_look: pulses after which the first image is taken.
        look_every: pulses after which the next ones are taken.
        least_gain: cells of the maps that a pulse must promise.
        patience: how fast a place that did not switch is given up.
        ring_cells: distance of pulses from the point whose loop is to be shifted.
        ring_volts: their bias, V.
        pulse_shift_v: how far a pulse is reckoned to shift the imprint, V.
        loop_shift_v: how far the first loop is reckoned to shift it by itself, V.
        tolerance_v: error that is left alone, V.
        loop_every: pulses after which a loop is taken.
    """

    brush: DomainModel = field(default_factory=DomainModel)
    first_look: int = 7
    look_every: int = 6
    least_gain: float = 0.5
    patience: float = 0.0
    ring_cells: float = 7.0
    ring_volts: float = 7.0
    pulse_shift_v: float = 0.3
    loop_shift_v: float = 0.4
    tolerance_v: float = 0.15
    loop_every: int = 8


class ExpertAgent:
    """Writes the largest missing part with a calibrated pulse, and checks with an image.

    For a loop: takes one, pulses around the point against the error, and takes the next.

    Args:
        operator: habits.
        goal: of the environment.
    """

    name = "expert"
    needs_truth = False

    def __init__(self, operator: Operator | None = None, goal: str = "write") -> None:
        self.operator = operator or Operator()
        self.goal = goal
        self._painter = PulseScorer(self.operator.brush)
        self._belief = DomainBelief(self.operator.brush)

    def reset(self, num_envs: int, seeds: Sequence[int]) -> None:
        """Begin N episodes."""
        self._belief.reset(num_envs)
        self._since = np.zeros(num_envs, np.int64)
        self._turn = np.zeros(num_envs, np.int64)
        self._excess_v = np.zeros(num_envs)
        self._looks = np.zeros(num_envs, np.int64)
        self._loops = np.zeros(num_envs, np.int64)

    def act(self, observation: Any, info: Mapping[str, Any]) -> Float32:
        """Pulse, and look when it is time."""
        if self.goal == "loop":
            return self._shift(observation["numbers"].astype(np.float64))
        maps, numbers = (observation[name].astype(np.float64) for name in ("maps", "numbers"))
        return self._write(maps, numbers)

    def _write(self, maps: Float64, numbers: Float64) -> Float32:
        """Where most is put right, as far as known."""
        operator = self.operator
        self._belief.see(maps, numbers)
        eagerness = np.exp(-operator.patience * HIGHEST_V * maps[:, _RAISED])
        gains = self._painter.gains(self._belief.up, maps[:, _WANTED], eagerness)
        flat = gains.reshape(len(maps), -1)
        best = flat.argmax(axis=1)
        done = flat.max(axis=1) < operator.least_gain
        volts = np.where(done, 0.0, np.asarray(operator.brush.volts)[best // CELLS**2])
        self._since += 1
        due = np.where(self._looks > 0, operator.look_every, operator.first_look)
        read = (self._since >= due) | (done & (self._since > 1))
        self._since[read] = 0
        self._looks += read
        return to_action(coordinates(best % CELLS**2), volts, read)

    def _shift(self, numbers: Float64) -> Float32:
        """A pulse on a ring around the point, against the error as it is reckoned to be."""
        operator = self.operator
        looked = (numbers[:, _AGE] == 0.0) & (numbers[:, _TIME_LEFT] < 1.0)
        measured = 0.5 * (numbers[:, _RISING] + numbers[:, _FALLING])
        excess = PFMSettings().loop_v * (measured - numbers[:, _ASKED])
        own = np.where(self._loops == 0, operator.loop_shift_v, 0.0)
        self._excess_v = np.where(looked, excess - own, self._excess_v)
        self._loops += looked
        known = self._loops > 0
        raises = known & (self._excess_v > operator.tolerance_v)
        # What was too much is taken back where it was written last.
        lowers = known & (self._excess_v < -operator.tolerance_v) & (self._turn > 0)
        self._turn -= lowers
        angle = GOLDEN_ANGLE * self._turn
        self._turn += raises
        sign = raises.astype(np.float64) - lowers
        self._excess_v -= operator.pulse_shift_v * sign
        ring = operator.ring_cells * np.stack([np.sin(angle), np.cos(angle)], axis=1)
        self._since += 1
        read = ~known | (self._since >= operator.loop_every)
        self._since[read] = 0
        return to_action(ring + 0.5 * (SIZE - 1), operator.ring_volts * sign, read)
