"""Guessed modes."""

import numpy as np
import pytest

from microgym.reconstruction.ptychography.modes import HIGHER_POWER, guess_modes
from tests.microgym.reconstruction.ptychography.scenes import make_probe

PROBE = make_probe(32, 4.0, 0.02)[0]


def gram(modes):
    flat = modes.reshape(len(modes), -1).astype(np.complex128)
    return flat @ flat.conj().T


def test_guess_is_orthogonal_and_keeps_power():
    modes = guess_modes(PROBE, 6)
    powers = np.diag(gram(modes)).real
    assert np.allclose(gram(modes), np.diag(powers), atol=1e-7)
    assert powers.sum() == pytest.approx(1.0, rel=1e-5)
    assert powers[1:] / powers[0] == pytest.approx(HIGHER_POWER, rel=1e-4)
    assert np.allclose(modes[0] / np.linalg.norm(modes[0]), PROBE, atol=1e-6)


def test_first_two_are_the_hermite_gaussians():
    at = np.arange(32) - 16
    for mode, axis in zip(guess_modes(PROBE, 3)[1:], (at[:, None], at), strict=True):
        expected = PROBE * axis
        overlap = abs(np.vdot(mode, expected)) / np.linalg.norm(mode) / np.linalg.norm(expected)
        assert overlap == pytest.approx(1.0, abs=1e-5)


def test_given_modes_are_kept():
    given = make_probe(32, 4.0, 0.02, 2)
    assert np.allclose(guess_modes(given, 2), given, atol=1e-7)
    assert guess_modes(given, 4).shape == (4, 32, 32)


@pytest.mark.parametrize(
    ("probe", "modes"), [(PROBE, 0), (PROBE, 65), (np.ones(4), 1), (np.zeros((8, 8)), 2)]
)
def test_bad_guesses(probe, modes):
    with pytest.raises(ValueError, match=r"modes=|probe"):
        guess_modes(probe, modes)


def test_a_point_has_no_higher_modes():
    point = np.zeros((16, 16))
    point[8, 8] = 1.0
    with pytest.raises(ValueError, match="too narrow"):
        guess_modes(point, 2)
