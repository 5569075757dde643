"""The line in NumPy is the line that the instrument scans."""

import numpy as np
import pytest

from microgym.baselines.benchmarks.instruments import (
    GAIN,
    PERFECT,
    RATE_HZ,
    SETPOINT,
    Lines,
    force_microscope,
)
from microgym.physics.cantilever import peak_force
from microgym.physics.feedback import ticks_of
from tests.microgym.instruments.numpy_afm import NumpyLines, peak_forces


def test_both_scan_the_same_lines():
    ours, theirs = (
        Lines(3),
        NumpyLines(force_microscope(3), np.random.default_rng(0)),
    )
    for _ in range(3):
        ours.run()
        theirs.scan(SETPOINT, GAIN, RATE_HZ)
    line = ours.instrument.state.line
    assert np.ptp(theirs.trace) > 1.0
    assert line.trace[0] == pytest.approx(theirs.trace, abs=2e-3)
    assert line.retrace[0] == pytest.approx(theirs.retrace, abs=2e-3)
    assert line.truth[0] == pytest.approx(theirs.truth, abs=1e-3)


def test_the_benchmark_has_the_ticks_it_says():
    instrument = force_microscope()
    lag = instrument.settings.cantilever.lag_s
    pixel_s = 0.5 / (RATE_HZ * (instrument.settings.pixels + 16))
    assert ticks_of.py_func(pixel_s, instrument.state.hidden.resonance_hz[0], lag, GAIN) == 8
    assert PERFECT.lines == instrument.settings.lines
    assert instrument.settings.pixels == 256


def test_forces_are_the_same_forces():
    amplitude, target = np.array([14.0, 10.0, 18.0]), np.array([13.0, 10.0, 16.0])
    modulus = np.array([1.0, 60.0, 5.0])
    lever = np.array([40.0, 400.0, 20.0])
    found = peak_forces(amplitude, target, modulus, 9.0, lever)
    for i in range(3):
        force = peak_force(amplitude[i], target[i], modulus[i], 9.0, 40.0, 400.0, 20.0)[0]
        assert found[i] == pytest.approx(force, rel=1e-12)
