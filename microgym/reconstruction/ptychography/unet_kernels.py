"""The network that restores an image while its scan is still running, as compiled code.

A U-shaped network on cells of 4x4 pixels: pixels of a cell become channels at the start, channels
become pixels at the end. `microgym.baselines.observation_models.ptycho.model` is the same in
PyTorch, for training; a test holds the two together.
"""

import numpy as np

from microgym.jit import kernel
from microgym.numerics.array_views import view1d
from microgym.numerics.libm import decay32, log32_normal
from microgym.reconstruction.nn.convolution import put_four
from microgym.reconstruction.nn.layers import add, add_rectified, rectify, run, run2, run3

CELL = 4
"""Pixels along an edge of a cell."""
WIDTHS = (24, 32, 48)
"""Feature maps at 1, 1/2 and 1/4 of the resolution of the cells."""
CONTRAST_GAIN = 5.0
"""What brings the contrast of weak specimens to order one (design choice)."""
DETAIL_GAIN = 0.3
"""What brings the network's last layer to the size of contrasts (design choice)."""
LEAST_FLUENCE = 1e-3
"""Photons per pixel below which all is dark to the network (design choice)."""

_ZERO = np.float32(0.0)
_ONE = np.float32(1.0)
_FAR = np.float32(80.0)  # where a gate is as open, or as shut, as it gets
_PIXELS = CELL * CELL


@kernel
def _enter(re, im, fluence, top, edge, cells, light):
    """Pixels of the region to channels of cells: contrast, real and imaginary, and light."""
    pitch = edge + 2
    width = re.shape[1]
    scale = np.float32(0.5 / np.log(10.0))
    for y in range(edge * CELL):
        start = (top + y) * width + top
        row = (y // CELL + 1) * pitch + 1
        real, imaginary = view1d(re, start, edge * CELL), view1d(im, start, edge * CELL)
        flux = view1d(fluence, start, edge * CELL)
        for j in range(edge * CELL):
            light[j] = scale * log32_normal(np.float32(LEAST_FLUENCE) + flux[j]) + np.float32(0.5)
        for x in range(edge):
            place = (row + x) * 3 * _PIXELS + (y % CELL) * CELL
            put_four(real, x * CELL, -_ONE, cells, place)
            put_four(imaginary, x * CELL, _ZERO, cells, place + _PIXELS)
            put_four(light, x * CELL, _ZERO, cells, place + 2 * _PIXELS)


@kernel
def _leave(cells, head, edge, top, trust, re, im, sigma):
    """Channels of cells back to pixels: the gated estimate plus detail, and its uncertainty."""
    pitch = edge + 2
    width = re.shape[1]
    gain = np.float32(DETAIL_GAIN)
    for y in range(edge):
        for x in range(edge):
            place = (y + 1) * pitch + x + 1
            seen = view1d(cells, place * 3 * _PIXELS, 3 * _PIXELS)
            said = view1d(head, place * 4 * _PIXELS, 4 * _PIXELS)
            for j in range(_PIXELS):
                gate = _ONE / (_ONE + decay32(min(max(said[j], -_FAR), _FAR))[0])
                said[_PIXELS + j] = gate * seen[j] + gain * said[_PIXELS + j]
                said[2 * _PIXELS + j] = gate * seen[_PIXELS + j] + gain * said[2 * _PIXELS + j]
                doubt = min(max(said[3 * _PIXELS + j], np.float32(-7.0)), np.float32(1.0))
                said[3 * _PIXELS + j] = trust * decay32(-doubt)[0]
            for i in range(CELL):
                start = (top + y * CELL + i) * width + top + x * CELL
                put_four(said, _PIXELS + i * CELL, _ONE, view1d(re, start, CELL), 0)
                put_four(said, 2 * _PIXELS + i * CELL, _ZERO, view1d(im, start, CELL), 0)
                put_four(said, 3 * _PIXELS + i * CELL, _ZERO, view1d(sigma, start, CELL), 0)


@kernel
def restore_rows(rows, estimate, fluence, top, edge, weights, layers, trust, work, shown):
    """Run the network on the listed rows.

    Args:
        rows: (k,) int64.
        estimate: (N, H, W) real and imaginary part.
        fluence: (N, H, W) photons per pixel.
        top: first row and column of the region, px.
        edge: cells along the edge of the region, a multiple of 16.
        weights, layers: from `microgym.reconstruction.ptychography.neural.Weights`.
        trust: factor that calibrates the uncertainty.
        work: (`work_size(edge)`,) float32.
        shown: (N, H, W) real part, imaginary part and uncertainty, written in the region.
    """
    fine, middle, coarse = WIDTHS
    e0, e1, e2 = edge, edge // 2, edge // 4
    p0, p1, p2 = e0 + 2, e1 + 2, e2 + 2
    at = 0
    cells = work[at : at + p0 * p0 * 3 * _PIXELS]
    at += cells.size
    head = work[at : at + p0 * p0 * 4 * _PIXELS]
    at += head.size
    # The last layer's results are large enough to lend their place to the layers before it.
    lent = head
    # The borders of these stand for what lies outside the region, and must be zero.
    work[at:] = _ZERO
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
    for k in range(rows.size):
        b = rows[k]
        _enter(estimate[0][b], estimate[1][b], fluence[b], top, edge, cells, head)
        run(np.int64(0), layers, weights, cells, p0 + 1, p0, h0, p0, e0)
        rectify(h0)
        run2(np.int64(1), layers, weights, h0, p0, h1, p1, e1, lent)
        rectify(h1)
        run3(np.int64(2), layers, weights, h1, p1, t1, e1, lent)
        add_rectified(h1, t1)
        run2(np.int64(3), layers, weights, h1, p1, h2, p2, e2, lent)
        rectify(h2)
        for layer in range(4, 6):
            run3(layer, layers, weights, h2, p2, t2, e2, lent)
            add_rectified(h2, t2)
        for corner in range(4):
            run(6 + corner, layers, weights, h2, p2 + 1, p2, t1, p1, e2)
        add(h1, t1)
        for corner in range(4):
            run(10 + corner, layers, weights, h1, p1 + 1, p1, t0, p0, e1)
        add(h0, t0)
        run3(np.int64(14), layers, weights, h0, p0, t0, e0, lent)
        add_rectified(h0, t0)
        run(np.int64(15), layers, weights, h0, p0 + 1, p0, head, p0, e0)
        _leave(cells, head, edge, top, trust, shown[0][b], shown[1][b], shown[2][b])


def work_size(edge: int) -> int:
    """Length of the float32 work array for a region of `edge` cells."""
    fine, middle, coarse = WIDTHS
    levels = ((edge, 7 * _PIXELS + 2 * fine), (edge // 2, 2 * middle), (edge // 4, 2 * coarse))
    return sum((cells + 2) ** 2 * channels for cells, channels in levels)
