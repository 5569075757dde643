"""Sampling of a far-field ptychography experiment: wavelength, distance, detector, scan step.

All of it is small-angle (paraxial) geometry, with k = 1/wavelength in cycles per metre.
"""

import math
from dataclasses import dataclass

from microgym.validation import integer, positive

HC_EV_M = 1.239841984e-6
"""Planck constant times speed of light, eV m (exact in the SI of 2019, rounded to 10 digits)."""

ELECTRON_REST_EV = 510998.95
"""Rest energy of the electron, eV (CODATA 2018)."""

WAVELENGTH_RANGE_M = (1e-13, 1e-5)
"""Accepted wavelengths, m: from electrons of a few MeV to the thermal infrared."""

FAR_FIELD_LIMIT = 0.1
"""Largest Fresnel number called far field here. Design choice: the condition itself is F << 1."""


@dataclass(frozen=True)
class SamplingReport:
    """Sampling of a scan with a given probe and step.

    Attributes:
        probe_diameter_m: diameter of the probe D, m.
        step_m: distance R between neighbouring exposures, m.
        field_of_view_m: edge of the patch one pattern can describe, m.
        linear_overlap: 1 - R/D; below zero the probes do not touch.
        oversampling_ratio: (field of view / D)^2; a single pattern needs 2 or more (Miao, Sayre and
            Chapman, J. Opt. Soc. Am. A 15, 1662, 1998).
        detector_pixel_m: detector pitch, m.
        pitch_for_probe_m: wavelength * distance / (2 D), the pitch that resolves the whole probe.
        pitch_for_step_m: wavelength * distance / R, the pitch ptychography needs (Edo et al., Phys.
            Rev. A 87, 053850, 2013: the step counts, not the size of the probe).
        fresnel_number: D^2 / (wavelength * distance).
        warnings: faults, one sentence each; empty for a sound experiment.
    """

    probe_diameter_m: float
    step_m: float
    field_of_view_m: float
    linear_overlap: float
    oversampling_ratio: float
    detector_pixel_m: float
    pitch_for_probe_m: float
    pitch_for_step_m: float
    fresnel_number: float
    warnings: tuple[str, ...]

    @property
    def sound(self) -> bool:
        """True if there are no warnings."""
        return not self.warnings

    def __str__(self) -> str:
        """The report as lines of text."""
        lines = [
            f"probe {self.probe_diameter_m:.3g} m in a field of view of "
            f"{self.field_of_view_m:.3g} m: oversampling {self.oversampling_ratio:.2f}",
            f"step {self.step_m:.3g} m: linear overlap {100 * self.linear_overlap:.0f} %",
            f"detector pitch {self.detector_pixel_m:.3g} m (step needs "
            f"{self.pitch_for_step_m:.3g} m, one pattern alone {self.pitch_for_probe_m:.3g} m)",
            f"Fresnel number {self.fresnel_number:.2g}",
        ]
        return "\n".join(lines + [f"warning: {text}" for text in self.warnings])


@dataclass(frozen=True)
class Geometry:
    """A far-field diffraction experiment with a square detector.

    Attributes:
        wavelength_m: wavelength, m, in `WAVELENGTH_RANGE_M`.
        distance_m: specimen to detector, m.
        detector_pixel_m: detector pitch, m.
        detector_pixels: detector pixels along one edge, 8 to 4096.

    Raises:
        TypeError: if a number is not a number.
        ValueError: if one is out of range, or the detector spans an angle that is not small.
    """

    wavelength_m: float
    distance_m: float
    detector_pixel_m: float
    detector_pixels: int

    def __post_init__(self) -> None:
        """Check every number, then their combination."""
        low, high = WAVELENGTH_RANGE_M
        wavelength = positive("wavelength_m", self.wavelength_m)
        if not low <= wavelength <= high:
            raise ValueError(f"wavelength_m={wavelength!r} must be in [{low}, {high}] m")
        positive("distance_m", self.distance_m)
        positive("detector_pixel_m", self.detector_pixel_m)
        integer("detector_pixels", self.detector_pixels, 8, 4096)
        if self.numerical_aperture >= 0.5:
            raise ValueError(
                f"detector_pixels * detector_pixel_m / (2 * distance_m) = "
                f"{self.numerical_aperture:.3g} must be below 0.5: the far field is paraxial here"
            )

    @classmethod
    def from_photon_energy(
        cls, energy_ev: float, distance_m: float, detector_pixel_m: float, detector_pixels: int
    ) -> "Geometry":
        """Geometry for photons: wavelength = hc / E, 12.398 angstrom at 1 keV.

        Args:
            energy_ev: photon energy, eV.
            distance_m: specimen to detector, m.
            detector_pixel_m: detector pitch, m.
            detector_pixels: detector pixels along one edge.

        Returns:
            The geometry.
        """
        wavelength = HC_EV_M / positive("energy_ev", energy_ev)
        return cls(wavelength, distance_m, detector_pixel_m, detector_pixels)

    @classmethod
    def from_electron_energy(
        cls, energy_ev: float, distance_m: float, detector_pixel_m: float, detector_pixels: int
    ) -> "Geometry":
        """Geometry for electrons: wavelength = hc / sqrt(E (E + 2 m c^2)), 1.969 pm at 300 keV.

        Args:
            energy_ev: kinetic energy, eV.
            distance_m: camera length, m.
            detector_pixel_m: detector pitch, m.
            detector_pixels: detector pixels along one edge.

        Returns:
            The geometry.
        """
        energy = positive("energy_ev", energy_ev)
        wavelength = HC_EV_M / math.sqrt(energy * (energy + 2.0 * ELECTRON_REST_EV))
        return cls(wavelength, distance_m, detector_pixel_m, detector_pixels)

    @property
    def object_pixel_m(self) -> float:
        """Pixel of the specimen: wavelength * distance / (pixels * pitch), m."""
        return self.wavelength_m * self.distance_m / (self.detector_pixels * self.detector_pixel_m)

    @property
    def field_of_view_m(self) -> float:
        """Edge of the patch one pattern describes: wavelength * distance / pitch, m."""
        return self.wavelength_m * self.distance_m / self.detector_pixel_m

    @property
    def numerical_aperture(self) -> float:
        """Sine of the half angle the detector spans along an axis (small angle)."""
        return self.detector_pixels * self.detector_pixel_m / (2.0 * self.distance_m)

    @property
    def half_period_resolution_m(self) -> float:
        """Half the finest period recorded along an axis: wavelength / (2 NA), m."""
        return self.wavelength_m / (2.0 * self.numerical_aperture)

    def fresnel_number(self, probe_diameter_m: float) -> float:
        """D^2 / (wavelength * distance): far field if much below one, near field from about one.

        Args:
            probe_diameter_m: diameter D of the illuminated patch, m.

        Returns:
            The Fresnel number.
        """
        diameter = positive("probe_diameter_m", probe_diameter_m)
        return diameter * diameter / (self.wavelength_m * self.distance_m)

    def report(self, probe_diameter_m: float, step_m: float) -> SamplingReport:
        """Check the sampling of a scan.

        Args:
            probe_diameter_m: diameter of the probe, m.
            step_m: distance between neighbouring exposures, m.

        Returns:
            The figures and, in `warnings`, their faults.
        """
        diameter = positive("probe_diameter_m", probe_diameter_m)
        step = positive("step_m", step_m)
        reach = self.wavelength_m * self.distance_m
        fresnel = self.fresnel_number(diameter)
        warnings: list[str] = []
        if diameter >= self.field_of_view_m:
            warnings.append("the probe does not fit the field of view: patterns are aliased")
        if self.detector_pixel_m > reach / step:
            warnings.append("the detector pitch is too coarse for the scan step")
        if step >= diameter:
            warnings.append("neighbouring probes do not overlap")
        if fresnel > FAR_FIELD_LIMIT:
            warnings.append(f"Fresnel number {fresnel:.2g} is not far field")
        return SamplingReport(
            probe_diameter_m=diameter,
            step_m=step,
            field_of_view_m=self.field_of_view_m,
            linear_overlap=1.0 - step / diameter,
            oversampling_ratio=(self.field_of_view_m / diameter) ** 2,
            detector_pixel_m=self.detector_pixel_m,
            pitch_for_probe_m=reach / (2.0 * diameter),
            pitch_for_step_m=reach / step,
            fresnel_number=fresnel,
            warnings=tuple(warnings),
        )
