"""Arguments of the STM environments."""

from dataclasses import dataclass
from typing import ClassVar

from microgym.envs.core import config as declare
from microgym.instruments.stm.settings import DRIFT_LEVELS, IMAGE_LEVELS, NOISE_LEVELS, STMSettings
from microgym.physics.stm_tip import APEX_LEVELS
from microgym.specimens.adatom_fields import FAMILIES, FIELD_NM, HELD_OUT, MOVERS
from microgym.specimens.splits import validate_family

RECONSTRUCTORS = ("model", "classical", "neural")
NEAREST_NM = 1.0
"""Least distance of the target in STM-v0, nm (design choice)."""


@dataclass(frozen=True)
class TunnellingConfig(declare.Config):
    """Arguments that all STM environments have.

    Attributes:
        bent: share of episodes that begin with a tip that is not sharp.
    """

    PRESETS: ClassVar = {"easy": {"drift": "off", "tip": "easy", "noise": "easy"}}
    bent: ClassVar[float] = 0.0
    specimen: str = declare.family("terrace", FAMILIES, "family of surfaces")
    split: str = declare.split()
    time_budget_s: float = declare.positive(200.0, "time of an episode (design choice)", "s")
    observation: str = declare.choice(
        "features", ("features", "image"), "vector, or an image beside it"
    )
    drift: str = declare.level(DRIFT_LEVELS, "drift of the field under the tip")
    tip: str = declare.level(APEX_LEVELS, "variation between tips, and spontaneous changes")
    noise: str = declare.level(NOISE_LEVELS, "noise of the readings")

    def validate(self) -> None:
        """Check family and split against each other."""
        validate_family(self.specimen, self.split, FAMILIES, HELD_OUT)

    @property
    def detects(self) -> bool:
        """Whether positions come from a detector; its images have 1/f noise and mains besides."""
        return False

    @property
    def settings(self) -> STMSettings:
        """Settings of the instrument."""
        noise = (IMAGE_LEVELS if self.detects else NOISE_LEVELS)[self.noise]
        drift, tip = DRIFT_LEVELS[self.drift], APEX_LEVELS[self.tip]
        return STMSettings(drift=drift, tip=tip, noise=noise, bent=self.bent)


@dataclass(frozen=True)
class DragConfig(TunnellingConfig):
    """Arguments that STM-v0 and STMBuild-v0 have in common."""

    reconstructor: str = declare.choice("model", RECONSTRUCTORS, "source of adatom positions")

    @property
    def detects(self) -> bool:
        """Whether the source is a detector."""
        return self.reconstructor != "model"


@dataclass(frozen=True)
class STMConfig(DragConfig):
    """Arguments of STM-v0."""

    PRESETS: ClassVar = {
        "easy": {"farthest_nm": 1.5, "drift": "off", "tip": "easy", "noise": "easy"}
    }
    farthest_nm: float = declare.at_reset(
        declare.number(5.0, NEAREST_NM, 5.0, "largest distance of the target", "nm")
    )


@dataclass(frozen=True)
class STMBuildConfig(DragConfig):
    """Arguments of STMBuild-v0."""

    PRESETS: ClassVar = {
        "easy": {"farthest_nm": 1.5, "drift": "off", "tip": "easy", "noise": "easy"}
    }

    time_budget_s: float = declare.positive(600.0, "time of an episode (design choice)", "s")
    farthest_nm: float = declare.at_reset(
        declare.number(
            FIELD_NM,
            NEAREST_NM,
            FIELD_NM,
            "largest distance of the targets; from 8 nm on any",
            "nm",
        )
    )
    atoms: int = declare.integer(3, 2, MOVERS, "adatoms that are to be moved")


@dataclass(frozen=True)
class STMTipConfig(TunnellingConfig):
    """Arguments of STMTip-v0; no tip is sharp at the start."""

    bent: ClassVar[float] = 1.0
    time_budget_s: float = declare.positive(900.0, "time of an episode (design choice)", "s")
    places: int = declare.integer(2, 0, 20, "fresh places that the coarse motor can reach")
