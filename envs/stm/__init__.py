"""STM-v0, STMBuild-v0 and STMTip-v0: moving adatoms by a tunnelling microscope's tip."""

from microgym.envs.core.registry import register

for name, decision in (
    ("STM", "drag an adatom to its target, and look"),
    ("STMBuild", "drag adatoms into a figure, and leave the others alone"),
    ("STMTip", "mend a bad tip by pulses and dips"),
):
    register(f"{name}-v0", __name__, name, f"tunnelling microscope: {decision}")
