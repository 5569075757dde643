"""Reference agents of STMTip-v0: random, expert and oracle."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from microgym.agents.core.agent import BaseAgent
from microgym.agents.core.random_agent import SeededRandomAgent
from microgym.envs.stm.observation import ACTIONS, SCALES
from microgym.envs.stm.tip_task import ACCEPT, DIP, EVIDENCE, LOOK, MOVE, PULSE
from microgym.physics import stm_tip
from microgym.physics.stm_tip import DIPS_NM, PULSES_V, READINGS

Int64 = NDArray[np.int64]


_SHAPES = {"numbers": (2 * len(READINGS) + 1 + 2 * len(ACTIONS) + 3,)}


class TipRandomAgent(SeededRandomAgent):
    """Uniform over the allowed actions."""

    def _act(self, observation: Mapping[str, NDArray[Any]], info: Mapping[str, Any]) -> Int64:
        allowed = [np.flatnonzero(mask) for mask in info["action_mask"]]
        draws = self.draw(1)[:, 0]
        return np.array([a[int(u * len(a))] for a, u in zip(allowed, draws, strict=True)])


@dataclass(frozen=True)
class TipExpertConfig:
    """Configuration of the expert; found by search on training specimens.

    Attributes:
        blur_nm, ghost, flicker_nm: bounds above which the tip is not sharp.
        slope: bound below which the tip is contaminated.
        dip: number of the dip that is used.
        pulse: number of the pulse against contamination.
        looks: images of a tip that seems sharp before it is accepted.
        patience: dips without success before a pulse.
    """

    blur_nm: float = 0.06
    ghost: float = 0.15
    flicker_nm: float = 0.006
    slope: float = 0.88
    dip: int = 3
    pulse: int = 2
    looks: int = 2
    patience: int = 6


def _dip(number: int) -> int:
    return DIP + min(max(number, 0), len(DIPS_NM) - 1)


def _pulse(number: int) -> int:
    return PULSE + min(max(number, 0), len(PULSES_V) - 1)


def _possible(wanted: Int64, masks: NDArray[Any]) -> Int64:
    """Wanted actions where they are allowed; else a move, if it is allowed; else an image.

    Args:
        wanted: (N,) actions.
        masks: (N, actions), nonzero where an action is allowed.
    """
    rows = np.arange(wanted.size)
    instead = np.where(masks[:, MOVE], MOVE, LOOK)
    return np.where(masks[rows, wanted], wanted, instead)


class TipExpertAgent(BaseAgent):
    """Dips a blunt tip, pulses a contaminated one, and accepts one that stays sharp."""

    name = "expert"
    Config = TipExpertConfig
    observation_shapes = _SHAPES

    def _act(self, observation: Mapping[str, NDArray[Any]], info: Mapping[str, Any]) -> Int64:
        """Decide by the mean of the images since the tip was last changed."""
        config = self.config
        seen = observation["numbers"].astype(np.float64)
        count = len(READINGS)
        blur, ghost, flicker, slope = (seen[:, count : 2 * count] * SCALES).T
        readings = np.rint(5.0 * seen[:, 2 * count])
        tried = np.rint(5.0 * seen[:, 2 * count + 1 + len(ACTIONS) + _dip(config.dip)])
        dirty = slope < config.slope
        bad = (blur > config.blur_nm) | (ghost > config.ghost) | (flicker > config.flicker_nm)
        hopeless = (tried > 0) & (tried % config.patience == 0)
        mend = np.where(dirty | hopeless, _pulse(config.pulse), _dip(config.dip))
        enough = readings >= max(config.looks, EVIDENCE)
        wanted = np.where(dirty | bad, mend, np.where(enough, ACCEPT, LOOK))
        return _possible(wanted, info["action_mask"])


class TipOracleAgent(BaseAgent):
    """Knows the state of the tip: conditions it as most probably sharpens it, or accepts it."""

    name = "oracle"
    uses_privileged_info = True

    def _act(self, observation: Mapping[str, NDArray[Any]], info: Mapping[str, Any]) -> Int64:
        """The conditioning with the largest probability of a sharp tip."""
        masks, latent = info["action_mask"], info["latent"]
        wanted = [
            self._decide(int(state), float(traits[stm_tip.HARDNESS]), mask)
            for state, traits, mask in zip(
                latent["tip_state"], latent["traits"], masks, strict=True
            )
        ]
        return _possible(np.array(wanted), masks)

    @staticmethod
    def _decide(state: int, hardness: float, mask: NDArray[np.bool_]) -> int:
        if state == stm_tip.SHARP:
            return ACCEPT if mask[ACCEPT] else LOOK
        gentle = [_dip(k) for k, depth in enumerate(DIPS_NM) if depth <= 1.8]
        chance = {
            _dip(k): stm_tip.change_probability(DIPS_NM[k], 0.0, hardness) * _sharpens(state, 0)
            for k in range(len(gentle))
        }
        for k, volts in enumerate(PULSES_V):
            if abs(volts) < 8.0:
                change = stm_tip.change_probability(0.0, volts, hardness)
                chance[_pulse(k)] = change * _sharpens(state, 1)
        return max(chance, key=lambda action: chance[action])


@functools.cache
def _sharpens(state: int, kind: int) -> float:
    """Probability that a change by a gentle dip (0) or a pulse below 8 V (1) makes a tip sharp."""
    cause = stm_tip.PULSE if kind else stm_tip.GENTLE
    draws = (np.arange(200) + 0.5) / 200
    return float(np.mean([stm_tip.next_state(state, cause, u) == stm_tip.SHARP for u in draws]))
