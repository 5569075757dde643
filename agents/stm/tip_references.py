"""Reference policies of STMTip-v0: an operator who reads images, and one who knows."""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from microgym.agents.stm.references import numbers_of
from microgym.envs.stm.observation import ACTIONS, SCALES
from microgym.envs.stm.tip_task import ACCEPT, DIP, EVIDENCE, LOOK, MOVE, PULSE
from microgym.physics import stm_tip
from microgym.physics.stm_tip import DIPS_NM, PULSES_V, READINGS

Float64 = NDArray[np.float64]
Whole = NDArray[np.int64]


@dataclass(frozen=True)
class TipExpertConfig:
    """Habits of an operator at a bad tip; found by search on training specimens.

    Attributes:
        blur_nm, ghost, flicker_nm: above these the tip is not sharp.
        slope: below it the tip is contaminated.
        dip: number of the dip that is used, of those there are.
        pulse: number of the pulse against contamination, of those there are.
        looks: images of a tip that seems sharp before it is accepted.
        patience: dips in vain before a pulse.
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


def _possible(wanted: Whole, masks: NDArray[np.bool_]) -> Whole:
    """What is wanted where there is room for it; else a fresh place, if there is one; else a look.

    Args:
        wanted: (N,) actions.
        masks: (N, actions).
    """
    rows = np.arange(wanted.size)
    instead = np.where(masks[:, MOVE], MOVE, LOOK)
    return np.where(masks[rows, wanted], wanted, instead)


class TipExpertAgent:
    """Dips a tip that looks bad, pulses one that looks dirty, looks twice at one that looks sharp.

    Args:
        habits: of the operator.
    """

    name = "expert"
    needs_truth = False

    def __init__(self, habits: TipExpertConfig | None = None) -> None:
        self._habits = habits or TipExpertConfig()

    def reset(self, num_envs: int, seeds: Sequence[int]) -> None:
        """Begin N episodes; nothing is drawn."""

    def act(self, observation: Any, info: Mapping[str, Any]) -> Whole:
        """Judge the mean of the images since the tip was last touched."""
        habits = self._habits
        seen = numbers_of(observation).astype(np.float64)
        count = len(READINGS)
        blur, ghost, flicker, slope = (seen[:, count : 2 * count] * SCALES).T
        readings = np.rint(5.0 * seen[:, 2 * count])
        tried = np.rint(5.0 * seen[:, 2 * count + 1 + len(ACTIONS) + _dip(habits.dip)])
        dirty = slope < habits.slope
        bad = (blur > habits.blur_nm) | (ghost > habits.ghost) | (flicker > habits.flicker_nm)
        hopeless = (tried > 0) & (tried % habits.patience == 0)
        mend = np.where(dirty | hopeless, _pulse(habits.pulse), _dip(habits.dip))
        enough = readings >= max(habits.looks, EVIDENCE)
        wanted = np.where(dirty | bad, mend, np.where(enough, ACCEPT, LOOK))
        return _possible(wanted, info["action_mask"])


class TipOracleAgent:
    """Sees the tip's state, does what is likeliest to make it sharp, and accepts it when it is."""

    name = "oracle"
    needs_truth = True

    def reset(self, num_envs: int, seeds: Sequence[int]) -> None:
        """Begin N episodes; nothing is drawn."""

    def act(self, observation: Any, info: Mapping[str, Any]) -> Whole:
        """The best conditioning, by the chance of a sharp tip for the surface that it spoils."""
        del observation
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
