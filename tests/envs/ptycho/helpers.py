"""What the tests of Ptycho-v0 share."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from microgym.envs.ptycho.config import GRID
from microgym.envs.ptycho.env import PtychoEnv
from microgym.envs.ptycho.observation import MAPS, NUMBERS
from microgym.envs.ptycho.task import PtychoTask

QUIET: dict[str, Any] = {"drift": "off", "damage": "off", "exposures": 4, "photons": 1e5}


def make(seed: int | None = 1, **arguments: Any) -> Any:
    """A short, dim episode without drift and damage, unless asked for; reset unless no `seed`."""
    env = PtychoEnv(**{**QUIET, **arguments})
    if seed is not None:
        env.reset(seed=seed)
    return env


def task_of(env: Any) -> PtychoTask:
    return env.task


def action(y: float, x: float, seconds: float = 1.0) -> NDArray[np.float32]:
    return np.array([y, x, np.log10(seconds)], np.float32)


def cell_centre(cell: int) -> tuple[float, float]:
    return 2 * (cell // GRID + 0.5) / GRID - 1, 2 * (cell % GRID + 0.5) / GRID - 1


def richest(env: Any) -> tuple[float, float]:
    """Where in the region most structure lies, as an action."""
    task = task_of(env)
    inside = slice(task.start, task.start + task.region)
    structure = task.instrument.sample.structure[0, inside, inside].astype(float)
    cells = structure.reshape(GRID, 8, GRID, 8).mean(axis=(1, 3))
    return cell_centre(int(cells.argmax()))


def play(env: Any, actions: Any) -> list[tuple[Any, ...]]:
    return [env.step(one) for one in actions]


def wander(count: int, seed: int = 0, seconds: float = 1.0) -> list[NDArray[np.float32]]:
    places = np.random.default_rng(seed).uniform(-0.8, 0.8, (count, 2))
    return [action(y, x, seconds) for y, x in places]


def number(observation: Any, name: str) -> float:
    return float(NUMBERS.unpack(observation["numbers"][None].astype(float))[name][0])


def maps_of(observation: Any) -> dict[str, Any]:
    """Values of the maps by name."""
    return {name: one[0] for name, one in MAPS.unpack(observation["maps"][None]).items()}
