"""The two-dimensional unitary Fourier transform inside compiled code.

Data are split into real and imaginary float32 planes, each flat and row-major. Rows are transformed
first, then columns, each by Stockham's self-sorting stages (Van Loan, Computational Frameworks for
the FFT, 1992, 1.7) in scratch that stays in the first-level cache. Stages are built of
`microgym.numerics.fft.butterflies`, which are four times as fast as loops that the compiler
vectorises. Results have the same bits on every processor.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from microgym.jit import inline_kernel, kernel
from microgym.numerics.fft.butterflies import (
    MOST_LANES,
    ROW_LANES,
    across2,
    across4,
    across8,
    along4,
    along8,
    column_lanes,
    last8,
    turned8,
)

SIZES = (16, 32, 64, 128, 256, 512)
"""Sizes n for which a transform of n by n exists."""

PAD = 16
"""Elements to leave between planes that are used together.

Planes a multiple of 4096 bytes apart compete for the same lines of the first-level cache, and loads
from one wait for stores to the other.
"""

# The last is always 8: the edge of the squares that are turned at the end of a row.
_RADICES = {
    16: (2, 8),
    32: (4, 8),
    64: (8, 8),
    128: (4, 4, 8),
    256: (8, 4, 8),
    512: (8, 8, 8),
}

_BLOCK = 512  # elements of a row pass that go through the stages together: their latencies overlap


class FFTPlan(NamedTuple):
    """Tables of a transform of one size, as kernels take them.

    Attributes:
        n: size of the square transform.
        radices: (stages,) int64, butterfly size of each stage.
        twiddles: float32; for every stage of radix r over lengths l, and k = 1 to r-1, the l/r
            cosines and then the l/r sines of -2 pi k p / l.
    """

    n: int
    radices: NDArray[np.int64]
    twiddles: NDArray[np.float32]

    @property
    def workspace(self) -> int:
        """Length of the float32 work array that `fft2` asks for."""
        return workspace(self.n)


def workspace(n: int) -> int:
    """Length of the float32 work array for size n: real and imaginary scratch, twice."""
    return 4 * (max(MOST_LANES * n, _BLOCK) + PAD)


def plan(n: int) -> FFTPlan:
    """Prepare transforms of n by n.

    Args:
        n: one of `SIZES`.

    Returns:
        The plan; its arrays go to `fft2`.

    Raises:
        ValueError: if no transform of that size exists.
    """
    if n not in _RADICES:
        raise ValueError(f"n={n!r}: transforms exist for n in {SIZES}")
    table: list[float] = []
    length = n
    for radix in _RADICES[n][:-1]:
        groups = length // radix
        for k in range(1, radix):
            angles = [-2.0 * math.pi * p * k / length for p in range(groups)]
            table += [math.cos(angle) for angle in angles] + [math.sin(angle) for angle in angles]
        length = groups
    return FFTPlan(n, np.array(_RADICES[n], np.int64), np.array(table, np.float32))


_ONE = np.float32(1.0)


@inline_kernel
def _stage_along(
    radix, re, im, start, out_re, out_im, out_start, length, parts, twiddles, first
):  # fmt: skip
    """One stage of a row: `parts` interleaved transforms of `length` elements each."""
    groups = length // radix
    for part in range(parts):
        for p in range(0, groups, ROW_LANES):
            at, to = start + part * length + p, out_start + part * groups + p
            if radix == 8:
                along8(
                    re, im, at, groups, out_re, out_im, to, parts * groups, twiddles, first + p,
                    groups, _ONE,
                )  # fmt: skip
            else:
                along4(
                    re, im, at, groups, out_re, out_im, to, parts * groups, twiddles, first + p,
                    groups, _ONE,
                )  # fmt: skip


@kernel
def _transform_rows(re, im, out_re, out_im, fft, work):
    """Transform every row, for n of at least 64; source and target may be the same."""
    n, radices, twiddles = fft.n, fft.radices, fft.twiddles
    plane = _BLOCK + PAD
    w_re, w_im = work, work[plane:]
    for start in range(0, n * n, _BLOCK):
        length, parts, first = n, 1, 0
        source, target = 2 * plane, 0
        for stage in range(radices.size - 1):
            radix = radices[stage]
            for row in range(0, _BLOCK, n):
                if stage == 0:
                    _stage_along(
                        radix, re, im, start + row, w_re, w_im, target + row, length, parts,
                        twiddles, first,
                    )  # fmt: skip
                else:
                    _stage_along(
                        radix, w_re, w_im, source + row, w_re, w_im, target + row, length, parts,
                        twiddles, first,
                    )  # fmt: skip
            first += 2 * (radix - 1) * (length // radix)
            length //= radix
            parts *= radix
            source, target = target, source
        for row in range(0, _BLOCK, n):
            for part in range(0, parts, ROW_LANES):
                turned8(
                    w_re, w_im, source + row + part * 8, 8, out_re, out_im, start + row + part,
                    parts, twiddles, 0, 0, _ONE,
                )  # fmt: skip


@inline_kernel
def _stage_across(
    radix, re, im, start, pitch, out_re, out_im, out_start, lanes, length, parts, twiddles, first
):  # fmt: skip
    """One stage of a strip of columns; its rows are `pitch` elements apart, then `lanes`."""
    groups = length // radix
    step, out_step = groups * pitch, parts * groups * lanes
    for part in range(parts):
        for p in range(groups):
            at = start + (part * length + p) * pitch
            to = out_start + (part * groups + p) * lanes
            if radix == 8:
                across8(
                    re, im, at, step, out_re, out_im, to, out_step, twiddles, first + p, groups,
                    _ONE,
                )  # fmt: skip
            elif radix == 4:
                across4(
                    re, im, at, step, out_re, out_im, to, out_step, twiddles, first + p, groups,
                    _ONE,
                )  # fmt: skip
            else:
                across2(
                    re, im, at, step, out_re, out_im, to, out_step, twiddles, first + p, groups,
                    _ONE,
                )  # fmt: skip


@kernel
def _transform_columns(re, im, fft, scale, work):
    """Transform every column in place, times `scale`."""
    n, radices, twiddles = fft.n, fft.radices, fft.twiddles
    lanes = column_lanes()
    plane = lanes * n + PAD
    w_re, w_im = work, work[plane:]
    for column in range(0, n, lanes):
        length, parts, first = n, 1, 0
        source, target = 2 * plane, 0
        for stage in range(radices.size - 1):
            radix = radices[stage]
            if stage == 0:
                _stage_across(
                    radix, re, im, column, n, w_re, w_im, target, lanes, length, parts, twiddles,
                    first,
                )  # fmt: skip
            else:
                _stage_across(
                    radix, w_re, w_im, source, lanes, w_re, w_im, target, lanes, length, parts,
                    twiddles, first,
                )  # fmt: skip
            first += 2 * (radix - 1) * (length // radix)
            length //= radix
            parts *= radix
            source, target = target, source
        for part in range(parts):
            last8(
                w_re, w_im, source + part * 8 * lanes, lanes, re, im, column + part * n, parts * n,
                twiddles, 0, 0, scale,
            )  # fmt: skip


@kernel
def _transpose(plane, n):
    """Turn a small square plane in place."""
    for i in range(n):
        for j in range(i):
            plane[i * n + j], plane[j * n + i] = plane[j * n + i], plane[i * n + j]


@kernel
def fft2(re, im, out_re, out_im, fft, work):
    """Unitary two-dimensional discrete Fourier transform.

    The inverse is the same call with real and imaginary planes exchanged on both sides. Source and
    target may be the same arrays. Relative error about 2e-7 (tested).

    Args:
        re, im: (n*n,) float32, source planes, row-major.
        out_re, out_im: (n*n,) float32, written; zero frequency at element 0.
        fft: from `plan(n)`.
        work: (`workspace(n)`,) float32, overwritten.
    """
    n = fft.n
    scale = np.float32(1.0 / n)
    if n < 64:
        # Rows shorter than the square of the lanes: turn the plane instead.
        for j in range(n * n):
            out_re[j], out_im[j] = re[j], im[j]
        _transpose(out_re, n)
        _transpose(out_im, n)
        _transform_columns(out_re, out_im, fft, _ONE, work)
        _transpose(out_re, n)
        _transpose(out_im, n)
    else:
        _transform_rows(re, im, out_re, out_im, fft, work)
    _transform_columns(out_re, out_im, fft, scale, work)
