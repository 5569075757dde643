"""Fourier ring correlation: agreement of two images by spatial frequency."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from microgym.metrics.validation import Complex, Real, complex_image, real_image, same_shape

THRESHOLDS = ("half-bit", "1/7")
"""Named thresholds of `RingCorrelation.resolution`."""

FEWEST_SAMPLES = 4.0
"""Rings of fewer independent coefficients have no say in the resolution: any threshold is left by
chance there, and the half-bit one reaches 1 (design choice)."""


@dataclass(frozen=True, eq=False)
class RingCorrelation:
    """The curve that `frc` returns, without the mean (ring 0).

    Attributes:
        frequency: (rings,) float64, cycles per pixel, evenly spaced up to Nyquist's 0.5.
        correlation: (rings,) float64 in [-1, 1].
        samples: (rings,) float64, independent Fourier coefficients of each ring.
    """

    frequency: Real
    correlation: Real
    samples: Real

    @property
    def half_bit(self) -> Real:
        """Threshold at which half a bit of information is left in each Fourier coefficient.

        (0.2071 + 1.9102 / sqrt(n)) / (1.2071 + 0.9102 / sqrt(n)) for n independent coefficients:
        van Heel and Schatz, J. Struct. Biol. 151, 250 (2005), equation 17. For two half data sets.
        """
        root = 1.0 / np.sqrt(self.samples)
        return (0.2071 + 1.9102 * root) / (1.2071 + 0.9102 * root)

    def resolution(self, threshold: str | float = "half-bit") -> float:
        """Frequency at which the curve first falls below a threshold.

        Args:
            threshold: "half-bit"; "1/7" (Rosenthal and Henderson, J. Mol. Biol. 333, 721, 2003);
                or a number in (0, 1).

        Returns:
            Cycles per pixel, linear between rings; the last ring's frequency if the curve never
            falls below, 0 if it starts below. Half the period is 1 / (2 f) pixels. The first few
            rings, of fewer than `FEWEST_SAMPLES`, are passed over.

        Raises:
            ValueError: if the threshold is unknown or outside (0, 1).
        """
        trusted = self.samples >= FEWEST_SAMPLES
        margin = (self.correlation - self._level(threshold))[trusted]
        frequency = self.frequency[trusted]
        if margin.size == 0 or margin[0] < 0.0:
            return 0.0
        below = np.flatnonzero(margin < 0.0)
        if below.size == 0:
            return float(frequency[-1])
        k = int(below[0])
        part = margin[k - 1] / (margin[k - 1] - margin[k])
        return float(frequency[k - 1] + part * (frequency[k] - frequency[k - 1]))

    def _level(self, threshold: str | float) -> Real:
        """Values of a threshold on all rings."""
        if isinstance(threshold, str):
            if threshold not in THRESHOLDS:
                raise ValueError(f"threshold {threshold!r} must be a number or one of {THRESHOLDS}")
            if threshold == "half-bit":
                return self.half_bit
            return np.full(self.frequency.shape, 1.0 / 7.0)
        if not 0.0 < threshold < 1.0:
            raise ValueError(f"threshold {threshold} must lie between 0 and 1")
        return np.full(self.frequency.shape, float(threshold))


def _window(window: str | ArrayLike | None, shape: tuple[int, ...]) -> Real:
    """Weights (H, W) of a named window, or those that the user gave."""
    if window is None:
        return np.ones(shape)
    if isinstance(window, str):
        if window != "hann":
            raise ValueError(f"window {window!r} must be 'hann', None or an array")
        # Periodic about the pixel centres, so that no pixel is lost.
        y, x = ((np.arange(n) + 0.5) / n for n in shape)
        return np.outer(np.sin(np.pi * y) ** 2, np.sin(np.pi * x) ** 2)
    array = real_image("window", window)
    if array.shape != shape:
        raise ValueError(f"window of shape {array.shape} must be that of the images, {shape}")
    if array.min() < 0.0 or array.max() == 0.0:
        raise ValueError("window must not be negative, nor zero everywhere")
    return array


def _image(name: str, values: ArrayLike) -> Real | Complex:
    """One image as float64 or complex128, of at least 4 px along each axis."""
    array = np.asarray(values)
    image = complex_image(name, array) if array.dtype.kind == "c" else real_image(name, array)
    if image.ndim != 2 or min(image.shape) < 4:
        raise ValueError(f"{name} of shape {image.shape} must be (H, W), 4 px or more each")
    return image


def _ring_sums(values: Real, ring: NDArray[np.int64], rings: int) -> Real:
    """Sums of values over each ring but the zeroth."""
    sums = np.bincount(ring.ravel(), values.ravel(), minlength=rings + 1)
    return np.asarray(sums[1 : rings + 1], np.float64)


def frc(a: ArrayLike, b: ArrayLike, window: str | ArrayLike | None = "hann") -> RingCorrelation:
    """Fourier ring correlation of two images.

    Re sum F_a conj(F_b) / sqrt(sum |F_a|^2 sum |F_b|^2), summed over rings of equal spatial
    frequency, as wide as one cycle over the shorter edge (Saxton and Baumeister, J. Microsc. 127,
    127, 1982; van Heel and Schatz 2005). Each image loses its weighted mean and is multiplied with
    the window before its transform, so that borders do not correlate; complex images are first
    turned to a common global phase.

    The two thresholds are made for *half data sets*: split the exposures in two, reconstruct each
    half alone, compare the two results; they give the resolution of the whole. Half sets share no
    noise, but they share the bias of the solver and of a common starting guess. Against a noiseless
    truth the curve crosses 0.5 at the same resolution, because a half-set
    correlation c stands for sqrt(2 c / (1 + c)) against the truth, and 1/7 for 1/2 (Rosenthal and
    Henderson 2003).

    Args:
        a: (H, W) real or complex.
        b: (H, W) real or complex.
        window: "hann", None, or (H, W) weights that are not negative.

    Returns:
        The curve. A ring in which an image has nothing at all counts as 0.

    Raises:
        TypeError: if an image does not hold numbers.
        ValueError: if shapes disagree, are not 2-D or below 4 px, a value is not finite, or the
            window is none of the above.
    """
    first, second = _image("a", a), _image("b", b)
    same_shape("a", first, "b", second)
    weight = _window(window, first.shape)
    spectra: list[Complex] = []
    for image in (first, second):
        mean = np.sum(weight * image) / np.sum(weight)
        spectra.append(np.fft.fft2(weight * (image - mean)))
    complex_valued = first.dtype.kind == "c" or second.dtype.kind == "c"
    cross = spectra[0] * spectra[1].conj()
    if complex_valued:
        cross = cross * np.exp(-1j * np.angle(cross.sum()))
    height, width = first.shape
    edge = min(height, width)
    radius = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width))
    ring = np.rint(radius * edge).astype(np.int64)
    rings = edge // 2
    shared = _ring_sums(cross.real, ring, rings)
    power_a, power_b = (_ring_sums(np.abs(s) ** 2, ring, rings) for s in spectra)
    norm = np.sqrt(power_a) * np.sqrt(power_b)
    curve = np.where(norm > 0.0, shared / np.where(norm > 0.0, norm, 1.0), 0.0)
    # A taper correlates neighbouring coefficients; a real image repeats each one conjugated.
    kept = np.sum(weight**2) ** 2 / (weight.size * np.sum(weight**4))
    samples = _ring_sums(np.ones_like(radius), ring, rings) * kept
    samples = np.maximum(samples * (1.0 if complex_valued else 0.5), 1.0)
    frequency = np.arange(1, rings + 1) / edge
    return RingCorrelation(frequency, np.clip(curve, -1.0, 1.0), samples)
