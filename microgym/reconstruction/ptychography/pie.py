"""The ptychographic iterative engine on one exposure: the kernel under every classical solver here.

With exit waves psi_m = P_m O, far fields Psi_m = F psi_m and measured counts I, the modulus
constraint replaces Psi_m by Psi_m sqrt(I / sum_m |Psi_m|^2); the difference D_m, carried back, is
divided between object and probe:

    O   += a sum_m conj(P_m) D_m / ((1 - alpha) sum_m |P_m|^2 + alpha max sum_m |P_m|^2)
    P_m += b conj(O) D_m / ((1 - alpha) |O|^2 + alpha max |O|^2)

alpha = 1 is ePIE (Maiden and Rodenburg, Ultramicroscopy 109, 1256, 2009), smaller alpha is rPIE
(Maiden, Johnson and Li, Optica 4, 736, 2017); several modes follow Thibault and Menzel (Nature 494,
68, 2013).
"""

import numpy as np
from numpy.typing import NDArray

from microgym.jit import kernel
from microgym.numerics.array_views import view1d
from microgym.numerics.fft import PAD, FFTPlan, fft2, workspace
from microgym.physics.diffraction import exit_wave

Plane = NDArray[np.float32]
Indices = NDArray[np.int64]

_TINY = np.float32(1e-20)
_ZERO = np.float32(0.0)
_ONE = np.float32(1.0)


def pie_work(n: int, modes: int) -> int:
    """Length of the float32 work array of `pie_update` and its parts."""
    return 2 * modes * n * n + 2 * PAD + max(n * n + 2 * n, workspace(n))


@kernel
def _largest(plane: Plane) -> np.float32:
    """Largest element of a plane without negative ones."""
    # Non-negative floats sort as their bits do, and only the integer maximum vectorises.
    bits = plane.view(np.int32)
    top = np.int32(0)
    for j in range(bits.size):
        top = max(top, bits[j])
    largest = np.float32(0.0)
    for j in range(plane.size):
        if bits[j] == top:
            largest = plane[j]
            break
    return largest


@kernel
def object_weight(probe_re: Plane, probe_im: Plane, alpha: np.float32, out: Plane) -> None:
    """Denominator of the object update, inverted.

    Args:
        probe_re, probe_im: (modes, n*n) illumination.
        alpha: 1 for ePIE, below 1 for rPIE.
        out: (n*n,) weight, written.
    """
    for j in range(out.size):
        out[j] = _ZERO
    for mode in range(probe_re.shape[0]):
        p_re, p_im = probe_re[mode], probe_im[mode]
        for j in range(out.size):
            out[j] += p_re[j] * p_re[j] + p_im[j] * p_im[j]
    rest, floor = _ONE - alpha, alpha * _largest(out)
    for j in range(out.size):
        out[j] = _ONE / (rest * out[j] + floor)


@kernel
def _constrain(waves: Plane, modes: int, n: int, amplitude: Plane, known: Plane, lines: Plane):
    """Replace far fields by the correction the measurement asks for; return the squared misfit."""
    size = n * n
    factor, columns = view1d(lines, 0, n), view1d(lines, n, n)
    for j in range(n):
        columns[j] = _ZERO
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
        measured, trusted = view1d(amplitude, i * n, n), view1d(known, i * n, n)
        for j in range(n):
            modulus = np.sqrt(factor[j])
            misfit = trusted[j] * (measured[j] - modulus)
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
def pie_misfit(
    object_re: Plane,
    object_im: Plane,
    probe_re: Plane,
    probe_im: Plane,
    top: int,
    left: int,
    amplitude: Plane,
    known: Plane,
    fft: FFTPlan,
    work: Plane,
) -> float:
    """How far the prediction is from one exposure; arguments and result as in `pie_update`.

    Leaves in `work`, for the other parts of an update, the correction of the far fields.
    """
    modes, size = probe_re.shape
    rest = work[2 * (modes * size + PAD) :]
    for m in range(modes):
        re, im = view1d(work, m * size, size), view1d(work, (modes + m) * size + PAD, size)
        p_re, p_im = view1d(probe_re, m * size, size), view1d(probe_im, m * size, size)
        exit_wave(object_re, object_im, p_re, p_im, top, left, fft.n, re, im)
        fft2(re, im, re, im, fft, rest)
    return _constrain(work, modes, fft.n, amplitude, known, rest)


@kernel
def pie_change(modes: int, fft: FFTPlan, work: Plane) -> None:
    """Carry the correction that `pie_misfit` left in `work` back to the specimen.

    The exit waves' corrections D are then the first 2*modes*n*n + PAD elements of `work`: the real
    parts of all modes, a gap of PAD, then the imaginary parts.
    """
    size = fft.n * fft.n
    rest = work[2 * (modes * size + PAD) :]
    for m in range(modes):
        re, im = view1d(work, m * size, size), view1d(work, (modes + m) * size + PAD, size)
        fft2(im, re, im, re, fft, rest)


@kernel
def _probe_weight(
    object_re: Plane,
    object_im: Plane,
    alpha: np.float32,
    step: np.float32,
    top: int,
    left: int,
    n: int,
    out: Plane,
) -> None:
    """Step length of the probe update over its denominator."""
    width = object_re.shape[1]
    for i in range(n):
        at = (top + i) * width + left
        o_re, o_im = view1d(object_re, at, n), view1d(object_im, at, n)
        row = view1d(out, i * n, n)
        for j in range(n):
            row[j] = o_re[j] * o_re[j] + o_im[j] * o_im[j]
    rest, floor = _ONE - alpha, alpha * _largest(out) + _TINY
    for j in range(out.size):
        out[j] = step / (rest * out[j] + floor)


@kernel
def pie_apply(
    object_re: Plane,
    object_im: Plane,
    probe_re: Plane,
    probe_im: Plane,
    weight: Plane,
    top: int,
    left: int,
    object_step: np.float32,
    probe_step: np.float32,
    alpha: np.float32,
    n: int,
    work: Plane,
) -> None:
    """Divide the correction that `pie_change` left in `work` between object and probe.

    Arguments as in `pie_update`.
    """
    modes, size = probe_re.shape
    width = object_re.shape[1]
    rest = work[2 * (modes * size + PAD) :]
    share = rest[:size]
    before_re, before_im = view1d(rest, size, n), view1d(rest, size + n, n)
    learning = probe_step > _ZERO
    if learning:
        _probe_weight(object_re, object_im, alpha, probe_step, top, left, n, share)
    for i in range(n):
        at = (top + i) * width + left
        o_re, o_im = view1d(object_re, at, n), view1d(object_im, at, n)
        w, s = view1d(weight, i * n, n), view1d(share, i * n, n)
        if learning:
            for j in range(n):
                before_re[j], before_im[j] = o_re[j], o_im[j]
        for mode in range(modes):
            at = mode * size + i * n
            p_re, p_im = view1d(probe_re, at, n), view1d(probe_im, at, n)
            d_re, d_im = view1d(work, at, n), view1d(work, modes * size + PAD + at, n)
            for j in range(n):
                scale = object_step * w[j]
                o_re[j] += scale * (p_re[j] * d_re[j] + p_im[j] * d_im[j])
                o_im[j] += scale * (p_re[j] * d_im[j] - p_im[j] * d_re[j])
            if learning:
                for j in range(n):
                    p_re[j] += s[j] * (before_re[j] * d_re[j] + before_im[j] * d_im[j])
                    p_im[j] += s[j] * (before_re[j] * d_im[j] - before_im[j] * d_re[j])


@kernel
def pie_update(
    object_re: Plane,
    object_im: Plane,
    probe_re: Plane,
    probe_im: Plane,
    weight: Plane,
    top: int,
    left: int,
    amplitude: Plane,
    known: Plane,
    object_step: np.float32,
    probe_step: np.float32,
    alpha: np.float32,
    fft: FFTPlan,
    work: Plane,
) -> float:
    """Improve object (and probe) by one exposure.

    Args:
        object_re, object_im: (H, W) estimate of the transmission function, updated in place.
        probe_re, probe_im: (modes, n*n) illumination, updated in place if `probe_step` is not 0.
        weight: (n*n,) from `object_weight`.
        top, left: corner of the patch, px.
        amplitude: (n*n,) square root of the measured counts over the incident photons (whatever
            scale makes it equal to the modulus of the transform of probe times object).
        known: (n*n,) 1 where the detector measured, 0 behind a beam stop or where saturated.
        object_step, probe_step: step lengths a and b.
        alpha: regularisation, 1 for ePIE.
        fft: plan of the transform of n by n.
        work: (`pie_work(n, modes)`,) float32, overwritten.

    Returns:
        Sum over known pixels of (sqrt(I) - sqrt(predicted))^2 before the update, in units of
        `amplitude` squared.
    """
    misfit = pie_misfit(
        object_re, object_im, probe_re, probe_im, top, left, amplitude, known, fft, work
    )  # fmt: skip
    pie_change(probe_re.shape[0], fft, work)
    pie_apply(
        object_re, object_im, probe_re, probe_im, weight, top, left, object_step, probe_step,
        alpha, fft.n, work,
    )  # fmt: skip
    return misfit
