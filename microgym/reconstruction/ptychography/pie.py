"""Ptychographic iterative engine on one exposure: the kernels of every classical solver here.

With exit waves psi_m = P_m O, far fields Psi_m = F psi_m and measured counts I, the modulus
constraint replaces Psi_m by Psi_m sqrt(I / sum_m |Psi_m|^2); the difference D_m, carried back, is
divided between object and probe:

    O   += a sum_m conj(P_m) D_m / ((1 - alpha) sum_m |P_m|^2 + alpha max sum_m |P_m|^2)
    P_m += b conj(O) D_m / ((1 - alpha) |O|^2 + alpha max |O|^2)

alpha = 1 is ePIE (Maiden and Rodenburg, Ultramicroscopy 109, 1256, 2009), smaller alpha is rPIE
(Maiden, Johnson and Li, Optica 4, 736, 2017); several modes follow Thibault and Menzel (Nature 494,
68, 2013).
"""

from typing import NamedTuple

import numpy as np

from microgym.jit import kernel
from microgym.numerics.array_views import view1d
from microgym.numerics.fft import PAD, fft2, workspace
from microgym.physics.diffraction import exit_wave
from microgym.state import Float32

_TINY = np.float32(1e-20)
_ZERO = np.float32(0.0)
_ONE = np.float32(1.0)
UNKNOWN = np.float32(-1.0)
"""Amplitude of a detector pixel without a measurement."""


class Wave(NamedTuple):
    """Real and imaginary part: an object (H, W), or the modes of a probe (modes, n*n)."""

    re: Float32
    im: Float32


class Exposure(NamedTuple):
    """One measured diffraction pattern.

    Attributes:
        amplitude: (n*n,) square root of the counts over the incident photons (in any unit that
            makes it equal to the modulus of the transform of probe times object); `UNKNOWN` where
            the detector tells nothing: behind a beam stop, or where it was saturated.
        top, left: corner of the patch, px.
    """

    amplitude: Float32
    top: int
    left: int


class PIESteps(NamedTuple):
    """Step lengths of an update.

    Attributes:
        object, probe: step lengths a and b; 0 leaves the thing as it is.
        alpha: regularisation, 1 for ePIE, below 1 for rPIE.
    """

    object: np.float32
    probe: np.float32
    alpha: np.float32


def pie_work(n: int, modes: int) -> int:
    """Length of the float32 work array of `pie_update` and its parts."""
    return 2 * modes * n * n + 2 * PAD + max(n * n + 2 * n, workspace(n))


@kernel
def object_weight(probe, alpha, out):
    """Denominator of the object update, inverted.

    Args:
        probe: illumination.
        alpha: 1 for ePIE, below 1 for rPIE.
        out: (n*n,) weight, written.
    """
    out[:] = _ZERO
    for mode in range(probe.re.shape[0]):
        p_re, p_im = probe.re[mode], probe.im[mode]
        for j in range(out.size):
            out[j] += p_re[j] * p_re[j] + p_im[j] * p_im[j]
    rest, floor = _ONE - alpha, alpha * out.max()
    for j in range(out.size):
        out[j] = _ONE / (rest * out[j] + floor)


@kernel
def _constrain(waves, modes, n, amplitude, lines):
    """Replace far fields by the correction the measurement asks for; return the squared misfit."""
    size = n * n
    factor, columns = view1d(lines, 0, n), view1d(lines, n, n)
    columns[:] = _ZERO
    for i in range(n):
        for mode in range(modes):
            re = view1d(waves, mode * size + i * n, n)
            im = view1d(waves, (modes + mode) * size + PAD + i * n, n)
            if mode == 0:
                for j in range(n):
                    factor[j] = _TINY + (re[j] * re[j] + im[j] * im[j])
            else:
                for j in range(n):
                    factor[j] += re[j] * re[j] + im[j] * im[j]
        # D = (sqrt(I) - |Psi|) Psi / |Psi| on known pixels, with |Psi|^2 summed over the modes.
        measured = view1d(amplitude, i * n, n)
        for j in range(n):
            modulus = np.sqrt(factor[j])
            misfit = measured[j] - modulus if measured[j] >= _ZERO else _ZERO
            columns[j] += misfit * misfit
            factor[j] = misfit / modulus
        for mode in range(modes):
            re = view1d(waves, mode * size + i * n, n)
            im = view1d(waves, (modes + mode) * size + PAD + i * n, n)
            for j in range(n):
                re[j] *= factor[j]
                im[j] *= factor[j]
    total = 0.0
    for j in range(n):
        total += columns[j]
    return total


@kernel
def pie_misfit(specimen, probe, exposure, transform, work):
    """Misfit of the prediction of one exposure; arguments and result as in `pie_update`.

    Leaves the correction of the far fields in `work`, for the other parts of an update.
    """
    n = transform.n
    modes, size = probe.re.shape
    rest = work[2 * (modes * size + PAD) :]
    for m in range(modes):
        re, im = view1d(work, m * size, size), view1d(work, (modes + m) * size + PAD, size)
        p_re, p_im = view1d(probe.re, m * size, size), view1d(probe.im, m * size, size)
        exit_wave(specimen.re, specimen.im, p_re, p_im, exposure.top, exposure.left, n, re, im)
        fft2(re, im, re, im, transform, rest)
    return _constrain(work, modes, n, exposure.amplitude, rest)


@kernel
def pie_change(modes, transform, work):
    """Carry the correction that `pie_misfit` left in `work` back to the specimen.

    The exit waves' corrections D are then the first 2*modes*n*n + PAD elements of `work`: the real
    parts of all modes, a gap of PAD, then the imaginary parts.

    Args:
        modes: number of modes of the probe.
        transform: `FFTPlan`.
        work: as `pie_misfit` left it.
    """
    n = transform.n
    size = n * n
    rest = work[2 * (modes * size + PAD) :]
    for m in range(modes):
        re, im = view1d(work, m * size, size), view1d(work, (modes + m) * size + PAD, size)
        fft2(im, re, im, re, transform, rest)


@kernel
def _probe_weight(specimen, steps, top, left, n, out):
    """Step length of the probe update over its denominator."""
    width = specimen.re.shape[1]
    for i in range(n):
        at = (top + i) * width + left
        o_re, o_im = view1d(specimen.re, at, n), view1d(specimen.im, at, n)
        row = view1d(out, i * n, n)
        for j in range(n):
            row[j] = o_re[j] * o_re[j] + o_im[j] * o_im[j]
    rest, floor = _ONE - steps.alpha, steps.alpha * out.max() + _TINY
    for j in range(out.size):
        out[j] = steps.probe / (rest * out[j] + floor)


@kernel
def pie_apply(specimen, probe, weight, top, left, steps, n, work):
    """Divide the correction that `pie_change` left in `work` between object and probe.

    Arguments as in `pie_update`.
    """
    modes, size = probe.re.shape
    width = specimen.re.shape[1]
    rest = work[2 * (modes * size + PAD) :]
    share = rest[:size]
    before_re, before_im = view1d(rest, size, n), view1d(rest, size + n, n)
    learning = steps.probe > _ZERO
    if learning:
        _probe_weight(specimen, steps, top, left, n, share)
    for i in range(n):
        at = (top + i) * width + left
        o_re, o_im = view1d(specimen.re, at, n), view1d(specimen.im, at, n)
        w, s = view1d(weight, i * n, n), view1d(share, i * n, n)
        if learning:
            for j in range(n):
                before_re[j], before_im[j] = o_re[j], o_im[j]
        for mode in range(modes):
            at = mode * size + i * n
            p_re, p_im = view1d(probe.re, at, n), view1d(probe.im, at, n)
            d_re, d_im = view1d(work, at, n), view1d(work, modes * size + PAD + at, n)
            # O += a conj(P) D / weight
            for j in range(n):
                scale = steps.object * w[j]
                o_re[j] += scale * (p_re[j] * d_re[j] + p_im[j] * d_im[j])
                o_im[j] += scale * (p_re[j] * d_im[j] - p_im[j] * d_re[j])
            if learning:
                # P += b conj(O) D / weight, with the object before its own update
                for j in range(n):
                    p_re[j] += s[j] * (before_re[j] * d_re[j] + before_im[j] * d_im[j])
                    p_im[j] += s[j] * (before_re[j] * d_im[j] - before_im[j] * d_re[j])


@kernel
def pie_update(specimen, probe, weight, exposure, steps, transform, work):
    """Improve object (and probe) by one exposure.

    Args:
        specimen: (H, W) estimate of the transmission function, updated in place.
        probe: (modes, n*n) illumination, updated in place if its step length is not 0.
        weight: (n*n,) from `object_weight`.
        exposure: pattern and patch.
        steps: step lengths.
        transform: plan of the transform.
        work: (`pie_work(n, modes)`,) float32, overwritten.

    Returns:
        Sum over known pixels of (sqrt(I) - sqrt(predicted))^2 before the update, in units of
        `amplitude` squared.
    """
    misfit = pie_misfit(specimen, probe, exposure, transform, work)
    pie_change(probe.re.shape[0], transform, work)
    pie_apply(specimen, probe, weight, exposure.top, exposure.left, steps, transform.n, work)
    return misfit
