"""Reference agents of STMTip-v0: random, expert and oracle."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from microgym.agents.core.agent import BaseAgent
from microgym.agents.core.random_agent import SeededRandomAgent
from microgym.envs.stm.observation import SCALES, TIP
from microgym.envs.stm.tip_task import ACCEPT, DIP, EVIDENCE, LOOK, MOVE, PULSE
from microgym.physics import stm_tip
from microgym.physics.stm_tip import DIPS_NM, PULSES_V, READINGS
from microgym.state import Int64

_SHAPES = {"numbers": (len(TIP),)}


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


def _possible(wanted: Int64, masks: NDArray[Any]) -> Int64:
    """Wanted actions (N,) where masks (N, actions) allow them; else a move, or else an image."""
    instead = np.where(masks[:, MOVE], MOVE, LOOK)
    return np.where(masks[np.arange(wanted.size), wanted], wanted, instead)


class TipExpertAgent(BaseAgent):
    """Dips a blunt tip, pulses a contaminated one, and accepts one that stays sharp."""

    name = "expert"
    Config = TipExpertConfig
    observation_shapes = _SHAPES

    def _act(self, observation: Mapping[str, NDArray[Any]], info: Mapping[str, Any]) -> Int64:
        """Decide by the mean of the images since the tip was last changed."""
        config, seen = self.config, TIP.unpack(observation["numbers"].astype(np.float64))
        means = zip(READINGS, SCALES, strict=True)
        blur, ghost, flicker, slope = (scale * seen[f"mean_{name}"] for name, scale in means)
        readings = np.rint(5.0 * seen["readings"])
        dip, pulse = DIP + config.dip, PULSE + config.pulse
        tried = np.rint(5.0 * seen[f"count_{dip}"])
        dirty = slope < config.slope
        bad = (blur > config.blur_nm) | (ghost > config.ghost) | (flicker > config.flicker_nm)
        hopeless = (tried > 0) & (tried % config.patience == 0)
        mend = np.where(dirty | hopeless, pulse, dip)
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
        states, hardness = latent["tip_state"], latent["traits"][:, stm_tip.HARDNESS]
        pairs = zip(states.tolist(), hardness.tolist(), strict=True)
        best = np.array([_conditioning(*pair) for pair in pairs])
        end = np.where(masks[:, ACCEPT], ACCEPT, LOOK)
        return _possible(np.where(states == stm_tip.SHARP, end, best), masks)


def _conditioning(state: int, hardness: float) -> int:
    """Gentle dip or pulse below 8 V that most probably makes a tip sharp."""
    chance: dict[int, float] = {}
    for k, depth in enumerate(DIPS_NM):
        if depth <= 1.8:
            change = stm_tip.change_probability(depth, 0.0, hardness)
            chance[DIP + k] = change * _sharpens(state, stm_tip.GENTLE)
    for k, volts in enumerate(PULSES_V):
        if abs(volts) < 8.0:
            change = stm_tip.change_probability(0.0, volts, hardness)
            chance[PULSE + k] = change * _sharpens(state, stm_tip.PULSE)
    return max(chance, key=lambda action: chance[action])


@functools.cache
def _sharpens(state: int, cause: int) -> float:
    """Probability that a change by a cause makes a tip of a state sharp."""
    draws = (np.arange(200) + 0.5) / 200
    return float(np.mean([stm_tip.next_state(state, cause, u) == stm_tip.SHARP for u in draws]))
