"""Settings of the ptychographic microscope, and the parameters that its kernels take."""

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from microgym.numerics.fft import FFTPlan, plan
from microgym.numerics.linalg import dft2, squared
from microgym.physics.camera import Detector
from microgym.physics.damage import DAMAGE_LEVELS, DamageParameters
from microgym.physics.diffraction import sum_intensity
from microgym.physics.drift import DriftParameters, DriftRates
from microgym.physics.probe import check_probe, diameter, intensity
from microgym.physics.sampling import Geometry
from microgym.state import Float32, Int64
from microgym.validation import integer, non_negative, positive

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


@dataclass(frozen=True, eq=False)
class PtychographySettings:
    """Optics, detector, stage and specimen damage of a ptychographic microscope.

    Attributes:
        geometry: wavelength, distance, detector; gives the pixel of the object.
        probe: (modes, n, n) or (n, n) complex illumination; normalised to power one.
        region_px: edge of the square in which the probe's centre may stand, object pixels.
        photons_per_s: photons that the probe holds, a second.
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
    region_px: int = 128
    photons_per_s: float = 1e5
    dead_time_s: float = DEAD_TIME_S
    stage_speed_px_s: float = STAGE_SPEED_PX_S
    stage: DriftParameters = field(default_factory=lambda: STAGE_LEVELS["easy"])
    damage: DamageParameters = field(default_factory=lambda: DAMAGE_LEVELS["easy"])
    detector: Detector = field(default_factory=Detector)

    def __post_init__(self) -> None:
        """Check and normalise."""
        object.__setattr__(self, "probe", check_probe(self.probe, self.geometry.detector_pixels))
        integer("region_px", self.region_px, 16, 2048)
        non_negative("dead_time_s", self.dead_time_s)
        for name in ("photons_per_s", "stage_speed_px_s"):
            object.__setattr__(self, name, positive(name, getattr(self, name)))

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

    @property
    def inverse_critical(self) -> Float32:
        """(B,) float32, reciprocal critical fluence of every band; (0,) without damage."""
        fades = self.damage.critical_fluence < np.inf
        return self.damage.inverse_critical()[: None if fades else 0]


class Illumination(NamedTuple):
    """Probe of a microscope with M mutually incoherent modes, in flat planes of n by n.

    Attributes:
        probe_re, probe_im: (M, n*n) float32, total power one.
        spectrum_re, spectrum_im: (M, n*n) float32, unitary transform of the probe, from which it is
            moved by fractions of a pixel.
        intensity: (n*n,) float32, squared modulus summed over the modes.
    """

    probe_re: Float32
    probe_im: Float32
    spectrum_re: Float32
    spectrum_im: Float32
    intensity: Float32


class Microscope(NamedTuple):
    """Constants of N microscopes, as kernels take them.

    Attributes:
        illumination: the probe.
        n: edge of a diffraction pattern and of a patch of the specimen, px.
        fft: plan of the transform of n by n.
        mask: (n*n,) float32, 1 where the detector sees, 0 behind the beam stop; (0,) without one.
        saturation_counts: full well of the detector, photons.
        read_noise_counts: standard deviation of the read noise, photons.
        inverse_critical: (B,) float32, reciprocal critical fluences; (0,) without damage.
        photons_per_s: photons that the probe holds, a second.
        dead_time_s: time of read-out and shutter, s.
        speed_px_s: speed of the stage, px/s.
        pixel_m: edge of an object pixel, m.
        rates: parameters of the drift, lengths in px.
        backlash_px: dead band of the drive, px.
        jitter_px: standard deviation of the position of one exposure, px.
        sample_of: (N,) int64, row of the sample under each probe; ascending.
        probes: most probes that expose one row of the sample at the same time.
    """

    illumination: Illumination
    n: int
    fft: FFTPlan
    mask: Float32
    saturation_counts: float
    read_noise_counts: float
    inverse_critical: Float32
    photons_per_s: float
    dead_time_s: float
    speed_px_s: float
    pixel_m: float
    rates: DriftRates
    backlash_px: float
    jitter_px: float
    sample_of: Int64
    probes: int


def make_microscope(settings: PtychographySettings, num_samples: int, probes: int) -> Microscope:
    """Parameters of the kernels.

    Args:
        settings: the instrument's settings.
        num_samples: rows of the sample.
        probes: probes at each of them; probe p of row s has number `probes * s + p`.
    """
    n, stage, detector = settings.geometry.detector_pixels, settings.stage, settings.detector
    mask = detector.mask(n).ravel()
    return Microscope(
        illumination=_illumination(settings.probe),
        n=n,
        fft=plan(n),
        mask=mask[: None if mask.min() < 1.0 else 0],
        saturation_counts=float(detector.saturation_counts),
        read_noise_counts=float(detector.read_noise_counts),
        inverse_critical=settings.inverse_critical,
        photons_per_s=settings.photons_per_s,
        dead_time_s=float(settings.dead_time_s),
        speed_px_s=settings.stage_speed_px_s,
        pixel_m=float(settings.geometry.object_pixel_m),
        rates=stage.rates,
        backlash_px=float(stage.backlash),
        jitter_px=float(stage.jitter),
        sample_of=np.repeat(np.arange(num_samples), probes),
        probes=probes,
    )


def _illumination(probe: NDArray[np.complex64]) -> Illumination:
    """Planes of a probe of shape (modes, n, n)."""
    flat = probe.reshape(len(probe), -1)
    spectrum = dft2(probe).reshape(flat.shape)
    real, imag = np.ascontiguousarray(flat.real), np.ascontiguousarray(flat.imag)
    intensity = np.empty(flat.shape[1], np.float32)
    sum_intensity(real, imag, intensity)
    return Illumination(
        real, imag, spectrum.real.astype(np.float32), spectrum.imag.astype(np.float32), intensity
    )


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
