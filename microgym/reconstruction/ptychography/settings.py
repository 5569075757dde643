"""Settings of classical reconstruction: step lengths, modes, refinement of probe and positions."""

from dataclasses import dataclass

from microgym.reconstruction.validation import number
from microgym.validation import integer


@dataclass(frozen=True)
class PIESettings:
    """Settings of a `PIESolver`.

    Attributes:
        alpha: regularisation in (0, 1]; 1 is ePIE, less is rPIE, which favours dim parts of the
            probe (0.05 to 0.25 are usual).
        object_step: step length of the object in (0, 2].
        probe_step: step length of the probe in [0, 2]; 0 for a known probe.
        probe_after: sweeps before the probe is touched.
        modes: mutually incoherent probe modes.
        position_step: part of the found position errors corrected in each sweep, in [0, 2]; 0
            trusts the positions.
        position_after: sweeps before positions are touched. While positions are found, a slow
            `decay` (20 or more) helps: the object must be able to follow.
        decay: sweep i (from 1) takes min(1, decay / i) of the step lengths; infinity keeps them.
            Without decay noise keeps the iteration from settling (Konijnenberg, Coene, Pereira and
            Urbach, arXiv 1703.10892); 20 is a design choice: less settles before it arrives where
            specimens are rough or overlap is small, more settles later.
        subpixel: move the probe by fractions of a pixel; otherwise positions are rounded.
        saturation: counts at or above this are left out; None leaves out none.
    """

    alpha: float = 1.0
    object_step: float = 1.0
    probe_step: float = 0.0
    probe_after: int = 2
    modes: int = 1
    position_step: float = 0.0
    position_after: int = 5
    decay: float = 20.0
    subpixel: bool = True
    saturation: float | None = None

    def __post_init__(self) -> None:
        """Check every setting.

        Raises:
            TypeError: if a number is not a number.
            ValueError: if a setting is out of its range, or settings contradict each other.
        """
        number("alpha", self.alpha, 1e-4, 1.0)
        number("object_step", self.object_step, 1e-6, 2.0)
        number("probe_step", self.probe_step, 0.0, 2.0)
        number("position_step", self.position_step, 0.0, 2.0)
        number("decay", self.decay, 1.0, float("inf"))
        integer("probe_after", self.probe_after, 0, 1 << 30)
        integer("position_after", self.position_after, 0, 1 << 30)
        integer("modes", self.modes, 1, 64)
        if self.saturation is not None:
            number("saturation", self.saturation, 1e-6, float("inf"))
        if self.position_step > 0.0 and not self.subpixel:
            raise ValueError("position_step > 0 needs subpixel=True")
