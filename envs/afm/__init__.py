"""AFM-v0: an atomic force microscope that images surfaces."""

from microgym.envs.core.registry import register

register(
    "AFM-v0",
    __name__,
    "AFM",
    "force microscopy: gains, setpoint and speed of every line, and care for the tip",
)
