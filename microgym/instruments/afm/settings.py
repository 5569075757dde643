"""What a force microscope is made of, and the levels of what may differ from one to the next."""

from dataclasses import dataclass, field

from microgym.physics.cantilever import Cantilever
from microgym.physics.drift import AMBIENT_DRIFT, DriftParameters
from microgym.physics.feedback import Scanner
from microgym.physics.piezo import PIEZO_LEVELS, PiezoParameters
from microgym.validation import finite, integer, positive

MARGIN_PX = 48
"""Surface around the frame on each side, px: for the tip's shape, drift and overscan."""


@dataclass(frozen=True)
class TipParameters:
    """What can happen to a tip; the default is nothing.

    Attributes:
        radius_nm: median radius of a new tip, nm.
        radius_spread: standard deviation of its logarithm.
        half_angle_deg: half of the cone's opening angle, degrees.
        wear_nm3_nn_nm: median volume worn off a unit of force and way, nm^3/(nN nm).
        wear_spread: standard deviation of its logarithm.
        crash_nn: median force that breaks the apex, nN; infinite for never.
        crash_spread: standard deviation of its logarithm.
        debris_per_s: rate at which debris is met at small forces, 1/s.
    """

    radius_nm: float = 8.0
    radius_spread: float = 0.0
    half_angle_deg: float = 15.0
    wear_nm3_nn_nm: float = 0.0
    wear_spread: float = 0.0
    crash_nn: float = float("inf")
    crash_spread: float = 0.0
    debris_per_s: float = 0.0

    def __post_init__(self) -> None:
        """Check every number."""
        positive("radius_nm", self.radius_nm)
        if not self.crash_nn > 0.0:
            raise ValueError(f"crash_nn={self.crash_nn!r} must be above zero")
        for name in (
            "radius_spread",
            "half_angle_deg",
            "wear_nm3_nn_nm",
            "wear_spread",
            "crash_spread",
            "debris_per_s",
        ):
            if finite(name, getattr(self, name)) < 0.0:
                raise ValueError(f"{name}={getattr(self, name)!r} must be at least 0")


TIP_LEVELS: dict[str, TipParameters] = {
    "off": TipParameters(),
    "easy": TipParameters(8.0, 0.15, 15.0, 3e-4, 0.3, 600.0, 0.4, 5e-4),
    "real": TipParameters(8.0, 0.15, 15.0, 1e-3, 0.5, 450.0, 0.4, 2e-3),
    "hard": TipParameters(8.0, 0.3, 20.0, 3e-3, 0.7, 300.0, 0.4, 8e-3),
}
"""The switch of the tip. Archard's coefficient of silicon over a hardness of 10 GPa is 1e-4 to 1e-2
nm^3/(nN nm) (uncertain); a tip is taken to break at 0.3 to 1 uN (uncertain), above the 200 nN that
ordinary tapping on silicon can reach (Stark et al., PNAS 99, 8473, 2002); rates of debris are
design choices."""


@dataclass(frozen=True)
class LoopParameters:
    """How far the loop's hidden numbers differ between instruments, and its noise.

    Attributes:
        resonance_spread: standard deviation of the logarithm of the scanner's resonance.
        damping_spread: the same of its damping ratio.
        detector_nm: noise of the amplitude in a bandwidth of 10 kHz, nm.
    """

    resonance_spread: float = 0.0
    damping_spread: float = 0.0
    detector_nm: float = 0.0


LOOP_LEVELS: dict[str, LoopParameters] = {
    "off": LoopParameters(),
    "easy": LoopParameters(0.2, 0.2, 0.02),
    "real": LoopParameters(0.35, 0.35, 0.035),
    "hard": LoopParameters(0.5, 0.5, 0.1),
}
"""The switch of the loop: 20 to 50 pm of noise are usual in 10 kHz (not verified here); spreads are
design choices."""


@dataclass(frozen=True)
class AFMSettings:
    """What the instrument is made of.

    Attributes:
        mode: "amplitude" (tapping) or "contact".
        cantilever: how it is and is driven; in contact mode its lag is that of its deflection.
        scanner: median z-scanner.
        field_nm: edge of a frame, nm.
        pixels: of a line.
        lines: of a frame.
        tip, loop: what differs and what can happen.
        drift, piezo: imperfections of the lateral scanner.
        soft_limit_nn: force above which a specimen suffers, nN.
        exchange_s, engage_s, withdraw_s: time of an exchange of the tip, of an approach, of a
            withdrawal, s.
    """

    mode: str = "amplitude"
    cantilever: Cantilever = field(default_factory=Cantilever)
    scanner: Scanner = field(default_factory=lambda: Scanner(1000.0, 0.05))
    field_nm: float = 1000.0
    pixels: int = 256
    lines: int = 64
    tip: TipParameters = field(default_factory=lambda: TIP_LEVELS["easy"])
    loop: LoopParameters = field(default_factory=lambda: LOOP_LEVELS["easy"])
    drift: DriftParameters = field(default_factory=lambda: AMBIENT_DRIFT["easy"])
    piezo: PiezoParameters = field(default_factory=lambda: PIEZO_LEVELS["easy"])
    soft_limit_nn: float = 25.0
    exchange_s: float = 600.0
    engage_s: float = 1.0
    withdraw_s: float = 0.5

    def __post_init__(self) -> None:
        """Check what the parts do not check."""
        if self.mode not in ("amplitude", "contact"):
            raise ValueError(f"mode={self.mode!r} must be 'amplitude' or 'contact'")
        integer("pixels", self.pixels, 64, 512 - 2 * MARGIN_PX)
        integer("lines", self.lines, 1, self.pixels)
        for name in ("field_nm", "soft_limit_nn", "exchange_s", "engage_s", "withdraw_s"):
            object.__setattr__(self, name, positive(name, getattr(self, name)))
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
