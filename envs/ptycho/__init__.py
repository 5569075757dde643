"""Ptycho-v0: scanning coherent diffraction."""

from microgym.envs.core.registry import register

register(
    "Ptycho-v0",
    __name__,
    "Ptycho",
    "scanning coherent diffraction: where to expose next, and for how long",
)
