"""Arguments of AFM-v0, and the scales of its actions."""

from dataclasses import dataclass
from typing import ClassVar

from microgym.envs.core import config as declare
from microgym.instruments.afm.settings import CANTILEVERS, LOOP_LEVELS, TIP_LEVELS, AFMSettings
from microgym.instruments.afm.surface_kernels import LEAD
from microgym.physics.drift import AMBIENT_DRIFT
from microgym.physics.piezo import PIEZO_LEVELS
from microgym.reconstruction.topography.observation_model import TOPOGRAPHIES, Raster
from microgym.specimens.splits import HELD_OUT_SURFACES, SURFACES, validate_family

BEGINNER = {"amplitude": (0.7, 1500.0), "contact": (5.0, 300.0)}
"""Setpoint and integral gain that a beginner would choose: a part of the free amplitude, or nN; 1/s
(design choice: half of the median gain at which a loop begins to ring)."""
SETPOINT_CHANGE = {"amplitude": 0.15, "contact": 3.0}
"""Largest change of the setpoint: a difference, or in contact mode a factor (design choice)."""
GAIN_CHANGE, SPEED_CHANGE = 4.0, 2.0
"""Largest change of the integral gain, and of the speed, as factors (design choices)."""
PROPORTIONAL = 0.02
"""A beginner's proportional gain, and its largest change (design choice)."""
RATES_HZ = (0.5, 20.0)
"""Slowest and fastest line rate, Hz (design choice)."""
LINE_S = 0.25
"""Seconds a line has of the default time budget (design choice): too few to scan all slowly."""


@dataclass(frozen=True)
class AFMConfig(declare.Config):
    """Arguments of AFM-v0."""

    PRESETS: ClassVar = {
        "easy": {"specimen": "fibres", "drift": "off", "tip": "off", "loop": "hard"}
    }
    specimen: str = declare.family("mixed", SURFACES, "family of surfaces")
    split: str = declare.split()
    imaging: str = declare.choice("amplitude", tuple(CANTILEVERS), "tapping, or contact mode")
    lines: int = declare.integer(64, 8, 256, "lines of a frame")
    time_budget_s: float | None = declare.positive(
        None, f"time without exchanges of the tip; None for {LINE_S:g} s a line", "s", optional=True
    )
    field_nm: float = declare.number(1000.0, 100.0, 5000.0, "edge of a frame", "nm")
    observation: str = declare.choice(
        "signals",
        ("signals", "image", "features"),
        "the last line and numbers, the image so far besides, or numbers alone",
    )
    action: str = declare.choice(
        "dials",
        ("dials", "console"),
        "settings of the next line, or settings and an event",
    )
    reconstructor: str = declare.choice(
        "raw", tuple(TOPOGRAPHIES), "observation model of the lines"
    )
    drift: str = declare.level(AMBIENT_DRIFT, "thermal drift", "easy")
    tip: str = declare.level(TIP_LEVELS, "wear, breaking and debris of the tip", "easy")
    loop: str = declare.level(
        LOOP_LEVELS, "spread of the loop's hidden properties, and noise", "real"
    )
    scanner: str = declare.level(PIEZO_LEVELS, "creep and hysteresis of the lateral scanner", "off")

    def validate(self) -> None:
        """Check the family and the observation model."""
        if self.reconstructor == "neural" and self.imaging != "amplitude":
            raise ValueError(
                "reconstructor='neural' has learnt from imaging='amplitude' alone, "
                f"got imaging={self.imaging!r}: use 'classical' or 'raw'"
            )
        if self.reconstructor != "raw" and self.observation == "features":
            raise ValueError(
                f"reconstructor={self.reconstructor!r} needs an observation of lines, "
                "'signals' or 'image', got observation='features'"
            )
        validate_family(self.specimen, self.split, SURFACES, HELD_OUT_SURFACES)

    @property
    def raster(self) -> Raster:
        """Geometry of a frame, as observation models need it."""
        settings = self.settings
        pitch_nm, lag_s = settings.field_nm / settings.lines, settings.cantilever.lag_s
        return Raster(settings.pixels, 2 * LEAD, settings.pixel_nm, pitch_nm, lag_s)

    @property
    def time_limit_s(self) -> float:
        """Time of a frame without exchanges of the tip, s."""
        return LINE_S * self.lines if self.time_budget_s is None else self.time_budget_s

    @property
    def settings(self) -> AFMSettings:
        """Settings of the simulated instrument."""
        chosen = self.switches
        return AFMSettings(
            mode=self.imaging,
            cantilever=CANTILEVERS[self.imaging],
            field_nm=self.field_nm,
            lines=self.lines,
            piezo=chosen.pop("scanner"),
            **chosen,
        )
