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

from microgym.baselines.benchmarks.timing import (
    Alternative,
    Benchmark,
    Effort,
    adds,
    at_least,
    benchmark,
)
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


def stepping(env: Any, chosen: NDArray[np.float32]) -> Callable[[], None]:
    """Function that takes the same steps in each call."""

    def run() -> None:
        for one in chosen:
            env.step(one)

    return run


def episodes(env: Any, count: int, exposures: int) -> Callable[[], None]:
    """Function that plays one episode in each of `count` environments and starts the next."""
    env.reset(seed=SEED)
    return stepping(env, actions(exposures + 1, count))


@benchmark
def vector(effort: Effort) -> Iterator[Benchmark]:
    """Whole episodes of 64 environments, final sweeps and resets included."""
    exposures = PtychoConfig().exposures
    single = functools.partial(gym.make, "Ptycho-v0", **ENDLESS)
    plain, threaded = f"SyncVectorEnv({ENVS})", f"make_vec({ENVS}), {THREADS} threads"
    envs = {
        plain: SyncVectorEnv([single] * ENVS),
        f"make_vec({ENVS}), 1 thread": gym.make_vec("Ptycho-v0", ENVS, **ENDLESS),
        threaded: gym.make_vec("Ptycho-v0", ENVS, threads=THREADS, **ENDLESS),
    }
    units = ENVS * exposures
    yield Benchmark(
        f"decision of Ptycho-v0, whole episodes of {exposures}, final sweeps and resets shared out",
        {name: Alternative(episodes(env, ENVS, exposures), units) for name, env in envs.items()},
        [at_least(threaded, 1.0, [plain])],
        "decision",
        threads=THREADS,
        calls=1,
        share=1 / 5,
        notes=[f"load of the machine at the start: {os.getloadavg()[0]:.1f}"],
    )


def _from_reset(env: Any, chosen: NDArray[np.float32]) -> Alternative:
    """The same steps on the same specimens in each slice, which ends with the same bits."""
    return Alternative(stepping(env, chosen), chosen.size // 3, lambda: env.reset(seed=SEED))


@benchmark
def wrapping(effort: Effort) -> Iterator[Benchmark]:
    """Overhead of Gymnasium: the same steps with and without it."""
    wrapped: Any = gym.make("Ptycho-v0", **LONG)
    task = PtychoTask(1, **LONG)
    raw = seeding.np_random(SEED)[0].bit_generator.random_raw()
    rows, key = np.arange(1), episode_key(raw & ((1 << 63) - 1))[None]
    chosen = actions(STEPS, 1)

    def bare() -> None:
        for action in chosen:
            task.step(rows, action)
            task.observe()
            task.info()

    made, unwrapped = "gymnasium.make", "the environment unwrapped"
    yield Benchmark(
        "decision of Ptycho-v0, with and without Gymnasium",
        {
            made: _from_reset(wrapped, chosen[:, 0]),
            unwrapped: _from_reset(wrapped.unwrapped, chosen[:, 0]),
            "the task bare": Alternative(bare, STEPS, lambda: task.reset(rows, key)),
        },
        [adds(made, 3.0, unwrapped)],
        "decision",
        unwrapped,
        calls=1,
        share=16.0,
    )


@benchmark
def observation(effort: Effort) -> Iterator[Benchmark]:
    """Whole steps with every observation model, for 1, 16 and 64 environments."""
    alternatives: dict[str, Alternative] = {}
    for model in MODELS:
        arguments: dict[str, Any] = {**LONG, "reconstructor": model}
        for count in SIZES:
            chosen = actions(max(4 * STEPS // count, 2), count)
            if count == 1:
                env, chosen = gym.make("Ptycho-v0", **arguments), chosen[:, 0]
            else:
                env = gym.make_vec("Ptycho-v0", count, **arguments)
            alternatives[f"{model}, {count}"] = _from_reset(env, chosen)
    yield Benchmark(
        "decision of Ptycho-v0 with each observation model, environments side by side",
        alternatives,
        unit="decision",
        reference=f"classical, {SIZES[0]}",
        calls=1,
    )
