"""What is read from a look is what it was formed of."""

import numpy as np
import pytest

from microgym.baselines.observation_models.ptycho.inputs import (
    LIT,
    estimate_in,
    fluence_in,
    lit_in,
    look,
)


def test_a_look_is_read_as_it_was_formed():
    rng = np.random.default_rng(0)
    re, im = rng.normal(1.0, 0.3, (2, 2, 6, 6)).astype(np.float32)
    fluence = (10.0 ** rng.uniform(-2.0, 4.0, (2, 6, 6))).astype(np.float32)
    fluence[0, 0] = 0.0
    seen = look((re, im), fluence)
    assert seen.shape == (2, 3, 6, 6)
    assert seen.dtype == np.float32
    assert seen[0, 2, 0] == pytest.approx(-1.0)
    assert estimate_in(seen) == pytest.approx(re + 1j * im, abs=1e-6)
    assert fluence_in(seen) == pytest.approx(fluence, rel=1e-4, abs=1e-6)
    assert (lit_in(seen) == (fluence > LIT)).all()
    assert lit_in(seen).any()
    assert not lit_in(seen).all()
