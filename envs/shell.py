"""The shell that turns any task into a Gymnasium environment, single and vector.

An environment module says no more than

    class PtychoEnv(MicroscopeEnv):
        task_class = PtychoTask

    class PtychoVectorEnv(MicroscopeVectorEnv):
        task_class = PtychoTask

and both step the same batched code: the single environment is a batch of one. Environment i of a
vector environment reset with `seed=s` is, to the bit, the single environment reset with
`seed=s + i`, whatever N, the number of threads and the autoreset mode.
"""

from microgym.envs.single import MicroscopeEnv
from microgym.envs.vector import MicroscopeVectorEnv

__all__ = ["MicroscopeEnv", "MicroscopeVectorEnv"]
