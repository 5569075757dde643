"""Oracle of STMTip-v0: dynamic programming over state, surface and time of a tip that it knows."""

import functools
import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from microgym.agents.core.agent import BaseAgent
from microgym.agents.stm.tip_filter import CONDITIONING, STATES, changes, transitions
from microgym.envs.stm.config import STMTipConfig
from microgym.envs.stm.observation import ACTIONS, TIP
from microgym.envs.stm.tip_task import ACCEPT, DIP, EVIDENCE, LOOK, MOVE, PULSE, SPOILT, STMTipTask
from microgym.instruments.stm.settings import IMAGING_PA, IMAGING_V, STMSettings
from microgym.physics import stm_tip
from microgym.physics.stm_tip import APEX_LEVELS
from microgym.state import Float32, Float64, Int64

_SETTINGS = STMSettings()
_UNIT_S = _SETTINGS.condition_s
"""Step of time, s, of which an image and a coarse move are multiples."""
_LOOK = round(_SETTINGS.image_s / _UNIT_S)
_TOUCH, _GO = 1 + _LOOK, round(_SETTINGS.coarse_s / _UNIT_S) + _LOOK
_HARDNESS_STEP = 0.05  # of the logarithm of the hardness for which plans are made
_DAMAGE = STMTipTask.REWARD["damage"].weight
_KINDS = (SPOILT[PULSE], SPOILT[DIP + len(stm_tip.DIPS_NM) - 1])
_PATTERNS = [
    (small, large)
    for large, small in itertools.product(range(3), range(17))
    if small * _KINDS[0] + large * _KINDS[1] <= 1.0 + 1e-12
]
"""Numbers of small and large spots that fit into a place."""
_CLEAN = np.array([1.0 - small * _KINDS[0] - large * _KINDS[1] for small, large in _PATTERNS])


@dataclass(frozen=True)
class TipOracleConfig:
    """Configuration of the oracle: arguments of the environment.

    Attributes:
        tip: level of the switch.
        places, time_budget_s: see there.
    """

    tip: str = STMTipConfig.tip
    places: int = STMTipConfig.places
    time_budget_s: float = STMTipConfig.time_budget_s


class TipOracleAgent(BaseAgent):
    """Knows the state and the hardness of the tip, and plans to the end of the episode.

    Args:
        config: a `TipOracleConfig`.
    """

    name = "oracle"
    Config = TipOracleConfig
    uses_privileged_info = True
    observation_shapes: Mapping[str, tuple[int, ...]] = {"numbers": (len(TIP),)}

    @classmethod
    def for_env(cls, env_id: str, env_kwargs: Mapping[str, Any]) -> Self:
        """The agent for the arguments of an environment."""
        given = STMTipConfig.parse(env_kwargs, env_id)
        return cls(TipOracleConfig(given.tip, given.places, given.time_budget_s))

    def _act(self, observation: Mapping[str, NDArray[Any]], info: Mapping[str, Any]) -> Int64:
        """The first action of the plan from here."""
        config, latent = self.config, info["latent"]
        steps, *where = situations(observation["numbers"], config.places, config.time_budget_s)
        hardness = np.log(latent["traits"][:, stm_tip.HARDNESS] / stm_tip.HARDNESS_NM)
        numbers = np.rint(hardness / _HARDNESS_STEP)
        found = np.empty(len(numbers), np.int64)
        for row, number in enumerate(numbers.tolist()):
            table = plan(config.tip, number, config.places, config.time_budget_s)
            places, surface, looked = (one[row] for one in where)
            found[row] = table[steps[row], places, surface, latent["tip_state"][row], looked]
        return found


def situations(numbers: NDArray[Any], places: int, time_budget_s: float) -> list[Int64]:
    """What plans depend on, from the environment's vector.

    Args:
        numbers: (N, channels), see `TIP`.
        places, time_budget_s: arguments of the environment.

    Returns:
        Steps of time left, places left, pattern on the surface, and whether there are images
        enough for an acceptance; each (N,).
    """
    seen = TIP.unpack(numbers.astype(np.float64))
    steps = np.floor(np.maximum(seen["time_left"], 0.0) * time_budget_s / _UNIT_S + 1e-4)
    left = np.minimum(np.rint(20.0 * seen["places"]), places)
    surface = np.abs(seen["clean"][:, None] - _CLEAN).argmin(axis=1)
    images = np.rint(5.0 * seen["readings"])
    return [steps.astype(np.int64), left.astype(np.int64), surface, (images >= EVIDENCE) * 1]


@functools.lru_cache(maxsize=512)
def plan(tip: str, number: float, places: int, time_budget_s: float) -> NDArray[np.int8]:
    """Best actions for a hardness.

    Args:
        tip: level of the switch.
        number: of steps of 0.05 by which the logarithm of the hardness is off its median.
        places, time_budget_s: arguments of the environment.

    Returns:
        Action for each situation of `action_values`.
    """
    hardness = stm_tip.HARDNESS_NM * math.exp(_HARDNESS_STEP * number)
    found = action_values(tip, hardness, places, time_budget_s)
    return found.argmax(axis=-1).astype(np.int8)


def action_values(tip: str, hardness: float, places: int, time_budget_s: float) -> Float32:
    """Values of actions by backward induction (Bellman, Dynamic Programming, 1957).

    Args:
        tip: level of the switch.
        hardness: of the tip, nm.
        places, time_budget_s: arguments of the environment.

    Returns:
        Expected return of each action for (steps of time left, places left, pattern on the surface,
        state of the tip, whether it may be accepted); -inf where there is no room for it.
    """
    rate = stm_tip.change_rate(IMAGING_PA, IMAGING_V, APEX_LEVELS[tip].change_hz)
    by_itself = (1.0 - math.exp(-rate * _SETTINGS.image_s)) * transitions(stm_tip.ITSELF)
    seen = _stochastic(by_itself)
    # An image follows every action.
    moved = np.array([_stochastic(changes(k, hardness)) @ seen for k in CONDITIONING])
    after, fits = _surfaces()
    steps = int(time_budget_s / _UNIT_S)
    values = np.full((steps + 1, places + 1, len(_PATTERNS), STATES, 2), -1.0)
    each = np.full((*values.shape, len(ACTIONS)), -np.inf, np.float32)
    each[0, ..., LOOK] = -1.0
    price = _UNIT_S / time_budget_s
    end = np.where(np.arange(STATES) == stm_tip.SHARP, 1.0, -1.0)
    touching = slice(CONDITIONING.start, CONDITIONING.stop)
    for left in range(1, steps + 1):
        found = each[left]
        found[..., LOOK] = (values[max(left - _LOOK, 0), ..., 1] @ seen.T)[..., None]
        found[..., LOOK] -= _LOOK * price
        # (conditioning, places, patterns, states).
        then = values[max(left - _TOUCH, 0), ..., 0][:, after].transpose(2, 0, 1, 3)
        worth = then @ moved.transpose(0, 2, 1)[:, None] - _TOUCH * price
        worth -= _DAMAGE * SPOILT[touching, None, None, None]
        worth = np.where(fits.T[:, None, :, None], worth, -np.inf)
        found[..., touching] = worth.transpose(1, 2, 3, 0)[..., None, :]
        found[1:, ..., MOVE] = (values[max(left - _GO, 0), :-1, :1, :, 0] @ seen.T)[
            ..., None
        ] - _GO * price
        found[..., 1, ACCEPT] = end
        values[left] = found.max(axis=-1)
    return each


def _stochastic(changed: Float64) -> Float64:
    """Transition matrix from probabilities of changes, the rest of which stay as they are."""
    return changed + np.diag(1.0 - changed.sum(axis=1))


@functools.cache
def _surfaces() -> tuple[Int64, NDArray[np.bool_]]:
    """Pattern after each conditioning, and whether it fits, (patterns, conditioning)."""
    after = np.zeros((len(_PATTERNS), len(CONDITIONING)), np.int64)
    fits = np.zeros(after.shape, np.bool_)
    for n, (small, large) in enumerate(_PATTERNS):
        for k, action in enumerate(CONDITIONING):
            big = SPOILT[action] > _KINDS[0]
            then = (small + (not big), large + big)
            fits[n, k] = then in _PATTERNS
            after[n, k] = _PATTERNS.index(then) if fits[n, k] else 0
    return after, fits
