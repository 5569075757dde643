"""Arguments of PFM-v0 and PFMLoop-v0."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from microgym.envs.core import config as declare
from microgym.instruments.pfm import settings as pfm
from microgym.physics.ferroelectric import LatticeParameters
from microgym.specimens import ferroelectrics, patterns
from microgym.specimens.splits import validate_family

HIGHEST_V = 10.0
"""Largest bias of a pulse, V."""
CELLS = {"compact": 32, "full": 64, "features": 8}
"""Cells along an edge of the maps of each observation mode."""
OPTICS = (
    "cell_m", "field_per_v", "tip_cells", "dead_time_s", "speed_cells_s", "image_s", "loop_v",
    "loop_s",
)  # fmt: skip
"""Settings of the instrument that `optics` can change."""


@dataclass(frozen=True)
class PFMLoopConfig(declare.Config):
    """Arguments that both tasks have."""

    PRESETS: ClassVar = {
        "easy": {"drift": "off", "disorder": "easy", "readout": "off", "heat": "off", "tip": "off"}
    }
    specimen: str = declare.family("mixed", ferroelectrics.FAMILIES, "family of films")
    split: str = declare.split()
    pulses: int = declare.integer(16, 1, 400, "pulses of an episode")
    time_budget_s: float | None = declare.positive(
        None, "time of an episode; None for 2.5 s a pulse", "s", optional=True
    )
    observation: str = declare.choice("compact", tuple(CELLS), "maps of 32, of 64, or a vector")
    action: str = declare.choice("continuous", ("continuous", "grid", "ring"), "kind of action")
    drift: str = declare.level(pfm.DRIFT_LEVELS, "drift of the tip over the film", "easy")
    disorder: str = declare.level(pfm.DISORDER_LEVELS, "strength of the film's disorder, relative")
    tip: str = declare.level(pfm.TIP_LEVELS, "wear of the tip, and breakdown of the film", "easy")
    readout: str = declare.level(pfm.READOUT_LEVELS, "noise and offset of an image", "easy")
    heat: str = declare.level(pfm.HEAT_LEVELS, "thermal energy of a cell, reduced", "easy")
    optics: Mapping[str, float] = declare.changes(
        "settings of `microgym.instruments.pfm.settings.PFMSettings` to change, by name", OPTICS
    )

    def validate(self) -> None:
        """Check family and optics."""
        _ = self.settings
        validate_family(self.specimen, self.split, ferroelectrics.FAMILIES, ferroelectrics.HELD_OUT)

    @property
    def time_limit_s(self) -> float:
        """Time of an episode, s."""
        return 2.5 * self.pulses if self.time_budget_s is None else self.time_budget_s

    @property
    def settings(self) -> pfm.PFMSettings:
        """Settings of the simulated instrument.

        Raises:
            ValueError: optics out of range.
        """
        chosen: dict[str, Any] = {**self.switches, **self.optics}
        lattice = LatticeParameters(theta=chosen.pop("heat"))
        return pfm.PFMSettings(lattice, **chosen)


@dataclass(frozen=True)
class PFMConfig(PFMLoopConfig):
    """Arguments of PFM-v0."""

    action: str = declare.choice("continuous", ("continuous", "grid"), "kind of action")
    domains: int = declare.at_reset(
        declare.integer(3, 0, 16, "domains that point up in the film at the start")
    )
    pattern: str = declare.family("strokes", patterns.PATTERNS, "family of patterns")

    def validate(self) -> None:
        """Check families and optics."""
        super().validate()
        validate_family(self.pattern, self.split, patterns.PATTERNS, patterns.HELD_OUT)
