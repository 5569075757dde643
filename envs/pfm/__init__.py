"""Ferroelectric lithography: write a domain pattern, or shift a hysteresis loop, with a tip."""

from microgym.envs.pfm.task import PFMTask
from microgym.envs.shell import MicroscopeEnv, MicroscopeVectorEnv

__all__ = ["PFMEnv", "PFMTask", "PFMVectorEnv"]


class PFMEnv(MicroscopeEnv):
    """Write a pattern of domains into a ferroelectric film."""

    task_class = PFMTask


class PFMVectorEnv(MicroscopeVectorEnv):
    """N piezoresponse force microscopes in one process; see `PFMEnv`."""

    task_class = PFMTask
