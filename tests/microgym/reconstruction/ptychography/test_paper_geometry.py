"""The simulated experiment of PtychoPINN's table, solved classically.

Hoidn, Mishra and Mehta, Sci. Rep. 13, 22789 (2023): 392 x 392 px, patterns of 64 x 64 in groups of
2 x 2 four pixels apart, groups every nine pixels, a known probe, 1e9 photons a pattern on average.
Their network reaches 72.6 dB (lines) and 91.9 dB (GRF) in amplitude, in the same convention.
"""

import time

import numpy as np
import pytest

from microgym.metrics import complex_error, paper_metrics
from microgym.numerics.fft import plan
from microgym.physics.diffraction import diffract, diffraction_work
from microgym.random import POISSON_WORK, episode_key, fill_poisson
from microgym.reconstruction.ptychography.solver import PIESettings, PIESolver
from tests.microgym.ptychography_reference import paper_probe
from tests.microgym.specimens.paper import paper_object

N = 64
CROP = 32
PHOTONS = 1e9


def scan_positions():
    starts = (np.arange(37)[:, None] * 9 + np.array([0, 4])).ravel()
    y, x = np.meshgrid(starts, starts, indexing="ij")
    return np.stack([y.ravel(), x.ravel()], axis=1) + N // 2


def simulate(specimen, probe, positions, seed):
    """Poisson counts of every position, and the photons that one exposure sends out."""
    fft = plan(N)
    object_re, object_im = specimen.real.copy(), specimen.imag.copy()
    probe_re, probe_im = probe.real.reshape(1, -1).copy(), probe.imag.reshape(1, -1).copy()
    work = np.empty(diffraction_work(N), np.float32)
    noise = np.empty(POISSON_WORK, np.float32)
    mean = np.empty((len(positions), N * N), np.float32)
    for k, (y, x) in enumerate(positions - N // 2):
        diffract(
            True, object_re, object_im, probe_re, probe_im, y, x, np.float32(1.0), fft,
            mean[k], work,
        )  # fmt: skip
    photons = PHOTONS / mean.sum(axis=1, dtype=np.float64).mean()
    mean *= np.float32(photons)
    s0, s1 = episode_key(seed)
    counts = np.empty(N * N, np.float32)
    for k in range(len(positions)):
        fill_poisson(s0, s1, k, mean[k], counts, noise)
        mean[k] = counts
    return mean.reshape(-1, N, N), photons


@pytest.mark.parametrize(
    ("family", "after_fifty", "largest_error"), [("lines", 105.0, 1e-3), ("grf", 120.0, 2e-3)]
)
def test_one_pass_and_fifty(family, after_fifty, largest_error):
    specimen, probe, positions = paper_object(family, 392, 1), paper_probe(N), scan_positions()
    assert positions.shape == (5476, 2)
    counts, photons = simulate(specimen, probe, positions, 7)
    assert counts.sum(axis=(1, 2), dtype=np.float64).mean() == pytest.approx(PHOTONS, rel=1e-4)
    solver = PIESolver(probe, specimen.shape, capacity=len(counts), settings=PIESettings(alpha=0.1))
    solver.add([0], counts[None], positions[None], photons)
    del counts
    solver.flat_start()
    inside = (slice(CROP, -CROP), slice(CROP, -CROP))
    amplitudes = []
    start = time.process_time()
    for passes in (1, 49):
        solver.sweep(count=passes)
        spent = time.process_time() - start
        found = paper_metrics(solver.object[0], specimen, CROP)
        error = float(complex_error(solver.object[0][inside], specimen[inside]))
        amplitudes.append(found.amplitude_psnr)
        print(
            f"{family}: {spent:.1f} CPU-s, amplitude {found.amplitude_psnr:.1f} dB "
            f"(MAE {found.amplitude_mae:.5f}), phase {found.phase_psnr:.1f} dB, E0 {error:.5f}"
        )
    assert amplitudes[0] >= 80.0
    assert amplitudes[1] >= after_fifty
    assert error < largest_error
