"""Passes over many stored exposures, one microscope after another, in compiled code.

Sub-pixel positions move the probe, not the specimen: its spectrum is multiplied with a phase ramp,
and the update of the probe is moved back likewise.
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
    Exposure,
    Indices,
    PIESteps,
    Plane,
    Wave,
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
    """Step lengths and schedule of the sweeps.

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
    """Test whether all positions are whole pixels."""
    whole = True
    for k in range(order.size):
        y, x = positions[order[k], 0], positions[order[k], 1]
        if y != np.floor(y) or x != np.floor(x):
            whole = False
            break
    return whole


class _Parts(NamedTuple):
    """Views of the work array.

    Attributes:
        far: spectrum of the probe.
        probe: probe moved by a fraction of a pixel.
        ramp: (n*n,) phase ramp of the movement.
        weight: (n*n,) weight of the object update.
        lines: (5*n,).
        rest: for the kernels that are called.
    """

    far: Wave
    probe: Wave
    ramp: Wave
    weight: Plane
    lines: Plane
    rest: Plane


@kernel
def _divide(work: Plane, modes: int, n: int) -> _Parts:
    """Divide the work array."""
    size = n * n
    block = modes * size
    planes = work[4 * block : 4 * block + 3 * size]
    return _Parts(
        Wave(view2d(work, 0, modes, size), view2d(work, block, modes, size)),
        Wave(view2d(work, 2 * block, modes, size), view2d(work, 3 * block, modes, size)),
        Wave(planes[:size], planes[size : 2 * size]),
        planes[2 * size :],
        work[4 * block + 3 * size : 4 * block + 3 * size + 5 * n],
        work[4 * block + 3 * size + 5 * n :],
    )


@kernel
def _transform(source: Wave, re: Plane, im: Plane, transform: FFTPlan, work: Plane) -> None:
    """Fourier transform of every mode; the inverse with real and imaginary planes exchanged."""
    for m in range(re.shape[0]):
        fft2(source.re[m], source.im[m], re[m], im[m], transform, work)


@kernel
def _turn_back(wave: Wave, ramp: Wave) -> None:
    """Multiply every mode with the conjugate of the ramp."""
    for m in range(wave.re.shape[0]):
        re, im = wave.re[m], wave.im[m]
        for j in range(ramp.re.size):
            turned = re[j] * ramp.re[j] + im[j] * ramp.im[j]
            im[j] = im[j] * ramp.re[j] - re[j] * ramp.im[j]
            re[j] = turned


@kernel
def _move_probe(y: float, x: float, transform: FFTPlan, parts: _Parts) -> None:
    """Move the probe, whose spectrum is in `parts.far`, by the fractions of a position."""
    n = transform.n
    phase_ramp(y - whole_part(y), x - whole_part(x), n, parts.ramp.re, parts.ramp.im, parts.lines)
    shift_probe(
        parts.far.re, parts.far.im, parts.ramp.re, parts.ramp.im, transform,
        parts.probe.re, parts.probe.im, parts.rest,
    )  # fmt: skip


@kernel
def refine(
    scans: Scans,
    row: int,
    order: Indices,
    n: int,
    lengths: PIESteps,
    position_step: float,
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
        lengths: step lengths of `pie_update`.
        position_step: part of the found displacements that is applied after the pass; 0 for none.
        subpixel: whether fractions of a pixel move the probe, or positions are rounded.
        moves: (k, 2) or longer, overwritten.
        work: (`sweep_work(n, modes)`,) float32, overwritten.

    Returns:
        Sum over exposures and known pixels of (sqrt(I) - sqrt(predicted))^2, counts, each before
        its own update.
    """
    specimen = Wave(scans.object_re[row], scans.object_im[row])
    own = Wave(scans.probe_re[row], scans.probe_im[row])
    positions, known = scans.positions[row], scans.known[row]
    transform = scans.fft
    modes = own.re.shape[0]
    parts = _divide(work, modes, n)
    learning = lengths.probe > np.float32(0.0)
    moving = position_step > 0.0
    shifting = subpixel and not _on_pixels(positions, order)
    probe = parts.probe
    if shifting:
        _transform(own, parts.far.re, parts.far.im, transform, parts.rest)
    else:
        probe = own
    total = 0.0
    for k in range(order.size):
        j = order[k]
        y, x = positions[j, 0], positions[j, 1]
        top, left = patch_corner(y, n), patch_corner(x, n)
        if shifting:
            _move_probe(y, x, transform, parts)
        if k == 0 or learning or shifting:
            object_weight(probe, lengths.alpha, parts.weight)
        trusted = known[min(j, known.shape[0] - 1)]
        exposure = Exposure(scans.amplitude[row, j], trusted, top, left)
        misfit = pie_misfit(specimen, probe, exposure, transform, parts.rest)
        total += misfit * scans.photons[row, j]
        pie_change(modes, transform, parts.rest)
        if moving:
            position_change(specimen, probe, top, left, n, parts.rest, parts.lines, moves[k])
        pie_apply(specimen, probe, parts.weight, top, left, lengths, n, parts.rest)
        if learning and shifting:
            # The spectrum of the updated probe, moved back.
            _transform(probe, parts.far.re, parts.far.im, transform, parts.rest)
            _turn_back(parts.far, parts.ramp)
    if learning and shifting:
        swapped = Wave(parts.far.im, parts.far.re)
        _transform(swapped, own.im, own.re, transform, parts.rest)
    if moving:
        apply_moves(positions, moves, order, position_step, n, specimen.re.shape)
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
    specimen = Wave(scans.object_re[row], scans.object_im[row])
    own = Wave(scans.probe_re[row], scans.probe_im[row])
    positions, known = scans.positions[row], scans.known[row]
    transform = scans.fft
    parts = _divide(work, own.re.shape[0], n)
    shifting = subpixel and not _on_pixels(positions, order)
    probe = parts.probe
    if shifting:
        _transform(own, parts.far.re, parts.far.im, transform, parts.rest)
    else:
        probe = own
    for k in range(order.size):
        j = order[k]
        y, x = positions[j, 0], positions[j, 1]
        if shifting:
            _move_probe(y, x, transform, parts)
        trusted = known[min(j, known.shape[0] - 1)]
        exposure = Exposure(
            scans.amplitude[row, j], trusted, patch_corner(y, n), patch_corner(x, n)
        )
        misfit = pie_misfit(specimen, probe, exposure, transform, parts.rest)
        out[k] = misfit * scans.photons[row, j]


@kernel
def _lengths(steps: Steps, done: int) -> PIESteps:
    """Step lengths of object and probe after some sweeps."""
    share = min(1.0, steps.decay / (done + 1))
    probe = share * steps.probe_step if done >= steps.probe_after else 0.0
    return PIESteps(np.float32(share * steps.object_step), np.float32(probe), steps.alpha)


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
        position_step = steps.position_step if done >= steps.position_after else 0.0
        out[k] = refine(
            scans, row, chosen, n, _lengths(steps, done), position_step, steps.subpixel, moves,
            work,
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
        lengths = _lengths(steps, scans.sweeps[row])
        order[0] = scans.stored[row] - 1
        for iteration in range(iterations):
            misfit = refine(scans, row, order[:1], n, lengths, 0.0, steps.subpixel, moves, work)
            if iteration == 0:
                out[k] = misfit
