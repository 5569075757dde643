"""Far-field diffraction: conservation, symmetries, an independent model in double precision."""

import numpy as np
import pytest

from microgym.numerics.fft import fft2, plan
from microgym.physics.diffraction import diffract, diffraction_work, shift_probe
from microgym.physics.probe import phase_ramp

PHOTONS = 1e5


def scene(seed, n=64, modes=2, size=128):
    """A rough complex specimen and a lopsided probe, dark at its edges, without any symmetry."""
    rng = np.random.default_rng(seed)
    specimen = rng.uniform(0.3, 1.0, (size, size)) * np.exp(1j * rng.normal(size=(size, size)))
    at = np.arange(n) - n // 2
    y, x = at[:, None] / n, at / n
    envelope = np.exp(-80 * (y - 0.03) ** 2 - 110 * (x + 0.05) ** 2 + 20j * (y * y + 2 * x * y))
    probe = np.stack([envelope * (1 + 3 * m * x - 2j * m * y) for m in range(modes)])
    return specimen, probe / np.linalg.norm(probe)


def split(wave):
    return wave.real.astype(np.float32), wave.imag.astype(np.float32)


def compiled(specimen, probe, top, left, fraction=(0.0, 0.0)):
    """Expected counts by the kernels, the probe moved by a fraction of a pixel if asked."""
    modes, n, _ = probe.shape
    fft = plan(n)
    object_re, object_im = split(specimen)
    re, im = split(probe.reshape(modes, n * n))
    work = np.full(diffraction_work(n), np.nan, np.float32)
    if any(fraction):
        spectrum_re, spectrum_im = np.empty_like(re), np.empty_like(im)
        for m in range(modes):
            fft2(re[m], im[m], spectrum_re[m], spectrum_im[m], fft, work)
        ramp_re, ramp_im = np.empty(n * n, np.float32), np.empty(n * n, np.float32)
        phase_ramp(*fraction, n, ramp_re, ramp_im, np.empty(4 * n, np.float32))
        shift_probe(spectrum_re, spectrum_im, ramp_re, ramp_im, fft, re, im, work)
    out = np.empty(n * n, np.float32)
    diffract(True, object_re, object_im, re, im, top, left, np.float32(PHOTONS), fft, out, work)
    return out.reshape(n, n)


def independent(specimen, probe, top, left, fraction=(0.0, 0.0)):
    """The same in double precision by matrices, without any FFT and without our code."""
    n = probe.shape[-1]
    k = np.arange(n)
    dft = np.exp(-2j * np.pi * np.outer(k, k) / n) / np.sqrt(n)
    cycles = (k - n * (2 * k >= n)) / n

    def mover(distance):
        return dft.conj().T @ np.diag(np.exp(-2j * np.pi * cycles * distance)) @ dft

    moved = mover(fraction[0]) @ probe @ mover(fraction[1]).T
    exit_waves = moved * specimen[top : top + n, left : left + n]
    return PHOTONS * (np.abs(dft @ exit_waves @ dft.T) ** 2).sum(axis=0)


@pytest.mark.parametrize("n", [16, 32, 64, 128])
@pytest.mark.parametrize("modes", [1, 3])
@pytest.mark.parametrize("fraction", [(0.0, 0.0), (0.37, -0.21)])
def test_agrees_with_an_independent_model(n, modes, fraction):
    specimen, probe = scene(n, n, modes, 2 * n)
    counts = compiled(specimen, probe, 5, 9, fraction)
    expected = independent(specimen, probe, 5, 9, fraction)
    assert np.abs(counts - expected).max() < 1e-5 * expected.max()
    assert np.linalg.norm(counts - expected) < 1e-5 * np.linalg.norm(expected)


@pytest.mark.parametrize("fraction", [(0.0, 0.0), (0.4, 0.3)])
def test_counts_sum_to_the_power_of_the_exit_wave(fraction):
    specimen, probe = scene(1)
    vacuum = np.ones_like(specimen)
    assert compiled(vacuum, probe, 7, 3, fraction).sum() == pytest.approx(PHOTONS, rel=1e-5)
    if not any(fraction):
        power = (np.abs(probe * specimen[7:71, 3:67]) ** 2).sum()
        assert compiled(specimen, probe, 7, 3).sum() == pytest.approx(PHOTONS * power, rel=1e-5)


def test_moving_the_patch_is_moving_the_specimen():
    specimen, probe = scene(2)
    moved = np.roll(specimen, (4, -6), axis=(0, 1))
    assert np.array_equal(compiled(specimen, probe, 20, 30), compiled(moved, probe, 24, 24))


def test_a_whole_fraction_moves_the_probe_towards_larger_rows_and_columns():
    specimen, probe = scene(3)
    rolled = np.roll(probe, (2, -1), axis=(1, 2))
    by_ramp, by_roll = (
        compiled(specimen, probe, 8, 8, (2.0, -1.0)),
        compiled(specimen, rolled, 8, 8),
    )
    assert np.abs(by_ramp - by_roll).max() < 1e-5 * by_roll.max()


def test_moving_the_exit_wave_leaves_the_pattern():
    specimen, probe = scene(4)
    first = compiled(specimen, probe, 30, 30)
    both = compiled(
        np.roll(specimen, (3, 5), axis=(0, 1)), np.roll(probe, (3, 5), axis=(1, 2)), 30, 30
    )
    assert np.abs(both - first).max() < 1e-5 * first.max()


def test_conjugation_inverts_the_pattern_through_its_centre():
    specimen, probe = scene(5)
    counts = compiled(specimen, probe, 11, 13)
    mirrored = compiled(specimen.conj(), probe.conj(), 11, 13)
    inverted = np.roll(counts[::-1, ::-1], (1, 1), axis=(0, 1))
    assert np.abs(mirrored - inverted).max() < 1e-5 * counts.max()


def test_flipping_everything_flips_the_pattern():
    specimen, probe = scene(6)
    counts = compiled(specimen, probe, 11, 13)
    flipped = compiled(specimen[::-1], probe[:, ::-1], 128 - 64 - 11, 13)
    expected = np.roll(counts[::-1], 1, axis=0)
    assert np.abs(flipped - expected).max() < 1e-5 * counts.max()


def test_conjugating_and_flipping_is_not_seen():
    specimen, probe = scene(7)
    twin = compiled(
        specimen[::-1, ::-1].conj(), probe[:, ::-1, ::-1].conj(), 128 - 64 - 11, 128 - 64 - 13
    )
    counts = compiled(specimen, probe, 11, 13)
    assert np.abs(twin - counts).max() < 1e-5 * counts.max()


def test_modes_add_up_in_intensity():
    specimen, probe = scene(8, modes=3)
    apart = sum(compiled(specimen, mode[None], 4, 4).astype(np.float64) for mode in probe)
    assert np.abs(compiled(specimen, probe, 4, 4) - apart).max() < 1e-5 * apart.max()


def test_a_global_phase_is_not_seen():
    specimen, probe = scene(9)
    turned = compiled(specimen * np.exp(0.7j), probe * np.exp(-2j), 0, 64)
    counts = compiled(specimen, probe, 0, 64)
    assert np.abs(turned - counts).max() < 1e-5 * counts.max()


def test_a_phase_ramp_of_the_specimen_moves_the_pattern():
    specimen, probe = scene(10)
    ramp = np.exp(2j * np.pi * (5 * np.arange(128)[:, None] + 2 * np.arange(128)) / 64)
    counts = compiled(specimen, probe, 10, 20)
    tilted = compiled(specimen * ramp, probe, 10, 20)
    assert np.abs(tilted - np.roll(counts, (5, 2), axis=(0, 1))).max() < 1e-5 * counts.max()
