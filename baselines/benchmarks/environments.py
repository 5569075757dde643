"""Benchmarks of whole steps of Ptycho-v0: vector environment, Gymnasium, observation models."""

import functools
import os
from collections.abc import Callable, Iterator
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.utils import seeding
from gymnasium.vector import SyncVectorEnv
from numpy.typing import NDArray

from microgym.baselines.benchmarks.thresholds import Adds, AtLeast
from microgym.baselines.benchmarks.timing import Alternative, Benchmark, Effort, benchmark
from microgym.envs.ptycho.config import MODELS, PtychoConfig
from microgym.envs.ptycho.task import PtychoTask
from microgym.random import episode_key

ENDLESS: dict[str, Any] = {"time_budget_s": 1e9, "reconstructor": "classical"}
"""Episodes that end with their last exposure, whatever the distance between exposures."""
LONG: dict[str, Any] = {**ENDLESS, "exposures": 60, "final_sweeps": 0}
"""Episodes that do not end within a slice."""
ENVS, THREADS = 64, 2
"""Environments and threads of the vector benchmark."""
SEED = 0
"""Seed of the first episode of every environment."""
SIZES = (1, 16, 64)
"""Environments side by side in the benchmark of observation models."""
STEPS = 10
"""Steps of one call where environments are compared: few, so that the load of a shared machine is
the same for all."""


def actions(steps: int, count: int) -> NDArray[np.float32]:
    """Random positions, exposed for one second each: (steps, count, 3) float32."""
    chosen = np.random.default_rng(0).uniform(-1.0, 1.0, (steps, count, 3)).astype(np.float32)
    chosen[..., 2] = 0.0
    return chosen


def episodes(env: Any, count: int, exposures: int) -> Callable[[], None]:
    """Function that plays one episode in each of `count` environments and starts the next."""
    chosen = actions(exposures + 1, count)
    env.reset(seed=SEED)

    def run() -> None:
        for one in chosen:
            env.step(one)

    return run


@benchmark("vector")
def vector(effort: Effort) -> Iterator[Benchmark]:
    """Whole episodes of 64 environments, final sweeps and resets included."""
    exposures = PtychoConfig().exposures
    single = functools.partial(gym.make, "Ptycho-v0", **ENDLESS)
    reference, threaded = f"SyncVectorEnv({ENVS})", f"make_vec({ENVS}), {THREADS} threads"
    envs = {
        reference: SyncVectorEnv([single] * ENVS),
        f"make_vec({ENVS}), 1 thread": gym.make_vec("Ptycho-v0", ENVS, **ENDLESS),
        threaded: gym.make_vec("Ptycho-v0", ENVS, threads=THREADS, **ENDLESS),
    }
    units = ENVS * exposures
    yield Benchmark(
        f"decision of Ptycho-v0, whole episodes of {exposures}, final sweeps and resets shared out",
        reference,
        {name: Alternative(episodes(env, ENVS, exposures), units) for name, env in envs.items()},
        [AtLeast(threaded, 1.0, (reference,))],
        "decision",
        threads=THREADS,
        calls=1,
        share=1 / 5,
        notes=[f"load of the machine at the start: {os.getloadavg()[0]:.1f}"],
    )


@benchmark("wrapping")
def wrapping(effort: Effort) -> Iterator[Benchmark]:
    """Overhead of Gymnasium: the same steps with and without it."""
    wrapped: Any = gym.make("Ptycho-v0", **LONG)
    alone: Any = wrapped.unwrapped
    task = PtychoTask(1, **LONG)
    raw = seeding.np_random(SEED)[0].bit_generator.random_raw()
    rows, key = np.arange(1), episode_key(raw & ((1 << 63) - 1))[None]
    singles = actions(STEPS, 1)

    def with_wrappers() -> None:
        for action in singles:
            wrapped.step(action[0])

    def without() -> None:
        for action in singles:
            alone.step(action[0])

    def bare() -> None:
        for action in singles:
            task.step(rows, action)
            task.observe()
            task.info()

    # Each slice takes the same actions on the same specimen, and ends with the same bits.
    def begin() -> None:
        wrapped.reset(seed=SEED)

    names = ("gymnasium.make", "the environment unwrapped", "the task bare")
    yield Benchmark(
        "decision of Ptycho-v0, with and without Gymnasium",
        names[1],
        {
            names[0]: Alternative(with_wrappers, STEPS, begin),
            names[1]: Alternative(without, STEPS, begin),
            names[2]: Alternative(bare, STEPS, lambda: task.reset(rows, key, {})),
        },
        [Adds(names[0], 3.0, names[1])],
        "decision",
        calls=1,
        share=16.0,
    )


class _Scans:
    """Environments that are reset outside the timed steps."""

    def __init__(self, env: Any, count: int, steps: int) -> None:
        self.env, self.steps, self.left = env, steps, 0
        self.actions = actions(steps, count)
        if count == 1:
            self.actions = self.actions[:, 0]

    def before(self) -> None:
        """Reset if an episode would end within the timed steps."""
        if self.left < self.steps:
            self.env.reset(seed=SEED)
            self.left = LONG["exposures"]

    def run(self) -> None:
        """Take some steps."""
        for one in self.actions:
            self.env.step(one)
        self.left -= self.steps


@benchmark("observation")
def observation(effort: Effort) -> Iterator[Benchmark]:
    """Whole steps with every observation model, for 1, 16 and 64 environments."""
    alternatives: dict[str, Alternative] = {}
    for model in MODELS:
        for count in SIZES:
            arguments: dict[str, Any] = {**LONG, "reconstructor": model}
            env: Any = (
                gym.make("Ptycho-v0", **arguments)
                if count == 1
                else gym.make_vec("Ptycho-v0", count, **arguments)
            )
            steps = max(4 * STEPS // count, 2)
            scans = _Scans(env, count, steps)
            alternatives[f"{model}, {count}"] = Alternative(scans.run, steps * count, scans.before)
    yield Benchmark(
        "decision of Ptycho-v0 with each observation model, environments side by side",
        f"classical, {SIZES[0]}",
        alternatives,
        unit="decision",
        calls=1,
    )
