"""Radiation damage: bands that add up, exponential fading, additive dose."""

import math

import numpy as np
import pytest

from microgym.physics.damage import (
    DAMAGE_LEVELS,
    DamageParameters,
    expose_patch,
    split_bands,
)
from tests.microgym.ptychography_reference import paper_probe

H, W, N = 96, 80, 32
INVERSE = DamageParameters(1500.0).inverse_critical()
EVEN = np.full(N * N, 1.0 / (N * N), np.float32)


def specimen(seed=0, height=H, width=W):
    rng = np.random.default_rng(seed)
    phase = rng.normal(size=(height, width))
    wave = rng.uniform(0.3, 1.0, size=(height, width)) * np.exp(1j * phase)
    return wave.real.astype(np.float32), wave.imag.astype(np.float32)


def split(real, imag, bands=3):
    out = np.empty((bands, 2, *real.shape), np.float32)
    split_bands(real, imag, out, np.empty((2, *real.shape), np.float32))
    return out


class Exposed:
    """A specimen under the beam."""

    def __init__(self, bands=3, seed=0):
        self.real, self.imag = specimen(seed)
        self.fresh = self.real.copy(), self.imag.copy()
        self.bands = split(self.real, self.imag, bands)
        self.fluence = np.zeros((H, W), np.float32)

    def expose(self, photons, top=10, left=20, light=EVEN, inverse=INVERSE):
        expose_patch(
            self.bands,
            self.fluence,
            self.real,
            self.imag,
            light,
            photons,
            top,
            left,
            N,
            inverse,
        )


@pytest.mark.parametrize("bands", [1, 2, 3, 5])
def test_bands_add_up(bands):
    real, imag = specimen()
    parts = split(real, imag, bands)
    np.testing.assert_allclose(parts[:, 0].sum(axis=0) + 1.0, real, atol=5e-7)
    np.testing.assert_allclose(parts[:, 1].sum(axis=0), imag, atol=5e-7)


def test_vacuum_has_no_bands():
    assert not split(np.ones((H, W), np.float32), np.zeros((H, W), np.float32)).any()


def test_even_specimen_is_all_coarse():
    parts = split(np.full((H, W), 0.5, np.float32), np.full((H, W), 0.25, np.float32))
    np.testing.assert_allclose(parts[:2], 0.0, atol=1e-7)
    np.testing.assert_allclose(parts[2, 0], -0.5, atol=1e-7)
    np.testing.assert_allclose(parts[2, 1], 0.25, atol=1e-7)


@pytest.mark.parametrize("cycles", [0.03, 0.1, 0.25, 0.5])
def test_bands_split_frequencies_by_octaves(cycles):
    # The blurs pass cos^4(pi f), cos^4(2 pi f) of a wave of f cycles per pixel.
    wave = np.cos(2 * math.pi * cycles * np.arange(W)).astype(np.float32)
    real = np.broadcast_to(1.0 + wave, (H, W)).astype(np.float32)
    parts = split(real, np.zeros((H, W), np.float32))[:, 0, H // 2, 16:-16]
    first = math.cos(math.pi * cycles) ** 4
    second = first * math.cos(2 * math.pi * cycles) ** 4
    share = [1 - first, first - second, second]
    for part, expected in zip(parts, share, strict=True):
        np.testing.assert_allclose(part, expected * wave[16:-16], atol=1e-6)


def test_split_treats_both_axes_alike():
    real, imag = specimen()
    across = split(np.ascontiguousarray(real.T), np.ascontiguousarray(imag.T))
    np.testing.assert_allclose(across.swapaxes(2, 3), split(real, imag), atol=3e-7)


def test_mirrored_edges_and_small_specimens():
    # An explicitly mirrored specimen gives the same bands.
    real, imag = specimen(height=12, width=9)
    padded = [np.pad(part, 9, mode="symmetric") for part in (real, imag)]
    inside = split(padded[0], padded[1])[:, :, 9:-9, 9:-9]
    np.testing.assert_allclose(split(real, imag), inside, atol=3e-7)


def test_fading_is_exponential_to_1e_6():
    sample = Exposed(bands=1)
    critical = DamageParameters(1500.0, bands=1)
    for k in range(1, 6):
        sample.expose(750.0 * N * N, inverse=critical.inverse_critical())
        fade = math.exp(-0.5 * k)
        patch = np.s_[10 : 10 + N, 20 : 20 + N]
        expected = 1 + fade * (sample.fresh[0][patch] - 1)
        np.testing.assert_allclose(sample.real[patch], expected, atol=1e-6)
        np.testing.assert_allclose(sample.imag[patch], fade * sample.fresh[1][patch], atol=1e-6)


@pytest.mark.parametrize("exponent", [0.0, 1.0, 2.0])
def test_critical_fluence_doubles_from_octave_to_octave(exponent):
    inverse = DamageParameters(1500.0, exponent=exponent, bands=4).inverse_critical()
    np.testing.assert_allclose(1 / inverse, 1500.0 * 2.0 ** (exponent * np.arange(4)), rtol=1e-6)


@pytest.mark.parametrize("band", [0, 1, 2])
def test_each_band_has_its_own_law(band):
    sample = Exposed()
    for other in range(3):
        if other != band:
            sample.bands[other] = 0.0
    sample.expose(1000.0 * N * N)
    patch = np.s_[10 : 10 + N, 20 : 20 + N]
    fade = math.exp(-1000.0 / (1500.0 * 2.0**band))
    np.testing.assert_allclose(sample.imag[patch], fade * sample.bands[band, 1][patch], atol=1e-6)


def test_dose_adds_up_however_it_is_sliced():
    light = (np.abs(paper_probe(N)) ** 2).astype(np.float32).ravel()
    whole, sliced = Exposed(), Exposed()
    whole.expose(1e6, light=light)
    rng = np.random.default_rng(2)
    for part in 1e6 * rng.dirichlet(np.ones(50)):
        sliced.expose(part, light=light)
    np.testing.assert_allclose(sliced.fluence, whole.fluence, rtol=3e-6, atol=1e-12)
    np.testing.assert_allclose(sliced.real, whole.real, atol=1e-6)
    np.testing.assert_allclose(sliced.imag, whole.imag, atol=1e-6)


def test_order_of_overlapping_exposures_does_not_matter():
    light = (np.abs(paper_probe(N)) ** 2).astype(np.float32).ravel()
    one, two = Exposed(), Exposed()
    one.expose(1e5, 10, 10, light)
    one.expose(3e5, 18, 14, light)
    two.expose(3e5, 18, 14, light)
    two.expose(1e5, 10, 10, light)
    np.testing.assert_allclose(one.fluence, two.fluence, rtol=1e-6)
    inner = np.s_[18:42, 14:42]
    np.testing.assert_allclose(one.real[inner], two.real[inner], atol=1e-6)


def test_fluence_counts_every_photon():
    sample = Exposed()
    light = (np.abs(paper_probe(N)) ** 2).astype(np.float32).ravel()
    sample.expose(1e5, light=light)
    sample.expose(2e5, 0, 0, light)
    assert sample.fluence.sum(dtype=np.float64) == pytest.approx(3e5, rel=1e-6)


def test_nothing_outside_the_patch_is_touched():
    sample = Exposed()
    sample.expose(1e7)
    outside = np.ones((H, W), bool)
    outside[10 : 10 + N, 20 : 20 + N] = False
    np.testing.assert_array_equal(sample.real[outside], sample.fresh[0][outside])
    np.testing.assert_array_equal(sample.imag[outside], sample.fresh[1][outside])
    assert not sample.fluence[outside].any()
    assert not np.allclose(sample.real[~outside], sample.fresh[0][~outside])


def test_dark_rows_are_counted_and_fade_when_lit():
    half = EVEN.copy()
    half[: N * N // 2] *= np.float32(1e-9)
    sample = Exposed()
    sample.expose(100.0 * N * N, light=half)
    upper = np.s_[10 : 10 + N // 2, 20 : 20 + N]
    np.testing.assert_array_equal(sample.real[upper], sample.fresh[0][upper])
    np.testing.assert_allclose(sample.fluence[upper], 1e-7, rtol=1e-6)
    sample.expose(100.0 * N * N)
    whole = Exposed()
    whole.expose(100.0 * N * N)
    np.testing.assert_allclose(sample.real[upper], whole.real[upper], atol=1e-7)


def test_no_photons_change_no_bit():
    sample = Exposed()
    sample.expose(0.0)
    np.testing.assert_array_equal(sample.real, sample.fresh[0])
    np.testing.assert_array_equal(sample.imag, sample.fresh[1])
    assert not sample.fluence.any()


def test_no_damage_keeps_the_specimen():
    sample = Exposed()
    sample.expose(1e9, inverse=DAMAGE_LEVELS["off"].inverse_critical())
    np.testing.assert_allclose(sample.real, sample.fresh[0], atol=5e-7)
    np.testing.assert_allclose(sample.imag, sample.fresh[1], atol=5e-7)


def test_a_fading_specimen_never_amplifies():
    sample = Exposed(seed=4)
    light = (np.abs(paper_probe(N)) ** 2).astype(np.float32).ravel()
    rng = np.random.default_rng(4)
    for _ in range(60):
        sample.expose(3e5, int(rng.integers(H - N)), int(rng.integers(W - N)), light)
        assert np.max(sample.real**2 + sample.imag**2) <= 1.0 + 1e-6


def test_overexposed_specimen_is_vacuum():
    sample = Exposed()
    sample.expose(1e8 * N * N)
    np.testing.assert_array_equal(sample.real[10:42, 20:52], 1.0)
    np.testing.assert_array_equal(sample.imag[10:42, 20:52], 0.0)


def test_levels():
    order = [DAMAGE_LEVELS[name].critical_fluence for name in ("off", "easy", "real", "hard")]
    assert order == sorted(order, reverse=True)
    # Three nominal exposures of one spot, as the docstring says.
    left_over = np.exp(-3 * 1e5 / (math.pi * 100) * DAMAGE_LEVELS["real"].inverse_critical())
    assert left_over[0] == pytest.approx(0.53, abs=0.01)
    assert left_over[2] == pytest.approx(0.85, abs=0.01)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("critical_fluence", 0.0),
        ("critical_fluence", math.nan),
        ("critical_fluence", -math.inf),
        ("exponent", -1.0),
        ("exponent", 5.0),
        ("bands", 0),
        ("bands", 7),
    ],
)
def test_parameters_refuse(name, value):
    with pytest.raises(ValueError, match=name):
        DamageParameters(**{name: value})
