"""Ptychography in plain NumPy and float64, as a textbook writes it, to test compiled code against.

It shares no code with the package: transforms are NumPy's, noise is a NumPy Generator's, planes are
complex128. Frequencies are in FFT order, zero first; a patch is named by its corner (top, left);
positions grow downwards and to the right.

Sources: Maiden and Rodenburg, Ultramicroscopy 109, 1256 (2009), for ePIE; Maiden, Johnson and Li,
Optica 4, 736 (2017), for rPIE; Thibault and Menzel, Nature 494, 68 (2013), for mixed states.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Complex = NDArray[np.complex128]
Real = NDArray[np.float64]


def fft2(wave: Complex) -> Complex:
    """Unitary Fourier transform of the last two axes: keeps the sum of squares."""
    return np.fft.fft2(wave, norm="ortho")


def ifft2(wave: Complex) -> Complex:
    """Inverse, and adjoint, of `fft2`."""
    return np.fft.ifft2(wave, norm="ortho")


def shift(wave: Complex, dy: float, dx: float) -> Complex:
    """Move a wave by a real number of pixels, around the edges, exactly in its band limit.

    Args:
        wave: (..., n, m).
        dy: distance towards larger rows, px.
        dx: distance towards larger columns, px.

    Returns:
        (..., n, m) complex128; half a cycle per pixel counts as -1/2, so shifts add up.
    """
    rows = np.fft.fftfreq(wave.shape[-2])[:, None]
    columns = np.fft.fftfreq(wave.shape[-1])
    return ifft2(fft2(wave) * np.exp(-2j * np.pi * (rows * dy + columns * dx)))


def patch(specimen: Complex, top: int, left: int, n: int) -> Complex:
    """The (n, n) part of a specimen with a given corner, as a view."""
    height, width = specimen.shape
    if not (0 <= top <= height - n and 0 <= left <= width - n):
        raise ValueError(f"patch of {n} px at ({top}, {left}) leaves the specimen {specimen.shape}")
    return specimen[top : top + n, left : left + n]


def exit_waves(specimen: Complex, probe: Complex, top: int, left: int) -> Complex:
    """Waves that leave the specimen, (modes, n, n): one for each mode of the probe."""
    return probe * patch(specimen, top, left, probe.shape[-1])


def expected_counts(
    specimen: Complex, probe: Complex, top: int, left: int, photons: float = 1.0
) -> Real:
    """Expected photons per detector pixel.

    Args:
        specimen: (H, W) transmission function.
        probe: (modes, n, n) illumination, mutually incoherent modes; of total power one, where
            `photons` is to mean the photons incident in the exposure.
        top: first row of the patch under the probe.
        left: its first column.
        photons: scale of the result.

    Returns:
        (n, n) float64, zero frequency at [0, 0].
    """
    far = fft2(exit_waves(specimen, probe, top, left))
    return photons * np.sum(np.abs(far) ** 2, axis=0)


def draw_counts(generator: np.random.Generator, mean: Real) -> Real:
    """Photons counted where `mean` are expected: Poisson, as float64."""
    return generator.poisson(mean).astype(np.float64)


def _share(power: Real, alpha: float) -> Real:
    """(1 - alpha) power + alpha max power: what PIE divides by."""
    return (1.0 - alpha) * power + alpha * power.max()


def pie_update(
    specimen: Complex,
    probe: Complex,
    top: int,
    left: int,
    amplitude: Real,
    known: Real | None = None,
    object_step: float = 1.0,
    probe_step: float = 0.0,
    alpha: float = 1.0,
) -> float:
    """Improve estimates of specimen and probe, in place, by one exposure.

    Args:
        specimen: (H, W) estimate, updated.
        probe: (modes, n, n) estimate, updated where `probe_step` is not 0.
        top: first row of the patch.
        left: its first column.
        amplitude: (n, n) square root of the counts, in the units of the probe.
        known: (n, n) 1 where the detector can be trusted, 0 elsewhere; None is everywhere.
        object_step: step length of the specimen's update.
        probe_step: step length of the probe's update; both use the estimates from before.
        alpha: 1 for ePIE, below 1 for rPIE.

    Returns:
        Sum over trusted pixels of (amplitude - predicted amplitude)^2 before the update.
    """
    under = patch(specimen, top, left, probe.shape[-1])
    far = fft2(probe * under)
    modulus = np.sqrt(np.sum(np.abs(far) ** 2, axis=0))
    misfit = amplitude - modulus
    if known is not None:
        misfit = misfit * known
    # Where nothing is predicted there is no phase to keep, and nothing is changed.
    factor = np.divide(misfit, modulus, out=np.zeros_like(misfit), where=modulus > 0.0)
    change = ifft2(far * factor)
    new_under = under + object_step * np.sum(probe.conj() * change, axis=0) / _share(
        np.sum(np.abs(probe) ** 2, axis=0), alpha
    )
    if probe_step != 0.0:
        probe += probe_step * under.conj() * change / _share(np.abs(under) ** 2, alpha)
    under[:] = new_under
    return float(np.sum(misfit**2))


def reconstruct(
    counts: Real,
    corners: NDArray[np.int64],
    probe: Complex,
    shape: tuple[int, int],
    sweeps: int,
    photons: float = 1.0,
    alpha: float = 1.0,
    learn_probe_from: int | None = None,
    generator: np.random.Generator | None = None,
) -> tuple[Complex, Complex, list[float]]:
    """Sequential PIE over all exposures, with a decreasing step.

    The step of sweep k = 1, 2, ... is min(1, 3 / k): with a constant one, noise stalls the solution
    (Konijnenberg, Coene, Pereira and Urbach, arXiv 1703.10892).

    Args:
        counts: (exposures, n, n) photons, zero frequency at [0, 0].
        corners: (exposures, 2) top and left of each patch.
        probe: (modes, n, n) illumination, or a guess of it.
        shape: height and width of the specimen.
        sweeps: passes over all exposures.
        photons: what turns the power of the exit wave into counts.
        alpha: 1 for ePIE, below 1 for rPIE.
        learn_probe_from: first sweep (from 0) that updates the probe; None keeps it.
        generator: order of the exposures in each sweep; None keeps theirs.

    Returns:
        (H, W) specimen, (modes, n, n) probe, and each sweep's misfit over the counts' sum.
    """
    specimen, probe = np.ones(shape, np.complex128), probe.astype(np.complex128)
    amplitudes = np.sqrt(counts / photons)
    scale, costs = float(np.sum(amplitudes**2)), list[float]()
    for sweep in range(sweeps):
        step = min(1.0, 3.0 / (sweep + 1))
        learning = learn_probe_from is not None and sweep >= learn_probe_from
        order = np.arange(len(counts)) if generator is None else generator.permutation(len(counts))
        cost = 0.0
        for k in order:
            top, left = int(corners[k, 0]), int(corners[k, 1])
            cost += pie_update(
                specimen,
                probe,
                top,
                left,
                amplitudes[k],
                object_step=step,
                probe_step=step if learning else 0.0,
                alpha=alpha,
            )
        costs.append(cost / scale)
    return specimen, probe, costs


def paper_probe(n: int = 64) -> NDArray[np.complex64]:
    """The probe of PtychoPINN (Hoidn, Mishra and Mehta, Sci. Rep. 13, 22789, 2023).

    The outer product of a Gaussian window with itself (standard deviation n / (0.7 pi^2) pixels),
    where it exceeds one half, blurred by a Gaussian of 1 px and raised by 1e-9: real, positive,
    about 22 px across at n = 64. It is symmetric about (n - 1) / 2, half a pixel before the centre
    of the package's probes.

    Returns:
        (n, n) complex64 with zero imaginary part, power one.
    """
    at = np.arange(n) - (n - 1) / 2.0
    window = np.exp(-0.5 * (at / (n / (0.7 * np.pi**2))) ** 2)
    disk = (np.outer(window, window) > 0.5).astype(np.float64)
    probe = ndimage.gaussian_filter(disk, 1.0, mode="constant") + 1e-9
    return (probe / np.sqrt(np.sum(probe**2))).astype(np.complex64)
