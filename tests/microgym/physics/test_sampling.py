"""The sampling relation, and every absurd geometry refused."""

import math
from dataclasses import replace

import pytest

from microgym.physics.sampling import Geometry

XRAY = Geometry(1.5e-10, 2.0, 75e-6, 128)


def test_sampling_relation():
    assert XRAY.object_pixel_m == pytest.approx(1.5e-10 * 2.0 / (128 * 75e-6))
    assert XRAY.field_of_view_m == pytest.approx(128 * XRAY.object_pixel_m)
    assert XRAY.numerical_aperture == pytest.approx(128 * 75e-6 / 4.0)
    assert XRAY.half_period_resolution_m == pytest.approx(XRAY.object_pixel_m)


def test_photon_wavelength():
    geometry = Geometry.from_photon_energy(8000.0, 1.0, 1e-4, 64)
    assert geometry.wavelength_m == pytest.approx(12.398e-10 / 8.0, rel=1e-4)


@pytest.mark.parametrize(("kilovolt", "picometre"), [(80, 4.1757), (200, 2.5079), (300, 1.9687)])
def test_electron_wavelength(kilovolt, picometre):
    geometry = Geometry.from_electron_energy(1e3 * kilovolt, 1.0, 5e-5, 128)
    assert geometry.wavelength_m == pytest.approx(1e-12 * picometre, rel=5e-5)


def test_slow_electron_has_de_broglie_wavelength():
    geometry = Geometry.from_electron_energy(100.0, 1.0, 1e-4, 64)
    assert geometry.wavelength_m == pytest.approx(1.2264e-10, rel=2e-4)


def test_fresnel_number_is_quadratic_in_the_probe():
    assert XRAY.fresnel_number(2e-6) == pytest.approx(4 * XRAY.fresnel_number(1e-6))
    assert XRAY.fresnel_number(1e-6) == pytest.approx(1e-12 / 3e-10)


@pytest.mark.parametrize("wavelength", [0.0, -1e-10, 1e-14, 1e-4, math.nan, math.inf])
def test_absurd_wavelength(wavelength):
    with pytest.raises(ValueError, match="wavelength_m"):
        Geometry(wavelength, 1.0, 1e-4, 64)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("distance_m", 0.0),
        ("distance_m", math.nan),
        ("detector_pixel_m", -1e-4),
        ("detector_pixels", 4),
        ("detector_pixels", 1 << 20),
    ],
)
def test_out_of_range(name, value):
    with pytest.raises(ValueError, match=name):
        replace(Geometry(1e-10, 1.0, 1e-4, 64), **{name: value})


def test_wrong_kinds():
    with pytest.raises(TypeError, match="detector_pixels"):
        Geometry(1e-10, 1.0, 1e-4, 64.0)  # pyright: ignore[reportArgumentType]
    with pytest.raises(TypeError, match="distance_m"):
        Geometry(1e-10, "1 m", 1e-4, 64)  # pyright: ignore[reportArgumentType]
    with pytest.raises(TypeError, match="wavelength_m"):
        Geometry(True, 1.0, 1e-4, 64)


def test_detector_at_a_wide_angle():
    with pytest.raises(ValueError, match="paraxial"):
        Geometry(1e-10, 0.001, 1e-4, 64)


@pytest.mark.parametrize("energy", [0.0, -1.0, math.nan])
def test_energy_out_of_range(energy):
    with pytest.raises(ValueError, match="energy_ev"):
        Geometry.from_photon_energy(energy, 1.0, 1e-4, 64)
    with pytest.raises(ValueError, match="energy_ev"):
        Geometry.from_electron_energy(energy, 1.0, 1e-4, 64)


def test_oversampling_is_that_of_the_field_of_view():
    assert XRAY.oversampling_ratio(32 * XRAY.object_pixel_m) == pytest.approx(16.0)


def test_a_probe_has_a_diameter():
    with pytest.raises(ValueError, match="probe_diameter_m"):
        XRAY.oversampling_ratio(0.0)
    with pytest.raises(ValueError, match="probe_diameter_m"):
        XRAY.fresnel_number(math.nan)
