"""The update of one exposure against its formula in double precision."""

import numpy as np
import pytest

from microgym.numerics.fft import plan
from microgym.reconstruction.ptychography.pie import (
    UNKNOWN,
    Exposure,
    PIESteps,
    Wave,
    object_weight,
    pie_misfit,
    pie_update,
    pie_work,
)
from tests.microgym.reconstruction.ptychography.scenes import make_probe, make_specimen

N = 32
TOP, LEFT = 11, 7


def formula(specimen, probe, amplitude, known, object_step, probe_step, alpha):
    """One update, straight from the papers."""
    specimen, probe = specimen.copy(), probe.copy()
    patch = specimen[TOP : TOP + N, LEFT : LEFT + N].copy()
    far = np.fft.fft2(probe * patch, norm="ortho")
    modulus = np.sqrt((np.abs(far) ** 2).sum(axis=0))
    target = np.where(known, amplitude / modulus, 1.0)
    change = np.fft.ifft2(far * target - far, norm="ortho")
    bright = (np.abs(probe) ** 2).sum(axis=0)
    weight = (1 - alpha) * bright + alpha * bright.max()
    specimen[TOP : TOP + N, LEFT : LEFT + N] += (
        object_step * (probe.conj() * change).sum(axis=0) / weight
    )
    dark = np.abs(patch) ** 2
    probe += probe_step * patch.conj() * change / ((1 - alpha) * dark + alpha * dark.max())
    return specimen, probe, (np.where(known, amplitude - modulus, 0.0) ** 2).sum()


def single(wave):
    return wave.real.astype(np.float32), wave.imag.astype(np.float32)


def compiled(specimen, probe, amplitude, known, object_step, probe_step, alpha):
    modes, fft = len(probe), plan(N)
    estimate, waves = Wave(*single(specimen)), Wave(*single(probe.reshape(modes, N * N)))
    steps = PIESteps(*map(np.float32, (object_step, probe_step, alpha)))
    weight = np.empty(N * N, np.float32)
    object_weight(waves, steps.alpha, weight)
    work = np.full(pie_work(N, modes), np.nan, np.float32)
    data = np.where(known, amplitude, UNKNOWN).astype(np.float32).ravel()
    exposure, transform = Exposure(data, TOP, LEFT), fft
    only = pie_misfit(estimate, waves, exposure, transform, work)
    misfit = pie_update(estimate, waves, weight, exposure, steps, transform, work)
    assert only == misfit
    found = (waves.re + 1j * waves.im).reshape(probe.shape)
    return estimate.re + 1j * estimate.im, found, misfit


@pytest.mark.parametrize("modes", [1, 3])
@pytest.mark.parametrize("alpha", [1.0, 0.1])
@pytest.mark.parametrize("probe_step", [0.0, 0.7])
@pytest.mark.parametrize("masked", [False, True])
def test_update_follows_its_formula(modes, alpha, probe_step, masked):
    truth, guess = make_specimen(1, 64), make_specimen(2, 64)
    probe = make_probe(N, 4.0, 0.02, modes)
    patch = truth[TOP : TOP + N, LEFT : LEFT + N]
    amplitude = np.sqrt((np.abs(np.fft.fft2(probe * patch, norm="ortho")) ** 2).sum(axis=0))
    known = np.ones((N, N), bool)
    if masked:
        known[:3, :5] = False
        amplitude[~known] = 1e3
    arguments = (guess, probe, amplitude, known, 0.8, probe_step, alpha)
    expected, found = formula(*arguments), compiled(*arguments)
    assert np.abs(found[0] - expected[0]).max() < 2e-5
    assert np.abs(found[1] - expected[1]).max() < 2e-6
    assert found[2] == pytest.approx(expected[2], rel=1e-4)
    if probe_step == 0.0:
        assert np.array_equal(found[1], probe.astype(np.complex64))


def test_the_truth_stays():
    truth, probe = make_specimen(3, 64), make_probe(N, 4.0, 0.02)
    patch = truth[TOP : TOP + N, LEFT : LEFT + N]
    amplitude = np.abs(np.fft.fft2(probe[0] * patch, norm="ortho"))
    known = np.ones((N, N), bool)
    specimen, beam, misfit = compiled(truth, probe, amplitude, known, 1.0, 1.0, 1.0)
    assert np.abs(specimen - truth).max() < 1e-5
    assert np.abs(beam - probe).max() < 1e-6
    assert misfit < 1e-10


def test_dark_estimates_stay_finite():
    probe = make_probe(N, 4.0, 0.02)
    known = np.ones((N, N), bool)
    found = compiled(np.zeros((64, 64), complex), probe, np.ones((N, N)), known, 1.0, 1.0, 0.1)
    assert all(np.isfinite(part).all() for part in found)


def test_weight_of_epie_is_flat_and_of_rpie_is_not():
    re, im = single(make_probe(N, 4.0, 0.02, 2).reshape(2, -1))
    bright = (re * re + im * im).sum(axis=0)
    weight = np.empty(N * N, np.float32)
    object_weight(Wave(re, im), np.float32(1.0), weight)
    assert np.allclose(weight, 1 / bright.max(), rtol=1e-6)
    object_weight(Wave(re, im), np.float32(0.25), weight)
    assert np.allclose(weight, 1 / (0.75 * bright + 0.25 * bright.max()), rtol=1e-6)
