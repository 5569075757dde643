"""AFM-v0: a force microscope that scans a surface line by line."""

from microgym.envs.core.registry import register

register(
    "AFM-v0",
    __name__,
    "AFM",
    "force microscopy: gains, setpoint and speed of every line, and care for the tip",
)
