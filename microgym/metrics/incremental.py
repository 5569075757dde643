"""Compiled sums of the structure's signal-to-noise ratio, `microgym.metrics.structure_snr_db`.

Planes are float32, sums float64, each gathered in one accumulator a column: that vectorises without
reordering a sum, and has the same bits everywhere.
"""

import numpy as np

from microgym.jit import inline_kernel, kernel
from microgym.numerics.array_views import BLOCK, any_nonzero, view1d
from microgym.numerics.libm import log64
from microgym.state import Float32

_CEILING = 1e-12  # CEILING_DB of microgym.metrics.complex_images as a ratio of powers
_DB_PER_NAT = 4.342944819032518  # 10 / ln(10)


@inline_kernel
def _add_agreement(planes, at, columns, column, count):
    """Add `count` pixels, from flat element `at` on, to the columns from `column` on."""
    mask = view1d(planes[4], at, count)
    if not any_nonzero(mask):
        return
    r_re, r_im = view1d(planes[0], at, count), view1d(planes[1], at, count)
    o_re, o_im = view1d(planes[2], at, count), view1d(planes[3], at, count)
    stride = columns.shape[1]
    a_re, a_im = view1d(columns, column, count), view1d(columns, stride + column, count)
    b = view1d(columns, 2 * stride + column, count)
    # Three loops: one with three sums has more arrays than the vectoriser tells apart.
    for j in range(count):
        weight = np.float64(mask[j])
        re, im = weight * np.float64(r_re[j]), weight * np.float64(r_im[j])
        a_re[j] += re * np.float64(o_re[j]) + im * np.float64(o_im[j])
    for j in range(count):
        weight = np.float64(mask[j])
        re, im = weight * np.float64(r_re[j]), weight * np.float64(r_im[j])
        a_im[j] += re * np.float64(o_im[j]) - im * np.float64(o_re[j])
    for j in range(count):
        weight = np.float64(mask[j])
        re, im = weight * np.float64(r_re[j]), weight * np.float64(r_im[j])
        b[j] += re * np.float64(r_re[j]) + im * np.float64(r_im[j])


@kernel
def masked_sums(est_re, est_im, true_re, true_im, mask, columns):
    """A = sum conj(R) O and B = sum |R|^2 over the mask.

    Args:
        est_re: (H, W) float32, estimate R, real part.
        est_im: its imaginary part.
        true_re: (H, W) float32, truth O, real part.
        true_im: its imaginary part.
        mask: (H, W) bool or uint8, 0 and 1.
        columns: (3, W or more) float64, overwritten.

    Returns:
        Re A, Im A, B.
    """
    height, width = mask.shape
    for sums in range(3):
        for j in range(width):
            columns[sums, j] = 0.0
    planes = est_re, est_im, true_re, true_im, mask
    whole = width - width % BLOCK
    for i in range(height):
        at = i * width
        for start in range(0, whole, BLOCK):
            _add_agreement(planes, at + start, columns, start, BLOCK)
        _add_agreement(planes, at + whole, columns, whole, width - whole)
    total_re, total_im, power = 0.0, 0.0, 0.0
    for j in range(width):
        total_re += columns[0, j]
        total_im += columns[1, j]
        power += columns[2, j]
    return total_re, total_im, power


@kernel
def truth_sums(true_re, true_im, mask, columns):
    """Sums over the truth, for `snr_db`.

    Args:
        true_re: (H, W) float32, truth O, real part.
        true_im: its imaginary part.
        mask: (H, W) bool or uint8, 0 and 1.
        columns: (4, W or more) float64, overwritten.

    Returns:
        C = sum |O|^2 and C0 = C - |sum O|^2 / n over the mask; zeros where the mask is empty.
    """
    height, width = true_re.shape
    stride = columns.shape[1]
    count, sum_re = view1d(columns, 0, width), view1d(columns, stride, width)
    sum_im, power = view1d(columns, 2 * stride, width), view1d(columns, 3 * stride, width)
    for j in range(width):
        count[j] = sum_re[j] = sum_im[j] = power[j] = 0.0
    for i in range(height):
        for start in range(0, width, BLOCK):
            at, some = i * width + start, min(BLOCK, width - start)
            chosen = view1d(mask, at, some)
            if not any_nonzero(chosen):
                continue
            o_re, o_im = view1d(true_re, at, some), view1d(true_im, at, some)
            for j in range(some):
                weight = np.float64(chosen[j])
                re, im = np.float64(o_re[j]), np.float64(o_im[j])
                count[start + j] += weight
                sum_re[start + j] += weight * re
                sum_im[start + j] += weight * im
                power[start + j] += weight * (re * re + im * im)
    n, s_re, s_im, c = 0.0, 0.0, 0.0, 0.0
    for j in range(width):
        n += count[j]
        s_re += sum_re[j]
        s_im += sum_im[j]
        c += power[j]
    return c, c - (s_re * s_re + s_im * s_im) / max(n, 1.0)


@kernel
def snr_db(a_re, a_im, b, c, c0):
    """`structure_snr_db` from its sums.

    Args:
        a_re: real part of A, over estimate and truth (`masked_sums`).
        a_im: its imaginary part.
        b: sum over the estimate, from the same.
        c: sum over the truth (`truth_sums`).
        c0: squared error of an empty estimate, from the same.

    Returns:
        10 log10(c0 / (c - |a|^2 / b)), at most 120 dB; 0 where the truth has no structure.
    """
    if c0 <= 1e-13 * c:  # rounding of a constant truth
        return 0.0
    fit = (a_re * a_re + a_im * a_im) / b if b > 0.0 else 0.0
    return _DB_PER_NAT * log64(c0 / max(c - fit, _CEILING * c0))


@inline_kernel
def _add_blocks(source, block, means):
    """Add to each mean the sum of its `block` elements of a line."""
    # Only loads at a stride known to the compiler become vector loads.
    if block == 1:
        for cell in range(means.size):
            means[cell] += source[cell]
    elif block == 2:
        for cell in range(means.size):
            means[cell] += source[2 * cell] + source[2 * cell + 1]
    elif block == 4:
        for cell in range(means.size):
            low = source[4 * cell] + source[4 * cell + 1]
            means[cell] += low + (source[4 * cell + 2] + source[4 * cell + 3])
    else:
        for cell in range(means.size):
            part = source[cell * block : cell * block + block]
            total = np.float32(0.0)
            for j in range(block):
                total += part[j]
            means[cell] += total


@kernel
def pooled(plane, y0, x0, block, out):
    """Means over square blocks: a region of a plane at lower resolution.

    Args:
        plane: (H, W) float32.
        y0: first row of the region, px; the region must lie inside the plane.
        x0: its first column, px.
        block: edge of a block, px.
        out: (h, w) float32, C-contiguous, written: a mean for each block of the region.
    """
    stride, width = plane.shape[1], out.shape[1]
    scale = np.float32(1.0) / np.float32(block * block)
    for row in range(out.shape[0]):
        means = view1d(out, row * width, width)
        for cell in range(width):
            means[cell] = np.float32(0.0)
        for i in range(block):
            at = (y0 + row * block + i) * stride + x0
            _add_blocks(view1d(plane, at, width * block), block, means)
        for cell in range(width):
            means[cell] *= scale


def block_means(planes: Float32, cells: int) -> Float32:
    """Means of square planes (..., size, size) over their blocks, (..., cells, cells)."""
    means = np.empty((*planes.shape[:-2], cells, cells), np.float32)
    flat = np.ascontiguousarray(planes).reshape(-1, *planes.shape[-2:])
    _fill_block_means(flat, means.reshape(-1, cells, cells))
    return means


@inline_kernel
def _sum_blocks(line, block, first, out):
    """Write the sums of the blocks of a line, or add them, one element after the other."""
    # Only loads at a stride known to the compiler become vector loads.
    if block == 2:
        for cell in range(out.size):
            total = line[2 * cell] + line[2 * cell + 1]
            out[cell] = total if first else out[cell] + total
    else:
        for cell in range(out.size):
            total = line[cell * block]
            for j in range(1, block):
                total += line[cell * block + j]
            out[cell] = total if first else out[cell] + total


@kernel
def _fill_block_means(planes, means):
    """Means of planes (M, size, size) over blocks, into (M, cells, cells)."""
    cells = means.shape[1]
    block = planes.shape[1] // cells
    scale = np.float32(1.0 / (block * block))
    for m in range(planes.shape[0]):
        for row in range(cells):
            out = means[m, row]
            for i in range(block):
                _sum_blocks(planes[m, row * block + i], block, i == 0, out)
            for cell in range(cells):
                out[cell] *= scale
