"""Noise of a read-out: moments, spectra, and the line of the mains."""

import itertools
import math

import numpy as np
import pytest

from microgym.physics.noise import (
    PROCESSES,
    NoiseParameters,
    advance_flicker,
    fill_noise,
    mains_line,
    start_noise,
)


def rows(count, n, dt, white=0.0, flicker=0.0, mains=0.0, hertz=50.0, seed=0):
    """One long record, drawn as rows one after the other."""
    processes = np.empty(PROCESSES)
    phase = start_noise(seed, 1, processes)
    out, draws = np.empty((count, n), np.float32), np.empty(PROCESSES * n, np.float32)
    for k in range(count):
        fill_noise(
            seed,
            2,
            k,
            k * n * dt,
            dt,
            white,
            flicker,
            mains,
            hertz,
            phase,
            processes,
            out[k],
            draws,
        )
    return out.reshape(-1).astype(float), phase


def test_white_noise_is_white():
    record, _ = rows(100, 1000, 1e-3, white=0.3)
    assert record.std() == pytest.approx(0.3, rel=4 / math.sqrt(2 * record.size))
    assert abs(record.mean()) < 4 * 0.3 / math.sqrt(record.size)
    for lag in (1, 2, 1000):
        found = np.mean(record[lag:] * record[:-lag]) / 0.09
        assert abs(found) < 4 / math.sqrt(record.size)


def flicker_spectrum(frequency_hz, flicker):
    """One-sided power spectral density of the 1/f noise, a sum of Lorentzians, units^2/Hz."""
    times = 1e-3 * 10.0 ** np.arange(PROCESSES)
    corner = 2.0 * math.pi * frequency_hz[..., None] * times
    return np.sum(4.0 * flicker**2 * times / (1.0 + corner**2), axis=-1)


def test_the_sum_of_lorentzians_is_one_over_f():
    f = np.geomspace(1e-2, 30.0, 2000)
    density = flicker_spectrum(f, 0.7)
    assert np.abs(density * f * math.log(10) / 0.49 - 1).max() < 0.06
    assert np.polyfit(np.log(f), np.log(density), 1)[0] == pytest.approx(-1.0, abs=0.005)
    # All of it is the variance of six independent processes.
    f = np.geomspace(1e-7, 1e7, 200_000)
    assert np.trapezoid(flicker_spectrum(f, 0.7), f) == pytest.approx(6 * 0.49, rel=1e-3)


def sampled(f, dt, flicker):
    """The spectrum of the processes read at distances of dt: exact, with what folds back."""
    keep = np.exp(-dt / (1e-3 * 10.0 ** np.arange(PROCESSES)))
    cosine = np.cos(2 * math.pi * f * dt)[:, None]
    return np.sum(2 * dt * flicker**2 * (1 - keep**2) / (1 - 2 * keep * cosine + keep**2), axis=1)


def test_flicker_has_its_spectrum():
    dt, segment = 2e-3, 1 << 14
    record, _ = rows(400, segment, dt, flicker=0.5)
    taper = np.hanning(segment)
    power = np.abs(np.fft.rfft(record.reshape(400, segment) * taper)) ** 2
    density = power.mean(axis=0) * 2 * dt / np.sum(taper**2)
    f = np.fft.rfftfreq(segment, dt)
    expected = sampled(f, dt, 0.5)
    edges = np.geomspace(0.2, 200.0, 13)
    for low, high in itertools.pairwise(edges):
        band = (f >= low) & (f < high)
        ratio = (density[band] / expected[band]).mean()
        # Half of the frequencies under a Hann taper count as independent.
        assert ratio == pytest.approx(1.0, abs=4.5 / math.sqrt(0.5 * 400 * band.sum()))
    band = (f > 0.2) & (f < 20.0)
    slope = np.polyfit(np.log(f[band]), np.log(density[band]), 1, w=1 / np.sqrt(f[band]))[0]
    assert slope == pytest.approx(-1.0, abs=0.03)


def test_single_readings_keep_their_variance_and_correlation():
    # Readings at times that the caller chooses: 1 per process, and the sum of their memories.
    count = 20_000
    first, second = np.empty(count), np.empty(count)
    for b in range(count):
        state = np.empty(PROCESSES)
        start_noise(b, 3, state)
        first[b] = state.sum()
        advance_flicker(b, 4, 1, 0.003, state)
        advance_flicker(b, 4, 2, 0.0, state)
        second[b] = advance_flicker(b, 4, 3, 0.017, state)
    assert first.var() == pytest.approx(PROCESSES, rel=4.5 * math.sqrt(2 / count))
    assert second.var() == pytest.approx(PROCESSES, rel=4.5 * math.sqrt(2 / count))
    expected = np.exp(-0.02 / (1e-3 * 10.0 ** np.arange(PROCESSES))).sum()
    error = 4.5 * math.sqrt((PROCESSES**2 + expected**2) / count)
    assert np.mean(first * second) == pytest.approx(expected, abs=error)


def test_slices_of_time_leave_the_statistics():
    # One long wait or many short ones: the same variance added, the same part kept.
    count, waits = 4000, 25
    whole, sliced = np.empty((count, PROCESSES)), np.empty((count, PROCESSES))
    for b in range(count):
        for out, cuts in ((whole[b], 1), (sliced[b], waits)):
            out[...] = 1.0
            for k in range(cuts):
                advance_flicker(b, 5 + cuts, k + 1, 0.5 / cuts, out)
    keep = np.exp(-0.5 / (1e-3 * 10.0 ** np.arange(PROCESSES)))
    for found in (whole, sliced):
        spread = np.sqrt((1 - keep**2) / count)
        assert np.all(np.abs(found.mean(axis=0) - keep) < 4.5 * spread)
        ratio = found.var(axis=0) / (1 - keep**2)
        np.testing.assert_allclose(ratio, 1.0, atol=4.5 * math.sqrt(2 / count))


@pytest.mark.parametrize("hertz", [50.0, 60.0])
def test_the_mains_is_a_line(hertz):
    record, phase = rows(20, 500, 1e-3, mains=0.2, hertz=hertz)
    t = np.arange(record.size) * 1e-3
    expected = 0.2 * np.sin(2 * math.pi * hertz * t + phase)
    np.testing.assert_allclose(record, expected, atol=1e-7)
    assert 0.0 < phase < 2 * math.pi
    # Hours into the session too.
    assert mains_line(36000.0 + 1 / 200, 50.0, 0.0) == pytest.approx(1.0, abs=1e-9)


def test_phases_are_uniform():
    phases = np.array([start_noise(b, 9, np.empty(PROCESSES)) for b in range(2000)])
    assert abs(np.exp(1j * phases).mean()) < 4.5 / math.sqrt(2 * 2000)
    assert 0.0 < phases.min() < phases.max() < 2 * math.pi


def test_parts_are_independent():
    white, _ = rows(50, 400, 1e-3, white=1.0)
    flicker, _ = rows(50, 400, 1e-3, flicker=1.0)
    both, _ = rows(50, 400, 1e-3, white=1.0, flicker=1.0)
    np.testing.assert_allclose(both, white + flicker, atol=1e-5)
    fast = np.diff(flicker)
    assert abs(np.corrcoef(white[1:], fast)[0, 1]) < 4.5 / math.sqrt(fast.size)


@pytest.mark.parametrize(
    ("changed", "error", "message"),
    [
        ({"white": -1.0}, ValueError, "white=-1.0 must be at least 0"),
        ({"flicker": math.inf}, ValueError, "flicker=inf must be finite"),
        ({"mains": "loud"}, TypeError, "mains must be a real number"),
        ({"mains_hz": 16.7}, ValueError, r"mains_hz=16.7 must be one of \(50.0, 60.0\)"),
    ],
)
def test_bad_parameters(changed, error, message):
    with pytest.raises(error, match=message):
        NoiseParameters(**changed)
