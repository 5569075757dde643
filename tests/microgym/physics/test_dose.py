"""Photons, grays and the scale of the simulation, against textbook numbers."""

import pytest

from microgym.envs.ptycho.config import PtychoConfig
from microgym.physics.damage import DAMAGE_LEVELS
from microgym.physics.dose import PHOTON_SCALE, dose_gy


def test_dose_of_a_fluence():
    # 1e14 photons/m^2 of 8 keV: 8000 * 1.602e-19 J each, absorbed at 0.9915 m^2/kg.
    wavelength_m = 12.398e-10 / 8.0
    assert dose_gy(1e14, wavelength_m, 1.0) == pytest.approx(
        1e14 * 8e3 * 1.602e-19 * 0.9915, rel=1e-3
    )
    # One photon on 10 nm; four times as many on pixels twice as wide.
    assert dose_gy(1.0, wavelength_m, 10e-9) == pytest.approx(12.7, rel=5e-3)
    assert dose_gy(4.0, wavelength_m, 20e-9) == pytest.approx(dose_gy(1.0, wavelength_m, 10e-9))
    # Energy goes with 1 / wavelength.
    assert dose_gy(1.0, 2 * wavelength_m, 1e-8, 2.0) == pytest.approx(
        dose_gy(1.0, wavelength_m, 1e-8, 1.0)
    )


def test_levels_are_doses_that_a_beamline_knows():
    settings = PtychoConfig().settings
    found = {
        name: settings.dose_gy(level.critical_fluence) for name, level in DAMAGE_LEVELS.items()
    }
    assert found["easy"] == pytest.approx(1.0e9, rel=0.01)
    assert found["real"] == pytest.approx(1.9e8, rel=0.01)
    assert found["hard"] == pytest.approx(6.4e7, rel=0.01)
    # The line of Howells et al., 1e8 Gy per nm, at pixels of 10 nm.
    assert settings.geometry.object_pixel_m == pytest.approx(10e-9, rel=1e-3)
    assert found["easy"] / (1e8 * 10.0) == pytest.approx(1.0, abs=0.3)
    # Coherent flux of a beamline.
    assert 1e8 < PHOTON_SCALE * settings.photons_per_s < 1e11
