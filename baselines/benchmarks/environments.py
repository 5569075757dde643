"""Benchmarks of whole steps: vector environments, Gymnasium, observation models."""

import functools
import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.utils import seeding
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from numpy.typing import NDArray

from microgym.baselines.benchmarks.timing import (
    Alternative,
    Benchmark,
    Effort,
    adds,
    at_least,
    at_rate,
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


RATES: Mapping[str, tuple[float, str]] = {
    "AFM-v0": (2500.0, "line"),
    "PFMLoop-v0": (5000.0, "step"),
}
"""Steps a second of one core that are wanted of a batch of 16, and what a step is."""
BATCH = 16


def _several(env_id: str) -> Callable[[], None]:
    """Function that takes the same steps in single environments as `_together` in a batch."""
    envs = [gym.make(env_id) for _ in range(BATCH)]
    for k, env in enumerate(envs):
        env.reset(seed=SEED + k)
    chosen = _gaussian(envs[0].action_space)

    def run() -> None:
        for actions in chosen:
            for env, action in zip(envs, actions, strict=True):
                if any(env.step(action)[2:4]):
                    env.reset()

    return run


def _together(env_id: str) -> Callable[[], None]:
    """Function that takes some steps in a batch, which begins ended episodes anew."""
    envs = gym.make_vec(env_id, BATCH, autoreset_mode=AutoresetMode.SAME_STEP)
    envs.reset(seed=SEED)
    return stepping(envs, _gaussian(envs.single_action_space))


def _gaussian(space: Any) -> NDArray[np.float32]:
    """Actions of a policy before training, (steps, batch, size) float32: mean 0, deviation 0.5."""
    drawn = np.random.default_rng(0).normal(0.0, 0.5, (STEPS, BATCH, *space.shape))
    return np.clip(drawn, space.low, space.high).astype(np.float32)


@benchmark
def rates(effort: Effort) -> Iterator[Benchmark]:
    """Steps of a batch and of as many single environments, resets included."""
    for env_id, (least, unit) in RATES.items():
        together = f"make_vec({BATCH})"
        sides = {f"{BATCH} x gymnasium.make": _several(env_id), together: _together(env_id)}
        yield Benchmark(
            f"{unit} of {env_id}",
            {name: Alternative(run, STEPS * BATCH) for name, run in sides.items()},
            [at_rate(together, least, unit)],
            unit,
            share=1 / 2,
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
