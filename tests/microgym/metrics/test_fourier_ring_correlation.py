"""Ring correlation against closed forms, known cutoffs and between halves of data."""

import math

import numpy as np
import pytest

from microgym import metrics
from tests.microgym.metrics.images import field, noise


def test_frc_of_equal_images_is_one_up_to_nyquist():
    image = field(0, 64, 64).real
    curve = metrics.frc(image, image)
    assert curve.frequency[[0, -1]].tolist() == [1 / 64, 0.5]
    assert curve.correlation == pytest.approx(np.ones(32))
    assert curve.resolution("1/7") == 0.5


def test_frc_of_unrelated_noise_stays_below_the_thresholds():
    first, second = (np.random.default_rng(s).normal(size=(128, 128)) for s in (0, 1))
    curve = metrics.frc(first, second)
    assert np.abs(curve.correlation[20:]).max() < 0.3
    assert np.mean(curve.correlation > curve.half_bit) < 0.05
    assert curve.resolution(0.5) < 0.05


def test_frc_finds_a_known_cutoff_in_half_data_sets():
    # White signal up to 0.2 cycles per pixel, noise of a ninth at all: 0.9 falls to 0 at 0.2.
    rng = np.random.default_rng(5)
    radius = np.hypot(np.fft.fftfreq(256)[:, None], np.fft.fftfreq(256))
    signal = np.fft.ifft2(np.fft.fft2(rng.normal(size=(256, 256))) * (radius < 0.2)).real
    halves = [3.0 * signal + rng.normal(size=(256, 256)) for _ in range(2)]
    curve = metrics.frc(halves[0], halves[1])
    low = (curve.frequency > 0.02) & (curve.frequency < 0.19)
    assert curve.correlation[low].mean() == pytest.approx(0.9, abs=0.01)
    assert curve.resolution("half-bit") == pytest.approx(0.2, abs=0.01)
    assert curve.resolution("1/7") == pytest.approx(0.2, abs=0.01)


def test_one_seventh_between_halves_is_one_half_against_the_truth():
    # Noise of variance 6 in each half: c = 1 / 7 between halves, 1 / 2 for their mean and truth.
    rng = np.random.default_rng(6)
    truth = rng.normal(size=(512, 512))
    first, second = (truth + math.sqrt(6.0) * rng.normal(size=(512, 512)) for _ in range(2))
    halves, full = metrics.frc(first, second), metrics.frc(0.5 * (first + second), truth)
    weight = halves.samples / halves.samples.sum()
    assert np.sum(weight * halves.correlation) == pytest.approx(1 / 7, abs=0.01)
    assert np.sum(weight * full.correlation) == pytest.approx(1 / 2, abs=0.01)


def test_frc_of_complex_images_does_not_see_the_global_phase():
    a = field(0, 48, 64)
    b = a + 0.2 * noise(1, 48, 64)
    plain, turned = metrics.frc(a, b), metrics.frc(a, np.exp(2j) * b)
    assert turned.correlation == pytest.approx(plain.correlation, abs=1e-12)
    assert plain.frequency.size == 24


def test_frc_window_hides_a_common_border():
    rng = np.random.default_rng(3)
    a, b = rng.normal(size=(2, 64, 64))
    a[0], b[0] = 50.0, 50.0
    a[:, 0], b[:, 0] = 50.0, 50.0
    assert metrics.frc(a, b, window=None).correlation.mean() > 0.4
    assert abs(metrics.frc(a, b).correlation.mean()) < 0.15
    weights = np.ones((64, 64))
    weights[0] = weights[:, 0] = 0.0
    assert abs(metrics.frc(a, b, weights).correlation.mean()) < 0.15


def test_half_bit_curve_is_that_of_van_heel_and_schatz():
    curve = metrics.RingCorrelation(np.array([0.1, 0.2]), np.zeros(2), np.array([1.0, 1e12]))
    assert curve.half_bit == pytest.approx([1.0, 0.2071 / 1.2071], abs=1e-4)
    image = np.random.default_rng(0).normal(size=(64, 64))
    free, tapered = metrics.frc(image, image, None), metrics.frc(image, image)
    # Ring 16 of a real image: about 2 pi 16 coefficients, half of them independent.
    assert free.samples[15] == pytest.approx(math.pi * 16, rel=0.15)
    # Hann keeps (mean w^2)^2 / mean w^4 = 18 / 35 per axis.
    assert tapered.samples[15] / free.samples[15] == pytest.approx((18 / 35) ** 2, rel=1e-6)


def test_resolution_interpolates_between_rings():
    curve = metrics.RingCorrelation(
        np.array([0.1, 0.2, 0.3]), np.array([0.9, 0.6, 0.2]), np.full(3, 1e6)
    )
    assert curve.resolution(0.5) == pytest.approx(0.225)
    assert curve.resolution(0.95) == 0.0
    assert curve.resolution(0.1) == pytest.approx(0.3)
    few = metrics.RingCorrelation(curve.frequency, curve.correlation[::-1], np.array([3.0, 9, 9]))
    assert few.resolution(0.5) == pytest.approx(0.3)
