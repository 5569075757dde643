"""Error and similarity of real images: MAE, PSNR, Pearson correlation, SSIM.

All take (..., H, W), work in float64, and return one number an image, zero-dimensional for one.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from microgym.metrics.validation import Real, real_pair
from microgym.numerics.libm import log
from microgym.numerics.linalg import ordered_sum

SSIM_WINDOW = 7
"""Edge of the window of `ssim`, px (scikit-image's default)."""

_PIXELS = (-2, -1)
_K1 = 0.01  # Wang et al. 2004, section III.C
_K2 = 0.03


def mae(estimate: ArrayLike, truth: ArrayLike) -> Real:
    """Mean absolute error, in the images' unit.

    Args:
        estimate: (..., H, W) real.
        truth: (..., H, W) real.

    Returns:
        (...) float64.

    Raises:
        TypeError: if an image is complex or does not hold numbers.
        ValueError: if shapes disagree or a value is not finite.
    """
    a, b = real_pair(estimate, truth)
    return np.asarray(np.mean(np.abs(a - b), axis=_PIXELS))


def _data_range(truth: Real, data_range: ArrayLike | None) -> Real:
    """Range of the data, one for each image; by default each truth's own."""
    if data_range is None:
        spread = np.asarray(np.ptp(truth, axis=_PIXELS))
        if (spread == 0.0).any():
            raise ValueError("truth is constant: give data_range, it has none of its own")
        return spread
    given = np.asarray(data_range, np.float64)
    if not (np.isfinite(given).all() and (given > 0.0).all()):
        raise ValueError(f"data_range {data_range} must be finite and above 0")
    try:
        return np.broadcast_to(given, truth.shape[:-2])
    except ValueError:
        raise ValueError(
            f"data_range of shape {given.shape} does not fit a batch of {truth.shape[:-2]}"
        ) from None


def psnr(estimate: ArrayLike, truth: ArrayLike, data_range: ArrayLike | None = None) -> Real:
    """Peak signal-to-noise ratio, 20 log10(range / RMSE), in dB.

    Args:
        estimate: (..., H, W) real.
        truth: (..., H, W) real.
        data_range: range of the data, broadcast to the batch; None takes each truth's own maximum
            minus minimum, which makes values comparable between data sets. (PtychoPINN's table
            uses 255 whatever the data: see `paper_metrics`.)

    Returns:
        (...) float64, dB; infinite for equal images.

    Raises:
        TypeError: if an image is complex or does not hold numbers.
        ValueError: if shapes disagree, a value is not finite, or the range is not above 0.
    """
    a, b = real_pair(estimate, truth)
    spread = _data_range(b, data_range)
    rmse = np.sqrt(np.mean((a - b) ** 2, axis=_PIXELS))
    with np.errstate(divide="ignore"):
        return np.asarray(20.0 * np.log10(spread / rmse))


def pearson(estimate: ArrayLike, truth: ArrayLike) -> Real:
    """Pearson's correlation coefficient of the pixel values.

    Args:
        estimate: (..., H, W) real.
        truth: (..., H, W) real.

    Returns:
        (...) float64 in [-1, 1]; 0 for a constant estimate, so that a collapsed one shows.

    Raises:
        TypeError: if an image is complex or does not hold numbers.
        ValueError: if shapes disagree, a value is not finite, or the truth is constant.
    """
    a, b = real_pair(estimate, truth)
    if (np.ptp(b, axis=_PIXELS) == 0.0).any():
        raise ValueError("truth is constant: nothing correlates with it")
    flat = np.ptp(a, axis=_PIXELS) == 0.0
    a = a - a.mean(axis=_PIXELS, keepdims=True)
    b = b - b.mean(axis=_PIXELS, keepdims=True)
    # Scaled first: squares of very large or very small values leave float64's range.
    a = a / np.where(flat, 1.0, np.abs(a).max(axis=_PIXELS))[..., None, None]
    b = b / np.abs(b).max(axis=_PIXELS)[..., None, None]
    shared = np.sum(a * b, axis=_PIXELS)
    norm = np.sqrt(np.sum(a**2, axis=_PIXELS) * np.sum(b**2, axis=_PIXELS))
    return np.where(flat, 0.0, np.clip(shared / np.where(flat, 1.0, norm), -1.0, 1.0))


def npcc(estimate: ArrayLike, truth: ArrayLike) -> Real:
    """Negative Pearson correlation coefficient, a loss: -1 is perfect.

    Arguments, result and errors as for `pearson`, with the sign turned.
    """
    return -pearson(estimate, truth)


def _window_mean(image: Real) -> Real:
    """Mean over every whole window: (..., H, W) to (..., H-6, W-6)."""
    height, width = image.shape[-2] - SSIM_WINDOW + 1, image.shape[-1] - SSIM_WINDOW + 1
    rows = np.zeros((*image.shape[:-2], height, image.shape[-1]))
    for k in range(SSIM_WINDOW):
        rows += image[..., k : k + height, :]
    total = np.zeros((*image.shape[:-2], height, width))
    for k in range(SSIM_WINDOW):
        total += rows[..., k : k + width]
    return total / SSIM_WINDOW**2


def ssim(estimate: ArrayLike, truth: ArrayLike, data_range: ArrayLike | None = None) -> Real:
    """Structural similarity (Wang, Bovik, Sheikh and Simoncelli, IEEE TIP 13, 600, 2004).

    Uniform 7x7 window, sample covariance, K1 = 0.01, K2 = 0.03, mean over windows that lie wholly
    inside: scikit-image's defaults, with which it agrees to 1e-7.

    Args:
        estimate: (..., H, W) real, H and W at least 7.
        truth: (..., H, W) real.
        data_range: as in `psnr`.

    Returns:
        (...) float64, at most 1.

    Raises:
        TypeError: if an image is complex or does not hold numbers.
        ValueError: if shapes disagree, an image is smaller than the window, a value is not finite,
            or the range is not above 0.
    """
    a, b = real_pair(estimate, truth)
    if min(a.shape[-2:]) < SSIM_WINDOW:
        raise ValueError(f"images of {a.shape[-2:]} are smaller than the {SSIM_WINDOW} px window")
    spread = _data_range(b, data_range)[..., None, None]
    c1, c2 = (_K1 * spread) ** 2, (_K2 * spread) ** 2
    # Covariances do not change with the origin, and lose fewer digits near it.
    origin = b.mean(axis=_PIXELS, keepdims=True)
    da, db = a - origin, b - origin
    mean_a, mean_b = _window_mean(da), _window_mean(db)
    sample = SSIM_WINDOW**2 / (SSIM_WINDOW**2 - 1)
    var_a = sample * (_window_mean(da * da) - mean_a**2)
    var_b = sample * (_window_mean(db * db) - mean_b**2)
    covariance = sample * (_window_mean(da * db) - mean_a * mean_b)
    mean_a, mean_b = mean_a + origin, mean_b + origin
    likeness = (2.0 * mean_a * mean_b + c1) * (2.0 * covariance + c2)
    bound = (mean_a**2 + mean_b**2 + c1) * (var_a + var_b + c2)
    return np.asarray(np.mean(likeness / bound, axis=_PIXELS))


def unfinished_image_bel(
    variances: Real, errors: Real, done: NDArray[np.int64], floor: float
) -> Real:
    """Quality of unfinished images in bel: -log10 of the squared error over the variance, (k,).

    Lines that are still to be scanned count as wholly wrong, so that a step adds what it has made
    of the image.

    Args:
        variances: (k, lines) variance of each line of the truth, nm^2.
        errors: (k, lines) squared errors of the lines so far, nm^2.
        done: (k,) lines that have been scanned.
        floor: part of the variance below which errors do not count.
    """
    count, lines = variances.shape
    terms = np.full((2, count, lines + 1), 1e-12)
    terms[:, :, 1:] = variances
    np.copyto(terms[1, :, 1:], errors, where=np.arange(lines) < done[:, None])
    total, rest = ordered_sum(terms)
    return -log(np.maximum(rest / total, floor)) / 2.302585092994046
