"""Geometry of a far-field ptychography experiment: wavelength, distance, detector.

All of it is small-angle (paraxial) geometry, with k = 1/wavelength in cycles per metre.
"""

import math
from dataclasses import dataclass
from functools import partial
from typing import Annotated

from microgym.validation import Checked, Positive, integer, positive

HC_EV_M = 1.239841984e-6
"""Planck constant times speed of light, eV m (exact in the SI of 2019, rounded to 10 digits)."""

ELECTRON_REST_EV = 510998.95
"""Rest energy of the electron, eV (CODATA 2018)."""

WAVELENGTH_RANGE_M = (1e-13, 1e-5)
"""Accepted wavelengths, m: from electrons of a few MeV to the thermal infrared."""


@dataclass(frozen=True)
class Geometry(Checked):
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

    wavelength_m: Positive
    distance_m: Positive
    detector_pixel_m: Positive
    detector_pixels: Annotated[int, partial(integer, low=8, high=4096)]

    def __post_init__(self) -> None:
        """Check every number, then their combination."""
        super().__post_init__()
        low, high = WAVELENGTH_RANGE_M
        if not low <= self.wavelength_m <= high:
            raise ValueError(f"wavelength_m={self.wavelength_m!r} must be in [{low}, {high}] m")
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

    def oversampling_ratio(self, probe_diameter_m: float) -> float:
        """(Field of view / D)^2; a single pattern needs 2 or more, ptychography less.

        Miao, Sayre and Chapman, J. Opt. Soc. Am. A 15, 1662, 1998.

        Args:
            probe_diameter_m: diameter D of the illuminated patch, m.

        Returns:
            The ratio; below 1 the probe does not fit the field of view and patterns are aliased.
        """
        return (self.field_of_view_m / positive("probe_diameter_m", probe_diameter_m)) ** 2
