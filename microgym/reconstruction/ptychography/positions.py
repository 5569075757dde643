"""Positions of patches, and their refinement from the measurements.

A position (y, x) in object pixels is the centre of the probe. It splits into a whole part, which
chooses the patch, and a rest of at most half a pixel, by which the probe is moved within the patch.
Refinement follows the gradient of the misfit: with psi(d) = P(r - d) O, a displacement d explains
the correction D of the exit wave as far as D = -(d_y dP/dy + d_x dP/dx) O, in least squares (as in
Odstrcil, Menzel and Guizar-Sicairos, Opt. Express 26, 3108, 2018).
"""

import numpy as np

from microgym.jit import inline_kernel, kernel
from microgym.numerics.fft import PAD

_LONGEST = 0.5
"""Longest displacement of one refinement step, px (design choice: where linearisation holds)."""


@inline_kernel
def whole_part(position):
    """Nearest pixel; halves go up."""
    return int(np.floor(position + 0.5))


@inline_kernel
def patch_corner(position, n):
    """First row (or column) of the patch of edge n centred on a position."""
    return int(np.floor(position + 0.5)) - n // 2


@kernel
def position_change(specimen, probe, top, left, n, change, sums, out):
    """Displacement of the probe that best explains the correction of the exit waves.

    The derivative of the probe is the central difference of its neighbours.

    Args:
        specimen: `Wave`, (H, W) transmission function.
        probe: `Wave`, (modes, n*n) illumination where it was assumed.
        top, left: corner of the patch, px.
        n: edge of the patch, px.
        change: (2*modes*n*n + PAD,) or longer, corrections as `pie_change` leaves them.
        sums: (5*n,) float32, overwritten.
        out: (2,) displacement (y, x) in px, at most half a pixel each way, written.
    """
    probe_re, probe_im = probe
    modes, size = probe_re.shape
    sums[:] = np.float32(0.0)
    yy, xx, yx = sums[:n], sums[n : 2 * n], sums[2 * n : 3 * n]
    dy, dx = sums[3 * n : 4 * n], sums[4 * n : 5 * n]
    half = np.float32(0.5)
    width = n - 2
    for mode in range(modes):
        for i in range(1, n - 1):
            at = mode * size + i * n + 1
            d_re = change[at : at + width]
            d_im = change[modes * size + PAD + at : modes * size + PAD + at + width]
            row = i * n + 1
            up_re, down_re = probe_re[mode, row - n :], probe_re[mode, row + n :]
            up_im, down_im = probe_im[mode, row - n :], probe_im[mode, row + n :]
            before_re, after_re = probe_re[mode, row - 1 :], probe_re[mode, row + 1 :]
            before_im, after_im = probe_im[mode, row - 1 :], probe_im[mode, row + 1 :]
            o_re = specimen.re[top + i, left + 1 : left + n]
            o_im = specimen.im[top + i, left + 1 : left + n]
            for j in range(width):
                # (dP/dy) O and (dP/dx) O by central differences, and the sums of least squares.
                slope_re = half * (up_re[j] - down_re[j])
                slope_im = half * (up_im[j] - down_im[j])
                y_re = slope_re * o_re[j] - slope_im * o_im[j]
                y_im = slope_re * o_im[j] + slope_im * o_re[j]
                slope_re = half * (before_re[j] - after_re[j])
                slope_im = half * (before_im[j] - after_im[j])
                x_re = slope_re * o_re[j] - slope_im * o_im[j]
                x_im = slope_re * o_im[j] + slope_im * o_re[j]
                yy[j] += y_re * y_re + y_im * y_im
                xx[j] += x_re * x_re + x_im * x_im
                yx[j] += y_re * x_re + y_im * x_im
                dy[j] += y_re * d_re[j] + y_im * d_im[j]
                dx[j] += x_re * d_re[j] + x_im * d_im[j]
    a, b, c, e, f = 0.0, 0.0, 0.0, 0.0, 0.0
    for j in range(width):
        a += yy[j]
        b += xx[j]
        c += yx[j]
        e += dy[j]
        f += dx[j]
    # The moduli show only half of the wave's change on average, hence the factor of two.
    scale = 2.0 / (a * b - c * c + 1e-12 * (a + b) * (a + b) + 1e-300)
    out[0] = min(max(scale * (b * e - c * f), -_LONGEST), _LONGEST)
    out[1] = min(max(scale * (a * f - c * e), -_LONGEST), _LONGEST)


@kernel
def apply_moves(positions, moves, order, step, n, shape):
    """Move positions, less the common displacement: it is the same as a moved specimen.

    Args:
        positions: (K, 2) centres of the probe, px, updated; kept where the patch is in the field.
        moves: (k, 2) displacements of the listed positions, px.
        order: (k,) which positions.
        step: part of the displacement to apply.
        n: edge of the patch, px.
        shape: (H, W) of the specimen.
    """
    half = n // 2
    for axis in range(2):
        mean = 0.0
        for k in range(order.size):
            mean += moves[k, axis] / order.size
        for k in range(order.size):
            moved = positions[order[k], axis] + step * (moves[k, axis] - mean)
            positions[order[k], axis] = min(max(moved, half), shape[axis] - n + half)
