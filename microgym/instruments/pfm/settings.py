"""Settings of a piezoresponse force microscope, and the levels of its imperfections."""

from dataclasses import dataclass, field

import numpy as np

from microgym.instruments.pfm.state import PFMParameters
from microgym.physics.drift import DriftParameters
from microgym.physics.ferroelectric import LatticeParameters, tip_width
from microgym.state import gather
from microgym.validation import (
    Checked,
    Duration,
    NonNegative,
    Positive,
    PositiveDuration,
    Rate,
    Speed,
)

WIDEST_TIP_CELLS = 12.0
"""Largest height of a sharp tip's charge, cells: twice worn, it still reads less than the film."""

DRIFT_LEVELS: dict[str, DriftParameters] = {
    level: DriftParameters(speed, settling, 60.0, wander, 120.0, 0.25, length_unit="cells")
    for level, speed, settling, wander in (
        ("off", 0.0, 0.0, 0.0),
        ("easy", 0.0165, 0.5, 0.05),
        ("real", 0.033, 1.0, 0.1),
        ("hard", 0.1, 3.0, 0.3),
    )
}
"""Drift of the tip over the film, in cells of 5 nm: "real" is 10 nm/min, the upper end of the 1 to
10 nm/min that are commonly quoted for ambient scanning probes, and wanders by 0.5 nm in 120 s (not
verified here); "easy" is half of that and "hard" three times. The settling is a design choice."""


@dataclass(frozen=True)
class TipParameters(Checked):
    """How a tip and the film under it suffer; the default is for ever sharp.

    Attributes:
        wear_per_landing: relative growth of the tip's radius by a contact, for a pulse or a loop.
        wear_per_image: by an image.
        wear_per_s: by a second at 10 V; as the bias squared.
        bearable_v: bias above which the film may break down, V; drawn per episode within a tenth.
        breakdowns_per_v_s: breakdowns a second for each volt above that.
    """

    wear_per_landing: NonNegative = 0.0
    wear_per_image: NonNegative = 0.0
    wear_per_s: Rate = 0.0
    bearable_v: NonNegative = 1e9
    breakdowns_per_v_s: Rate = 0.0


TIP_LEVELS: dict[str, TipParameters] = {
    "off": TipParameters(),
    "easy": TipParameters(0.001, 0.002, 0.1, 9.0, 10.0),
    "real": TipParameters(0.003, 0.006, 0.3, 8.5, 20.0),
    "hard": TipParameters(0.01, 0.02, 1.0, 8.0, 40.0),
}
"""The switch of the tip: wear and breakdown (design choices)."""


@dataclass(frozen=True)
class ReadoutParameters(Checked):
    """What images and loops add to the piezoresponse.

    Attributes:
        noise: standard deviation of a pixel; the response of a large domain is 1. Of a bias at
            which a loop changes sign, `LOOP_NOISE_V` times that.
        electrostatic: standard deviation of the offset that the contact potential gives a tip.
    """

    noise: NonNegative = 0.0
    electrostatic: NonNegative = 0.0


LOOP_NOISE_V = 0.5
"""Noise of a bias of reversal over that of a pixel, V: that of a response that turns within about a
volt and is averaged a few times as long (design choice)."""

READOUT_LEVELS: dict[str, ReadoutParameters] = {
    "off": ReadoutParameters(),
    "easy": ReadoutParameters(0.1, 0.03),
    "real": ReadoutParameters(0.25, 0.1),
    "hard": ReadoutParameters(0.6, 0.25),
}
"""The switch of the read-out (design choices)."""

HEAT_LEVELS: dict[str, float] = {"off": 0.0, "easy": 2.5e-2, "real": 6e-2, "hard": 1.2e-1}
"""Thermal energy over the volume of a cell, reduced: a barrier of 1/4 is 10, 4 and 2 times that,
and neighbours hold a cell in place (design choices)."""

DISORDER_LEVELS: dict[str, float] = {"off": 0.0, "easy": 0.6, "real": 1.0, "hard": 1.5}
"""Strength of the disorder (design choices)."""


@dataclass(frozen=True)
class PFMSettings(Checked):
    """What the instrument is made of.

    Attributes:
        lattice: the film.
        cell_m: edge of a cell of the lattice, m.
        field_per_v: field under a sharp tip a volt, reduced units; as 1 / R for a worn one.
        tip_cells: height d of the tip's charge: 2 R / pi for a disk of contact of radius R, cells.
        dead_time_s: approach, settling and contact of a pulse, s.
        speed_cells_s: speed of the tip between pulses, cells a second.
        image_s: time of an image, s.
        loop_v: largest bias of a hysteresis loop, V.
        loop_s: time of a hysteresis loop, s.
        disorder: strength of the film's disorder.
        drift: drift of the tip over the film.
        tip: wear and breakdown.
        readout: noise of an image.
    """

    lattice: LatticeParameters = field(default_factory=lambda: LatticeParameters(theta=2e-3))
    cell_m: Positive = 5e-9
    field_per_v: Positive = 0.7
    tip_cells: Positive = 3.5
    dead_time_s: Duration = 0.5
    speed_cells_s: Speed = 100.0
    image_s: PositiveDuration = 8.0
    loop_v: Positive = 6.0
    loop_s: PositiveDuration = 1.0
    disorder: NonNegative = 1.0
    drift: DriftParameters = field(default_factory=lambda: DRIFT_LEVELS["easy"])
    tip: TipParameters = field(default_factory=lambda: TIP_LEVELS["easy"])
    readout: ReadoutParameters = field(default_factory=lambda: READOUT_LEVELS["easy"])

    def __post_init__(self) -> None:
        """Check the width of the tip, too."""
        super().__post_init__()
        if self.tip_cells > WIDEST_TIP_CELLS:
            raise ValueError(f"tip_cells={self.tip_cells!r} must be at most {WIDEST_TIP_CELLS:g}")

    @property
    def response_cells(self) -> float:
        """Standard deviation of what a sharp tip reads, cells: full width at half maximum 1.5 d."""
        return 1.5 * self.tip_cells / 2.3548

    @property
    def tip_radius_m(self) -> float:
        """Radius R of the contact that the tip's field stands for, d = 2 R / pi, m."""
        return 0.5 * np.pi * self.tip_cells * self.cell_m

    @property
    def field_width_m(self) -> float:
        """Full width at half maximum of the tip's field, m."""
        return tip_width(self.tip_cells) * self.cell_m

    @property
    def parameters(self) -> PFMParameters:
        """The numbers that kernels take."""
        return gather(
            PFMParameters,
            *(self, self.tip, self.readout, self.drift),
            lattice=self.lattice.constants,
            beta=np.float32(self.lattice.beta),
            loop_noise_v=LOOP_NOISE_V * self.readout.noise,
        )
