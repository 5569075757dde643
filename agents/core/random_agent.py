"""What policies that act by chance have in common."""

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from microgym.random import Role, episode_key, uniform
from microgym.random import stream as stream_of
from microgym.random.streams import AgentWorld


class SeededRandomAgent:
    """Draws numbers that depend on an episode's seed and on the decision alone.

    Attributes:
        process: of the world role; one that no simulated process of the environment uses.
    """

    name = "random"
    needs_truth = False
    process: ClassVar[int] = AgentWorld.RANDOM

    def reset(self, num_envs: int, seeds: Sequence[int]) -> None:
        """Begin N episodes."""
        keys = (episode_key(int(seed), self.process) for seed in seeds)
        self._streams = [stream_of(key[0], key[1], Role.WORLD, self.process) for key in keys]
        self._tick = 0

    def draw(self, count: int) -> NDArray[np.float64]:
        """Uniform numbers of the next decision, (N, count)."""
        draws = [[uniform(a, b, self._tick, i) for i in range(count)] for a, b in self._streams]
        self._tick += 1
        return np.array(draws)
