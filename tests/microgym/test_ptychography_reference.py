"""The reference's own physics, and the compiled forward model and update against it."""

import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from microgym import metrics
from microgym.numerics.fft import plan
from microgym.physics.diffraction import diffract, diffraction_work
from microgym.reconstruction.ptychography.pie import (
    UNKNOWN,
    Exposure,
    PIESteps,
    Wave,
    object_weight,
    pie_update,
    pie_work,
)
from tests.microgym import ptychography_reference as reference

Complex = NDArray[np.complex128]


def noise(seed: int, *shape: int) -> Complex:
    rng = np.random.default_rng(seed)
    return rng.normal(size=shape) + 1j * rng.normal(size=shape)


def band_limited(seed: int, n: int, limit: float) -> Complex:
    """A random periodic image without frequencies of `limit` cycles per pixel or more."""
    radius = np.hypot(np.fft.fftfreq(n)[:, None], np.fft.fftfreq(n))
    return reference.ifft2(np.where(radius < limit, noise(seed, n, n), 0.0))


def compact_probe(n: int, diameter: float, modes: int = 1) -> Complex:
    """A curved disk of power one, exactly zero outside; further modes are tilted copies of it."""
    y, x = np.mgrid[:n, :n] - n // 2
    radius = np.hypot(y, x)
    disk = np.where(radius < diameter / 2, np.exp(0.08j * radius**2), 0.0)
    probe = np.stack([disk * (0.5 * (x + 0.5 * y)) ** k / (k + 1) for k in range(modes)])
    return probe / np.sqrt(np.sum(np.abs(probe) ** 2))


def specimen_of(seed: int, *shape: int) -> Complex:
    """Phase and amplitude structure, a few pixels fine, |O| <= 1."""
    rng = np.random.default_rng(seed)
    radius = np.hypot(np.fft.fftfreq(shape[0])[:, None], np.fft.fftfreq(shape[1]))
    soft = np.fft.ifft2(np.fft.fft2(rng.normal(size=(2, *shape))) * np.exp(-((8 * radius) ** 2)))
    planes = soft.real / soft.real.std()
    return (0.8 + 0.1 * np.tanh(planes[0])) * np.exp(0.4j * planes[1])


# --- the transform -------------------------------------------------------------------------------


def test_parseval():
    probe, specimen = noise(0, 3, 24, 24), noise(1, 40, 40)
    waves = reference.exit_waves(specimen, probe, 5, 9)
    counts = reference.expected_counts(specimen, probe, 5, 9, photons=7.0)
    assert counts.sum() == pytest.approx(7.0 * np.sum(np.abs(waves) ** 2), rel=1e-13)
    # An empty specimen lets every photon through.
    assert reference.expected_counts(
        np.ones((64, 64), complex), compact_probe(32, 12, 2), 3, 3, 1e5
    ).sum() == pytest.approx(1e5, rel=1e-13)


def test_inverse_is_the_adjoint():
    x, y = noise(0, 16, 24), noise(1, 16, 24)
    assert np.vdot(y, reference.fft2(x)) == pytest.approx(np.vdot(reference.ifft2(y), x))
    assert np.abs(reference.ifft2(reference.fft2(x)) - x).max() < 1e-14


def test_a_point_and_a_constant_are_each_others_transform():
    point = np.zeros((8, 8), complex)
    point[0, 0] = 8.0
    assert np.abs(reference.fft2(point) - 1.0).max() < 1e-14
    assert reference.fft2(np.ones((8, 8), complex))[0, 0] == pytest.approx(8.0)


def test_modes_add_as_intensities():
    probe, specimen = compact_probe(32, 14, 3), specimen_of(0, 48, 48)
    single = [reference.expected_counts(specimen, probe[k : k + 1], 4, 6) for k in range(3)]
    assert reference.expected_counts(specimen, probe, 4, 6) == pytest.approx(sum(single))


# --- shifts and symmetries -----------------------------------------------------------------------


def test_shift_by_whole_pixels_is_a_roll_towards_larger_indices():
    wave = noise(0, 16, 20)
    assert np.abs(reference.shift(wave, 3, -2) - np.roll(wave, (3, -2), (0, 1))).max() < 1e-13
    half = reference.shift(reference.shift(wave, 0.3, 0.1), -0.3, -0.1)
    assert np.abs(half - wave).max() < 1e-13
    # The centre of mass of a smooth spot moves by the shift, with its sign.
    y, x = np.mgrid[:32, :32]
    spot = np.exp(-((y - 15.0) ** 2 + (x - 15.0) ** 2) / 8.0).astype(complex)
    moved = np.abs(reference.shift(spot, 0.7, -1.3)) ** 2
    assert np.sum(moved * y) / moved.sum() == pytest.approx(15.7, abs=1e-6)
    assert np.sum(moved * x) / moved.sum() == pytest.approx(13.7, abs=1e-6)


def test_probe_moved_one_way_is_specimen_moved_the_other():
    # P(r - d) O(r) and P(r) O(r + d) are one wave in two places: far fields differ by a phase.
    specimen, probe = specimen_of(0, 64, 64), compact_probe(32, 12)
    moved = reference.shift(probe, 4, -3)
    there = reference.expected_counts(specimen, moved, 10, 12)
    assert there == pytest.approx(reference.expected_counts(specimen, probe, 14, 9), abs=1e-14)
    wrong = reference.expected_counts(specimen, probe, 6, 15)
    assert np.abs(there - wrong).max() > 1e-3 * there.max()


@pytest.mark.parametrize("move", [(0.37, -0.81), (2.5, 1.25)])
def test_subpixel_shift_of_the_probe_is_the_opposite_one_of_the_specimen(move):
    # Exact where neither exceeds a quarter cycle per pixel, so that the product does not alias.
    probe, specimen = band_limited(0, 32, 0.24)[None], band_limited(1, 32, 0.24)
    there = reference.expected_counts(specimen, reference.shift(probe, *move), 0, 0)
    back = reference.shift(specimen, -move[0], -move[1])
    assert there == pytest.approx(reference.expected_counts(back, probe, 0, 0), abs=1e-12)
    wrong = reference.expected_counts(reference.shift(specimen, *move), probe, 0, 0)
    assert np.abs(there - wrong).max() > 0.01 * there.max()


def inverted(image: NDArray[Any]) -> NDArray[Any]:
    """Image(-r), around element 0."""
    return np.roll(image[..., ::-1, ::-1], (1, 1), (-2, -1))


def test_inversion_symmetries():
    # With O'(r) = conj O(-r) and P'(r) = conj P(-r) the exit wave is conj psi(-r), the far field
    # conj Psi(k), and the pattern unchanged: the twin, which data inverted in space cannot exclude.
    probe, specimen = noise(0, 2, 16, 16), noise(1, 16, 16)
    pattern = reference.expected_counts(specimen, probe, 0, 0)
    twin = reference.expected_counts(inverted(specimen).conj(), inverted(probe).conj(), 0, 0)
    assert twin == pytest.approx(pattern, rel=1e-12)
    # Either half of it alone inverts the pattern instead.
    conjugated = reference.expected_counts(specimen.conj(), probe.conj(), 0, 0)
    assert conjugated == pytest.approx(inverted(pattern), rel=1e-12)
    turned = reference.expected_counts(inverted(specimen), inverted(probe), 0, 0)
    assert turned == pytest.approx(inverted(pattern), rel=1e-12)
    assert np.abs(conjugated - pattern).max() > 0.1 * pattern.max()


def test_gauge_of_a_whole_scan():
    # O -> c exp(i k.r) O with P -> exp(-i k.r) P / c leaves every pattern of a scan alone.
    probe, specimen = compact_probe(16, 9, 2), specimen_of(0, 40, 40)
    y, x = np.mgrid[:40, :40]
    wave = np.exp(1j * (0.21 * y - 0.4 * x))
    for corner in ((0, 0), (7, 3), (24, 20)):
        pattern = reference.expected_counts(specimen, probe, *corner)
        gauged = reference.expected_counts(
            (0.5 - 2j) * wave * specimen, probe / ((0.5 - 2j) * wave[:16, :16]), *corner
        )
        assert gauged == pytest.approx(pattern, rel=1e-10, abs=1e-16)


# --- noise and updates ---------------------------------------------------------------------------


def test_square_roots_of_counts_have_variance_one_quarter():
    # The delta method gives 1/4 (1 + 3 / (8 mean)) and a bias of -1 / (8 sqrt(mean)).
    counts = reference.draw_counts(np.random.default_rng(0), np.full((400, 400), 100.0))
    assert np.sqrt(counts).var() == pytest.approx(0.25 * (1 + 3 / 800), rel=0.02)
    assert np.sqrt(counts).mean() - 10.0 == pytest.approx(-1 / 80, abs=0.005)


def test_the_truth_is_a_fixed_point():
    probe, specimen = compact_probe(16, 9, 2), specimen_of(0, 32, 32)
    amplitude = np.sqrt(reference.expected_counts(specimen, probe, 5, 5))
    found, known_probe = specimen.copy(), probe.copy()
    misfit = reference.pie_update(found, known_probe, 5, 5, amplitude, probe_step=1.0, alpha=0.3)
    assert misfit < 1e-28
    assert np.abs(found - specimen).max() < 1e-13
    assert np.abs(known_probe - probe).max() < 1e-13


@pytest.mark.parametrize("alpha", [1.0, 0.1])
def test_an_update_goes_downhill_and_stays_in_its_patch(alpha):
    probe, specimen = compact_probe(16, 9), specimen_of(1, 32, 32)
    amplitude = np.sqrt(reference.expected_counts(specimen, probe, 5, 7))
    found = np.ones_like(specimen)
    first = reference.pie_update(found, probe, 5, 7, amplitude, alpha=alpha)
    outside = np.ones((32, 32), bool)
    outside[5:21, 7:23] = False
    assert (found[outside] == 1.0).all()
    assert reference.pie_update(found.copy(), probe, 5, 7, amplitude, alpha=alpha) < first


def test_unknown_pixels_have_no_say():
    probe, specimen = compact_probe(16, 9), specimen_of(2, 32, 32)
    amplitude = np.sqrt(reference.expected_counts(specimen, probe, 3, 4))
    known = np.ones((16, 16))
    known[:3, :3] = 0.0
    broken = np.where(known > 0, amplitude, 99.0)
    results = [np.ones_like(specimen) for _ in range(2)]
    misfits = [
        reference.pie_update(found, probe, 3, 4, a, known)
        for found, a in zip(results, (amplitude, broken), strict=True)
    ]
    assert misfits[0] == misfits[1]
    assert np.array_equal(results[0], results[1])
    with pytest.raises(ValueError, match="leaves the specimen"):
        reference.pie_update(results[0], probe, 17, 0, amplitude)


def scan(n: int, step: int, count: int) -> NDArray[np.int64]:
    """A grid of corners, jittered: perfect grids are ambiguous."""
    jitter = np.random.default_rng(9).integers(-1, 2, (count, count, 2))
    grid = 1 + step * np.indices((count, count)).transpose(1, 2, 0) + jitter
    return grid.reshape(-1, 2).astype(np.int64)


def test_shot_noise_floor():
    # n photons through an object pixel over the whole scan leave E0 = 1 / sqrt(2 n) at best.
    n, step, photons = 16, 3, 2e4
    corners = scan(n, step, 9)
    size = int(corners.max()) + n + 1
    specimen, probe = specimen_of(3, size, size), compact_probe(n, 10)
    rng = np.random.default_rng(0)
    counts = np.stack(
        [
            reference.draw_counts(
                rng, reference.expected_counts(specimen, probe, int(y), int(x), photons)
            )
            for y, x in corners
        ]
    )
    found, _, costs = reference.reconstruct(
        counts, corners, probe, specimen.shape, 40, photons, generator=rng
    )
    inner = slice(n // 2 + 3, size - n // 2 - 3)
    dose = np.zeros((size, size))
    for y, x in corners:
        dose[y : y + n, x : x + n] += photons * np.abs(probe[0]) ** 2
    floor = 1.0 / math.sqrt(2.0 * float(np.mean((np.abs(specimen) ** 2 * dose)[inner, inner])))
    error = float(metrics.complex_error(found[inner, inner], specimen[inner, inner]))
    assert 0.8 * floor < error < 2.5 * floor
    assert costs[-1] < 0.2 * costs[0]


def test_blind_reconstruction_with_two_modes():
    n = 16
    corners = scan(n, 3, 8)
    size = int(corners.max()) + n + 1
    specimen, probe = specimen_of(4, size, size), compact_probe(n, 10, 2)
    counts = np.stack(
        [reference.expected_counts(specimen, probe, int(y), int(x)) for y, x in corners]
    )
    guess = probe * np.exp(0.6j * np.random.default_rng(1).random((n, n)))
    found, learnt, costs = reference.reconstruct(
        counts, corners, guess, specimen.shape, 30, learn_probe_from=2, alpha=0.3,
        generator=np.random.default_rng(2),
    )  # fmt: skip
    assert costs[-1] < 0.01 * costs[0]
    inner = slice(n // 2 + 3, size - n // 2 - 3)
    error = metrics.complex_error(found[inner, inner], specimen[inner, inner], remove_ramp=True)
    assert error < 0.1
    assert np.array_equal(guess, probe * np.exp(0.6j * np.random.default_rng(1).random((n, n))))
    assert learnt.shape == probe.shape


# --- the compiled kernels ------------------------------------------------------------------------


def planes(values: Complex) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    return values.real.astype(np.float32), values.imag.astype(np.float32)


@pytest.mark.parametrize(("n", "modes"), [(16, 1), (64, 3), (128, 1)])
def test_compiled_forward_model_agrees(n, modes):
    specimen, probe = specimen_of(6, n + 40, n + 52), compact_probe(n, 0.4 * n, modes)
    flat = [p.reshape(modes, n * n) for p in planes(probe)]
    ready, out = plan(n), np.empty(n * n, np.float32)
    work = np.empty(diffraction_work(n), np.float32)
    for top, left, photons in ((0, 0, 1.0), (17, 40, 1e5), (40, 52, 1e9)):
        diffract(
            True, *planes(specimen), *flat, top, left, np.float32(photons), ready, out, work,
        )  # fmt: skip
        expected = reference.expected_counts(specimen, probe, top, left, photons)
        error = np.linalg.norm(out.reshape(n, n) - expected) / np.linalg.norm(expected)
        assert error < 1e-5
        assert np.abs(out.reshape(n, n) - expected).max() < 1e-5 * expected.max()


@pytest.mark.parametrize("probe_step", [0.0, 0.7])
@pytest.mark.parametrize("alpha", [1.0, 0.1])
@pytest.mark.parametrize("modes", [1, 2])
def test_compiled_update_agrees(modes, alpha, probe_step):
    n, rng = 32, np.random.default_rng(0)
    specimen, probe = specimen_of(7, 60, 70), compact_probe(n, 14, modes)
    found, guess = np.ones_like(specimen), probe * np.exp(0.2j * rng.random((n, n)))
    known = (rng.random((n, n)) > 0.05).astype(float)
    o_re, o_im = planes(found)
    p_re, p_im = (p.reshape(modes, n * n) for p in planes(guess))
    ready, weight = plan(n), np.empty(n * n, np.float32)
    work = np.empty(pie_work(n, modes), np.float32)
    for _ in range(5):
        top, left = int(rng.integers(29)), int(rng.integers(39))
        counts = reference.draw_counts(
            rng, reference.expected_counts(specimen, probe, top, left, 1e4)
        )
        amplitude = np.sqrt(counts / 1e4)
        waves = Wave(p_re, p_im)
        object_weight(waves, np.float32(alpha), weight)
        data = np.where(known > 0.0, amplitude, UNKNOWN).astype(np.float32).ravel()
        compiled = pie_update(
            Wave(o_re, o_im),
            waves,
            weight,
            Exposure(data, top, left),
            PIESteps(*map(np.float32, (0.9, probe_step, alpha))),
            ready,
            work,
        )
        misfit = reference.pie_update(
            found, guess, top, left, amplitude, known, 0.9, probe_step, alpha
        )
        assert compiled == pytest.approx(misfit, rel=1e-5)
    compiled_object = o_re + 1j * o_im.astype(float)
    assert np.linalg.norm(compiled_object - found) < 1e-5 * np.linalg.norm(found)
    compiled_probe = (p_re + 1j * p_im.astype(float)).reshape(guess.shape)
    assert np.linalg.norm(compiled_probe - guess) < 1e-5 * np.linalg.norm(guess)
