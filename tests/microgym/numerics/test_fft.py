"""The compiled transform: agreement with NumPy in double precision, and the laws it must obey."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from microgym.numerics.fft import SIZES, fft2, plan, workspace


def planes(seed, n):
    return np.random.default_rng(seed).normal(size=(2, n * n)).astype(np.float32)


def transform(wave, n, inverse=False):
    fft = plan(n)
    out = np.empty_like(wave)
    work = np.full(fft.workspace, np.nan, np.float32)
    a, b = (1, 0) if inverse else (0, 1)
    fft2(wave[a], wave[b], out[a], out[b], fft, work)
    return out


def as_complex(wave):
    return wave[0].astype(np.float64) + 1j * wave[1]


def inner(a, b):
    return np.vdot(as_complex(a), as_complex(b))


@pytest.mark.parametrize("n", SIZES)
def test_agrees_with_numpy(n):
    wave = planes(n, n)
    expected = np.fft.fft2(as_complex(wave).reshape(n, n), norm="ortho").ravel()
    error = np.linalg.norm(as_complex(transform(wave, n)) - expected) / np.linalg.norm(expected)
    assert error < 3e-7


@pytest.mark.parametrize("n", SIZES)
def test_inverse_undoes_it(n):
    wave = planes(1, n)
    back = transform(transform(wave, n), n, inverse=True)
    assert np.linalg.norm(back - wave) < 6e-7 * np.linalg.norm(wave)


@pytest.mark.parametrize("n", SIZES)
def test_parseval(n):
    wave = planes(2, n)
    assert inner(transform(wave, n), transform(wave, n)).real == pytest.approx(
        inner(wave, wave).real, rel=1e-6
    )


@pytest.mark.parametrize("n", SIZES)
def test_inverse_is_the_adjoint(n):
    a, b = planes(3, n), planes(4, n)
    left = inner(transform(a, n), b)
    right = inner(a, transform(b, n, inverse=True))
    assert abs(left - right) < 1e-6 * n * n


@pytest.mark.parametrize("n", SIZES)
def test_linear(n):
    a, b = planes(5, n), planes(6, n)
    both = transform(np.float32(2.0) * a - b, n)
    apart = np.float32(2.0) * transform(a, n) - transform(b, n)
    assert np.abs(both - apart).max() < 5e-6


@pytest.mark.parametrize("n", SIZES)
def test_a_point_gives_a_plane_wave(n):
    wave = np.zeros((2, n * n), np.float32)
    wave[0, 3 * n + 1] = 1.0
    k = np.arange(n)
    expected = np.exp(-2j * np.pi * (3 * k[:, None] + k) / n).ravel() / n
    assert np.abs(as_complex(transform(wave, n)) - expected).max() < 3e-7 / n * 4


def test_source_and_target_may_be_the_same():
    n, wave = 64, planes(7, 64)
    expected = transform(wave, n)
    fft = plan(n)
    fft2(wave[0], wave[1], wave[0], wave[1], fft,
         np.empty(workspace(n), np.float32))  # fmt: skip
    assert np.array_equal(wave, expected)


@pytest.mark.parametrize("n", [0, -64, 48, 1024, 64.5, None, "64"])
def test_unknown_size(n):
    with pytest.raises(ValueError, match=r"transforms exist for n in \(16, 32"):
        plan(n)


def digest():
    """SHA-256 of one transform of every size."""
    parts = [transform(planes(n, n), n).tobytes() for n in SIZES]
    return hashlib.sha256(b"".join(parts)).hexdigest()


@pytest.mark.slow
@pytest.mark.parametrize("lanes", [4, 8, 16])
def test_same_bits_for_every_number_of_lanes(lanes, tmp_path):
    """As a processor with registers of another width would be given; any width runs anywhere."""
    here = Path(__file__).parent
    script = (
        f"import sys; sys.path[:0] = [{str(here.parents[2])!r}, {str(here)!r}];"
        f"from microgym.physics import butterflies as b; b._vector_lanes = lambda context: {lanes};"
        f"import {Path(__file__).stem} as tests; print(tests.digest())"
    )
    result = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout.strip() == digest()
