"""Adaptive ptychography: scan an unknown specimen with few exposures."""

from microgym.envs.ptycho.task import PtychoTask
from microgym.envs.shell import MicroscopeEnv, MicroscopeVectorEnv

__all__ = ["PtychoEnv", "PtychoTask", "PtychoVectorEnv"]


class PtychoEnv(MicroscopeEnv):
    """One ptychographic microscope."""

    task_class = PtychoTask


class PtychoVectorEnv(MicroscopeVectorEnv):
    """N ptychographic microscopes in one process."""

    task_class = PtychoTask
