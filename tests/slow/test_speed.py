"""Speed of the native vector environment beside an environment in NumPy."""

import functools

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import SyncVectorEnv

from microgym.baselines.benchmarks.environments import ENDLESS, ENVS, episodes
from microgym.baselines.benchmarks.thresholds import AtLeast, threshold_text
from microgym.baselines.benchmarks.timing import Alternative, Benchmark, Effort, measure
from microgym.envs.ptycho.config import PtychoConfig
from tests.envs.ptycho.numpy_env import NumpyPtychoEnv


@pytest.mark.slow
def test_whole_episodes_are_six_times_as_fast_on_one_core_as_in_numpy():
    exposures = PtychoConfig().exposures
    envs = {
        one.__name__: SyncVectorEnv(
            [functools.partial(NumpyPtychoEnv, precision=one, **ENDLESS)] * ENVS
        )
        for one in (np.complex64, np.complex128)
    }
    numpys = tuple(envs)
    envs["native"] = gym.make_vec("Ptycho-v0", ENVS, **ENDLESS)
    ways = {
        name: Alternative(episodes(env, ENVS, exposures), ENVS * exposures)
        for name, env in envs.items()
    }
    bound = AtLeast("native", 6.0, numpys)
    race = Benchmark("decision", numpys[0], ways, [bound], calls=1)
    (threshold,) = measure(race, Effort(rounds=5)).checks
    assert threshold.met, threshold_text(threshold)
