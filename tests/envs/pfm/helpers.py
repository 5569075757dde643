"""What the tests of PFM-v0 share."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from microgym.envs.core.gymnasium_env import MicroscopeEnv
from microgym.envs.pfm.env import PFMEnv, PFMLoopEnv
from microgym.envs.pfm.observation import LOOP_NUMBERS, MAPS, NUMBERS
from microgym.envs.pfm.task import PFMTask

QUIET: dict[str, Any] = {
    "drift": "off", "disorder": "off", "tip": "off", "readout": "off", "heat": "off", "pulses": 4
}  # fmt: skip


CLEAN = {**QUIET, "domains": 0}


def make(seed: int | None = 1, loop: bool = False, **arguments: Any) -> MicroscopeEnv:
    """A short episode on a perfect instrument, unless asked for; reset unless `seed` is None."""
    env = PFMLoopEnv(**{**QUIET, **arguments}) if loop else PFMEnv(**{**CLEAN, **arguments})
    if seed is not None:
        env.reset(seed=seed)
    return env


def task_of(env: Any) -> PFMTask:
    return env.task


def action(
    y: float, x: float, volts: float = 8.0, decades: float = 0.0, look: bool = False
) -> NDArray[np.float32]:
    """A pulse at a place in cells, 10**decades times 10 ms long."""
    place = 2.0 * np.array([y, x]) / 63.0 - 1.0
    return np.array([*place, volts / 10.0, decades / 2.0, 1.0 if look else -1.0], np.float32)


def play(env: Any, actions: Any) -> list[tuple[Any, ...]]:
    return [env.step(one) for one in actions]


def wander(count: int, seed: int = 0, look: bool = False) -> list[NDArray[np.float32]]:
    places = np.random.default_rng(seed).uniform(8.0, 55.0, (count, 2))
    return [action(y, x, look=look) for y, x in places]


def number(observation: Any, name: str) -> float:
    """Value of a number of an observation, of either task."""
    numbers = observation["numbers"]
    channels = NUMBERS if numbers.size == len(NUMBERS) else LOOP_NUMBERS
    return float(channels.unpack(numbers[None])[name][0])


def maps_of(observation: Any) -> Any:
    """Values of the maps of an observation."""
    return np.concatenate(list(MAPS.unpack(observation["maps"][None]).values()))


def coarse(plane: Any, cells: int = 32) -> Any:
    edge = 64 // cells
    return plane.reshape(cells, edge, cells, edge).mean(axis=(1, 3))
