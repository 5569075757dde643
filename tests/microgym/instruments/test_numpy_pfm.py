"""The compiled pulse is the pulse in NumPy."""

from dataclasses import replace

import numpy as np
import pytest

from microgym.baselines.benchmarks import instruments
from microgym.physics.ferroelectric import LatticeParameters
from tests.microgym.instruments.numpy_pfm import NumpyFilms


@pytest.mark.parametrize(("precision", "tolerance"), [(np.float32, 1e-4), (np.float64, 1e-4)])
def test_both_sides_of_the_pulse_do_the_same_work(precision, tolerance, monkeypatch):
    calm = replace(instruments.film_settings(), lattice=LatticeParameters())
    monkeypatch.setattr(instruments, "film_settings", lambda: calm)
    ours = instruments.Films(3)
    theirs = NumpyFilms(ours, precision, noise=False)
    start = ours.instrument.state.p.copy()
    for _ in range(3):
        ticks = ours.instrument.state.ticks.copy()
        ours.run()
        theirs.run()
        assert np.all(ours.instrument.state.ticks - ticks == instruments.STEPS + 1)
    assert (ours.instrument.state.p > 0.0).sum() > (start > 0.0).sum() + 300
    assert np.abs(ours.instrument.state.p - theirs.p).max() < tolerance
