"""Gymnasium environments of the toy."""

from gymnasium.vector import VectorEnv

from microgym.envs.core.single_env import MicroscopeEnv
from microgym.envs.core.vector_env import MicroscopeVectorEnv
from tests.envs.toy.task import ToyTask


class ToyEnv(MicroscopeEnv):
    """Look for a drifting lamp."""

    task_class = ToyTask


class ToyVectorEnv(MicroscopeVectorEnv, VectorEnv):
    """N toys in one process."""

    task_class = ToyTask
