"""The network that finds adatoms in constant-current images, as compiled code.

A U-shaped network on cells of 2x2 pixels, whose last layer says of every pixel how probable it is
that the centre of an adatom lies in it, where then, and how well that is known. The form of the
answer is that of DECODE (Speiser et al., Nat. Methods 18, 1082, 2021).
`microgym.baselines.observation_models.stm.model` is the same in PyTorch, for training; a test holds
the two together.
"""

import numpy as np

from microgym.jit import kernel
from microgym.numerics.array_views import view1d
from microgym.numerics.libm import exp32
from microgym.reconstruction.adatoms.peak_detection import (
    BACKGROUND,
    level_line,
    logistic,
    tell_peaks,
)
from microgym.reconstruction.nn.convolution import LANES
from microgym.reconstruction.nn.layers import add, add_rectified, rectify, run, run2, run3
from microgym.reconstruction.nn.winograd import work_size as lent_size

CELL = 2
"""Pixels along an edge of a cell."""
WIDTHS = (16, 24, 32)
"""Feature maps at 1, 1/2 and 1/4 of the resolution of the cells."""
INPUTS = LANES
"""Channels of a cell as kernels read them: those of its pixels, and zeros."""
SPREAD = (-5.0, 1.0)
"""Range of the logarithm of the uncertainty, px (design choice)."""

_ZERO = np.float32(0.0)
_PIXELS = CELL * CELL


@kernel
def _enter(image, b, edge, levelled, cells):
    """Levelled pixels of an image to channels of cells."""
    pitch = edge + 2
    width = edge * CELL
    for y in range(width):
        level_line(view1d(image, (b * width + y) * width, width), BACKGROUND, levelled)
        row = (y // CELL + 1) * pitch + 1
        for x in range(width):
            at = (row + x // CELL) * INPUTS + (y % CELL) * CELL + x % CELL
            cells[at] = levelled[x]


@kernel
def _leave(head, edge, maps):
    """Channels of cells back to maps of pixels: probability, place, uncertainty."""
    pitch, wide = edge + 2, CELL * edge + 2
    size = wide * wide
    low, high = np.float32(SPREAD[0]), np.float32(SPREAD[1])
    for y in range(edge):
        for x in range(edge):
            said = view1d(head, ((y + 1) * pitch + x + 1) * 4 * _PIXELS, 4 * _PIXELS)
            for j in range(_PIXELS):
                said[j] = logistic(said[j])
                said[3 * _PIXELS + j] = exp32(min(max(said[3 * _PIXELS + j], low), high))
            for i in range(CELL):
                start = (CELL * y + i + 1) * wide + CELL * x + 1
                for j in range(CELL):
                    for m in range(4):
                        maps[m * size + start + j] = said[m * _PIXELS + i * CELL + j]


@kernel
def detect_rows(rows, image, edge, weights, layers, told, scale, work, found, counts):
    """Run the network on the images of the listed rows.

    Args:
        rows: (k,) int64.
        image: (N, 2 edge, 2 edge) float32, heights, nm.
        edge: cells along the edge of an image, a multiple of 16.
        weights, layers: from `microgym.reconstruction.adatoms.observation_model.Weights`.
        told: least probability that is told; factor of the uncertainty; slope and place of the
            calibration of the probability, see `tell_peaks`; float32.
        scale: edge of a pixel, nm.
        work: (`work_size(edge)`,) float32.
        found: (N, MOST, 4) float64, written: x, y from the middle of the image, nm, probability,
            uncertainty along one axis, nm.
        counts: (N,) int64, written: how many.
    """
    fine, middle, coarse = WIDTHS
    e0, e1, e2 = edge, edge // 2, edge // 4
    p0, p1, p2 = e0 + 2, e1 + 2, e2 + 2
    wide = CELL * edge + 2
    # The borders stand for what lies outside the image, and must be zero.
    work[:] = _ZERO
    maps = work[: 4 * wide * wide]
    at = maps.size
    levelled = work[at : at + CELL * edge]
    at += levelled.size
    cells = work[at : at + p0 * p0 * INPUTS]
    at += cells.size
    head = work[at : at + p0 * p0 * 4 * _PIXELS]
    at += head.size
    h0, t0 = work[at : at + p0 * p0 * fine], work[at + p0 * p0 * fine : at + 2 * p0 * p0 * fine]
    at += 2 * h0.size
    h1, t1 = (
        work[at : at + p1 * p1 * middle],
        work[at + p1 * p1 * middle : at + 2 * p1 * p1 * middle],
    )
    at += 2 * h1.size
    h2, t2 = (
        work[at : at + p2 * p2 * coarse],
        work[at + p2 * p2 * coarse : at + 2 * p2 * p2 * coarse],
    )
    lent = work[at + 2 * h2.size :]
    for k in range(rows.size):
        b = rows[k]
        _enter(image, b, edge, levelled, cells)
        run(np.int64(0), layers, weights, cells, p0 + 1, p0, h0, p0, e0)
        rectify(h0)
        run3(np.int64(1), layers, weights, h0, p0, t0, e0, lent)
        add_rectified(h0, t0)
        run2(np.int64(2), layers, weights, h0, p0, h1, p1, e1, lent)
        rectify(h1)
        run3(np.int64(3), layers, weights, h1, p1, t1, e1, lent)
        add_rectified(h1, t1)
        run2(np.int64(4), layers, weights, h1, p1, h2, p2, e2, lent)
        rectify(h2)
        for layer in range(5, 7):
            run3(layer, layers, weights, h2, p2, t2, e2, lent)
            add_rectified(h2, t2)
        for corner in range(4):
            run(7 + corner, layers, weights, h2, p2 + 1, p2, t1, p1, e2)
        add(h1, t1)
        for corner in range(4):
            run(11 + corner, layers, weights, h1, p1 + 1, p1, t0, p0, e1)
        add(h0, t0)
        run3(np.int64(15), layers, weights, h0, p0, t0, e0, lent)
        add_rectified(h0, t0)
        run(np.int64(16), layers, weights, h0, p0 + 1, p0, head, p0, e0)
        _leave(head, edge, maps)
        counts[b] = tell_peaks(
            maps, CELL * edge, told[0], told[1], told[2], told[3], scale, found[b]
        )


def work_size(edge: int) -> int:
    """Length of the float32 work array for images of `edge` cells."""
    fine, middle, coarse = WIDTHS
    wide = CELL * edge + 2
    levels = (
        (edge, INPUTS + 4 * _PIXELS + 2 * fine),
        (edge // 2, 2 * middle),
        (edge // 4, 2 * coarse),
    )
    lent = max(
        edge * edge * fine,
        *(lent_size(width, width, edge >> level) for level, width in enumerate(WIDTHS)),
    )
    images = sum((cells + 2) ** 2 * depth for cells, depth in levels)
    return 4 * wide * wide + CELL * edge + images + lent
