"""Settings of force microscopes, and the levels of their difficulty switches."""

import math
from dataclasses import dataclass, field
from functools import partial
from typing import Annotated

from microgym.instruments.afm.state import AFMParameters, Spread
from microgym.physics.afm_tip import Tip
from microgym.physics.cantilever import Cantilever
from microgym.physics.drift import AMBIENT_DRIFT, DriftParameters
from microgym.physics.feedback import Scanner
from microgym.physics.piezo import PIEZO_LEVELS, PiezoParameters
from microgym.state import gather
from microgym.validation import (
    Checked,
    NonNegative,
    Positive,
    PositiveDuration,
    Rate,
    choice,
    integer,
)

MARGIN_PX = 48
"""Surface around the frame on each side, px: for the tip's shape, drift and overscan."""
LANDING_NM = 15.0
"""Standard deviation of the frame's place along each axis after an exchange of the tip, nm: it is
found again by features of the last image (design choice)."""
BOLTZMANN_300K = 4.14e-3
"""k T at 300 K, nN nm."""

CANTILEVERS: dict[str, Cantilever] = {
    "amplitude": Cantilever(40.0, 300e3, 400.0, 20.0),
    "contact": Cantilever(0.2, 13e3, 2.0, 0.0),
}
"""Cantilevers by mode: a stiff one in air, tapping with 20 nm, and a soft one in contact. Their
numbers are those of common levers (not verified here)."""
SCANNER = Scanner(2000.0, 0.12)
"""The median z-scanner: a tube of 1 to 2 kHz with little damping (not verified here)."""


@dataclass(frozen=True)
class TipParameters(Checked):
    """Tips and their wear, crashes and debris; the default is an ideal tip.

    Attributes:
        radius_nm: median radius of a new tip, nm.
        radius_spread: standard deviation of its logarithm.
        half_angle_deg: half of the cone's opening angle, degrees.
        wear_nm3_nn_nm: median volume worn off per force and path, nm^3/(nN nm).
        wear_spread: standard deviation of its logarithm.
        strength_gpa: median of the contact's peak pressure that breaks the apex, GPa; infinite for
            never.
        strength_spread: standard deviation of its logarithm.
        debris_per_s: rate of debris at small forces, 1/s.
    """

    radius_nm: Positive = 8.0
    radius_spread: NonNegative = 0.0
    half_angle_deg: NonNegative = 15.0
    wear_nm3_nn_nm: NonNegative = 0.0
    wear_spread: NonNegative = 0.0
    strength_gpa: float = float("inf")
    strength_spread: NonNegative = 0.0
    debris_per_s: Rate = 0.0

    def __post_init__(self) -> None:
        """Check every number."""
        super().__post_init__()
        if not self.strength_gpa > 0.0:
            raise ValueError(f"strength_gpa={self.strength_gpa!r} must be above zero")


TIP_LEVELS: dict[str, TipParameters] = {
    "off": TipParameters(),
    "easy": TipParameters(8.0, 0.15, 15.0, 3e-4, 0.3, 18.0, 0.15, 5e-4),
    "real": TipParameters(8.0, 0.15, 15.0, 1e-3, 0.5, 15.0, 0.15, 2e-3),
    "hard": TipParameters(8.0, 0.3, 20.0, 3e-3, 0.7, 12.0, 0.2, 8e-3),
}
"""Levels of the switch `tip`.

Archard's coefficient of silicon over a hardness of 10 GPa is 1e-4 to 1e-2 nm^3/(nN nm) (uncertain).
Nanowires of silicon break at 12 to 18 GPa, the more the thinner (Stan et al., Ultimate bending
strength of Si nanowires, Nano Letters); its hardness within the first nanometres is 25 GPa
(Garcia-Manyes et al., J. Chem. Phys. 123, 114711, 2005). Pressed on quartz, tips below 10 nm broke
at less than 1.6 uN, by Hertz 24 GPa at 8 nm, and tips of 25 to 30 nm bore up to 6 uN, 16 GPa
(Kopycinska-Mueller et al., Size-related plasticity effects in AFM silicon cantilever tips, MRS
Proceedings; others there bore over 40 GPa). A tip of 8 nm that breaks at 18, 15 and 12 GPa breaks
at 536, 310 and 159 nN on the stiffest specimen, 60 GPa;
ordinary tapping reaches 200 nN (Stark et al., PNAS 99, 8473, 2002). Rates of debris are design
choices.
"""


@dataclass(frozen=True)
class LoopParameters(Checked):
    """Spread of the loop's hidden properties between instruments, and its noise.

    Attributes:
        resonance_spread: standard deviation of the logarithm of the scanner's resonance.
        damping_spread: standard deviation of the logarithm of its damping ratio.
        detector_nm: noise of the amplitude in a bandwidth of 10 kHz, nm.
    """

    resonance_spread: NonNegative = 0.0
    damping_spread: NonNegative = 0.0
    detector_nm: NonNegative = 0.0


LOOP_LEVELS: dict[str, LoopParameters] = {
    "off": LoopParameters(),
    "easy": LoopParameters(0.2, 0.2, 0.02),
    "real": LoopParameters(0.35, 0.35, 0.035),
    "hard": LoopParameters(0.8, 0.6, 0.05),
}
"""Levels of the switch `loop`. Noise of 20 to 50 pm in 10 kHz is usual (not verified here); spreads
are design choices."""


@dataclass(frozen=True)
class AFMSettings(Checked):
    """Settings of a force microscope.

    Attributes:
        mode: "amplitude" (tapping) or "contact".
        cantilever: the cantilever; in contact mode its lag is that of its deflection.
        scanner: median z-scanner.
        field_nm: edge of a frame, nm.
        pixels: pixels of a line, 64 to 416.
        lines: lines of a frame, 1 to `pixels`.
        tip: tips and their wear, crashes and debris.
        loop: spread of the loop's properties, and noise.
        drift, piezo: imperfections of the lateral scanner.
        soft_limit_nn: force above which a specimen suffers, nN.
        exchange_s: time of an exchange of the tip, s.
        engage_s: time of an approach, s.
        withdraw_s: time of a withdrawal, s.
    """

    mode: str = "amplitude"
    cantilever: Cantilever = field(default_factory=Cantilever)
    scanner: Scanner = SCANNER
    field_nm: Positive = 1000.0
    pixels: Annotated[int, partial(integer, low=64, high=512 - 2 * MARGIN_PX)] = 256
    lines: int = 64
    tip: TipParameters = field(default_factory=lambda: TIP_LEVELS["easy"])
    loop: LoopParameters = field(default_factory=lambda: LOOP_LEVELS["easy"])
    drift: DriftParameters = field(default_factory=lambda: AMBIENT_DRIFT["easy"])
    piezo: PiezoParameters = field(default_factory=lambda: PIEZO_LEVELS["easy"])
    soft_limit_nn: Positive = 25.0
    exchange_s: PositiveDuration = 600.0
    engage_s: PositiveDuration = 1.0
    withdraw_s: PositiveDuration = 0.5

    def __post_init__(self) -> None:
        """Check what depends on other fields, too."""
        super().__post_init__()
        choice("mode", self.mode, tuple(CANTILEVERS))
        integer("lines", self.lines, 1, self.pixels)
        if self.mode == "amplitude" and self.cantilever.free_amplitude_nm == 0.0:
            raise ValueError("free_amplitude_nm=0 must be above zero in mode 'amplitude'")

    @property
    def pixel_nm(self) -> float:
        """Edge of a pixel, nm."""
        return self.field_nm / self.pixels

    @property
    def side_px(self) -> int:
        """Edge of the surface, px."""
        return self.pixels + 2 * MARGIN_PX

    @property
    def parameters(self) -> AFMParameters:
        """The settings as kernels read them."""
        tip, loop, scanner, lever = self.tip, self.loop, self.scanner, self.cantilever
        contact = self.mode == "contact"
        # Equipartition: k <z^2> = k_B T.
        thermal = math.sqrt(BOLTZMANN_300K / lever.stiffness_n_m)
        if contact:
            # A lever whose end is supported bends by a third (Butt and Jaschke, Nanotechnology 6,
            # 1, 1995): <z^2> = k_B T / (3 k).
            thermal /= math.sqrt(3.0)
        return gather(
            AFMParameters,
            *(self, tip, loop, self.drift, self.piezo, lever, scanner),
            contact=contact,
            free_amplitude_nm=0.0 if contact else lever.free_amplitude_nm,
            new_tip=Tip(tip.radius_nm, tip.half_angle_deg).shape,
            thermal_nm=thermal if loop.detector_nm > 0.0 else 0.0,
            pitch_px=self.pixels / self.lines,
            resonance_hz=Spread(scanner.resonance_hz, loop.resonance_spread),
            damping=Spread(scanner.damping, loop.damping_spread),
            strength=Spread(min(float(tip.strength_gpa), 1e9), tip.strength_spread),
            wear=Spread(tip.wear_nm3_nn_nm, tip.wear_spread),
            tip_radius_nm=Spread(tip.radius_nm, tip.radius_spread),
            landing_nm=LANDING_NM if self.drift.speed > 0.0 else 0.0,
            hysteresis=self.piezo.loop,
        )
