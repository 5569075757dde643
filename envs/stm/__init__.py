"""STM-v0, STMBuild-v0 and STMTip-v0: a scanning tunnelling microscope that moves adatoms."""

from microgym.envs.core.registry import register

register("STM-v0", __name__, "STM", "tunnelling microscope: drag an adatom to its target, and look")
register(
    "STMBuild-v0",
    __name__,
    "STM",
    "tunnelling microscope: drag adatoms into a figure, and leave the others alone",
    {"goal": "build"},
)
register(
    "STMTip-v0",
    __name__,
    "STM",
    "tunnelling microscope: mend a bad tip by pulses and dips",
    {"goal": "tip"},
)
