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
from tests.microgym.instruments.numpy_afm import NumpyLines


def test_both_scan_the_same_lines():
    ours = Lines(3)
    theirs = NumpyLines(force_microscope(3), np.random.default_rng(0))
    for _ in range(3):
        ours.run()
        theirs.scan(SETPOINT, GAIN, RATE_HZ)
    line = ours.instrument.state.line
    assert np.ptp(theirs.trace) > 1.0
    # The instrument's loop is in float32.
    assert line.trace[0] == pytest.approx(theirs.trace, abs=5e-3)
    assert line.retrace[0] == pytest.approx(theirs.retrace, abs=5e-3)
    assert line.truth[0] == pytest.approx(theirs.truth, abs=1e-3)
    assert PERFECT.lines == ours.instrument.settings.lines
