"""Metrics against closed forms, against independent implementations, and on bad input."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, gaussian_filter1d
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from microgym import metrics
from microgym.metrics.incremental import (
    masked_sums,
    pooled,
    snr_db,
    truth_sums,
)
from tests.microgym.metrics.images import field, noise, ramp

# --- complex error and signal-to-noise -----------------------------------------------------------


def test_complex_error_does_not_see_the_gauge():
    truth = field(0, 40, 48)
    estimate = truth + 0.1 * noise(1, 40, 48)
    plain = metrics.complex_error(estimate, truth)
    assert 0.1 < plain < 0.25
    turned = metrics.complex_error(0.03 * np.exp(2.1j) * estimate, truth)
    assert turned == pytest.approx(plain, rel=1e-12)
    assert metrics.complex_error((2 - 3j) * truth, truth) < 1e-15


def test_complex_error_is_the_least_over_factors():
    truth, estimate = field(0, 24, 24), field(1, 24, 24)
    best = float(metrics.complex_error(estimate, truth))
    overlap = np.vdot(estimate, truth) / np.vdot(estimate, estimate)
    for change in (0.0, 1e-3, -1e-3, 1e-3j, -1e-3j):
        tried = np.linalg.norm((overlap + change) * estimate - truth) / np.linalg.norm(truth)
        assert tried >= best - 1e-12
        assert tried == pytest.approx(best, abs=2e-6)


def test_complex_error_of_orthogonal_images_and_of_nothing_is_one():
    truth = np.ones((8, 8), complex)
    truth[:, ::2] = -1.0
    assert metrics.complex_error(np.ones((8, 8)), truth) == pytest.approx(1.0, abs=1e-15)
    assert metrics.complex_error(np.zeros((8, 8)), truth) == 1.0


def test_complex_error_of_known_noise():
    # Noise of variance v per component against |O| = 1 leaves E0 = sqrt(2v / (1 + 2v)).
    errors = metrics.complex_error(1.0 + 0.2 * noise(3, 50, 64, 64), np.ones((50, 64, 64)))
    expected = math.sqrt(2 * 0.04 / (1 + 2 * 0.04))
    assert errors.shape == (50,)
    # One field of 4096 pixels scatters by expected / sqrt(2 * 4096), 0.4 % of it.
    assert np.abs(errors / expected - 1.0).max() < 0.02
    assert errors.mean() == pytest.approx(expected, rel=2e-3)


def test_complex_error_inside_a_mask_ignores_the_rest():
    truth = field(0, 32, 32)
    estimate = truth.copy()
    estimate[:, 16:] = 7.0
    mask = np.zeros((32, 32), np.uint8)
    mask[:, :16] = 1
    assert metrics.complex_error(estimate, truth, mask) < 1e-15
    assert metrics.complex_error(estimate, truth) > 0.5


@pytest.mark.parametrize("slope", [(0.0, 0.0), (0.011, -0.0234), (1.3, 0.4), (-2.9, 3.05)])
def test_ramp_is_found_to_rounding(slope):
    truth = field(5, 37, 64)
    estimate = 1.7 * truth * ramp(truth.shape, -slope[0], -slope[1])
    assert metrics.phase_ramp(estimate, truth) == pytest.approx(slope, abs=1e-11)
    assert metrics.complex_error(estimate, truth, remove_ramp=True) < 1e-9
    assert np.abs(metrics.without_ramp(estimate, truth) / 1.7 - truth).max() < 1e-8


def test_ramp_inside_a_sparse_mask_and_under_noise():
    truth = field(6, 64, 64)
    mask = np.zeros((64, 64), bool)
    mask[8:16, 6:14] = mask[44:58, 40:52] = True
    estimate = truth * ramp(truth.shape, 0.07, -0.031) + 0.3 * noise(7, 64, 64)
    estimate[~mask] = 100.0
    found = metrics.phase_ramp(estimate, truth, mask)
    # The noise's own ramp is about 0.3 / (|O| sqrt(pixels) * rms distance) = 0.002 per axis.
    assert found == pytest.approx((-0.07, 0.031), abs=6e-3)
    best = float(metrics.complex_error(estimate, truth, mask, remove_ramp=True))
    for step in ((1e-3, 0.0), (-1e-3, 0.0), (0.0, 1e-3), (0.0, -1e-3)):
        turned = estimate * ramp(truth.shape, found[0] + step[0], found[1] + step[1])
        assert float(metrics.complex_error(turned, truth, mask)) > best


def test_ramp_removal_never_hurts_and_is_batched():
    truth, estimate = field(8, 6, 32, 32), field(9, 6, 32, 32)
    plain = metrics.complex_error(estimate, truth)
    freed = metrics.complex_error(estimate, truth, remove_ramp=True)
    assert (freed <= plain + 1e-12).all()
    single = [
        metrics.complex_error(e, t, remove_ramp=True) for e, t in zip(estimate, truth, strict=True)
    ]
    assert np.array_equal(freed, np.array(single))
    assert metrics.phase_ramp(np.zeros((8, 8)), truth[0, :8, :8]).tolist() == [0.0, 0.0]


def test_structure_snr_is_zero_for_nothing_and_counts_decades():
    truth, mask = field(0, 48, 48), np.zeros((48, 48), bool)
    mask[10:30, 5:40] = True
    assert metrics.structure_snr_db(np.full((48, 48), 3j), truth, mask) == pytest.approx(
        0, abs=1e-9
    )
    inside = truth[mask]
    contrast = np.sum(np.abs(inside - inside.mean()) ** 2)
    for error in (0.1, 0.01, 0.001):
        wrong = noise(4, 48, 48)
        # An error orthogonal to the truth, of a known share of the contrast.
        wrong[mask] -= inside * np.vdot(inside, wrong[mask]) / np.vdot(inside, inside)
        wrong *= math.sqrt(error * contrast / np.sum(np.abs(wrong[mask]) ** 2))
        snr = metrics.structure_snr_db(2j * (truth + wrong), truth, mask)
        power = np.vdot(inside, inside).real
        residual = error * contrast * power / (power + error * contrast)
        assert snr == pytest.approx(10 * math.log10(contrast / residual), rel=1e-9)
    assert metrics.structure_snr_db(-truth, truth, mask) == metrics.CEILING_DB


def test_structure_snr_agrees_with_its_definition_and_is_batched():
    truth, estimate = field(0, 3, 20, 24), field(1, 3, 20, 24)
    mask = np.random.default_rng(2).random((3, 20, 24)) < 0.3
    found = metrics.structure_snr_db(estimate, truth, mask)
    for k in range(3):
        o, r = truth[k][mask[k]], estimate[k][mask[k]]
        a, b, c = np.sum(r.conj() * o), np.sum(np.abs(r) ** 2), np.sum(np.abs(o) ** 2)
        c0 = c - np.abs(o.sum()) ** 2 / o.size
        assert found[k] == pytest.approx(10 * np.log10(c0 / (c - abs(a) ** 2 / b)), rel=1e-10)


# --- images --------------------------------------------------------------------------------------


def pair(seed: int, *shape: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    rng = np.random.default_rng(seed)
    truth = gaussian_filter(rng.random(shape), 1.0) * 4.0
    return truth + 0.1 * rng.normal(size=shape), truth


def test_mae_and_psnr_of_a_known_offset():
    truth = np.linspace(0.0, 4.0, 64).reshape(8, 8)
    estimate = truth + np.where(np.arange(64).reshape(8, 8) % 2, 0.04, -0.04)
    assert metrics.mae(estimate, truth) == pytest.approx(0.04)
    assert metrics.psnr(estimate, truth) == pytest.approx(40.0)
    assert metrics.psnr(estimate, truth, 255.0) == pytest.approx(20 * math.log10(255 / 0.04))
    assert metrics.psnr(truth, truth) == math.inf


def test_psnr_agrees_with_scikit_image():
    estimate, truth = pair(0, 33, 40)
    expected = peak_signal_noise_ratio(truth, estimate, data_range=np.ptp(truth))
    assert metrics.psnr(estimate, truth) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("shape", [(7, 7), (64, 64), (41, 70)])
@pytest.mark.parametrize("offset", [0.0, 1e3])
def test_ssim_agrees_with_scikit_image(shape, offset):
    estimate, truth = pair(1, *shape)
    estimate, truth = estimate + offset, truth + offset
    expected = structural_similarity(truth, estimate, data_range=np.ptp(truth))
    assert float(metrics.ssim(estimate, truth)) == pytest.approx(expected, abs=1e-7)
    expected = structural_similarity(truth, estimate, data_range=2.5)
    assert float(metrics.ssim(estimate, truth, 2.5)) == pytest.approx(expected, abs=1e-7)


def test_ssim_of_equal_images_is_one():
    _, truth = pair(2, 20, 20)
    assert metrics.ssim(truth, truth) == pytest.approx(1.0, abs=1e-14)


def test_pearson_agrees_with_numpy_and_sees_collapse():
    estimate, truth = pair(3, 30, 30)
    expected = np.corrcoef(estimate.ravel(), truth.ravel())[0, 1]
    assert metrics.pearson(estimate, truth) == pytest.approx(expected, rel=1e-12)
    assert metrics.npcc(estimate, truth) == -metrics.pearson(estimate, truth)
    assert metrics.pearson(-3.0 * truth + 1.0, truth) == pytest.approx(-1.0)
    assert metrics.pearson(1e200 * truth, truth) == pytest.approx(1.0)
    assert metrics.pearson(np.full((30, 30), 0.3), truth) == 0.0


@pytest.mark.parametrize("metric", [metrics.mae, metrics.psnr, metrics.pearson, metrics.ssim])
def test_image_metrics_are_batched(metric):
    estimate, truth = pair(4, 6, 16, 20)
    single = np.array([metric(e, t) for e, t in zip(estimate, truth, strict=True)])
    assert np.allclose(metric(estimate, truth), single, rtol=1e-13, atol=0)
    shaped = metric(estimate.reshape(2, 3, 16, 20), truth.reshape(2, 3, 16, 20))
    assert shaped.shape == (2, 3)
    assert metric(estimate[0], truth[0]).shape == ()


# --- the paper's convention ----------------------------------------------------------------------


def test_paper_metrics_of_known_errors():
    rng = np.random.default_rng(0)
    amplitude = 2.0 + gaussian_filter(rng.normal(size=(40, 40)), 2.0)
    signs = np.where(np.add.outer(np.arange(40), np.arange(40)) % 2, 1.0, -1.0)
    phase = 0.3 * gaussian_filter(rng.normal(size=(40, 40)), 2.0)
    estimate = 9.0 * (amplitude + 0.0598 * signs) * np.exp(1j * (phase + 0.5 + 0.014 * signs))
    found = metrics.paper_metrics(estimate, amplitude * np.exp(1j * phase), crop=4)
    # RMSE 0.0598 is 72.6 dB, 0.0140 rad is 85.2 dB: the paper's own pairs.
    assert found.amplitude_mae == pytest.approx(0.0598, rel=1e-3)
    assert found.amplitude_psnr == pytest.approx(72.6, abs=0.05)
    assert found.phase_mae == pytest.approx(0.014, rel=1e-3)
    assert found.phase_psnr == pytest.approx(85.2, abs=0.05)


def test_paper_psnr_is_48_db_above_the_usual():
    estimate, truth = pair(0, 20, 20)
    difference = metrics.psnr(estimate, truth, metrics.PAPER_RANGE) - metrics.psnr(
        estimate, truth, 1.0
    )
    assert difference == pytest.approx(48.13, abs=0.005)


def test_paper_metrics_without_phase():
    truth = 1.0 + np.abs(field(0, 32, 32))
    estimate = truth * np.exp(0.01j * np.random.default_rng(0).normal(size=(32, 32)))
    found = metrics.paper_metrics(estimate, truth)
    assert math.isnan(found.phase_frc50)
    assert found.phase_mae == pytest.approx(0.008, rel=0.1)
    # Rings reach into the corners: radius 16 sqrt(2), and the mean.
    assert found.amplitude_frc50 == 24.0


def test_frc50_by_the_book():
    rng = np.random.default_rng(1)
    truth = rng.normal(size=(33, 33))
    radius = np.hypot(np.fft.fftfreq(33)[:, None], np.fft.fftfreq(33)) * 33
    spectrum = np.fft.fft2(rng.normal(size=(33, 33)))
    estimate = np.fft.ifft2(np.where(radius < 8.5, np.fft.fft2(truth), spectrum)).real
    a, b = (np.fft.fftshift(np.fft.fft2(i)) for i in (estimate, truth))
    ring = np.round(np.hypot(*np.mgrid[-16:17, -16:17])).astype(int)
    curve = [
        abs(np.sum((a * b.conj())[ring == k]))
        / math.sqrt(np.sum(np.abs(a[ring == k]) ** 2) * np.sum(np.abs(b[ring == k]) ** 2))
        for k in range(ring.max() + 1)
    ]
    expected = np.flatnonzero(gaussian_filter1d(np.array(curve), 1.0) < 0.5)[0]
    assert metrics.frc50(estimate, truth) == expected
    assert 8 <= expected <= 10
    assert metrics.frc50(estimate, truth, smoothing=0.0) == 9.0


# --- sets ----------------------------------------------------------------------------------------


def test_overlap_of_sets():
    found, truth = np.zeros((2, 6, 6), bool), np.zeros((2, 6, 6), bool)
    found[0, :3, :4] = True  # 12
    truth[0, 1:5, :4] = True  # 16, 8 shared
    assert metrics.jaccard(found, truth) == pytest.approx([8 / 20, 1.0])
    assert metrics.f1(found, truth.astype(np.uint8)) == pytest.approx([16 / 28, 1.0])
    assert metrics.jaccard(found[0], found[1]) == 0.0
    assert metrics.f1(found[0], found[1]) == 0.0


# --- compiled bookkeeping ------------------------------------------------------------------------


def planes(image: NDArray[np.complex128]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    return image.real.astype(np.float32), image.imag.astype(np.float32)


@pytest.mark.parametrize("dtype", [np.bool_, np.uint8])
def test_compiled_sums_give_the_signal_to_noise_ratio(dtype):
    rng = np.random.default_rng(0)
    height, width = 96, 120
    true_re, true_im = planes(field(0, height, width))
    est_re, est_im = np.ones((height, width), np.float32), np.zeros((height, width), np.float32)
    mask = (rng.random((height, width)) < 0.3).astype(dtype)
    columns = np.full((4, width), np.nan)
    c, c0 = truth_sums(true_re, true_im, mask, columns)
    empty = masked_sums(est_re, est_im, true_re, true_im, mask, columns)
    assert snr_db(*empty, c, c0) == pytest.approx(0.0, abs=1e-6)
    est_re += 0.8 * (true_re - est_re) + 0.05 * rng.normal(size=est_re.shape).astype(np.float32)
    est_im += 0.8 * true_im
    full = masked_sums(est_re, est_im, true_re, true_im, mask, columns)
    chosen = mask.astype(bool)
    r, o = (est_re + 1j * est_im.astype(float))[chosen], (true_re + 1j * true_im)[chosen]
    exact = np.vdot(r.astype(complex), o)
    assert full == pytest.approx([exact.real, exact.imag, np.sum(np.abs(r) ** 2)], rel=1e-6)
    expected = metrics.structure_snr_db(est_re + 1j * est_im, true_re + 1j * true_im, chosen)
    assert snr_db(*full, c, c0) == pytest.approx(float(expected), rel=1e-6)
    assert expected > 5.0


def test_compiled_snr_at_its_edges():
    true_re, true_im = planes(field(1, 32, 32))
    mask, columns = np.ones((32, 32), np.uint8), np.empty((4, 32))
    c, c0 = truth_sums(true_re, true_im, mask, columns)
    same = masked_sums(true_re, true_im, true_re, true_im, mask, columns)
    assert snr_db(*same, c, c0) == pytest.approx(metrics.CEILING_DB, abs=1e-9)
    assert snr_db(0.0, 0.0, 0.0, c, c0) == pytest.approx(10 * math.log10(c0 / c), rel=1e-12)
    flat = truth_sums(np.ones_like(true_re), np.zeros_like(true_im), mask, columns)
    assert flat == (1024.0, 0.0)
    assert snr_db(1.0, 0.0, 1.0, *flat) == 0.0
    assert truth_sums(true_re, true_im, np.zeros_like(mask), columns) == (0.0, 0.0)
    assert snr_db(0.0, 0.0, 0.0, 0.0, 0.0) == 0.0


@pytest.mark.parametrize("cells", [1, 4, 8, 16, 32, 64])
def test_pooled_is_the_block_mean(cells):
    plane = np.random.default_rng(0).normal(size=(80, 96)).astype(np.float32)
    out = np.full((cells, cells), np.nan, np.float32)
    block = 64 // cells
    region = plane[5:69, 17:81].astype(np.float64).reshape(cells, block, cells, block)
    means = region.mean(axis=(1, 3))
    pooled(plane, 5, 17, block, out)
    assert out == pytest.approx(means, abs=1e-6)


# --- bad input -----------------------------------------------------------------------------------

IMAGE = np.arange(64.0).reshape(8, 8)
BROKEN = np.where(np.eye(8) > 0, np.nan, 1.0)
PAIRED = [
    metrics.complex_error,
    metrics.phase_ramp,
    metrics.without_ramp,
    lambda a, b: metrics.structure_snr_db(a, b, np.ones((8, 8))),
    metrics.mae,
    metrics.psnr,
    metrics.pearson,
    metrics.npcc,
    metrics.ssim,
    metrics.frc,
    metrics.frc50,
    metrics.paper_metrics,
]


@pytest.mark.parametrize("metric", PAIRED)
def test_paired_metrics_reject_bad_images(metric):
    with pytest.raises(ValueError, match="finite"):
        metric(BROKEN, IMAGE)
    with pytest.raises(ValueError, match="finite"):
        metric(IMAGE, np.full((8, 8), np.inf))
    with pytest.raises(ValueError, match="must agree"):
        metric(IMAGE, IMAGE[:, :7])
    with pytest.raises(ValueError, match="shape"):
        metric(IMAGE[0], IMAGE[0])
    with pytest.raises(ValueError, match="empty"):
        metric(IMAGE[:0], IMAGE[:0])
    with pytest.raises(TypeError, match="numbers"):
        metric(np.full((8, 8), "a"), IMAGE)


@pytest.mark.parametrize(
    "metric", [metrics.mae, metrics.psnr, metrics.pearson, metrics.ssim, metrics.frc50]
)
def test_real_metrics_reject_complex_images(metric):
    with pytest.raises(TypeError, match="complex"):
        metric(IMAGE + 1j, IMAGE)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: metrics.complex_error(IMAGE, 0 * IMAGE), "truth is zero"),
        (lambda: metrics.complex_error(IMAGE, IMAGE, 0 * IMAGE), "selects no pixel"),
        (lambda: metrics.complex_error(IMAGE, IMAGE, IMAGE), "nothing but 0 and 1"),
        (lambda: metrics.complex_error(IMAGE, IMAGE, np.ones((3, 3))), "does not fit"),
        (lambda: metrics.structure_snr_db(IMAGE, 0 * IMAGE + 0.7j, IMAGE < 9), "constant"),
        (lambda: metrics.psnr(IMAGE, 0 * IMAGE), "give data_range"),
        (lambda: metrics.psnr(IMAGE, IMAGE, 0.0), "above 0"),
        (lambda: metrics.ssim(IMAGE, IMAGE, np.ones(3)), "does not fit"),
        (lambda: metrics.ssim(IMAGE[:6], IMAGE[:6]), "smaller than the 7 px window"),
        (lambda: metrics.pearson(IMAGE, 0 * IMAGE), "truth is constant"),
        (lambda: metrics.frc(IMAGE[:3], IMAGE[:3]), "4 px"),
        (lambda: metrics.frc(IMAGE, IMAGE, "kaiser"), "'hann', None or an array"),
        (lambda: metrics.frc(IMAGE, IMAGE, np.ones((4, 4))), "must be that of the images"),
        (lambda: metrics.frc(IMAGE, IMAGE, 0 * IMAGE), "zero everywhere"),
        (lambda: metrics.frc(IMAGE, IMAGE).resolution("2/7"), "one of"),
        (lambda: metrics.frc(IMAGE, IMAGE).resolution(1.5), "between 0 and 1"),
        (lambda: metrics.frc50(IMAGE[:6], IMAGE[:6]), "square"),
        (lambda: metrics.frc50(IMAGE, IMAGE, -1.0), "smoothing"),
        (lambda: metrics.paper_metrics(IMAGE, IMAGE, 3), "crop"),
        (lambda: metrics.paper_metrics(0 * IMAGE, IMAGE), "estimate is zero"),
        (lambda: metrics.jaccard(IMAGE > 3, IMAGE[:4] > 3), "must agree"),
        (lambda: metrics.f1(IMAGE, IMAGE > 3), "nothing but 0 and 1"),
    ],
)
def test_bad_arguments_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
