"""Dead time against a simulation photon by photon; full wells, read noise and beam stop."""

import math
from typing import Any

import numpy as np
import pytest

from microgym.physics.camera import (
    DETECTOR_LEVELS,
    SENSORS,
    TRUSTED,
    Detector,
    add_read_noise,
    beam_stop,
    correct_rate,
    lose_counts,
    read_out,
)

SIZE = 64 * 64


def counts(value=100.0):
    return np.full(SIZE, value, np.float32)


def test_read_noise_is_normal():
    reading, work = counts(), np.empty(SIZE, np.float32)
    add_read_noise(1, 2, 3, 4.0, reading, work)
    z = (reading - 100.0) / 4.0
    assert abs(z.mean()) < 4 / math.sqrt(SIZE)
    assert abs(z.var() - 1) < 4 * math.sqrt(2 / SIZE)
    assert abs((z**3).mean()) < 4 * math.sqrt(15 / SIZE)
    assert abs((z**4).mean() - 3) < 4 * math.sqrt(96 / SIZE)


def test_read_noise_is_a_function_of_stream_and_exposure():
    work = np.empty(SIZE, np.float32)
    first, again, later = counts(), counts(), counts()
    add_read_noise(1, 2, 3, 1.0, first, work)
    add_read_noise(1, 2, 3, 1.0, again, work)
    add_read_noise(1, 2, 4, 1.0, later, work)
    np.testing.assert_array_equal(first, again)
    assert np.mean(first == later) < 0.01
    assert abs(np.corrcoef(first, later)[0, 1]) < 4 / math.sqrt(SIZE)


def test_no_read_noise_changes_nothing():
    reading = counts()
    add_read_noise(1, 2, 3, 0.0, reading, np.empty(SIZE, np.float32))
    np.testing.assert_array_equal(reading, counts())


def test_dark_readings_may_be_below_zero():
    reading = counts(0.0)
    add_read_noise(1, 2, 3, 1.0, reading, np.empty(SIZE, np.float32))
    assert reading.min() < -1.0


def test_beam_stop_hides_the_centre_in_transform_order():
    mask = beam_stop(64, 3.0)
    assert mask.dtype == np.float32
    assert mask[0, 0] == mask[2, 0] == mask[0, -2] == mask[2, 2] == 0.0
    assert mask[3, 0] == mask[0, -3] == mask[3, 3] == mask[32, 32] == 1.0
    shown = np.fft.fftshift(mask)
    np.testing.assert_array_equal(shown[1:, 1:], shown[:0:-1, :0:-1])
    assert np.count_nonzero(mask == 0.0) == pytest.approx(math.pi * 9, rel=0.15)


def test_no_beam_stop_sees_everything():
    assert beam_stop(32, 0.0).min() == 1.0
    assert Detector().mask(32).min() == 1.0


def test_read_out_does_all_three():
    rng = np.random.default_rng(5)
    fresh = rng.poisson(100, SIZE).astype(np.float32)
    reading, known, work = fresh.copy(), np.empty(SIZE, np.float32), np.empty(SIZE, np.float32)
    mask = beam_stop(64, 4.0).ravel()
    read_out((7, 8), (1, 2), 3, 0.0, 110.0, 2.0, mask, reading, known, work)
    assert np.count_nonzero((fresh >= 110.0) & (mask == 1.0)) > 100
    np.testing.assert_array_equal(known, mask * (fresh < 110.0))
    assert np.all(reading[mask == 0.0] == 0.0)
    expected = np.minimum(fresh, np.float32(110.0)) * mask
    add_read_noise(1, 2, 3, 2.0, expected, work)
    whole = np.maximum(np.floor(expected + np.float32(0.5)), 0.0)
    np.testing.assert_array_equal(reading[mask == 1.0], whole[mask == 1.0])


def test_read_noise_of_a_dark_pixel_is_no_light():
    # Rounded to whole photons: of 0.2 photons of noise, 0.6% reach half a photon.
    reading, known, work = counts(0.0), np.ones(SIZE, np.float32), np.empty(SIZE, np.float32)
    read_out((7, 8), (1, 2), 3, 0.0, 1e3, 0.2, np.empty(0, np.float32), reading, known, work)
    assert np.array_equal(reading, np.floor(reading))
    assert reading.min() == 0.0
    assert 0.001 < np.mean(reading > 0.0) < 0.015


def test_perfect_read_out_keeps_counts():
    reading, known, work = counts(7.0), np.empty(SIZE, np.float32), np.empty(SIZE, np.float32)
    mask = beam_stop(64, 0.0).ravel()
    read_out((7, 8), (1, 2), 3, 0.0, math.inf, 0.0, mask, reading, known, work)
    assert np.all(reading == 7.0)
    assert np.all(known == 1.0)


@pytest.mark.parametrize(("blind", "full_well"), [(0.0, 9.0), (0.1, math.inf), (0.0, math.inf)])
def test_no_mask_is_a_mask_that_hides_nothing(blind, full_well):
    fresh = np.random.default_rng(6).poisson(7.0, SIZE).astype(np.float32)
    work = np.empty(SIZE, np.float32)
    results: list[Any] = []
    for mask in (np.ones(SIZE, np.float32), np.empty(0, np.float32)):
        reading, known = fresh.copy(), np.ones(SIZE, np.float32)
        for tick in (3, 4):
            read_out((7, 8), (1, 2), tick, blind, full_well, 2.0, mask, reading, known, work)
        results.append((reading, known))
    np.testing.assert_array_equal(*results)


def counted_one_by_one(rng, mean, blind):
    """Photons that pixels count of Poisson arrivals in [0, 1], blind for a time after each."""
    found = np.zeros(SIZE)
    for k, photons in enumerate(rng.poisson(mean, SIZE)):
        until = -1.0
        for time in np.sort(rng.random(photons)):
            if time >= until:
                found[k] += 1.0
                until = time + blind
    return found


@pytest.mark.parametrize(("mean", "share"), [(20.0, 0.3), (60.0, 0.1), (60.0, 1.0), (60.0, 3.0)])
def test_dead_time_loses_as_many_as_photon_by_photon(mean, share):
    # n / (1 + n tau / t) on average, with that over (1 + n tau / t)^2 as variance.
    rng = np.random.default_rng(8)
    reading = rng.poisson(mean, SIZE).astype(np.float32)
    lose_counts(1, 2, 3, np.float32(share / mean), reading, np.ones(SIZE), np.empty(SIZE, "f4"))
    events = counted_one_by_one(rng, mean, share / mean)
    assert np.array_equal(reading, np.floor(reading))
    wanted = mean / (1.0 + share)
    # The closed form is that of long times: its first correction is below one count.
    assert events.mean() == pytest.approx(wanted, abs=0.5)
    assert reading.mean() == pytest.approx(wanted, abs=0.3)
    # Whole numbers add a twelfth.
    variance = wanted / (1.0 + share) ** 2 + 1 / 12
    assert events.var() == pytest.approx(variance, rel=0.12)
    assert reading.var() == pytest.approx(variance, rel=0.12)


def test_dead_time_never_adds_photons_and_marks_what_it_swallows():
    rng = np.random.default_rng(9)
    fresh = rng.poisson(np.geomspace(0.01, 1e4, SIZE)).astype(np.float32)
    reading, known = fresh.copy(), np.ones(SIZE, np.float32)
    lose_counts(1, 2, 3, np.float32(1e-3), reading, known, np.empty(SIZE, np.float32))
    assert np.all((reading >= 0.0) & (reading <= fresh))
    assert np.array_equal(reading[fresh < 2.0], fresh[fresh < 2.0])
    assert reading.max() < 1000.0
    assert np.array_equal(known == 0.0, reading > 1000.0 * TRUSTED)
    assert 0.1 < known.mean() < 0.99
    # Faint pixels lose nothing, bright ones nearly all.
    assert reading[fresh > 9000.0].mean() == pytest.approx(1e4 / 11.0, rel=0.01)


@pytest.mark.parametrize(("mean", "share"), [(400.0, 0.05), (400.0, 0.3), (400.0, 0.8)])
def test_the_corrected_rate_is_that_of_the_photons_one_by_one(mean, share):
    # Counted photon by photon, or by the closed form: corrected, both have the true mean, and
    # (1 + n tau / t) times Poisson's variance.
    rng, blind = np.random.default_rng(10), np.float32(share / mean)
    known, work = np.ones(SIZE, np.float32), np.empty(SIZE, np.float32)
    short = rng.poisson(mean, SIZE).astype(np.float32)
    lose_counts(1, 2, 3, blind, short, known, work)
    for reading in (short, counted_one_by_one(rng, mean, share / mean).astype(np.float32)):
        assert reading.mean() == pytest.approx(mean / (1.0 + share), rel=0.003)
        correct_rate(blind, reading)
        variance = mean * (1.0 + share)
        # Beyond statistics, the corrections of long times: r^2 / (1 + r) photons.
        allowed = 4.0 * math.sqrt(variance / SIZE) + share**2
        assert reading.mean() == pytest.approx(mean, abs=allowed)
        assert reading.var() == pytest.approx(variance, rel=0.12)


def test_above_the_limit_the_corrected_rate_is_a_lower_bound():
    reading = np.array([0.0, 100.0, 500.0, 501.0, 900.0], np.float32)
    correct_rate(np.float32(1e-3), reading)
    np.testing.assert_allclose(reading, [0.0, 100.0 / 0.9, 1000.0, 1002.0, 1800.0], rtol=1e-6)


def test_a_counting_sensor_has_no_read_noise_and_an_integrating_one_no_dead_time():
    assert list(DETECTOR_LEVELS) == list(SENSORS)
    for one in DETECTOR_LEVELS["counting"].values():
        assert (one.saturation_counts, one.read_noise_counts) == (math.inf, 0.0)
    assert all(one.pixel_dead_time_s == 0.0 for one in DETECTOR_LEVELS["integrating"].values())
    for levels in DETECTOR_LEVELS.values():
        assert levels["off"] == Detector()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("pixel_dead_time_s", -1e-9),
        ("pixel_dead_time_s", math.inf),
        ("saturation_counts", 0.0),
        ("saturation_counts", math.nan),
        ("saturation_counts", -math.inf),
        ("read_noise_counts", -1.0),
        ("read_noise_counts", math.inf),
        ("beam_stop_px", -1.0),
        ("beam_stop_px", math.nan),
    ],
)
def test_detector_refuses(name, value):
    with pytest.raises(ValueError, match=name):
        Detector(**{name: value})


def test_detector_takes_numbers_only():
    with pytest.raises(TypeError, match="read_noise_counts"):
        Detector(read_noise_counts="low")  # pyright: ignore[reportArgumentType]


def test_beam_stop_must_fit():
    with pytest.raises(ValueError, match="radius_px"):
        Detector(beam_stop_px=40.0).mask(64)
