"""Settings of the STM instrument: levels of its difficulty switches, times, physical constants."""

from dataclasses import dataclass, field, replace
from functools import partial
from typing import Annotated

from microgym.instruments.stm.state import STMParameters
from microgym.physics.adatoms import BARRIER_EV, LATTICE_NM, Bath, warmest_ev
from microgym.physics.drift import DriftParameters
from microgym.physics.stm_tip import APEX_LEVELS, ApexParameters
from microgym.physics.tunnelling import decay_constant, surface_wave_number
from microgym.state import gather
from microgym.validation import Checked, NonNegative, Positive, PositiveDuration, Speed, within

BOLTZMANN_EV_K = 8.617333262e-5
"""CODATA 2018."""

IMAGING_PA, IMAGING_V = 50.0, 0.1
"""Current and bias of an image: pA, V (design choices, as usual)."""
FEEDBACK_NM_S = 20.0
"""Gain of the logarithmic feedback, nm/s for an e-fold of current (design choice)."""

DRIFT_LEVELS: dict[str, DriftParameters] = {
    "off": DriftParameters(),
    "easy": DriftParameters(0.005, 0.3, 200.0, 0.04, 60.0, 0.25),
    "real": DriftParameters(0.0083, 0.5, 200.0, 0.06, 60.0, 0.25),
    "hard": DriftParameters(0.0167, 1.0, 200.0, 0.15, 60.0, 0.25),
}
"""The switch of the drift. "hard" is 1 nm/min, as in the reference profile of the simulator
STM-Bench at 4 K; "real" is half of it, "easy" 0.3 nm/min; the rest are design choices.

The levels are scaled: a cryostat at helium temperature that has settled drifts by 1 pm/min, as is
commonly quoted, and by "real" in eight hours as far as here in a minute. Drift so shows within the
minutes of an episode; the levels are those of a microscope that is still cooling down."""


@dataclass(frozen=True)
class NoiseParameters(Checked):
    """Noise of the readings.

    Attributes:
        place_nm: standard deviation of a measured position along each axis, sharp tip, nm.
        mark_nm: standard deviation of a measured drift along each axis, nm.
        vibration_nm: standard deviation of the tip's height, nm.
        amplifier_pa: standard deviation of the amplifier's noise in a sample of a drag, pA.
        flicker_nm: 1/f noise of an image's heights, standard deviation a decade, nm.
        mains_nm: amplitude of the mains in an image's heights, nm.
    """

    place_nm: NonNegative = 0.0
    mark_nm: NonNegative = 0.0
    vibration_nm: NonNegative = 0.0
    amplifier_pa: NonNegative = 0.0
    flicker_nm: NonNegative = 0.0
    mains_nm: NonNegative = 0.0


NOISE_LEVELS: dict[str, NoiseParameters] = {
    "off": NoiseParameters(),
    "easy": NoiseParameters(0.06, 0.01, 0.002, 2e3),
    "real": NoiseParameters(0.08, 0.02, 0.003, 5e3),
    "hard": NoiseParameters(0.12, 0.04, 0.006, 1e4),
}
"""The switch of the noise. A pixel of an image is 0.125 nm wide: places are known to half a pixel
at "easy" and to a whole one at "hard" (design choices), where half the distance of two hollows is
0.083 nm, so that the wrong one is often taken. Vibrations of 1 to 5 pm are usual. The amplifier
must take 100 nA, and its noise at that gain is a design choice."""

IMAGE_LEVELS: dict[str, NoiseParameters] = {
    name: replace(NOISE_LEVELS[name], flicker_nm=flicker, mains_nm=mains)
    for name, flicker, mains in (
        ("off", 0.0, 0.0),
        ("easy", 0.0005, 0.0005),
        ("real", 0.0015, 0.001),
        ("hard", 0.004, 0.003),
    )
}
"""The same where adatoms are detected in the image: with 1/f noise and mains of about the size of
the vibration (design choices)."""


@dataclass(frozen=True)
class STMSettings(Checked):
    """Settings of the instrument.

    Attributes:
        drift: of the field under the tip, in nm.
        tip: variation between tips.
        noise: of the readings.
        bent: share of episodes that begin with a tip that is not sharp.
        image_s: time of an image, s.
        drag_s: time to begin and to end a drag, s.
        speed_nm_s: of the tip in a drag, nm/s.
        condition_s: time of a pulse or a dip, s.
        coarse_s: time of a coarse move and the new approach, s.
        temperature_k: of the sample, K; so cold that adatoms move under the tip only: up to 16.8 K
            with the default barrier (`microgym.physics.adatoms.warmest_ev`).
        work_function_ev: apparent barrier height, eV.
        barrier_ev: of an adatom from hollow to hollow, eV.

    Raises:
        ValueError: a value out of range, or adatoms that would hop by themselves.
    """

    drift: DriftParameters = field(default_factory=lambda: DRIFT_LEVELS["easy"])
    tip: ApexParameters = field(default_factory=lambda: APEX_LEVELS["easy"])
    noise: NoiseParameters = field(default_factory=lambda: NOISE_LEVELS["real"])
    bent: Annotated[float, partial(within, low=0.0, high=1.0)] = 0.0
    image_s: PositiveDuration = 20.0
    drag_s: PositiveDuration = 2.0
    speed_nm_s: Speed = 1.0
    condition_s: PositiveDuration = 5.0
    coarse_s: PositiveDuration = 120.0
    temperature_k: Positive = 5.0
    work_function_ev: Positive = 4.5
    barrier_ev: Positive = BARRIER_EV

    def __post_init__(self) -> None:
        """Check every field, and that adatoms stay where they are between drags."""
        super().__post_init__()
        warmest = warmest_ev(self.barrier_ev) / BOLTZMANN_EV_K
        if self.temperature_k > warmest:
            raise ValueError(
                f"temperature_k={self.temperature_k!r} must be in (0, {warmest:.4g}]: warmer "
                f"adatoms hop over barrier_ev={self.barrier_ev!r} without the tip"
            )

    @property
    def bath(self) -> Bath:
        """Substrate and temperature of the adatoms."""
        return Bath(self.barrier_ev, LATTICE_NM, BOLTZMANN_EV_K * self.temperature_k)

    @property
    def parameters(self) -> STMParameters:
        """The numbers that kernels take."""
        return gather(
            STMParameters,
            *(self, self.noise, self.drift),
            spread=self.tip.spread(),
            kappa=decay_constant(self.work_function_ev),
            wave_number=surface_wave_number(0.40, 0.065),
        )
