"""Detectors of the microscope at the fluxes that Ptycho-v0 has: every level acts, and more."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from microgym.envs.ptycho.config import PtychoConfig
from microgym.instruments.ptychography.instrument import PtychographyInstrument
from microgym.physics.camera import DETECTOR_LEVELS, SENSORS, Detector
from microgym.random import episode_key
from tests.microgym.instruments.test_ptychography import (
    PROBE,
    SPECIMEN,
    N,
    expected,
    expose,
    make,
    mount,
)

LEVELS = ("off", "easy", "real", "hard")


def readings(photons: float, dwell_s: float, **switches: Any) -> tuple[NDArray[Any], NDArray[Any]]:
    """Reading and known pixels, (4096,), of vacuum and of a specimen without drift and damage."""
    config = PtychoConfig(photons=photons, drift="off", damage="off", **switches)
    instrument = PtychographyInstrument(2, config.settings)
    rows = np.arange(2)
    instrument.reset(rows, np.stack([episode_key(3)] * 2), "lines", "test")
    instrument.sample.object_re[0], instrument.sample.object_im[0] = 1.0, 0.0
    instrument.expose(rows, np.full((2, 2), 96.0), np.full(2, dwell_s))
    measurement = instrument.state.measurement
    return measurement.counts.astype(np.float64), measurement.known.astype(np.float64)


@pytest.mark.parametrize(("photons", "dwell_s"), [(1e5, 10.0), (1e6, 1.0), (1e6, 10.0)])
@pytest.mark.parametrize("sensor", SENSORS)
def test_each_level_loses_more_than_the_one_before(sensor, photons, dwell_s):
    taken = [readings(photons, dwell_s, sensor=sensor, detector=level) for level in LEVELS]
    for row in range(2):
        sums = [counts[row].sum() for counts, _ in taken]
        told = [known[row].sum() for _, known in taken]
        assert np.all(np.array(sums[1:]) < 0.998 * np.array(sums[:-1]))
        assert np.all(np.diff(told) <= 0.0)
        assert told[-1] < told[0]
    assert taken[0][0][0].max() == pytest.approx(photons * dwell_s * 3.3e-3, rel=0.1)


@pytest.mark.parametrize("level", LEVELS[1:])
@pytest.mark.parametrize("dwell_s", [0.3, 1.0, 10.0])
def test_a_counting_detector_follows_the_closed_form(level, dwell_s):
    (sent, _), (_, _) = readings(1e5, dwell_s)
    (found, _), (known, _) = readings(1e5, dwell_s, detector=level)
    detector = DETECTOR_LEVELS["counting"][level]
    mask = detector.mask(64).ravel() == 1.0
    rate = sent * detector.pixel_dead_time_s / dwell_s
    wanted = sent / (1.0 + rate)
    bright = mask & (sent > 20.0)
    spread = np.sqrt(wanted * rate / (1.0 + rate) ** 3 + 0.25)
    away = ((found - wanted) / spread)[bright]
    assert abs(away.mean()) < 5.0 / np.sqrt(away.size)
    assert np.abs(away).max() < 5.0
    # Photons are conserved: what is not counted is what the closed form loses.
    lost = sent[bright].sum() - found[bright].sum()
    noise = np.sqrt(np.sum(spread[bright] ** 2))
    assert abs(lost - (sent - wanted)[bright].sum()) < 5.0 * noise
    assert np.all(found[~mask] == 0.0)
    assert np.all(known[~mask] == 0.0)


def test_the_rate_matters_to_a_counter_and_the_number_to_a_well():
    # Ten exposures of 1 s lose as many to the dead time as one of 10 s, but less to the well.
    ratio = {
        sensor: 10.0
        * readings(1e6, 1.0, sensor=sensor, detector="easy")[0].sum()
        / readings(1e6, 10.0, sensor=sensor, detector="easy")[0].sum()
        for sensor in SENSORS
    }
    assert ratio["counting"] == pytest.approx(1.0, abs=0.01)
    assert ratio["integrating"] > 1.05


@pytest.mark.parametrize("level", LEVELS[1:])
def test_an_integrating_detector_clips_and_adds_noise(level):
    detector = DETECTOR_LEVELS["integrating"][level]
    counts, known = readings(1e6, 10.0, sensor="integrating", detector=level)
    full = (known == 0.0) & (detector.mask(64).ravel() == 1.0)
    assert full.any()
    noise = counts[full] - detector.saturation_counts
    assert noise.std() == pytest.approx(detector.read_noise_counts, rel=0.25)
    faint, _ = readings(1e-3, 0.1, sensor="integrating", detector=level)
    dark = faint[:, detector.mask(64).ravel() == 1.0]
    assert dark.std() == pytest.approx(detector.read_noise_counts, rel=5.0 / np.sqrt(2 * dark.size))


def test_detector_clips_and_hides():
    instrument = make(
        photons_per_s=1e6, detector=Detector(saturation_counts=200.0, beam_stop_px=2.5)
    )
    mount(instrument, SPECIMEN)
    expose(instrument, (30.0, 30.0))
    taken = instrument.state.measurement
    counts, known = taken.counts[0].reshape(N, N), taken.known[0].reshape(N, N)
    at = np.fft.fftfreq(N) * N
    behind = np.hypot(at[:, None], at) < 2.5
    assert np.all(counts[behind] == 0.0)
    assert counts.max() == 200.0
    assert np.array_equal(known == 1.0, ~behind & (counts < 200.0))
    mean = expected(SPECIMEN, PROBE[None], np.array([30.0, 30.0]), 1e6)
    assert np.all(known[mean > 400.0] == 0.0)
    mount(instrument, SPECIMEN)
    assert np.all(instrument.state.measurement.known == 1.0)


def test_read_noise_goes_below_zero():
    instrument = make(photons_per_s=1.0, detector=Detector(read_noise_counts=3.0))
    mount(instrument, SPECIMEN)
    expose(instrument, (30.0, 30.0))
    noise = instrument.state.measurement.counts.astype(np.float64)
    assert noise.min() < -3.0
    assert noise.std() == pytest.approx(3.0, rel=5 / np.sqrt(2 * N * N))
