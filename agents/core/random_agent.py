"""Base class of random agents: counter-based draws, reproducible for each episode."""

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from microgym.agents.core.agent import BaseAgent
from microgym.random import Role, episode_key, uniform
from microgym.random import stream as stream_of
from microgym.random.streams import AgentWorld
from microgym.state import Float32


class SeededRandomAgent(BaseAgent):
    """An agent whose draws depend on the episode's seed and on the number of the decision alone.

    Attributes:
        process: number of the stream of the world role; no process of the environment has it.
    """

    name = "random"
    process: ClassVar[int] = AgentWorld.RANDOM

    def _reset(self, seeds: Sequence[int]) -> None:
        super()._reset(seeds)
        keys = (episode_key(int(seed), self.process) for seed in seeds)
        self._streams = [stream_of(key[0], key[1], Role.WORLD, self.process) for key in keys]

    def draw(self, count: int) -> NDArray[np.float64]:
        """Uniform numbers of the next decision, (N, count)."""
        draws = [[uniform(a, b, self.steps, i) for i in range(count)] for a, b in self._streams]
        return np.array(draws)

    def draw_actions(self, count: int, *rest: float) -> Float32:
        """Actions of the next decision: uniform in -1 to 1, (N, count), then the rest for all."""
        drawn = 2.0 * self.draw(count) - 1.0
        return np.concatenate([drawn, np.tile(rest, (len(drawn), 1))], axis=1).astype(np.float32)
