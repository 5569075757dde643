"""Arguments of MultiProbe-v0 and MultiProbeJoint-v0."""

from dataclasses import dataclass
from typing import ClassVar

from microgym.envs.core.config import at_reset, choice, integer, number
from microgym.envs.ptycho.config import PtychoConfig


@dataclass(frozen=True)
class MultiProbeConfig(PtychoConfig):
    """Arguments of Ptycho-v0, and those of several probes."""

    PRESETS: ClassVar = {"easy": {**PtychoConfig.PRESETS["easy"], "clearance_px": 0.0}}

    probes: int = integer(2, 2, 4, "probes on the specimen")
    exposures: int = integer(15, 1, 100, "exposures of each probe in an episode")
    clearance_px: float = at_reset(
        number(32.0, 0.0, 128.0, "least distance of two probes that their carriers allow", "px")
    )
    share: str = choice("maps", ("maps", "none"), "what probes see of each other")
    observation: str = choice("compact", ("compact", "full"), "maps of 32 or of 64 cells")

    def validate(self) -> None:
        """Refuse a recorded scan, which has one probe; see `PtychoConfig.validate`."""
        super().validate()
        if self.recording is not None:
            raise ValueError(f"recording={self.recording!r} has one probe; it must be None")
