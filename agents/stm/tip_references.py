"""Reference agents of STMTip-v0 without privileged information: random and expert."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from microgym.agents.core.agent import BaseAgent
from microgym.agents.core.random_agent import SeededRandomAgent
from microgym.agents.stm.tip_filter import GENTLE, TipFilter
from microgym.envs.stm.config import STMTipConfig
from microgym.envs.stm.observation import TIP
from microgym.envs.stm.tip_task import ACCEPT, LOOK, MOVE
from microgym.physics import stm_tip
from microgym.state import Float64, Int64, Shape


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
        accept: probability of a sharp tip above which it is accepted.
        look: probability above which another image is taken.
        patience: images of a tip after which it is conditioned where it is not accepted.
        noise, tip: levels of the environment's switches.
    """

    accept: float = 0.9
    look: float = 0.05
    patience: int = 6
    noise: str = STMTipConfig.noise
    tip: str = STMTipConfig.tip


class TipExpertState(NamedTuple):
    """Beliefs of the filter."""

    belief: Annotated[Float64, Shape("cells")]


def _possible(wanted: Int64, masks: NDArray[Any]) -> Int64:
    """Wanted actions (N,) where masks (N, actions) allow them; else a move, or else an image."""
    instead = np.where(masks[:, MOVE], MOVE, LOOK)
    return np.where(masks[np.arange(wanted.size), wanted], wanted, instead)


class TipExpertAgent(BaseAgent):
    """Bayesian filter of the tip; conditions as most probably sharpens it at once, and accepts.

    Args:
        config: a `TipExpertConfig`.
    """

    name = "expert"
    Config = TipExpertConfig
    State = TipExpertState
    observation_shapes: Mapping[str, tuple[int, ...]] = {"numbers": (len(TIP),)}

    def __init__(self, config: TipExpertConfig | None = None) -> None:
        super().__init__(config)
        self.filter = TipFilter(self.config.noise, self.config.tip)
        self.sizes = {"cells": self.filter.cells}

    @classmethod
    def for_env(cls, env_id: str, env_kwargs: Mapping[str, Any]) -> Self:
        """The agent for the levels of the switches."""
        given = STMTipConfig.parse(env_kwargs, env_id)
        return cls(replace(TipExpertConfig(), noise=given.noise, tip=given.tip))

    def _act(self, observation: Mapping[str, NDArray[Any]], info: Mapping[str, Any]) -> Int64:
        """Accept, take another image, or condition."""
        config, belief = self.config, self.state.belief
        seen = TIP.unpack(observation["numbers"].astype(np.float64))
        self.filter.update(belief, seen)
        sharp = self.filter.states(belief)[:, stm_tip.SHARP]
        images = np.rint(5.0 * seen["readings"])
        mend = np.array(GENTLE)[self.filter.sharpened(belief).argmax(axis=1)]
        doubtful = (sharp > config.look) & (images < config.patience)
        wanted = np.where(doubtful, LOOK, mend)
        masks = np.asarray(info["action_mask"], np.bool_)
        wanted = np.where((sharp > config.accept) & masks[:, ACCEPT], ACCEPT, wanted)
        return _possible(wanted, masks)
