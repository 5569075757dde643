"""Closed forms of the illumination: Airy disk, defocus, shift, symmetry."""

import math

import numpy as np
import pytest
from scipy.special import j1

from microgym.physics.probe import (
    check_probe,
    diameter,
    make_probe,
    phase_ramp,
    shift_probe,
)
from microgym.physics.sampling import Geometry
from tests.microgym.ptychography_reference import paper_probe

WAVELENGTH = 1e-10


def geometry(n=256, pixel=1e-8):
    """A geometry with object pixels of a given size."""
    return Geometry(WAVELENGTH, 1.0, WAVELENGTH / (n * pixel), n)


def radii(n, pixel):
    at = (np.arange(n) - n // 2) * pixel
    return np.hypot(at[:, None], at[None, :])


FINE = geometry(512)
APERTURE = 0.1 * FINE.numerical_aperture


def test_airy_profile():
    probe = make_probe(FINE, numerical_aperture=APERTURE)
    v = 2 * math.pi * APERTURE / WAVELENGTH * radii(512, FINE.object_pixel_m)
    intensity = np.abs(probe) ** 2
    v[256, 256] = 1.0
    airy = (2 * j1(v) / v) ** 2
    airy[256, 256] = 1.0
    near = v < 12
    np.testing.assert_allclose(intensity[near] / intensity.max(), airy[near], atol=4e-3)


def test_airy_first_zero():
    probe = make_probe(FINE, numerical_aperture=APERTURE)
    line = np.abs(probe[256, 256:]) ** 2
    first = next(k for k in range(1, 255) if line[k] <= line[k - 1] and line[k] < line[k + 1])
    expected = 0.61 * WAVELENGTH / APERTURE / FINE.object_pixel_m
    assert first == pytest.approx(expected, abs=0.6)
    assert line[first] < 2e-3 * line[0]


@pytest.mark.parametrize("u", [2.0, 5.0, 4 * math.pi, 16.0])
def test_intensity_on_axis_through_focus(u):
    # |sin(u/4) / (u/4)|^2 with u = 2 pi NA^2 z / wavelength (Born and Wolf, 8.8.2).
    wide = 0.25 * FINE.numerical_aperture
    defocus = u * WAVELENGTH / (2 * math.pi * wide**2)
    focused = make_probe(FINE, numerical_aperture=wide)
    blurred = make_probe(FINE, numerical_aperture=wide, defocus_m=defocus)
    ratio = abs(blurred[256, 256]) ** 2 / abs(focused[256, 256]) ** 2
    assert ratio == pytest.approx((math.sin(u / 4) / (u / 4)) ** 2, abs=3e-3)


def test_geometric_diameter_far_from_focus():
    aperture = 0.4 * FINE.numerical_aperture
    defocus = 200 * FINE.object_pixel_m / (2 * aperture)
    probe = make_probe(FINE, numerical_aperture=aperture, defocus_m=defocus)
    # A uniform disk holds a fraction f within sqrt(f) of its diameter.
    assert diameter(probe, 0.5) == pytest.approx(200 * math.sqrt(0.5), rel=0.03)
    assert diameter(probe, 0.9) == pytest.approx(200 * math.sqrt(0.9), rel=0.03)


def test_sign_of_defocus():
    # Free propagation over z adds z to the defocus.
    pixel = FINE.object_pixel_m
    near = make_probe(FINE, numerical_aperture=APERTURE, defocus_m=1e-4)
    far = make_probe(FINE, numerical_aperture=APERTURE, defocus_m=3e-4)
    f = np.fft.fftfreq(512, pixel)
    kernel = np.exp(-1j * math.pi * WAVELENGTH * 2e-4 * (f[:, None] ** 2 + f[None, :] ** 2))
    np.testing.assert_allclose(np.fft.ifft2(np.fft.fft2(near) * kernel), far, atol=1e-7)


@pytest.mark.parametrize("stop", [0.0, 0.4])
@pytest.mark.parametrize("edge", [0.0, 1.0, 3.0])
def test_power_is_one(stop, edge):
    probe = make_probe(
        geometry(64), numerical_aperture=0.01 * 0.05, central_stop=stop, soft_edge=edge
    )
    assert probe.dtype == np.complex64
    assert np.sum(np.abs(probe.astype(np.complex128)) ** 2) == pytest.approx(1.0, abs=1e-6)
    spectrum = np.fft.fft2(probe, norm="ortho")
    assert np.sum(np.abs(spectrum) ** 2) == pytest.approx(1.0, abs=1e-6)


def test_pupil_of_a_stopped_aperture_is_a_ring():
    probe = make_probe(FINE, numerical_aperture=APERTURE, central_stop=0.5, soft_edge=0.0)
    pupil = np.abs(np.fft.fftshift(np.fft.fft2(np.fft.ifftshift(probe))))
    angle = radii(512, WAVELENGTH / FINE.field_of_view_m)
    ring = (angle <= APERTURE) & (angle > 0.5 * APERTURE)
    np.testing.assert_allclose(pupil[ring], pupil[ring].mean(), rtol=1e-4)
    assert pupil[~ring].max() < 1e-4 * pupil[ring].mean()


def test_even_aberrations_make_a_centrosymmetric_probe():
    g = geometry(64)
    probe = make_probe(
        g,
        numerical_aperture=0.3 * g.numerical_aperture,
        aberrations={"C10": 2e-5, "C12": (1e-5, 0.3), "C30": 1.0},
    )
    flipped = np.roll(probe[::-1, ::-1], (1, 1), (0, 1))
    np.testing.assert_allclose(flipped, probe, atol=1e-7)


def test_conjugate_pupil_conjugates_and_flips():
    # P(-r)* has the conjugate pupil: all coefficients change sign.
    g = geometry(64)
    terms = {"C10": 2e-5, "C12": (2e-5, 0.3), "C21": (2e-2, 1.0), "C23": (2e-2, -0.4)}
    opposite = {k: (-v[0], v[1]) if isinstance(v, tuple) else -v for k, v in terms.items()}
    aperture = 0.3 * g.numerical_aperture
    probe = make_probe(g, numerical_aperture=aperture, aberrations=terms)
    mirrored = make_probe(g, numerical_aperture=aperture, aberrations=opposite)
    flipped = np.roll(mirrored[::-1, ::-1], (1, 1), (0, 1)).conj()
    np.testing.assert_allclose(flipped, probe, atol=1e-7)


def test_names_of_correctors_mean_the_same():
    g = geometry(64)
    aperture = 0.3 * g.numerical_aperture
    krivanek = {"C10": 2e-5, "C12": (2e-5, 0.3), "C21": (3e-2, 1.0), "C23": (2e-2, 0.2), "C30": 9.0}
    corrector = {"C1": 2e-5, "A1": (2e-5, 0.3), "B2": (1e-2, 1.0), "A2": (2e-2, 0.2), "C3": 9.0}
    a = make_probe(g, numerical_aperture=aperture, aberrations=krivanek)
    b = make_probe(g, numerical_aperture=aperture, aberrations=corrector)
    np.testing.assert_array_equal(a, b)
    c = make_probe(g, numerical_aperture=aperture, defocus_m=2e-5)
    d = make_probe(g, numerical_aperture=aperture, aberrations={"C10": 2e-5})
    np.testing.assert_allclose(c, d, atol=1e-8)


def test_astigmatism_turns_with_its_angle():
    g = geometry(64)
    aperture = 0.3 * g.numerical_aperture
    upright = make_probe(g, numerical_aperture=aperture, defocus_m=4e-5, aberrations={"C12": 4e-5})
    turned = make_probe(
        g, numerical_aperture=aperture, defocus_m=4e-5, aberrations={"C12": (4e-5, math.pi / 2)}
    )
    np.testing.assert_allclose(turned, upright.T, atol=1e-7)
    # Defocus and astigmatism of C12 at angle 0 add up along x.
    power = np.abs(upright) ** 2
    at = np.arange(64) - 32.0
    assert power.sum(axis=0) @ at**2 > 2 * (power.sum(axis=1) @ at**2)


def test_coma_points_along_its_angle():
    g = geometry(64)
    probe = make_probe(
        g, numerical_aperture=0.3 * g.numerical_aperture, aberrations={"C21": (6e-2, 0.0)}
    )
    # Row and column -32 have no opposite.
    power = np.abs(probe[1:, 1:].astype(np.complex128)) ** 2
    at = np.arange(63) - 31.0
    assert abs(power.sum(axis=0) @ at) > 0.5
    assert abs(power.sum(axis=1) @ at) < 1e-5


def test_paper_probe():
    probe = paper_probe()
    assert probe.shape == (64, 64)
    assert np.all(probe.imag == 0.0)
    assert np.all(probe.real > 0.0)
    assert np.sum(probe.real.astype(np.float64) ** 2) == pytest.approx(1.0, abs=1e-6)
    # 376 pixels, 22 across, as counted in a run of the original recipe.
    assert np.count_nonzero(probe.real > 0.5 * probe.real.max()) == 376
    np.testing.assert_allclose(probe, probe[::-1, ::-1], atol=1e-9)
    np.testing.assert_allclose(probe, probe.T, atol=1e-9)


def test_diameter_of_a_disk():
    disk = (radii(128, 1.0) <= 30.0).astype(np.float64)
    assert diameter(disk) == pytest.approx(60 * math.sqrt(0.9), rel=0.01)
    assert diameter(np.roll(disk, 20, 1), 0.5) == pytest.approx(60 * math.sqrt(0.5), rel=0.02)
    assert diameter(np.stack([disk, disk])) == pytest.approx(diameter(disk), rel=1e-6)


def test_shift_moves_towards_larger_indices():
    probe = paper_probe(32)
    np.testing.assert_allclose(
        shift_probe(probe, 3, -2), np.roll(probe, (3, -2), (0, 1)), atol=1e-7
    )


def test_shift_keeps_power_and_adds_up():
    rng = np.random.default_rng(1)
    probe = check_probe(rng.normal(size=(32, 32)) + 1j * rng.normal(size=(32, 32)), 32)[0]
    probe = probe.astype(np.complex128)
    moved = shift_probe(probe, 0.37, -1.61)
    assert np.sum(np.abs(moved) ** 2) == pytest.approx(np.sum(np.abs(probe) ** 2), rel=1e-12)
    twice = shift_probe(shift_probe(probe, 0.2, -1.0), 0.17, -0.61)
    np.testing.assert_allclose(twice, moved, atol=1e-12)


def test_shift_is_interpolation_of_a_band_limited_probe():
    at = np.arange(64) - 32.0

    def gaussian(dy, dx):
        return np.exp(-((at[:, None] - dy) ** 2 + (at[None, :] - dx) ** 2) / 32.0)

    np.testing.assert_allclose(
        shift_probe(gaussian(0, 0), 0.25, -0.6), gaussian(0.25, -0.6), atol=1e-9
    )


@pytest.mark.parametrize("n", [16, 33, 64])
def test_ramp_is_that_of_numpy(n):
    re, im = np.empty(n * n, np.float32), np.empty(n * n, np.float32)
    work = np.empty(4 * n, np.float32)
    dy, dx = 0.37, -12.61
    phase_ramp(dy, dx, n, re, im, work)
    f = np.fft.fftfreq(n)
    expected = np.exp(-2j * np.pi * (f[:, None] * dy + f[None, :] * dx)).ravel()
    np.testing.assert_allclose(re + 1j * im, expected, atol=3e-7)


def test_ramp_moves_like_shift_probe():
    probe = paper_probe(32)
    re, im = np.empty(1024, np.float32), np.empty(1024, np.float32)
    phase_ramp(0.4, -0.3, 32, re, im, np.empty(128, np.float32))
    ramp = (re + 1j * im).reshape(32, 32)
    moved = np.fft.ifft2(np.fft.fft2(probe) * ramp)
    np.testing.assert_allclose(moved, shift_probe(probe, 0.4, -0.3), atol=1e-7)


BAD = [
    ({"numerical_aperture": 0.0}, "numerical_aperture"),
    ({"numerical_aperture": math.nan}, "numerical_aperture"),
    ({"numerical_aperture": 0.4}, "detector"),
    ({"central_stop": 1.0}, "central_stop"),
    ({"central_stop": -0.1}, "central_stop"),
    ({"soft_edge": -1.0}, "soft_edge"),
    ({"defocus_m": math.inf}, "defocus_m"),
    ({"defocus_m": 1.0}, "field of view"),
    ({"aberrations": {"C99": 1.0}}, "C99"),
    ({"aberrations": {"C30": (1.0, 0.5)}}, "round"),
    ({"aberrations": {"C12": math.nan}}, "C12"),
    ({"aberrations": {"C12": (1.0, 0.0, 0.0)}}, "pair"),
    ({"aberrations": {"C21": 1e3}}, "field of view"),
]


@pytest.mark.parametrize(("arguments", "message"), BAD)
def test_make_probe_refuses(arguments, message):
    with pytest.raises(ValueError, match=message):
        make_probe(geometry(64), **({"numerical_aperture": 1e-3} | arguments))


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((32, 32)), "zero"),
        (np.ones((32, 31)), "shape"),
        (np.ones((2, 2, 32, 32)), "shape"),
        (np.ones((0, 32, 32)), "shape"),
        (np.full((32, 32), np.nan), "NaN"),
        (np.full((32, 32), np.inf), "NaN or infinite"),
    ],
)
def test_check_probe_refuses(array, message):
    with pytest.raises(ValueError, match=message):
        check_probe(array, 32)


def test_check_probe_takes_numbers_only():
    with pytest.raises(TypeError, match="numeric"):
        check_probe(np.full((4, 4), "1"), 4)


def test_check_probe_survives_extreme_scales():
    for scale in (1e-300, 1e300):
        assert np.abs(check_probe(np.full((4, 4), scale), 4)).max() == pytest.approx(0.25)


def test_other_refusals():
    with pytest.raises(ValueError, match="fraction"):
        diameter(paper_probe(), 1.0)
    with pytest.raises(ValueError, match="dy"):
        shift_probe(paper_probe(), math.nan, 0.0)
    with pytest.raises(ValueError, match="axes"):
        shift_probe(np.ones(4), 0.0, 0.0)
