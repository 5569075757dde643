"""AFM-v0: a force microscope that scans a surface line by line."""

from microgym.envs.core.registry import register

register(
    "AFM-v0",
    __name__,
    "AFM",
    "force microscopy: scan a surface line by line, tune the loop, keep the tip whole",
)
