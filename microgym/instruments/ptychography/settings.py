"""Settings of the ptychographic microscope, and the parameters that its kernels take."""

from dataclasses import dataclass, field
from functools import partial
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from microgym.instruments.ptychography.state import Illumination, Microscope
from microgym.numerics.fft import plan
from microgym.numerics.linalg import dft2, squared
from microgym.physics.camera import Detector
from microgym.physics.damage import DAMAGE_LEVELS, DamageParameters
from microgym.physics.diffraction import sum_intensity
from microgym.physics.dose import PHOTON_SCALE, dose_gy
from microgym.physics.drift import DriftParameters
from microgym.physics.probe import check_probe, diameter, intensity
from microgym.physics.sampling import Geometry
from microgym.state import Float32, gather
from microgym.validation import Checked, Duration, Positive, Speed, integer

DEAD_TIME_S = 0.2
"""Read-out and shutter of one exposure, s (design choice)."""
STAGE_SPEED_PX_S = 100.0
"""Speed of the stage, object pixels a second: 1 um/s at 10 nm (design choice)."""

STAGE_LEVELS: dict[str, DriftParameters] = {
    level: DriftParameters(*numbers, length_unit="px")
    for level, numbers in {
        "off": (0.0, 0.0, 60.0, 0.0, 30.0, 0.25),
        "easy": (0.005, 0.5, 60.0, 0.1, 30.0, 0.25, 0.2, 0.05),
        "real": (0.017, 1.5, 60.0, 0.3, 30.0, 0.25, 0.5, 0.1),
        "hard": (0.05, 4.0, 60.0, 1.0, 30.0, 0.25, 1.5, 0.3),
    }.items()
}
"""Levels of the stage, for pixels of 10 nm and scans of one to two minutes.

All are design choices. The drift of "real" is 10 nm/min, the upper end of the 1 to 10 nm/min that
are commonly quoted for ambient scanning-probe microscopes (not verified here). The other sizes are
such that they matter within an episode, with a probe of 20 to 25 px; time constants are shorter
than the tens of minutes of a real instrument, so that they show at all. "easy" is a third of
"real", "hard" three times.
"""

OPTICS: dict[str, float] = {
    "wavelength_m": 1.55e-10,
    "distance_m": 0.6194,
    "detector_pixel_m": 150e-6,
    "numerical_aperture": 2.5e-3,
    "defocus_m": 50e-6,
}
"""Hard X-rays (8 keV), a zone plate of 31 nm outermost zone 50 um upstream of the specimen, a
detector of 64 pixels of 150 um at 0.62 m: object pixels of 10 nm, a probe 25 px across with a
Fresnel number of 2. These are design choices within the range of existing instruments. A probe
small against the field makes the choice of positions matter, and its curvature makes single
exposures informative."""
LENS = ("numerical_aperture", "defocus_m")
"""The optics of the zone plate, which a probe from a file replaces."""

DETECTOR_PIXELS = 64
"""Pixels along an edge of the detector."""


@dataclass(frozen=True, eq=False)
class PtychographySettings(Checked):
    """Optics, detector, stage and specimen damage of a ptychographic microscope.

    Attributes:
        geometry: wavelength, distance, detector; gives the pixel of the object.
        probe: (modes, n, n) or (n, n) complex illumination; normalised to power one.
        region_px: edge of the square in which the probe's centre may stand, object pixels.
        photons_per_s: photons that the probe holds, a second; one stands for
            `microgym.physics.dose.PHOTON_SCALE` at a beamline.
        dead_time_s: read-out and shutter, charged to every exposure, s.
        stage_speed_px_s: speed of the stage, object pixels a second.
        stage: drift of the specimen, backlash and jitter of the stage, in px.
        damage: fading of the specimen.
        detector: imperfections of the detector.

    Raises:
        TypeError: if a number is not a number.
        ValueError: if a number is out of range, or a probe does not fit the detector.
    """

    geometry: Geometry
    probe: NDArray[np.complex64]
    region_px: Annotated[int, partial(integer, low=16, high=2048)] = 128
    photons_per_s: Positive = 1e5
    dead_time_s: Duration = DEAD_TIME_S
    stage_speed_px_s: Speed = STAGE_SPEED_PX_S
    stage: DriftParameters = field(default_factory=lambda: STAGE_LEVELS["easy"])
    damage: DamageParameters = field(default_factory=lambda: DAMAGE_LEVELS["easy"])
    detector: Detector = field(default_factory=Detector)

    def __post_init__(self) -> None:
        """Check, and normalise the probe."""
        super().__post_init__()
        object.__setattr__(self, "probe", check_probe(self.probe, self.geometry.detector_pixels))

    @property
    def field_px(self) -> int:
        """Edge of the specimen array, px: the region and half a patch on each side."""
        return self.region_px + self.geometry.detector_pixels

    @property
    def probe_px(self) -> float:
        """Diameter of the circle that holds 90% of the probe's power, object pixels."""
        return diameter(self.probe)

    @property
    def oversampling(self) -> float:
        """Oversampling of one diffraction pattern; 2 or more is sound."""
        return self.geometry.oversampling_ratio(self.probe_px * self.geometry.object_pixel_m)

    @property
    def fresnel_number(self) -> float:
        """Fresnel number of the probe at the detector; far below 1 in the far field."""
        return self.geometry.fresnel_number(self.probe_px * self.geometry.object_pixel_m)

    @property
    def fluence_per_s(self) -> float:
        """Mean fluence under the probe in one second, photons/px."""
        return self.photons_per_s * float(np.sum(intensity(self.probe) ** 2))

    def dose_gy(self, photons_per_px: float) -> float:
        """Dose at a beamline, Gy of water at 8 keV, of a fluence of the simulation.

        Args:
            photons_per_px: fluence, photons per object pixel.
        """
        chosen, photons = self.geometry, PHOTON_SCALE * photons_per_px
        return dose_gy(photons, chosen.wavelength_m, chosen.object_pixel_m)

    @property
    def inverse_critical(self) -> Float32:
        """(B,) float32, reciprocal critical fluence of every band; (0,) without damage."""
        fades = self.damage.critical_fluence < np.inf
        return self.damage.inverse_critical()[: None if fades else 0]

    @property
    def parameters(self) -> Microscope:
        """The settings as kernels take them, with one probe on each specimen."""
        n = self.geometry.detector_pixels
        mask = self.detector.mask(n).ravel()
        return gather(
            Microscope,
            *(self, self.stage, self.detector),
            illumination=_illumination(self.probe),
            n=n,
            fft=plan(n),
            mask=mask[: None if mask.min() < 1.0 else 0],
            pixel_m=self.geometry.object_pixel_m,
            probes=1,
        )


def _illumination(probe: NDArray[np.complex64]) -> Illumination:
    """Planes of a probe of shape (modes, n, n)."""
    flat = probe.reshape(len(probe), -1)
    spectrum = dft2(probe).reshape(flat.shape)
    real, imag = np.ascontiguousarray(flat.real), np.ascontiguousarray(flat.imag)
    intensity = np.empty(flat.shape[1], np.float32)
    sum_intensity(real, imag, intensity)
    waves = real, imag, spectrum.real.astype(np.float32), spectrum.imag.astype(np.float32)
    return Illumination(*waves, intensity, float(intensity.max()))


def direct_beam(probe: NDArray[np.complex64]) -> Float32:
    """Mask of the unscattered beam on the detector.

    Args:
        probe: (modes, n, n) illumination.

    Returns:
        (n*n,) float32, 1 where the empty beam has at least a hundredth of its peak intensity, zero
        frequency at element 0.
    """
    far = np.sum(squared(dft2(probe)), axis=0)
    return (far >= 0.01 * far.max()).astype(np.float32).ravel()
