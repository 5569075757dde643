"""Conventions of PtychoPINN's 2023 table, for comparison with that table only.

Hoidn, Mishra and Mehta, "Physics constrained unsupervised deep learning for rapid, high resolution
scanning coherent diffraction reconstruction", Sci. Rep. 13, 22789 (2023); conventions as in the
code that made the table (hoidn/PtychoPINN at 393f5c5, ptycho/evaluation.py, and hoidn/FRC). Its
PSNR takes 255 as the range of data whose range is about one, 48 dB above the usual convention and
not comparable between data sets; its FRC50 saturates at Nyquist. Use `complex_error`, `psnr` and
`frc` otherwise.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from microgym.metrics.images import mae, psnr
from microgym.metrics.validation import Real, complex_pair, real_pair

PAPER_RANGE = 255.0
"""Data range in the paper's PSNR: the default of OpenCV's `PSNR`."""


@dataclass(frozen=True)
class PaperMetrics:
    """Figures of one reconstruction in the paper's convention.

    Attributes:
        amplitude_mae: mean absolute error of the amplitude, in the truth's unit.
        amplitude_psnr: dB, with a range of 255.
        amplitude_frc50: cycles per image.
        phase_mae: mean absolute error of the phase, rad.
        phase_psnr: dB, with a range of 255.
        phase_frc50: cycles per image; NaN where either phase is flat.
    """

    amplitude_mae: float
    amplitude_psnr: float
    amplitude_frc50: float
    phase_mae: float
    phase_psnr: float
    phase_frc50: float


def _smooth(curve: Real, sigma: float) -> Real:
    """Gaussian filter, cut at four sigma, mirrored at the ends (the default of scipy.ndimage)."""
    radius = int(4.0 * sigma + 0.5)
    if radius == 0:
        return curve
    weights = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    padded = np.pad(curve, radius, mode="symmetric")
    smooth = np.convolve(padded, weights / weights.sum(), mode="valid")
    return np.asarray(smooth, np.float64)


def frc50(estimate: ArrayLike, truth: ArrayLike, smoothing: float = 1.0) -> float:
    """First ring at which the smoothed Fourier ring correlation is below one half.

    Rings of integer radius, out to the corners of the transform (beyond Nyquist), around zero
    frequency; modulus of the correlation; no window; the curve smoothed by a Gaussian.

    Args:
        estimate: (H, H) real.
        truth: (H, H) real.
        smoothing: sigma of the Gaussian, rings; 0 for none.

    Returns:
        Ring number, cycles per image; the number of rings if the curve never falls below one half.

    Raises:
        TypeError: if an image is complex or does not hold numbers.
        ValueError: if the images are not square or disagree, a value is not finite, or the
            smoothing is negative.
    """
    a, b = real_pair(estimate, truth)
    if a.ndim != 2 or a.shape[0] != a.shape[1]:
        raise ValueError(f"images of shape {a.shape} must be square, (H, H)")
    if not (math.isfinite(smoothing) and smoothing >= 0.0):
        raise ValueError(f"smoothing {smoothing} must be finite and not negative")
    n = a.shape[0]
    cycles = np.fft.fftfreq(n, 1.0 / n)
    ring = np.rint(np.hypot(cycles[:, None], cycles)).astype(np.int64).ravel()
    fa, fb = np.fft.fft2(a).ravel(), np.fft.fft2(b).ravel()
    cross = fa * fb.conj()
    shared = np.hypot(np.bincount(ring, cross.real), np.bincount(ring, cross.imag))
    norm = np.sqrt(np.bincount(ring, np.abs(fa) ** 2)) * np.sqrt(np.bincount(ring, np.abs(fb) ** 2))
    curve = np.where(norm > 0.0, shared / np.where(norm > 0.0, norm, 1.0), 0.0)
    below = np.flatnonzero(_smooth(curve, smoothing) < 0.5)
    return float(below[0]) if below.size else float(curve.size)


def paper_metrics(estimate: ArrayLike, truth: ArrayLike, crop: int = 0) -> PaperMetrics:
    """MAE, PSNR and FRC50 of amplitude and phase as in PtychoPINN's table.

    The estimate's amplitude is scaled by mean(truth) / mean(estimate). Each phase loses its mean;
    nothing is unwrapped, no ramp and no common factor are removed, so that a global phase near pi
    counts as an error.

    Args:
        estimate: (H, H) complex.
        truth: (H, H) complex.
        crop: pixels to leave out on every side.

    Returns:
        The six figures.

    Raises:
        TypeError: if an image does not hold numbers.
        ValueError: if the images are not square, disagree, hold values that are not finite, the
            estimate is zero, or the crop leaves less than 4 px.
    """
    a, b = complex_pair(estimate, truth)
    if a.ndim != 2 or a.shape[0] != a.shape[1]:
        raise ValueError(f"images of shape {a.shape} must be square, (H, H)")
    n = a.shape[0]
    if not 0 <= crop <= (n - 4) // 2:
        raise ValueError(f"crop {crop} must lie between 0 and {(n - 4) // 2} for {n} px images")
    a, b = a[crop : n - crop, crop : n - crop], b[crop : n - crop, crop : n - crop]
    amplitude, true_amplitude = np.abs(a), np.abs(b)
    if amplitude.mean() == 0.0:
        raise ValueError("estimate is zero: its amplitude cannot be scaled")
    amplitude = amplitude * (true_amplitude.mean() / amplitude.mean())
    phase, true_phase = (np.angle(x) - np.angle(x).mean() for x in (a, b))
    flat = np.ptp(phase) == 0.0 or np.ptp(true_phase) == 0.0
    return PaperMetrics(
        amplitude_mae=float(mae(amplitude, true_amplitude)),
        amplitude_psnr=float(psnr(amplitude, true_amplitude, PAPER_RANGE)),
        amplitude_frc50=frc50(amplitude, true_amplitude),
        phase_mae=float(mae(phase, true_phase)),
        phase_psnr=float(psnr(phase, true_phase, PAPER_RANGE)),
        phase_frc50=math.nan if flat else frc50(phase, true_phase),
    )
