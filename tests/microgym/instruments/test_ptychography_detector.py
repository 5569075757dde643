"""Detectors of the microscope at the fluxes that Ptycho-v0 has: every level acts, and more."""

import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from microgym.envs.ptycho.config import PtychoConfig
from microgym.instruments.ptychography.instrument import PtychographyInstrument
from microgym.physics.camera import DETECTOR_LEVELS, SENSORS, Detector
from microgym.random import episode_key
from microgym.reconstruction.ptychography.online import OnlineReconstruction
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
    # Corrected, the photons that were sent, with the noise of those that were not counted; whole
    # counts add a twelfth before the correction, which is steeper by (1 + r)^2.
    bright = mask & (sent > 20.0) & (rate < 0.7)
    assert np.all(known[bright] == 1.0)
    spread = np.sqrt(sent * rate + 0.25 * (1.0 + rate) ** 4)
    away = ((found - sent) / spread)[bright]
    assert abs(away.mean()) < 5.0 / np.sqrt(away.size)
    assert np.abs(away).max() < 5.0
    # Where more than half are lost, too few are told, and they are masked.
    swallowed = mask & (rate > 1.5)
    assert np.all(known[swallowed] == 0.0)
    assert np.all(found[swallowed] < sent[swallowed])
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
    beyond = 0.5 * math.erfc(0.5 / (math.sqrt(2.0) * detector.read_noise_counts))
    sure = 5.0 * math.sqrt(2.0 * beyond / noise.size)
    assert np.mean(noise != 0.0) == pytest.approx(2.0 * beyond, abs=sure)
    faint, _ = readings(1e-3, 0.1, sensor="integrating", detector=level)
    dark = faint[:, detector.mask(64).ravel() == 1.0]
    sure = 5.0 * math.sqrt(beyond / dark.size)
    assert np.mean(dark > 0.0) == pytest.approx(beyond, abs=sure)


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


@pytest.mark.parametrize("sensor", SENSORS)
def test_masked_pixels_do_not_bias_the_image(sensor):
    # Masked are the bright pixels of the direct beam, and those behind the stop.
    image: dict[str, NDArray[Any]] = {}
    for level in ("off", "hard"):
        config = PtychoConfig(drift="off", damage="off", sensor=sensor, detector=level)
        instrument = PtychographyInstrument(1, config.settings)
        instrument.reset(np.arange(1), np.stack([episode_key(3)]), "lines", "test")
        scan = OnlineReconstruction(1, instrument.field_px, instrument.known_probe, 49)
        masked = 0.0
        for place in np.ndindex(7, 7):
            at = 96.0 + 6.0 * (np.array([place], np.float64) - 3.0)
            instrument.expose(np.arange(1), at, np.array([1.0]))
            masked += 1.0 - instrument.state.measurement.known.mean()
            scan.add(np.arange(1), *instrument.state.measurement)
        scan.sweep(np.arange(1), 50)
        inside = np.s_[0, 84:108, 84:108]
        truth = instrument.sample.object_re[inside] + 1j * instrument.sample.object_im[inside]
        found = scan.state.re[inside] + 1j * scan.state.im[inside]
        gauge = np.vdot(found, truth) / np.vdot(found, found)
        image[level] = np.abs(gauge * found - truth) / np.abs(truth - truth.mean()).std()
        assert (masked > 0.005 * 49) == (level == "hard")
    assert image["off"].mean() < 0.5
    assert image["hard"].mean() < 2.0 * image["off"].mean()
