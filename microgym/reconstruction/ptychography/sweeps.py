"""Passes over many stored exposures, one microscope after another, in compiled code.

Sub-pixel positions move the probe, not the specimen: its spectrum is multiplied with a phase ramp,
and what an exposure taught about the probe is moved back likewise.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from microgym.jit import kernel
from microgym.numerics.array_views import view2d
from microgym.numerics.fft import FFTPlan, fft2
from microgym.physics.diffraction import diffraction_work, shift_probe
from microgym.physics.probe import phase_ramp
from microgym.random import WORLD, stream, uniform
from microgym.random.streams import SolverWorld
from microgym.reconstruction.ptychography.pie import (
    Indices,
    Plane,
    object_weight,
    pie_apply,
    pie_change,
    pie_misfit,
    pie_work,
)
from microgym.reconstruction.ptychography.positions import (
    apply_moves,
    patch_corner,
    position_change,
    whole_part,
)

Float64s = NDArray[np.float64]

# The order of a sweep is the solver's own choice, drawn with a key that no instrument uses.
_ORDER = np.int64(SolverWorld.ORDER)


class Scans(NamedTuple):
    """Estimates and measurements of N microscopes, as the kernels take them.

    Attributes:
        object_re, object_im: (N, H, W) transmission functions.
        probe_re, probe_im: (N, modes, n*n) illuminations.
        amplitude: (N, capacity, n*n) square roots of counts per incident photon.
        known: (N, 1 or capacity, n*n) 1 where the detector measured, else 0.
        photons: (N, capacity) incident photons of the exposures.
        positions: (N, capacity, 2) centres of the probe (y, x), px.
        stored: (N,) exposures stored.
        sweeps: (N,) sweeps done.
        fft: plan of the transform.
    """

    object_re: Plane
    object_im: Plane
    probe_re: Plane
    probe_im: Plane
    amplitude: Plane
    known: Plane
    photons: Plane
    positions: Float64s
    stored: Indices
    sweeps: Indices
    fft: FFTPlan


class Steps(NamedTuple):
    """How the kernels step.

    Attributes:
        alpha: regularisation of `microgym.reconstruction.ptychography.pie`.
        object_step, probe_step, position_step: step lengths; 0 leaves the thing as it is.
        decay: sweep i (from 1) takes min(1, decay / i) of the step lengths of object and probe.
        probe_after, position_after: sweeps before the probe, the positions, are touched.
        subpixel: whether fractions of a pixel move the probe, or positions are rounded.
    """

    alpha: np.float32
    object_step: float
    probe_step: float
    position_step: float
    decay: float
    probe_after: int
    position_after: int
    subpixel: bool


def sweep_work(n: int, modes: int) -> int:
    """Length of the float32 work array of the kernels of this module."""
    size = n * n
    own = (4 * modes + 3) * size + 5 * n
    return own + max(pie_work(n, modes), diffraction_work(n))


@kernel
def permute(key: NDArray[np.uint32], tick: int, order: Indices) -> None:
    """Fill `order` with a permutation of its indices, drawn by the Fisher-Yates algorithm.

    Args:
        key: (2,) uint32, key of the random stream.
        tick: number of the permutation.
        order: (k,) int64, written.
    """
    s0, s1 = stream(key[0], key[1], WORLD, _ORDER)
    for i in range(order.size):
        order[i] = i
    for i in range(order.size - 1, 0, -1):
        other = min(int(uniform(s0, s1, tick, i) * (i + 1)), i)
        order[i], order[other] = order[other], order[i]


@kernel
def _on_pixels(positions: Float64s, order: Indices) -> bool:
    """Whether no exposure asks for a fraction of a pixel."""
    whole = True
    for k in range(order.size):
        y, x = positions[order[k], 0], positions[order[k], 1]
        if y != np.floor(y) or x != np.floor(x):
            whole = False
            break
    return whole


@kernel
def _divide(work: Plane, modes: int, n: int) -> tuple[Plane, ...]:
    """Views of the work array: spectrum, moved probe, ramp, weight, lines, and the rest."""
    size = n * n
    block = modes * size
    planes = work[4 * block : 4 * block + 3 * size]
    lines = work[4 * block + 3 * size : 4 * block + 3 * size + 5 * n]
    return (
        view2d(work, 0, modes, size),
        view2d(work, block, modes, size),
        view2d(work, 2 * block, modes, size),
        view2d(work, 3 * block, modes, size),
        planes[:size],
        planes[size : 2 * size],
        planes[2 * size :],
        lines,
        work[4 * block + 3 * size + 5 * n :],
    )


@kernel
def _transform(
    from_re: Plane, from_im: Plane, to_re: Plane, to_im: Plane, scans: Scans, work: Plane
) -> None:
    """Fourier transform of every mode; the inverse with real and imaginary planes exchanged."""
    for m in range(from_re.shape[0]):
        fft2(from_re[m], from_im[m], to_re[m], to_im[m], scans.fft, work)


@kernel
def _turn_back(re: Plane, im: Plane, ramp_re: Plane, ramp_im: Plane) -> None:
    """Multiply every mode with the conjugate of the ramp."""
    for m in range(re.shape[0]):
        m_re, m_im = re[m], im[m]
        for j in range(ramp_re.size):
            turned = m_re[j] * ramp_re[j] + m_im[j] * ramp_im[j]
            m_im[j] = m_im[j] * ramp_re[j] - m_re[j] * ramp_im[j]
            m_re[j] = turned


@kernel
def refine(
    scans: Scans,
    row: int,
    order: Indices,
    n: int,
    object_step: np.float32,
    probe_step: np.float32,
    position_step: float,
    alpha: np.float32,
    subpixel: bool,
    moves: Float64s,
    work: Plane,
) -> float:
    """Improve one microscope's estimates by its exposures, one after another.

    Args:
        scans: estimates (updated in place) and measurements.
        row: which microscope.
        order: (k,) exposures to use.
        n: edge of a pattern, px.
        object_step, probe_step: step lengths of `pie_update`.
        position_step: part of the found displacements that is applied after the pass; 0 for none.
        alpha: regularisation of `pie_update`.
        subpixel: whether fractions of a pixel move the probe, or positions are rounded.
        moves: (k, 2) or longer, overwritten.
        work: (`sweep_work(n, modes)`,) float32, overwritten.

    Returns:
        Sum over exposures and known pixels of (sqrt(I) - sqrt(predicted))^2, counts, each before
        its own update.
    """
    object_re, object_im = scans.object_re[row], scans.object_im[row]
    probe_re, probe_im = scans.probe_re[row], scans.probe_im[row]
    positions, known = scans.positions[row], scans.known[row]
    modes = probe_re.shape[0]
    far_re, far_im, p_re, p_im, ramp_re, ramp_im, weight, lines, rest = _divide(work, modes, n)
    learning = probe_step > np.float32(0.0)
    moving = position_step > 0.0
    shifting = subpixel and not _on_pixels(positions, order)
    if shifting:
        _transform(probe_re, probe_im, far_re, far_im, scans, rest)
    else:
        p_re, p_im = probe_re, probe_im
    total = 0.0
    for k in range(order.size):
        j = order[k]
        y, x = positions[j, 0], positions[j, 1]
        top, left = patch_corner(y, n), patch_corner(x, n)
        if shifting:
            phase_ramp(y - whole_part(y), x - whole_part(x), n, ramp_re, ramp_im, lines)
            shift_probe(far_re, far_im, ramp_re, ramp_im, scans.fft, p_re, p_im, rest)
        if k == 0 or learning or shifting:
            object_weight(p_re, p_im, alpha, weight)
        measured, trusted = scans.amplitude[row, j], known[min(j, known.shape[0] - 1)]
        misfit = pie_misfit(
            object_re, object_im, p_re, p_im, top, left, measured, trusted, scans.fft,
            rest,
        )  # fmt: skip
        total += misfit * scans.photons[row, j]
        pie_change(modes, scans.fft, rest)
        if moving:
            position_change(
                object_re, object_im, p_re, p_im, top, left, n, rest, lines, moves[k]
            )  # fmt: skip
        pie_apply(
            object_re, object_im, p_re, p_im, weight, top, left, object_step, probe_step, alpha, n,
            rest,
        )  # fmt: skip
        if learning and shifting:
            _transform(p_re, p_im, far_re, far_im, scans, rest)
            _turn_back(far_re, far_im, ramp_re, ramp_im)
    if learning and shifting:
        _transform(far_im, far_re, probe_im, probe_re, scans, rest)
    if moving:
        apply_moves(positions, moves, order, position_step, n, object_re.shape)
    return total


@kernel
def misfits(
    scans: Scans, row: int, order: Indices, n: int, subpixel: bool, out: Float64s, work: Plane
) -> None:
    """Misfit of one microscope's exposures with everything fixed.

    Args:
        scans, row, order, n, subpixel, work: as in `refine`; nothing but `work` is changed.
        out: (k,) sums over known pixels of (sqrt(I) - sqrt(predicted))^2 in counts, written.
    """
    object_re, object_im = scans.object_re[row], scans.object_im[row]
    probe_re, probe_im = scans.probe_re[row], scans.probe_im[row]
    positions, known = scans.positions[row], scans.known[row]
    modes = probe_re.shape[0]
    far_re, far_im, p_re, p_im, ramp_re, ramp_im, _, lines, rest = _divide(work, modes, n)
    shifting = subpixel and not _on_pixels(positions, order)
    if shifting:
        _transform(probe_re, probe_im, far_re, far_im, scans, rest)
    else:
        p_re, p_im = probe_re, probe_im
    for k in range(order.size):
        j = order[k]
        y, x = positions[j, 0], positions[j, 1]
        if shifting:
            phase_ramp(y - whole_part(y), x - whole_part(x), n, ramp_re, ramp_im, lines)
            shift_probe(far_re, far_im, ramp_re, ramp_im, scans.fft, p_re, p_im, rest)
        measured, trusted = scans.amplitude[row, j], known[min(j, known.shape[0] - 1)]
        misfit = pie_misfit(
            object_re, object_im, p_re, p_im, patch_corner(y, n), patch_corner(x, n), measured,
            trusted, scans.fft, rest,
        )  # fmt: skip
        out[k] = misfit * scans.photons[row, j]


@kernel
def sweep_rows(
    scans: Scans,
    rows: Indices,
    n: int,
    steps: Steps,
    key: NDArray[np.uint32],
    order: Indices,
    moves: Float64s,
    work: Plane,
    out: Float64s,
) -> None:
    """One pass over all stored exposures of every listed microscope, in an order drawn anew.

    Args:
        scans: estimates and measurements; estimates and `sweeps` are updated in place.
        rows: (k,) microscopes.
        n: edge of a pattern, px.
        steps: how to step.
        key: (2,) uint32, key of the orders; equal histories get equal orders, whatever the row.
        order, moves: (capacity,) int64 and (capacity, 2) float64, overwritten.
        work: (`sweep_work(n, modes)`,) float32, overwritten.
        out: (k,) running misfit as `refine` returns it, written.
    """
    for k in range(rows.size):
        row = rows[k]
        done = scans.sweeps[row]
        chosen = order[: scans.stored[row]]
        permute(key, done, chosen)
        share = min(1.0, steps.decay / (done + 1))
        probe_step = share * steps.probe_step if done >= steps.probe_after else 0.0
        position_step = steps.position_step if done >= steps.position_after else 0.0
        out[k] = refine(
            scans, row, chosen, n, np.float32(share * steps.object_step), np.float32(probe_step),
            position_step, steps.alpha, steps.subpixel, moves, work,
        )  # fmt: skip
        scans.sweeps[row] = done + 1


@kernel
def refine_newest(
    scans: Scans,
    rows: Indices,
    n: int,
    steps: Steps,
    iterations: int,
    order: Indices,
    moves: Float64s,
    work: Plane,
    out: Float64s,
) -> None:
    """Improve every listed microscope by its newest exposure alone, `iterations` times.

    Arguments as in `sweep_rows`; `out` gets the misfit before the first iteration. Positions stay.
    """
    for k in range(rows.size):
        row = rows[k]
        done = scans.sweeps[row]
        share = min(1.0, steps.decay / (done + 1))
        probe_step = share * steps.probe_step if done >= steps.probe_after else 0.0
        order[0] = scans.stored[row] - 1
        for iteration in range(iterations):
            misfit = refine(
                scans, row, order[:1], n, np.float32(share * steps.object_step),
                np.float32(probe_step), 0.0, steps.alpha, steps.subpixel, moves, work,
            )  # fmt: skip
            if iteration == 0:
                out[k] = misfit
