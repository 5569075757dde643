"""Passes over the stored exposures of one microscope, in compiled code.

Sub-pixel positions move the probe, not the specimen: its spectrum is multiplied with a phase ramp,
and the update of the probe is moved back likewise.
"""

from typing import NamedTuple

import numpy as np

from microgym.jit import kernel
from microgym.numerics.fft import FFTPlan, fft2
from microgym.physics.diffraction import diffraction_work, shift_probe
from microgym.physics.probe import phase_ramp
from microgym.random import WORLD, stream, uniform
from microgym.random.streams import SolverWorld
from microgym.reconstruction.ptychography.pie import (
    Exposure,
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
from microgym.state import Float32, Float64, Int64

# The order of a sweep is the solver's own choice, drawn with a key that no instrument uses.
_ORDER = np.int64(SolverWorld.ORDER)


class Scans(NamedTuple):
    """Estimates and measurements of N microscopes.

    Attributes:
        object_re, object_im: (N, H, W) transmission functions.
        probe_re, probe_im: (N, modes, n*n) illuminations.
        amplitude: (N, capacity, n*n) square roots of counts per incident photon, `UNKNOWN` where
            the detector does not measure.
        known: (n*n,) 1 where the detector measures, else 0.
        photons: (N, capacity) incident photons of the exposures.
        positions: (N, capacity, 2) centres of the probe (y, x), px.
        stored: (N,) exposures stored.
        sweeps: (N,) sweeps done.
        fft: plan of the transform.
    """

    object_re: Float32
    object_im: Float32
    probe_re: Float32
    probe_im: Float32
    amplitude: Float32
    known: Float32
    photons: Float32
    positions: Float64
    stored: Int64
    sweeps: Int64
    fft: FFTPlan


class SweepWork(NamedTuple):
    """Work arrays of `refine`.

    Attributes:
        far: (modes, n*n) spectrum of the probe.
        probe: (modes, n*n) probe moved by a fraction of a pixel.
        ramp: (n*n,) phase ramp of the movement.
        weight: (n*n,) weight of the object update.
        lines: (5*n,).
        rest: for the kernels that are called.
        moves: (capacity, 2) displacements that were found, px.
        misfits: (capacity,) sums over known pixels of (sqrt(I) - sqrt(predicted))^2 of each
            exposure, counts, before its own update.
    """

    far: Wave
    probe: Wave
    ramp: Wave
    weight: Float32
    lines: Float32
    rest: Float32
    moves: Float64
    misfits: Float64


def sweep_work(n: int, modes: int, capacity: int) -> SweepWork:
    """Work arrays for `modes` of n by n px, and so many exposures."""
    far, probe = (Wave(*np.empty((2, modes, n * n), np.float32)) for _ in range(2))
    return SweepWork(
        far=far,
        probe=probe,
        ramp=Wave(*np.empty((2, n * n), np.float32)),
        weight=np.empty(n * n, np.float32),
        lines=np.empty(5 * n, np.float32),
        rest=np.empty(max(pie_work(n, modes), diffraction_work(n)), np.float32),
        moves=np.zeros((capacity, 2)),
        misfits=np.zeros(capacity),
    )


@kernel
def permute(key, tick, order):
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
def _on_pixels(positions, order):
    """Test whether all positions are whole pixels."""
    for k in range(order.size):
        y, x = positions[order[k], 0], positions[order[k], 1]
        if y != np.floor(y) or x != np.floor(x):
            return False
    return True


@kernel
def _transform(source, re, im, transform, work):
    """Fourier transform of every mode; the inverse with real and imaginary planes exchanged."""
    for m in range(re.shape[0]):
        fft2(source.re[m], source.im[m], re[m], im[m], transform, work)


@kernel
def _turn_back(wave, ramp):
    """Multiply every mode with the conjugate of the ramp."""
    for m in range(wave.re.shape[0]):
        re, im = wave.re[m], wave.im[m]
        for j in range(ramp.re.size):
            turned = re[j] * ramp.re[j] + im[j] * ramp.im[j]
            im[j] = im[j] * ramp.re[j] - re[j] * ramp.im[j]
            re[j] = turned


@kernel
def _move_probe(y, x, transform, work):
    """Move the probe, whose spectrum is in `work.far`, by the fractions of a position."""
    ramp = work.ramp
    y, x = y - whole_part(y), x - whole_part(x)
    phase_ramp(y, x, transform.n, ramp.re, ramp.im, work.lines)
    shift_probe(
        work.far.re, work.far.im, ramp.re, ramp.im, transform, work.probe.re, work.probe.im,
        work.rest,
    )  # fmt: skip


@kernel
def refine(scans, row, order, update, lengths, position_step, work):
    """Compare one microscope's exposures with its estimates, and improve these by each in turn.

    Args:
        scans: `Scans`, whose estimates are updated in place.
        row: which microscope.
        order: (k,) int64, exposures to use.
        update: whether to improve the estimates.
        lengths: `PIESteps`.
        position_step: part of the found displacements that is applied after the pass; 0 for none.
        work: `SweepWork`, whose `misfits` are written, in the order of the exposures.

    Returns:
        Sum of the misfits.
    """
    specimen = Wave(scans.object_re[row], scans.object_im[row])
    own = Wave(scans.probe_re[row], scans.probe_im[row])
    positions, transform, far, rest = scans.positions[row], scans.fft, work.far, work.rest
    n = transform.n
    learning = update and lengths.probe > np.float32(0.0)
    moving = update and position_step > 0.0
    shifting = not _on_pixels(positions, order)
    probe = work.probe
    if shifting:
        _transform(own, far.re, far.im, transform, rest)
    else:
        probe = own
    total = 0.0
    for k in range(order.size):
        j = order[k]
        y, x = positions[j, 0], positions[j, 1]
        top, left = patch_corner(y, n), patch_corner(x, n)
        if shifting:
            _move_probe(y, x, transform, work)
        exposure = Exposure(scans.amplitude[row, j], top, left)
        misfit = pie_misfit(specimen, probe, exposure, transform, rest) * scans.photons[row, j]
        work.misfits[k] = misfit
        total += misfit
        if not update:
            continue
        if k == 0 or learning or shifting:
            object_weight(probe, lengths.alpha, work.weight)
        pie_change(probe.re.shape[0], transform, rest)
        if moving:
            position_change(specimen, probe, top, left, n, rest, work.lines, work.moves[k])
        pie_apply(specimen, probe, work.weight, top, left, lengths, n, rest)
        if learning and shifting:
            # The spectrum of the updated probe, moved back.
            _transform(probe, far.re, far.im, transform, rest)
            _turn_back(far, work.ramp)
    if learning and shifting:
        _transform(Wave(far.im, far.re), own.im, own.re, transform, rest)
    if moving:
        apply_moves(positions, work.moves, order, position_step, n, specimen.re.shape)
    return total
