"""Partial coherence against closed forms: Gaussian Schell modes, fringe visibility, averages."""

import math

import numpy as np
import pytest

from microgym.instruments.ptychography.settings import OPTICS
from microgym.physics.coherence import (
    COHERENCE_LEVELS,
    HELD,
    LARGEST_SOURCE_PX,
    Coherence,
    _mode_number,
    coherent_modes,
    mode_powers,
)
from microgym.physics.probe import intensity, make_probe, shift_probe
from microgym.physics.sampling import Geometry
from tests.microgym.ptychography_reference import paper_probe

N = 32


def focused():
    """A probe of N px whose aperture fills half of the pupil."""
    geometry = Geometry(1e-10, 1.0, 1e-10 / (N * 1e-8), N)
    return make_probe(geometry, numerical_aperture=0.5 * geometry.numerical_aperture)


def far_field(waves):
    """Summed intensity over the modes."""
    spectra = np.fft.fft2(np.asarray(waves, np.complex128), norm="ortho")
    return np.sum(np.abs(spectra) ** 2, axis=0)


def test_point_source_has_one_mode():
    probe = paper_probe(N)
    modes = coherent_modes(probe, 0.0, 5)
    assert modes.shape == (1, N, N)
    np.testing.assert_allclose(modes[0], probe, atol=1e-7)
    np.testing.assert_array_equal(mode_powers(probe, 0.0), [1.0])


def test_modes_are_orthogonal_ordered_and_of_power_one():
    modes = coherent_modes(paper_probe(N), 1.0, 6).astype(np.complex128)
    flat = modes.reshape(6, -1)
    gram = flat.conj() @ flat.T
    powers = np.diag(gram).real
    assert powers.sum() == pytest.approx(1.0, abs=1e-6)
    assert np.all(np.diff(powers) <= 1e-9)
    assert np.abs(gram - np.diag(powers)).max() < 1e-6


def test_powers_are_those_of_the_modes():
    powers = mode_powers(paper_probe(N), 1.0)
    modes = coherent_modes(paper_probe(N), 1.0, 4)
    ratio = np.sum(np.abs(modes) ** 2, axis=(1, 2)) / powers[:4]
    np.testing.assert_allclose(ratio, 1.0 / powers[:4].sum(), rtol=1e-5)
    assert powers.sum() == pytest.approx(1.0)


def test_gaussian_schell_spectrum():
    # Starikov and Wolf, J. Opt. Soc. Am. 72, 923, 1982: along an axis the powers fall in geometric
    # progression; with probe deviation s and source deviation sigma (of intensities) the ratio is
    # (1 - m) / (1 + m), m = s / sqrt(s^2 + sigma^2).
    s, sigma = 2.5, 1.5
    at = np.arange(48) - 24.0
    probe = np.exp(-(at[:, None] ** 2 + at[None, :] ** 2) / (4 * s * s))
    purity = s / math.hypot(s, sigma)
    ratio = (1 - purity) / (1 + purity)
    expected = sorted(
        ((1 - ratio) ** 2 * ratio ** (i + j) for i in range(9) for j in range(9)), reverse=True
    )
    np.testing.assert_allclose(mode_powers(probe, sigma)[:15], expected[:15], rtol=2e-5, atol=1e-7)


def test_far_field_is_the_incoherent_average():
    # The average over the source of the pattern of a rough specimen, by brute force.
    rng = np.random.default_rng(3)
    specimen = np.exp(1j * rng.normal(size=(N, N)))
    probe, sigma = focused(), 0.8
    places = np.linspace(-5 * sigma, 5 * sigma, 41)
    weights = np.exp(-0.5 * (places / sigma) ** 2)
    weights /= weights.sum()
    average = np.zeros((N, N))
    for y, weight_y in zip(places, weights, strict=True):
        for x, weight_x in zip(places, weights, strict=True):
            average += weight_y * weight_x * far_field([specimen * shift_probe(probe, y, x)])
    modes = coherent_modes(probe, sigma, 64)
    np.testing.assert_allclose(far_field(specimen * modes), average, atol=2e-5 * average.max())


@pytest.mark.parametrize("sigma", [0.3, 0.7, 1.2])
@pytest.mark.parametrize("cycles", [2, 5])
def test_visibility_of_fringes(sigma, cycles):
    # A grating of `cycles` per field puts two copies of the pupil on the detector; where they
    # overlap, the interference term keeps exp(-2 pi^2 sigma^2 q^2).
    probe = focused()
    q = cycles / N
    wave = np.exp(2j * math.pi * q * np.arange(N))[None, :]

    def interference(modes):
        with_plus, with_minus = far_field(modes * (1 + wave)), far_field(modes * (1 - wave))
        return with_plus - with_minus

    coherent = interference(probe[None])
    partial = interference(coherent_modes(probe, sigma, 64))
    strong = np.abs(coherent) > 0.3 * np.abs(coherent).max()
    visibility = math.exp(-2 * math.pi**2 * sigma**2 * q**2)
    np.testing.assert_allclose(partial[strong] / coherent[strong], visibility, rtol=1e-3)


def default_probe():
    """The probe of Ptycho-v0, (1, 64, 64)."""
    optics = dict(OPTICS)
    aperture, defocus = optics.pop("numerical_aperture"), optics.pop("defocus_m")
    geometry = Geometry(**optics, detector_pixels=64)
    return make_probe(geometry, numerical_aperture=aperture, defocus_m=defocus)[None]


def variance(modes):
    """Variance of the illumination along an axis, px^2."""
    light, at = intensity(modes).sum(axis=0), np.arange(64) - 32
    light /= light.sum()
    return np.sum(light * at**2) - np.sum(light * at) ** 2


def test_the_illumination_becomes_wider_with_the_source():
    # The incoherent average is a convolution with the source: variances add.
    probe = default_probe()
    found = [variance(COHERENCE_LEVELS[name].modes_of(probe)) for name in COHERENCE_LEVELS]
    assert np.all(np.diff(found) > 0.1)
    for level, width in zip(COHERENCE_LEVELS.values(), found, strict=True):
        assert width == pytest.approx(found[0] + level.source_px**2, rel=0.01)
    # Of all modes to the part of the light that leaves the field.
    every = coherent_modes(probe[0], 1.0, 64)
    assert variance(every) == pytest.approx(found[0] + 1.0, rel=1e-3)


@pytest.mark.parametrize("source", [0.5, 1.0, 2.0])
def test_levels_hold_nearly_all_of_the_mixed_state(source):
    probe = default_probe()
    modes, powers = Coherence(source).modes_of(probe), mode_powers(probe[0], source)
    assert powers[: len(modes)].sum() >= HELD > powers[: len(modes) - 1].sum()
    rng = np.random.default_rng(4)
    blocks = np.kron(rng.normal(size=(16, 16)), np.ones((4, 4)))
    specimen = np.exp(0.5j * blocks) * (1.0 - 0.4 * (blocks > 0.5))
    dense = far_field(specimen * coherent_modes(probe[0], source, 64).astype(np.complex128))
    found = far_field(specimen * modes.astype(np.complex128))
    assert np.abs(found - dense).sum() < 0.01 * dense.sum()
    assert np.abs(found - dense).max() < 0.01 * dense.max()
    # Coherent light is far off.
    coherent = far_field(specimen * probe.astype(np.complex128))
    assert np.abs(coherent - dense).sum() > 0.03 * dense.sum()


@pytest.mark.parametrize("sigma", [0.5, 1.0])
def test_effective_number_of_modes(sigma):
    powers = mode_powers(paper_probe(N), sigma)
    assert _mode_number(paper_probe(N), sigma) == pytest.approx(1.0 / np.sum(powers**2), rel=1e-3)


def test_a_probe_of_too_many_modes_is_refused():
    rng = np.random.default_rng(5)
    speckle = (rng.normal(size=(1, 64, 64)) + 1j * rng.normal(size=(1, 64, 64))).astype(
        np.complex64
    )
    with pytest.raises(ValueError, match=r"coherence: a source of 2 px makes more than 64 modes"):
        Coherence(2.0).modes_of(speckle)


def test_same_call_same_bytes():
    a, b = (coherent_modes(paper_probe(N), 0.5, 3).tobytes() for _ in range(2))
    assert a == b


@pytest.mark.parametrize("sigma", [-0.1, math.nan, LARGEST_SOURCE_PX + 0.1])
def test_source_out_of_range(sigma):
    with pytest.raises(ValueError, match="source_sigma_px"):
        coherent_modes(paper_probe(64), sigma, 3)


def test_source_must_be_small_against_the_patch():
    with pytest.raises(ValueError, match="source_sigma_px"):
        coherent_modes(paper_probe(16), 1.5, 3)


@pytest.mark.parametrize("modes", [0, 65])
def test_number_of_modes_out_of_range(modes):
    with pytest.raises(ValueError, match="modes"):
        coherent_modes(paper_probe(N), 0.5, modes)


def test_probe_must_be_one_coherent_wave():
    with pytest.raises(ValueError, match="coherent"):
        coherent_modes(np.ones((2, N, N)), 0.5, 2)
    with pytest.raises(ValueError, match="zero"):
        coherent_modes(np.zeros((N, N)), 0.5, 2)
    with pytest.raises(TypeError, match="modes"):
        coherent_modes(paper_probe(N), 0.5, 2.0)  # pyright: ignore[reportArgumentType]
