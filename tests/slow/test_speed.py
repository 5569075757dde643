"""Speed of compiled code beside NumPy, in processor time, which other work disturbs little."""

import functools
from collections.abc import Callable

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import SyncVectorEnv

from microgym.baselines.benchmarks import instruments
from microgym.baselines.benchmarks.environments import ENDLESS, ENVS, episodes
from microgym.baselines.benchmarks.timing import Alternative, Benchmark, Effort, at_least, measure
from microgym.envs.ptycho.config import PtychoConfig
from tests.envs.ptycho.numpy_env import NumpyPtychoEnv
from tests.microgym.instruments.numpy_afm import NumpyLines
from tests.microgym.instruments.numpy_pfm import NumpyFilms
from tests.microgym.instruments.numpy_stm import NumpyDrag

Alternatives = dict[str, Alternative]


def lines() -> Alternatives:
    plain = NumpyLines(instruments.force_microscope(), np.random.default_rng(0))

    def scan() -> None:
        plain.number %= instruments.PERFECT.lines
        plain.scan(instruments.SETPOINT, instruments.GAIN, instruments.RATE_HZ)

    compiled = instruments.Lines()
    return {"compiled": Alternative(compiled.run), "NumPy": Alternative(scan)}


def drags() -> Alternatives:
    plain = NumpyDrag(0)
    ends = [plain.places[0].copy(), plain.places[0] + instruments.WAY]

    def drag() -> None:
        plain.run(*ends)
        ends.reverse()

    compiled = Alternative(instruments.Drags().run, instruments.DRAGS)
    return {"compiled": compiled, "NumPy": Alternative(drag)}


def pulses(count: int) -> Alternatives:
    films = {
        one.__name__: NumpyFilms(instruments.Films(count), one) for one in (np.float32, np.float64)
    }
    found = {"compiled": Alternative(instruments.Films(count).run, count)}
    return found | {name: Alternative(one.run, count) for name, one in films.items()}


def vectors() -> Alternatives:
    plain = {
        one.__name__: SyncVectorEnv(
            [functools.partial(NumpyPtychoEnv, precision=one, **ENDLESS)] * ENVS
        )
        for one in (np.complex64, np.complex128)
    }
    envs = {"compiled": gym.make_vec("Ptycho-v0", ENVS, **ENDLESS), **plain}
    exposures = PtychoConfig().exposures
    return {
        name: Alternative(episodes(env, ENVS, exposures), ENVS * exposures)
        for name, env in envs.items()
    }


@pytest.mark.slow
@pytest.mark.parametrize(
    ("make", "times", "calls"),
    [
        (lines, 20.0, None),
        (drags, 20.0, None),
        (functools.partial(pulses, 1), 20.0, None),
        (functools.partial(pulses, 64), 20.0, None),
        (vectors, 6.0, 1),  # whole episodes, final sweeps and resets included
    ],
    ids=["line", "drag", "pulse", "64 pulses", "vector"],
)
def test_compiled_code_is_so_many_times_as_fast_as_numpy(
    make: Callable[[], Alternatives], times: float, calls: int | None
):
    alternatives = make()
    others = tuple(name for name in alternatives if name != "compiled")
    bound = at_least("compiled", times, others)
    race = Benchmark("race", alternatives, [bound], reference=others[0], calls=calls)
    (threshold,) = measure(race, Effort(rounds=5)).checks
    assert threshold.met, str(threshold)
