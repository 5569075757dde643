"""Look for a drifting lamp."""

from microgym.envs.core.gymnasium_env import environments
from tests.envs.toy.task import ToyTask

ToyEnv, ToyVectorEnv = environments(__name__, ToyTask, __doc__)
