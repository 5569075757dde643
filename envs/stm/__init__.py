"""STM-v0, STMBuild-v0 and STMTip-v0: moving adatoms by a tunnelling microscope's tip."""

from microgym.envs.core.registry import register

register("STM-v0", __name__, "STM", "tunnelling microscope: drag an adatom to its target, and look")
register(
    "STMBuild-v0",
    __name__,
    "STMBuild",
    "tunnelling microscope: drag adatoms into a figure, and leave the others alone",
)
register(
    "STMTip-v0", __name__, "STMTip", "tunnelling microscope: mend a bad tip by pulses and dips"
)
