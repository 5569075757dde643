"""Far-field coherent diffraction: exit wave, sub-pixel probe, intensity.

Every plane is float32, split into real and imaginary parts; patches are flat (n*n,), specimens are
(H, W). One unitary transform carries the exit wave to the detector, so that the intensities of a
pattern sum to the power of the exit wave (Parseval), and photons are counted once.
"""

import numpy as np

from microgym.jit import kernel
from microgym.numerics.array_views import view1d
from microgym.numerics.fft import PAD, fft2, workspace


@kernel
def exit_wave(object_re, object_im, probe_re, probe_im, top, left, n, out_re, out_im):
    """Multiply the probe with the patch of the specimen under it.

    Args:
        object_re, object_im: (H, W) transmission function.
        probe_re, probe_im: (n*n,) illumination.
        top, left: corner of the patch, px; the patch must lie inside the specimen.
        n: edge of the patch, px.
        out_re, out_im: (n*n,) exit wave, written.
    """
    width = object_re.shape[1]
    for i in range(n):
        at = (top + i) * width + left
        o_re, o_im = view1d(object_re, at, n), view1d(object_im, at, n)
        p_re, p_im = view1d(probe_re, i * n, n), view1d(probe_im, i * n, n)
        e_re, e_im = view1d(out_re, i * n, n), view1d(out_im, i * n, n)
        for j in range(n):
            e_re[j] = p_re[j] * o_re[j] - p_im[j] * o_im[j]
            e_im[j] = p_re[j] * o_im[j] + p_im[j] * o_re[j]


@kernel
def multiply(a_re, a_im, b_re, b_im, out_re, out_im):
    """Write the complex product of two flat planes.

    Args:
        a_re, a_im: first factor, flat float32.
        b_re, b_im: second factor, of the same length.
        out_re, out_im: written.
    """
    for j in range(out_re.size):
        re = a_re[j] * b_re[j] - a_im[j] * b_im[j]
        out_im[j] = a_re[j] * b_im[j] + a_im[j] * b_re[j]
        out_re[j] = re


@kernel
def enter_intensity(first, re, im, scale, out):
    """Add `scale` times the squared modulus of a flat wave to `out`; the first one is written.

    Args:
        first: whether `out` is written rather than added to.
        re, im: (n*n,) float32, wave.
        scale: float32.
        out: (n*n,) float32.
    """
    if first:
        for j in range(out.size):
            out[j] = scale * (re[j] * re[j] + im[j] * im[j])
    else:
        for j in range(out.size):
            out[j] += scale * (re[j] * re[j] + im[j] * im[j])


@kernel
def sum_intensity(re, im, out):
    """Write the squared modulus of a wave, summed over its modes.

    Args:
        re, im: (modes, n*n) wave.
        out: (n*n,) written.
    """
    for mode in range(re.shape[0]):
        enter_intensity(mode == 0, re[mode], im[mode], np.float32(1.0), out)


@kernel
def add_fluence(fluence, intensity, photons, top, left, n):
    """Enter one exposure into a map of photons per object pixel.

    Args:
        fluence: (H, W) photons per object pixel so far, updated.
        intensity: (n*n,) squared modulus of the probe over all modes, sum one.
        photons: incident photons.
        top, left: corner of the patch, px.
        n: edge of the patch, px.
    """
    width = fluence.shape[1]
    for i in range(n):
        row = view1d(fluence, (top + i) * width + left, n)
        light = view1d(intensity, i * n, n)
        for j in range(n):
            row[j] += photons * light[j]


def diffraction_work(n: int) -> int:
    """Length of the float32 work array of `diffract` and `shift_probe` for patches of n by n."""
    return 2 * (n * n + PAD) + workspace(n)


@kernel
def diffract(first, object_re, object_im, probe_re, probe_im, top, left, photons, fft, out, work):
    """Expected counts of an exposure or a part of it, summed over mutually incoherent probe modes.

    Args:
        first: whether `out` is written rather than added to.
        object_re, object_im: (H, W) transmission function.
        probe_re, probe_im: (modes, n*n) illumination, total power one.
        top, left: corner of the patch, px.
        photons: incident photons, float32.
        fft: plan of the transform of n by n.
        out: (n*n,) expected counts per detector pixel; zero frequency at element 0.
        work: (`diffraction_work(n)`,) float32, overwritten.
    """
    n = fft.n
    size = n * n
    plane = size + PAD
    wave_re, wave_im, rest = work[:size], work[plane : plane + size], work[2 * plane :]
    for mode in range(probe_re.shape[0]):
        # Exit wave, its far field, and the sum of intensities over the modes.
        exit_wave(
            object_re, object_im, probe_re[mode], probe_im[mode], top, left, n, wave_re, wave_im
        )
        fft2(wave_re, wave_im, wave_re, wave_im, fft, rest)
        enter_intensity(first and mode == 0, wave_re, wave_im, photons, out)


@kernel
def shift_probe(spectrum_re, spectrum_im, ramp_re, ramp_im, fft, out_re, out_im, work):
    """Move the probe by a fraction of a pixel, exactly, in its band limit.

    Args:
        spectrum_re, spectrum_im: (modes, n*n) unitary transform of the probe modes.
        ramp_re, ramp_im: (n*n,) phase ramp of the shift (`microgym.physics.probe.phase_ramp`).
        fft: plan of the transform of n by n.
        out_re, out_im: (modes, n*n) shifted probe, written.
        work: (`diffraction_work(n)`,) float32, overwritten.
    """
    n = fft.n
    size = n * n
    plane = size + PAD
    turned_re, turned_im, rest = work[:size], work[plane : plane + size], work[2 * plane :]
    for mode in range(spectrum_re.shape[0]):
        # P(r - r0) = inverse transform of P(q) exp(-2 pi i q r0).
        multiply(spectrum_re[mode], spectrum_im[mode], ramp_re, ramp_im, turned_re, turned_im)
        fft2(turned_im, turned_re, out_im[mode], out_re[mode], fft, rest)
