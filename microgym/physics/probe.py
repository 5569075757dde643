"""Illumination: a pupil with defocus and aberrations, its measures, and its motion.

Waves are written exp(+ikz - iwt), so free space over a distance z multiplies the angular spectrum
by exp(-i pi wavelength z f^2) with f in cycles per metre (paraxial; Goodman, Introduction to
Fourier Optics, 4.2). A probe is centred on pixel n//2 and has total power one, so that photons per
exposure multiply its squared modulus.
"""

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

from microgym.jit import kernel
from microgym.numerics import linalg
from microgym.numerics.libm import sincos, sincos64
from microgym.physics.sampling import Geometry
from microgym.validation import finite, integer, non_negative, positive

Complex = NDArray[np.complex64]
Real64 = NDArray[np.float64]

# Name -> (order in angle, multiplicity, Krivanek coefficient in units of the named one).
_TERMS: dict[str, tuple[int, int, float]] = {
    "C10": (2, 0, 1.0),
    "C12": (2, 2, 1.0),
    "C21": (3, 1, 1.0),
    "C23": (3, 3, 1.0),
    "C30": (4, 0, 1.0),
    "C1": (2, 0, 1.0),
    "A1": (2, 2, 1.0),
    "B2": (3, 1, 3.0),
    "A2": (3, 3, 1.0),
    "C3": (4, 0, 1.0),
}

ABERRATIONS = tuple(_TERMS)
"""Aberrations that `make_probe` knows, in Krivanek's notation and in that of correctors."""

Aberrations = Mapping[str, float | tuple[float, float]]


def _aberration_function(angle_x: Real64, angle_y: Real64, terms: Aberrations) -> Real64:
    """Path difference in metres over the angles of the pupil, in radians."""
    square = angle_x * angle_x + angle_y * angle_y
    path = np.zeros_like(square)
    for name, value in terms.items():
        if name not in _TERMS:
            raise ValueError(f"aberrations[{name!r}]: known names are {ABERRATIONS}")
        order, fold, factor = _TERMS[name]
        pair = value if isinstance(value, tuple) else (value, 0.0)
        if len(pair) != 2:
            raise ValueError(f"aberrations[{name!r}]={value!r} must be a number or a pair of them")
        magnitude, angle = pair
        magnitude = finite(f"aberrations[{name!r}]", magnitude)
        angle = finite(f"angle of aberrations[{name!r}]", angle)
        if fold == 0 and angle != 0.0:
            raise ValueError(f"aberrations[{name!r}] is round and takes no angle")
        # a^order cos(fold (azimuth - angle)) without an angle: the real part of a power of x + iy.
        sine, cosine = sincos(-fold * angle)
        re, im = cosine * np.ones_like(square), sine * np.ones_like(square)
        for _ in range(fold):
            re, im = re * angle_x - im * angle_y, re * angle_y + im * angle_x
        for _ in range((order - fold) // 2):
            re = re * square
        path += factor * magnitude / order * re
    return path


def make_probe(
    geometry: Geometry,
    *,
    numerical_aperture: float,
    defocus_m: float = 0.0,
    aberrations: Aberrations | None = None,
    central_stop: float = 0.0,
    soft_edge: float = 1.0,
) -> Complex:
    """Focus a round aperture through its aberrations.

    The pupil is a disk of radius numerical_aperture / wavelength with phase -2 pi W / wavelength,
    where W = sum C_nm a^(n+1) cos(m (azimuth - angle_nm)) / (n+1) at the angle a from the axis
    (Krivanek, Dellby and Lupini, Ultramicroscopy 78, 1, 1999). Azimuth is measured from x to y.

    Args:
        geometry: gives the number of pixels and their size.
        numerical_aperture: sine of the half angle of convergence; within the detector's.
        defocus_m: distance of the specimen downstream of focus, m; added to C10.
        aberrations: name -> coefficient in metres, or (coefficient, angle in radians). C10 defocus,
            C12 twofold astigmatism, C21 coma, C23 threefold astigmatism, C30 spherical; or C1, A1,
            B2 (= C21 / 3), A2, C3 as on aberration correctors (Uhlemann and Haider,
            Ultramicroscopy 72, 109, 1998).
        central_stop: radius of an opaque stop over the aperture's, 0 to below 1.
        soft_edge: width of the linear edge of the aperture in samples of the pupil; 1 gives each
            sample the part of it that is open, 0 a hard edge.

    Returns:
        (n, n) complex64, power one, centred at pixel n//2.

    Raises:
        TypeError: if a number is not a number.
        ValueError: if an argument is out of range, if the aperture exceeds the detector, or if the
            probe spreads beyond the field of view.
    """
    aperture = positive("numerical_aperture", numerical_aperture)
    if aperture > geometry.numerical_aperture:
        raise ValueError(
            f"numerical_aperture={aperture!r} must be at most the detector's, "
            f"{geometry.numerical_aperture:.6g}"
        )
    stop = finite("central_stop", central_stop)
    if not 0.0 <= stop < 1.0:
        raise ValueError(f"central_stop={stop!r} must be in [0, 1)")
    edge = non_negative("soft_edge", soft_edge)
    n, wavelength = geometry.detector_pixels, geometry.wavelength_m
    step = wavelength / geometry.field_of_view_m
    angle = (np.arange(n) - n // 2) * step
    angle_x, angle_y = np.broadcast_arrays(angle[None, :], angle[:, None])
    square = angle_x * angle_x + angle_y * angle_y
    radius = np.sqrt(square)

    def opening(limit: float) -> Real64:
        if edge == 0.0:
            return (radius <= limit).astype(np.float64)
        return np.clip((limit - radius) / (edge * step) + 0.5, 0.0, 1.0)

    pupil = opening(aperture) - (opening(stop * aperture) if stop > 0.0 else 0.0)
    path = _aberration_function(angle_x, angle_y, aberrations or {})
    path = path + finite("defocus_m", defocus_m) * square / 2.0
    phase = -2.0 * math.pi / wavelength * path
    _check_spread(phase, pupil > 0.0)
    turned = linalg.turn(phase)
    wave = linalg.join(pupil * turned.real, pupil * turned.imag)
    wave = np.fft.fftshift(linalg.dft2(np.fft.ifftshift(wave), inverse=True))
    return check_probe(wave, n, "the aperture")[0]


def _check_spread(phase: Real64, open_pupil: NDArray[np.bool_]) -> None:
    """A phase step of pi between samples sends light half a field of view away."""
    for axis in (0, 1):
        both = np.minimum(open_pupil, np.roll(open_pupil, -1, axis))
        jump = np.abs(np.diff(phase, axis=axis))
        inside = both[:-1] if axis == 0 else both[:, :-1]
        if np.any(jump[inside] > math.pi):
            raise ValueError(
                "defocus_m or aberrations spread the probe beyond the field of view: "
                f"phase steps of {float(jump[inside].max()):.3g} rad between samples of the pupil, "
                "at most pi allowed"
            )


def check_probe(probe: ArrayLike, n: int, source: str = "probe") -> Complex:
    """Check a probe and normalise it.

    Args:
        probe: (n, n), or (modes, n, n) for mutually incoherent modes; real or complex.
        n: edge it must have, px.
        source: origin, for the errors.

    Returns:
        (modes, n, n) complex64, total power over all modes one.

    Raises:
        TypeError: if it does not hold numbers.
        ValueError: if the shape is wrong, a value is NaN or infinite, or it is zero everywhere.
    """
    integer("n", n, 1, 1 << 15)
    array = np.asarray(probe)
    if array.dtype.kind not in "iufc":
        raise TypeError(f"{source}: a probe must be numeric, not {array.dtype}")
    if array.ndim == 2:
        array = array[None]
    if array.ndim != 3 or array.shape[0] < 1 or array.shape[1:] != (n, n):
        raise ValueError(
            f"{source}: probe of shape {np.shape(probe)} must be ({n}, {n}) or (modes, {n}, {n})"
        )
    wave = array.astype(np.complex128)
    if not np.isfinite(wave).all():
        raise ValueError(f"{source}: the probe holds NaN or infinite values")
    largest = max(float(np.abs(wave.real).max()), float(np.abs(wave.imag).max()))
    if largest == 0.0:
        raise ValueError(f"{source}: the probe is zero everywhere")
    re, im = wave.real / largest, wave.imag / largest
    size = math.sqrt(float(np.sum(re * re + im * im)))
    return linalg.join(re / size, im / size).astype(np.complex64)


def intensity(probe: NDArray[np.complex64]) -> Real64:
    """Intensity of a probe, summed over its modes.

    Args:
        probe: (modes, n, n) illumination.

    Returns:
        (n, n) float64, squared modulus summed over the modes.
    """
    return np.sum(linalg.squared(probe), axis=0)


def diameter(probe: ArrayLike, fraction: float = 0.9) -> float:
    """Diameter of the circle about the centre of mass that holds a fraction of the power.

    A uniform disk of diameter D gives D sqrt(fraction).

    Args:
        probe: (n, n) or (modes, n, n) illumination.
        fraction: part of the power inside, above 0 and below 1.

    Returns:
        Diameter in pixels.

    Raises:
        ValueError: if the fraction is out of range or the probe is no probe (see `check_probe`).
    """
    part = finite("fraction", fraction)
    if not 0.0 < part < 1.0:
        raise ValueError(f"fraction={part!r} must be above 0 and below 1")
    shape = np.shape(probe)
    wave = check_probe(probe, shape[-1] if shape else 0)
    power = intensity(wave)
    power /= power.sum()
    at = np.arange(power.shape[0])
    centre_y, centre_x = np.sum(at * power.sum(axis=1)), np.sum(at * power.sum(axis=0))
    radius = np.sqrt((at[:, None] - centre_y) ** 2 + (at[None, :] - centre_x) ** 2).ravel()
    order = np.argsort(radius, kind="stable")
    inside = np.cumsum(power.ravel()[order])
    return 2.0 * float(np.interp(part, inside, radius[order]))


def shift_probe(probe: ArrayLike, dy: float, dx: float) -> NDArray[np.complex128]:
    """Move a probe by a real number of pixels, exactly in its band limit, around the edges.

    Power is kept and shifts add up: the frequency of half a cycle per pixel counts as -1/2.

    Args:
        probe: (..., n, n) illumination.
        dy: distance towards larger rows, px.
        dx: distance towards larger columns, px.

    Returns:
        (..., n, n) complex128.

    Raises:
        ValueError: if the probe has fewer than two axes or a distance is not finite.
    """
    wave = np.asarray(probe, np.complex128)
    if wave.ndim < 2:
        raise ValueError(f"probe of shape {wave.shape} must have at least two axes")
    rows = np.fft.fftfreq(wave.shape[-2])[:, None] * finite("dy", dy)
    columns = np.fft.fftfreq(wave.shape[-1])[None, :] * finite("dx", dx)
    ramp = linalg.turn(-2.0 * math.pi * (rows + columns))
    return linalg.dft2(linalg.times(linalg.dft2(wave), ramp), inverse=True)


@kernel
def phase_ramp(dy, dx, n, out_re, out_im, work):
    """Write the phase ramp exp(-2 pi i (f_y dy + f_x dx)) that moves a probe by (dy, dx).

    Args:
        dy: distance towards larger rows, px.
        dx: distance towards larger columns, px.
        n: edge of the patch, px.
        out_re: (n*n,) float32, written; zero frequency at element 0, half a cycle counted as -1/2.
        out_im: (n*n,) float32, written.
        work: (4*n,) float32, overwritten.
    """
    cos_y, sin_y = work[:n], work[n : 2 * n]
    cos_x, sin_x = work[2 * n : 3 * n], work[3 * n : 4 * n]
    # The ramp is a product of one phase a row and one a column.
    for k in range(n):
        cycles = (k if 2 * k < n else k - n) / n
        sine, cosine = sincos64(-2.0 * math.pi * cycles * dy)
        cos_y[k], sin_y[k] = cosine, sine
        sine, cosine = sincos64(-2.0 * math.pi * cycles * dx)
        cos_x[k], sin_x[k] = cosine, sine
    for i in range(n):
        re = out_re[i * n : i * n + n]
        im = out_im[i * n : i * n + n]
        cosine_y, sine_y = cos_y[i], sin_y[i]
        for j in range(n):
            re[j] = cosine_y * cos_x[j] - sine_y * sin_x[j]
            im[j] = cosine_y * sin_x[j] + sine_y * cos_x[j]
