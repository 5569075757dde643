"""Steps of the lattice of `microgym.physics.ferroelectric`, on planes padded with ghost cells."""

import math

import numpy as np

from microgym.jit import inline_kernel, kernel
from microgym.numerics.array_views import view1d
from microgym.random.generator import fill_bits

_F32 = np.float32
_U32 = np.uint32
_BYTE = np.uint32(0xFF)
# Typed, not literals: Numba compiles a helper anew for every literal it is called with.
_LOW, _HIGH = np.uint32(0), np.uint32(16)
_FIRST = np.int64(0)
_BYTES_MEAN = np.float32(255.0)
_BYTES_SCALE = np.float32(1.0 / math.sqrt(2.0 * (256.0**2 - 1.0) / 12.0))


def evolve_work(height: int, width: int) -> int:
    """Length of the float32 work array of `evolve`."""
    stride = width + 2
    return 2 * (height + 2) * stride + 7 * height * stride + stride


@inline_kernel
def _bell(bits):
    """A number of mean 0 and variance 1 from 16 random bits: the sum of their two bytes.

    Its third moment is that of a normal number and its fourth 2.4 rather than 3. A step of the
    Euler scheme needs no more (weak order one: Kloeden and Platen, Numerical Solution of
    Stochastic Differential Equations, 1992, 14.1), and normal numbers would take longer than all
    the rest of the step.
    """
    total = (bits & _BYTE) + ((bits >> _U32(8)) & _BYTE)
    return (_F32(np.int32(total)) - _BYTES_MEAN) * _BYTES_SCALE


@kernel
def pad(source, stride, out):
    """Copy a plane into rows of a longer stride, from the second column on; the rest becomes 0."""
    height, width = source.shape
    for i in range(height):
        a, b = view1d(source, i * width, width), view1d(out, i * stride, stride)
        b[0], b[stride - 1] = _F32(0.0), _F32(0.0)
        for j in range(width):
            b[j + 1] = a[j]


@kernel
def unpad(source, stride, out):
    """Copy a padded plane, the inverse of `pad`."""
    height, width = out.shape
    for i in range(height):
        a, b = view1d(source, i * stride + 1, width), view1d(out, i * width, width)
        for j in range(width):
            b[j] = a[j]


@kernel
def surround(now, then, height, stride):
    """Prepare a padded plane with ghost rows, and its copy, for `relax`."""
    _mirror(now, height, stride)
    for k in range(now.size):
        then[k] = now[k]


@inline_kernel
def has_still_rim(rate, height, stride):
    """Whether no site at the border of a padded plane of mobilities moves."""
    moved = _F32(0.0)
    last = (height - 1) * stride
    for j in range(1, stride - 1):
        moved += rate[j] + rate[last + j]
    for i in range(height):
        moved += rate[i * stride + 1] + rate[(i + 1) * stride - 2]
    return moved == _F32(0.0)


@kernel
def _mirror(p, height, stride):
    """Give the ghost cells around a padded plane the values of their neighbours."""
    for i in range(1, height + 1):
        p[i * stride] = p[i * stride + 1]
        p[(i + 1) * stride - 1] = p[(i + 1) * stride - 2]
    top, first = view1d(p, 0, stride), view1d(p, stride, stride)
    bottom = view1d(p, (height + 1) * stride, stride)
    last = view1d(p, height * stride, stride)
    for j in range(stride):
        top[j], bottom[j] = first[j], last[j]


@kernel
def _mean(p, height, stride, columns):
    """Mean over a padded plane, ghosts left out: columns first, as that needs no long chain."""
    for j in range(stride):
        columns[j] = _F32(0.0)
    for i in range(1, height + 1):
        row = view1d(p, i * stride, stride)
        for j in range(stride):
            columns[j] += row[j]
    total = _F32(0.0)
    for j in range(1, stride - 1):
        total += columns[j]
    return total / _F32(height * (stride - 2))


@kernel
def _pace(rate, factor, longest, noise, dt, root):
    """Write the length of a step of each site, and what its noise is multiplied with."""
    for k in range(rate.size):
        step = factor * rate[k]
        dt[k] = step if step < longest else longest
    if noise > _F32(0.0):
        # Thermal noise of variance 2 theta dt, as detailed balance asks for.
        for k in range(rate.size):
            root[k] = noise * np.sqrt(dt[k])


@kernel
def _oppose(drive, offset, push):
    """Write the field less a uniform one that opposes it."""
    for k in range(drive.size):
        push[k] = drive[k] - offset


@kernel
def _step(p, beta, dt, drive, kappa, out, count, stride):
    """One Euler step of all padded rows; ghost cells are corrected afterwards."""
    up, mid, down = view1d(p, 0, count), view1d(p, stride, count), view1d(p, 2 * stride, count)
    left, right = view1d(p, stride - 1, count), view1d(p, stride + 1, count)
    new = view1d(out, stride, count)
    four = _F32(4.0)
    for k in range(count):
        # dP/dt = P - beta P^3 + kappa (sum of neighbours - 4 P) + E.
        x = mid[k]
        bend = (up[k] + down[k]) + (left[k] + right[k]) - four * x
        force = (x - beta[k] * x * x * x) + kappa * bend
        force += drive[k]
        new[k] = x + dt[k] * force


@kernel
def _noisy_step(p, beta, dt, root, drive, bits, shift, kappa, start, out, count, stride):
    """The same with noise, for `count` sites from `start` on."""
    up, mid = view1d(p, start, count), view1d(p, start + stride, count)
    down = view1d(p, start + 2 * stride, count)
    left, right = view1d(p, start + stride - 1, count), view1d(p, start + stride + 1, count)
    well, pace = view1d(beta, start, count), view1d(dt, start, count)
    size, push = view1d(root, start, count), view1d(drive, start, count)
    new = view1d(out, start + stride, count)
    four = _F32(4.0)
    for k in range(count):
        x = mid[k]
        bend = (up[k] + down[k]) + (left[k] + right[k]) - four * x
        force = (x - well[k] * x * x * x) + kappa * bend
        force += push[k]
        new[k] = (x + pace[k] * force) + size[k] * _bell(bits[k] >> shift)


@kernel
def evolve(s0, s1, tick, steps, factor, growth, constants, beta, mobility, field, p, work):
    """Let one lattice go through some steps of time.

    Step k of a site lasts min(mobility factor growth^k, 1) dt. Where it is cut to dt, the site has
    come to rest long before.

    Args:
        s0, s1: words of the stream of thermal noise; step k draws at tick + k, one number a site.
        tick: number of steps before these.
        steps: number of steps.
        factor, growth: as above; 1 and 1 for steps of dt.
        constants: `LatticeParameters.constants`.
        beta: (H, W) float32, quartic coefficients.
        mobility: (H, W) float32, at least 0; 0 where a site is dead.
        field: (H, W) float32, field on each site.
        p: (H, W) float32, polarisation, updated.
        work: (`evolve_work(H, W)`,) float32.
    """
    height, width = p.shape
    stride = width + 2
    count, size = height * stride, (height + 2) * stride
    # Built by hand rather than by slices, which would be counted.
    now, then = view1d(work, 0, size), view1d(work, size, size)
    well, rate = view1d(work, 2 * size, count), view1d(work, 2 * size + count, count)
    drive = view1d(work, 2 * size + 2 * count, count)
    pad(p, stride, view1d(work, stride, count))
    pad(beta, stride, well)
    pad(mobility, stride, rate)
    pad(field, stride, drive)
    surround(now, then, height, stride)
    rest = view1d(work, 2 * size + 3 * count, 4 * count + stride)
    still = has_still_rim(rate, height, stride)
    relax(
        s0, s1, tick, steps, factor, growth, constants, well, rate, drive, still, now, then, height,
        stride, rest,
    )  # fmt: skip
    unpad(view1d(work, stride + (steps % 2) * size, count), stride, p)


@kernel
def relax(
    s0, s1, tick, steps, factor, growth, constants, well, rate, drive, still, now, then, height,
    stride, work,
):  # fmt: skip
    """The same for padded planes, of `height` rows of `stride`.

    Args:
        well, rate, drive: padded coefficients, mobilities and fields.
        still: whether the sites at the border do not move, so that ghost cells stay as they are.
        now: padded polarisation with a ghost row above and below; see `surround`.
        then: the other of two copies, which holds the result after an odd number of steps.
        work: float32, of four padded planes and a row.
    """
    kappa, depolarisation, longest, noise = constants
    count = height * stride
    half = (count + 1) // 2
    dt, root = view1d(work, 0, count), view1d(work, count, count)
    push = view1d(work, 2 * count, count)
    draws, columns = view1d(work, 3 * count, half), view1d(work, 4 * count, stride)
    bits = draws.view(np.uint32)
    scale = np.float64(longest) * factor
    for step in range(steps):
        if step == 0 or growth != 1.0:
            _pace(rate, _F32(scale), longest, noise, dt, root)
        scale *= growth
        if depolarisation > _F32(0.0):
            _oppose(drive, depolarisation * _mean(now, height, stride, columns), push)
        acting = push if depolarisation > _F32(0.0) else drive
        if noise > _F32(0.0):
            # Each word serves a site of the upper half and one of the lower.
            fill_bits(s0, s1, tick + step, bits)
            for shift, start, sites in ((_LOW, _FIRST, half), (_HIGH, half, count - half)):
                _noisy_step(
                    now, well, dt, root, acting, bits, shift, kappa, start, then, sites, stride
                )
        else:
            _step(now, well, dt, acting, kappa, then, count, stride)
        if not still:
            _mirror(then, height, stride)
        now, then = then, now
