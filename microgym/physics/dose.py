"""Dose: from photons to grays, and the scale of the suite's photons.

The dose is the energy absorbed by a mass, D = (mu_en / rho) E F, with the fluence F in photons/m^2,
the energy E of a photon and the mass energy-absorption coefficient mu_en / rho.
"""

from microgym.physics.sampling import HC_EV_M

PHOTON_SCALE = 1e4
"""Photons at a beamline for each photon of the simulation.

At 8 keV 150 nm of protein in water have a contrast r_e lambda n t = 0.006, with n = 9.6e28
electrons per m^3 more than water. The suite's specimens have 0.4 to 0.6, a hundredfold. The ratio
of a signal to its shot noise goes with the contrast and the root of the photons (Howells et al., J.
Electron Spectrosc. Relat. Phenom. 170, 4, 2009), so that 1e4 times fewer photons give the same.
Fluxes, doses and the dead times of detectors are scaled alike: 1e6 photons/s stand for 1e10 at a
beamline.
"""

ELEMENTARY_CHARGE_C = 1.602176634e-19
"""Joule in an electronvolt (SI, exact)."""

WATER_AT_8_KEV_M2_PER_KG = 0.9915
"""Mass energy-absorption coefficient of water at 8 keV (Hubbell and Seltzer, NIST Standard
Reference Database 126, 2004); protein is within a third of it."""


def dose_gy(
    photons_per_px: float,
    wavelength_m: float,
    pixel_m: float,
    absorption_m2_per_kg: float = WATER_AT_8_KEV_M2_PER_KG,
) -> float:
    """Dose of a fluence.

    Args:
        photons_per_px: photons on an object pixel, at a beamline.
        wavelength_m: wavelength, m.
        pixel_m: edge of an object pixel, m.
        absorption_m2_per_kg: mass energy-absorption coefficient at this wavelength.

    Returns:
        Dose, Gy. At 8 keV a photon on a pixel of 10 nm gives 12.7 Gy.
    """
    energy_j = HC_EV_M / wavelength_m * ELEMENTARY_CHARGE_C
    return absorption_m2_per_kg * energy_j * photons_per_px / pixel_m**2
