"""Reference agents of PFM-v0 and PFMLoop-v0 without privileged information: random and expert.

All use the continuous action (y, x, bias, pulse, read) of the default environment.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from microgym.agents.core.agent import BaseAgent
from microgym.agents.core.random_agent import SeededRandomAgent
from microgym.agents.pfm.domain_model import (
    CELLS,
    SHAPES,
    DomainBelief,
    DomainModel,
    PulseScorer,
    coordinates,
    to_action,
    update_belief,
)
from microgym.envs.pfm.config import HIGHEST_V
from microgym.envs.pfm.observation import MAPS, NUMBERS
from microgym.instruments.pfm.settings import PFMSettings
from microgym.instruments.pfm.state import SIZE
from microgym.state import Float32, Float64, Int64, Shape

_WANTED, _RAISED = (MAPS.index(name) for name in ("wanted", "raised"))
_ASKED, _RISING, _FALLING, _AGE, _TIME_LEFT = (
    NUMBERS.index(name) for name in ("asked", "rising", "falling", "age", "time_left")
)
GOLDEN_ANGLE = 2.399963
"""Angle between successive pulses on a ring, so that no two coincide, rad."""


class RandomAgent(SeededRandomAgent):
    """Uniform places and biases, pulses of 10 ms, and an image after every fourth pulse."""

    def _act(self, observation: Mapping[str, NDArray[Any]], info: Mapping[str, Any]) -> Float32:
        draws = self.draw(3)
        action = np.zeros((len(draws), 5), np.float32)
        action[:, :3] = 2.0 * draws - 1.0
        action[:, 4] = 1.0 if self.steps % 4 == 3 else -1.0
        return action


@dataclass(frozen=True)
class ExpertConfig:
    """Configuration of the expert that writes patterns; found by search on training films.

    Attributes:
        model: of the domains.
        first_look: pulses before the first image.
        look_every: pulses between later images.
        least_gain: least gain of a pulse, cells of the maps.
        patience: rate at which the gain of a place decays with the volts that were given there.
    """

    model: DomainModel = field(default_factory=DomainModel)
    first_look: int = 7
    look_every: int = 6
    least_gain: float = 0.5
    patience: float = 0.0


class ExpertState(NamedTuple):
    """Memory of the expert: belief, pulses since the last image, and number of images."""

    belief: DomainBelief
    since: Annotated[Int64, Shape()]
    looks: Annotated[Int64, Shape()]


class ExpertAgent(BaseAgent):
    """Writes the largest missing part with a calibrated pulse, and takes images regularly."""

    name = "expert"
    Config = ExpertConfig
    observation_shapes = SHAPES
    State = ExpertState

    def __init__(self, config: ExpertConfig | None = None) -> None:
        super().__init__(config)
        self._scorer = PulseScorer(self.config.model)

    def _act(self, observation: Mapping[str, NDArray[Any]], info: Mapping[str, Any]) -> Float32:
        """The pulse with the largest expected gain."""
        config = self.config
        belief, since, looks = self.state
        maps, numbers = (observation[name].astype(np.float64) for name in ("maps", "numbers"))
        update_belief(belief, config.model, maps, numbers)
        eagerness = np.exp(-config.patience * HIGHEST_V * maps[:, _RAISED])
        gains = self._scorer.gains(belief.up, maps[:, _WANTED], eagerness)
        flat = gains.reshape(len(maps), -1)
        best = flat.argmax(axis=1)
        done = flat.max(axis=1) < config.least_gain
        volts = np.where(done, 0.0, np.asarray(config.model.volts)[best // CELLS**2])
        since += 1
        due = np.where(looks > 0, config.look_every, config.first_look)
        read = (since >= due) | (done & (since > 1))
        since[read] = 0
        looks += read
        return to_action(coordinates(best % CELLS**2), volts, read)


@dataclass(frozen=True)
class LoopExpertConfig:
    """Configuration of the expert that shifts a hysteresis loop; found by search on training films.

    Attributes:
        ring_cells: distance of pulses from the point whose loop is to be shifted.
        ring_volts: their bias, V.
        pulse_shift_v: expected shift of the imprint by a pulse, V.
        loop_shift_v: expected shift of the imprint by the first loop itself, V.
        tolerance_v: error that is not corrected, V.
        loop_every: pulses between loops.
    """

    ring_cells: float = 7.0
    ring_volts: float = 7.0
    pulse_shift_v: float = 0.3
    loop_shift_v: float = 0.4
    tolerance_v: float = 0.15
    loop_every: int = 8


class LoopExpertState(NamedTuple):
    """Memory of the expert: pulses since the last loop, pulses on the ring, loops, and error."""

    since: Annotated[Int64, Shape()]
    turn: Annotated[Int64, Shape()]
    loops: Annotated[Int64, Shape()]
    error: Annotated[Float64, Shape(unit="V")]


class LoopExpertAgent(BaseAgent):
    """Takes a loop, gives pulses around the point against the error, and takes the next loop."""

    name = "expert"
    Config = LoopExpertConfig
    observation_shapes: Mapping[str, tuple[int, ...]] = {"numbers": SHAPES["numbers"]}
    State = LoopExpertState

    def _act(self, observation: Mapping[str, NDArray[Any]], info: Mapping[str, Any]) -> Float32:
        """A pulse on a ring around the point, against the expected error."""
        config, numbers = self.config, observation["numbers"].astype(np.float64)
        since, turn, loops, error = self.state
        looked = (numbers[:, _AGE] == 0.0) & (numbers[:, _TIME_LEFT] < 1.0)
        measured = 0.5 * (numbers[:, _RISING] + numbers[:, _FALLING])
        excess = PFMSettings().loop_v * (measured - numbers[:, _ASKED])
        own = np.where(loops == 0, config.loop_shift_v, 0.0)
        error[:] = np.where(looked, excess - own, error)
        loops += looked
        known = loops > 0
        raises = known & (error > config.tolerance_v)
        # An excess of pulses is reversed at the last place of the ring.
        lowers = known & (error < -config.tolerance_v) & (turn > 0)
        turn -= lowers
        angle = GOLDEN_ANGLE * turn
        turn += raises
        sign = raises.astype(np.float64) - lowers
        error -= config.pulse_shift_v * sign
        ring = config.ring_cells * np.stack([np.sin(angle), np.cos(angle)], axis=1)
        since += 1
        read = ~known | (since >= config.loop_every)
        since[read] = 0
        return to_action(ring + 0.5 * (SIZE - 1), config.ring_volts * sign, read)
