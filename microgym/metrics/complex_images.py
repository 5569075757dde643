"""Errors of complex transmission functions that do not depend on the gauge.

Diffraction patterns do not fix the specimen's global phase, and not its scale either where the
probe's is unknown; where the probe's tilt on the detector is unknown, they do not fix a phase ramp.
These measures fit these free parameters first.
"""

import math

import numpy as np
from numpy.typing import ArrayLike

from microgym.metrics.validation import Complex, Mask, Real, as_mask, complex_pair

CEILING_DB = 120.0
"""Largest value of `structure_snr_db`; beyond what float32 planes resolve (design choice)."""

_PADDING = 4  # Samples of the ramp search per cycle over the field (design choice).
_ROUNDS = 60
_PIXELS = (-2, -1)


def _checked(
    estimate: ArrayLike, truth: ArrayLike, mask: ArrayLike | None
) -> tuple[Complex, Complex, Mask]:
    """Images as complex128, and the mask, which selects pixels in each of them."""
    a, b = complex_pair(estimate, truth)
    chosen = as_mask("mask", mask, a.shape)
    if not chosen.any(axis=_PIXELS).all():
        raise ValueError("mask selects no pixel")
    return a, b, chosen


def _fit(estimate: Complex, truth: Complex, mask: Mask) -> tuple[Real, Real]:
    """Squared norms, inside the mask, of the best-fitting residual and of the truth."""
    a = np.where(mask, estimate, 0.0)
    b = np.where(mask, truth, 0.0)
    power = np.sum(np.abs(a) ** 2, axis=_PIXELS)
    overlap = np.sum(a.conj() * b, axis=_PIXELS)
    scale = overlap / np.where(power > 0.0, power, 1.0)
    # The residual itself, not C - |A|^2/B, which loses all digits where the fit is good.
    residual = np.sum(np.abs(scale[..., None, None] * a - b) ** 2, axis=_PIXELS)
    return residual, np.sum(np.abs(b) ** 2, axis=_PIXELS)


def complex_error(
    estimate: ArrayLike,
    truth: ArrayLike,
    mask: ArrayLike | None = None,
    remove_ramp: bool = False,
) -> Real:
    r"""Relative error of a complex image after the best complex factor: E0 (smaller is better).

    E0 = min over complex c of ||c R - O|| / ||O||, with R the estimate, O the truth and norms over
    the mask. With A = sum conj(R) O, B = sum |R|^2 and C = sum |O|^2,
    ||c R - O||^2 = |c|^2 B - 2 Re(conj(c) A) + C, least at c = A / B, where it is C - |A|^2 / B;
    hence E0^2 = 1 - |A|^2 / (B C), between 0 and 1. (Definition: Fienup, Appl. Opt. 36, 8352, 1997,
    equation 4, here without the shift.) Independent shot noise from n photons per pixel leaves
    E0 = 1 / sqrt(2 n).

    Args:
        estimate: (..., H, W) complex R.
        truth: (..., H, W) complex O.
        mask: 0 and 1 or booleans, broadcast to the images; None is everywhere.
        remove_ramp: first multiply R by the linear phase that fits best (`without_ramp`).

    Returns:
        (...) float64 in [0, 1], zero-dimensional for one image; 1 for an estimate of zeros.

    Raises:
        TypeError: if an argument does not hold numbers.
        ValueError: if shapes disagree, a value is not finite, the mask is empty, or the truth is
            zero inside it.
    """
    a, b, chosen = _checked(estimate, truth, mask)
    if remove_ramp:
        a = _without_ramp(a, b, chosen)
    residual, power = _fit(a, b, chosen)
    if (power == 0.0).any():
        raise ValueError("truth is zero inside the mask: there is nothing to compare with")
    return np.minimum(np.sqrt(residual / power), 1.0)


def structure_snr_db(estimate: ArrayLike, truth: ArrayLike, mask: ArrayLike) -> Real:
    """Signal-to-noise ratio on the structured area, in any gauge, in dB (larger is better).

    10 log10( C0 / (C - |A|^2 / B) ), with sums over the mask A = sum conj(R) O, B = sum |R|^2,
    C = sum |O|^2 and C0 = C - |sum O|^2 / n. The denominator is the squared error after the best
    complex factor (see `complex_error`). The numerator is that of an empty estimate, R = 1: an
    empty estimate has exactly 0 dB, only contrast counts, and 10 dB are ten times less error power.
    The measure itself is a design choice.

    Args:
        estimate: (..., H, W) complex R.
        truth: (..., H, W) complex O.
        mask: the structured area, 0 and 1 or booleans, broadcast to the images.

    Returns:
        (...) float64, dB, at most `CEILING_DB`; negative where the estimate is worse than nothing.

    Raises:
        TypeError: if an argument does not hold numbers.
        ValueError: if shapes disagree, a value is not finite, the mask is empty, or the truth is
            constant inside it.
    """
    a, b, chosen = _checked(estimate, truth, mask)
    residual, power = _fit(a, b, chosen)
    contrast, _ = _fit(np.ones_like(b), b, chosen)
    # Rounding leaves about 1e-32 of the power where there is no contrast at all.
    if (contrast <= 1e-24 * power).any():
        raise ValueError("truth is constant inside the mask: it has no structure to find")
    floor = contrast * 10.0 ** (-CEILING_DB / 10.0)
    return 10.0 * np.log10(contrast / np.maximum(residual, floor))


def phase_ramp(estimate: ArrayLike, truth: ArrayLike, mask: ArrayLike | None = None) -> Real:
    """Linear phase by which the estimate differs from the truth.

    The ramp k minimises `complex_error` of R exp(i k.r). A phase factor leaves B and C alone, so
    this is the k at which |S(k)| is largest, S(k) = sum conj(R) O exp(-i k.r): the transform of
    the two images' product. A zero-padded transform finds the peak, Newton's method with the exact
    derivatives of |S|^2 refines it to rounding.

    Args:
        estimate: (..., H, W) complex R.
        truth: (..., H, W) complex O.
        mask: as in `complex_error`.

    Returns:
        (..., 2) float64, slope (y, x) in rad per pixel within [-pi, pi]; 0 where the images have
        nothing in common.

    Raises:
        TypeError, ValueError: as `complex_error`.
    """
    a, b, chosen = _checked(estimate, truth, mask)
    return _ramps(a, b, chosen)


def without_ramp(estimate: ArrayLike, truth: ArrayLike, mask: ArrayLike | None = None) -> Complex:
    """The estimate with the linear phase and the constant phase that fit the truth best.

    Args:
        estimate: (..., H, W) complex.
        truth: (..., H, W) complex.
        mask: as in `complex_error`.

    Returns:
        (..., H, W) complex128 of the estimate's amplitude.

    Raises:
        TypeError, ValueError: as `complex_error`.
    """
    a, b, chosen = _checked(estimate, truth, mask)
    return _without_ramp(a, b, chosen)


def _without_ramp(estimate: Complex, truth: Complex, mask: Mask) -> Complex:
    """`without_ramp` of checked images."""
    slope = _ramps(estimate, truth, mask)
    y, x = _centred(estimate.shape[-2]), _centred(estimate.shape[-1])
    phase = slope[..., 0, None, None] * y[:, None] + slope[..., 1, None, None] * x
    turned = estimate * np.exp(1j * phase)
    overlap = np.sum(np.where(mask, turned.conj() * truth, 0.0), axis=_PIXELS)
    return turned * np.exp(1j * np.angle(overlap))[..., None, None]


def _ramps(estimate: Complex, truth: Complex, mask: Mask) -> Real:
    """`phase_ramp` of checked images."""
    product = np.where(mask, estimate.conj() * truth, 0.0)
    flat = product.reshape(-1, *product.shape[-2:])
    slopes = np.array([_one_ramp(image) for image in flat], np.float64)
    return slopes.reshape(*product.shape[:-2], 2)


def _centred(n: int) -> Real:
    """Coordinates of n pixels about their centre."""
    return np.arange(n, dtype=np.float64) - (n - 1) / 2.0


def _one_ramp(product: Complex) -> Real:
    """Frequency of the largest value of the transform of one image, rad per pixel."""
    if not product.any():
        return np.zeros(2)
    padded = [_PADDING * n for n in product.shape]
    peak = np.argmax(np.abs(np.fft.fft2(product, padded)))
    index = np.unravel_index(peak, padded)
    slope = np.array(
        [2.0 * math.pi * np.fft.fftfreq(n)[i] for n, i in zip(padded, index, strict=True)]
    )
    value, gradient, curvature = _derivatives(product, slope)
    for _ in range(_ROUNDS):
        step = _uphill(gradient, curvature)
        new = _derivatives(product, slope + step)
        while new[0] < value and np.abs(step).max() > 1e-15:
            step = 0.5 * step
            new = _derivatives(product, slope + step)
        if new[0] < value:
            break
        slope = slope + step
        value, gradient, curvature = new
        if np.abs(step).max() < 1e-13:
            break
    return np.asarray((slope + math.pi) % (2.0 * math.pi) - math.pi)


def _uphill(gradient: Real, curvature: Real) -> Real:
    """Newton's step towards a maximum, turned uphill where the curvature is not that of one."""
    values, vectors = np.linalg.eigh(curvature)
    # An image one pixel wide has no curvature across.
    weakest = 1e-12 * np.abs(values).max() + 1e-300
    step = (vectors.T @ gradient) / np.maximum(np.abs(values), weakest)
    return np.asarray(vectors @ step, np.float64)


def _derivatives(product: Complex, slope: Real) -> tuple[float, Real, Real]:
    """|S|^2, its gradient and its matrix of second derivatives at one slope."""
    y, x = _centred(product.shape[0]), _centred(product.shape[1])
    turned = product * np.exp(-1j * slope[0] * y)[:, None] * np.exp(-1j * slope[1] * x)
    rows, columns = turned.sum(axis=1), turned.sum(axis=0)
    total = rows.sum()
    first = -1j * np.array([rows @ y, columns @ x])
    mixed = y @ turned @ x
    second = -np.array([[rows @ y**2, mixed], [mixed, columns @ x**2]])
    gradient = 2.0 * (total.conj() * first).real
    curvature = 2.0 * (np.outer(first.conj(), first) + total.conj() * second).real
    return float(np.abs(total) ** 2), gradient, curvature
