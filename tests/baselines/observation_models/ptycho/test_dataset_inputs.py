"""Quantities read from inputs are those that they were made of."""

import numpy as np
import pytest

from microgym.baselines.observation_models.ptycho.dataset import (
    LIT,
    estimate_in,
    fluence_in,
    lit_in,
    make_inputs,
)


def test_inputs_are_read_as_they_were_made():
    rng = np.random.default_rng(0)
    re, im = rng.normal(1.0, 0.3, (2, 2, 6, 6)).astype(np.float32)
    fluence = (10.0 ** rng.uniform(-2.0, 4.0, (2, 6, 6))).astype(np.float32)
    fluence[0, 0] = 0.0
    inputs = make_inputs(re, im, fluence)
    assert inputs.shape == (2, 3, 6, 6)
    assert inputs.dtype == np.float32
    assert inputs[0, 2, 0] == pytest.approx(-1.0)
    assert estimate_in(inputs) == pytest.approx(re + 1j * im, abs=1e-6)
    assert fluence_in(inputs) == pytest.approx(fluence, rel=1e-4, abs=1e-6)
    assert (lit_in(inputs) == (fluence > LIT)).all()
    assert lit_in(inputs).any()
    assert not lit_in(inputs).all()
