"""Kernels that run the layers of a `Network`'s table on images and on lines.

Images are flat float32 arrays with the channels innermost, (H + 2, W + 2, C), and a border of zeros
that stands for what lies outside; lines are (W, C) with as many zeros at both ends as the widest
dilation reaches.
"""

from typing import NamedTuple

import numpy as np

from microgym.jit import kernel
from microgym.numerics.array_views import view1d
from microgym.reconstruction.nn.convolution import convolve1, convolve3, convolve_strip, fold
from microgym.state import Float32, Int64

KINDS = ("stem", "down", "residual", "up", "head")
"""Kinds of layers, see `microgym.reconstruction.nn.network.Layer`; tables hold their indices."""
TAPS = {"stem": 1, "down": 2, "residual": 3, "up": 1, "head": 1}
"""Pixels of a layer's kernels along each axis."""

_STEM, _DOWN, _RESIDUAL, _UP = (KINDS.index(one) for one in ("stem", "down", "residual", "up"))
_ZERO, _HALF = np.float32(0.0), np.float32(0.5)
# Of type int64, not literals: Numba compiles a helper anew for every literal it is called with.
_NONE, _SINGLE, _DOUBLE, _THREE = np.int64(0), np.int64(1), np.int64(2), np.int64(3)


class ImageNetwork(NamedTuple):
    """A packed network, and the places of its images in a work array, in elements.

    Attributes:
        table, values: of `microgym.reconstruction.nn.network.Weights`.
        levels: (L, 4) int64, of each resolution: edge, px; pixels of a row with its border; first
            element of the features; first element of the results of a convolution.
        inputs, head: first elements of the network's input and output.
        lent: first element of the work memory of convolutions.
        zeroed: first element of those that must be zero before a run, borders above all; they end
            with the levels.
        size: length of the work array.
    """

    table: Int64
    values: Float32
    levels: Int64
    inputs: int
    head: int
    lent: int
    zeroed: int
    size: int


class LineNetwork(NamedTuple):
    """A packed network, and the places of its lines in a work array, in elements.

    Attributes:
        table, values: of `Weights`; the layers are a stem, residual layers and heads.
        cells: width of a line, cells.
        taps: first element of the input of a convolution, at first that of the network.
        head, spare: first elements of the network's output, and of a convolution's results.
        features: first element of the features, ends included.
        reach: cells of zeros at each end of the features.
        size: length of the work array.
    """

    table: Int64
    values: Float32
    cells: int
    taps: int
    head: int
    spare: int
    features: int
    reach: int
    size: int


@kernel
def clear_borders(net, work):
    """Set to zero what must be zero before `run_on_image` runs; it leaves it so.

    Args:
        net: `ImageNetwork`.
        work: (`net.size`,) or longer, float32.
    """
    last = net.levels.shape[0] - 1
    # The results of the last level lie behind its features, and take as much room.
    end = 2 * net.levels[last, 3] - net.levels[last, 2]
    work[net.zeroed : end] = _ZERO


@kernel
def run_on_image(net, work):
    """Run all layers on the image that is in the place of the inputs, to that of the output.

    Args:
        net: `ImageNetwork`.
        work: (`net.size`,) or longer, float32, after `clear_borders`.
    """
    table, values, levels = net.table, net.values, net.levels
    level = 0
    lent = view1d(work, net.lent, work.size - net.lent)
    for layer in range(table.shape[0]):
        kind, inputs, outputs, start = (
            table[layer, 0], table[layer, 1], table[layer, 2], table[layer, 3],
        )  # fmt: skip
        edge, pitch = levels[level, 0], levels[level, 1]
        pixels, corner = pitch * pitch, pitch + 1
        x = view1d(work, levels[level, 2], pixels * inputs)
        if kind == _STEM:
            # x = max(0, w * input + b)
            x = view1d(work, levels[level, 2], pixels * outputs)
            cells = view1d(work, net.inputs, pixels * inputs)
            convolve1(
                cells, corner, pitch, inputs, values, start, outputs,
                x, corner, pitch, _SINGLE, edge,
            )  # fmt: skip
            rectify(x)
        elif kind == _DOWN:
            # Blocks of two by two pixels become pixels of four times the channels; then as above.
            level += 1
            fold(x, pitch, inputs, edge // 2, lent)
            edge, pitch = levels[level, 0], levels[level, 1]
            out = view1d(work, levels[level, 2], pitch * pitch * outputs)
            convolve1(
                lent, _NONE, edge, 4 * inputs, values, start, outputs,
                out, pitch + 1, pitch, _SINGLE, edge,
            )  # fmt: skip
            rectify(out)
        elif kind == _RESIDUAL:
            # x += max(0, w * x + b)
            out = view1d(work, levels[level, 3], pixels * outputs)
            convolve3(x, pitch, inputs, values, start, outputs, out, pitch, edge, lent)
            add_rectified(x, out)
        elif kind == _UP:
            # Each pixel gives a block of two by two of the finer level, by four convolutions.
            level -= 1
            wide = levels[level, 1]
            finer = view1d(work, levels[level, 2], wide * wide * outputs)
            out = view1d(work, levels[level, 3], wide * wide * outputs)
            for k in range(4):
                place = (k // 2 + 1) * wide + k % 2 + 1
                convolve1(
                    x, corner, pitch, inputs, values, start + k * outputs * (inputs + 1), outputs,
                    out, place, wide, _DOUBLE, edge,
                )  # fmt: skip
            add(finer, out)
        else:
            # output = w * x + b
            out = view1d(work, net.head, pixels * outputs)
            convolve1(
                x, corner, pitch, inputs, values, start, outputs,
                out, corner, pitch, _SINGLE, edge,
            )  # fmt: skip


@kernel
def run_on_line(net, work):
    """Run all layers on the line that is in the place of the taps, to that of the output.

    Args:
        net: `LineNetwork`.
        work: (`net.size`,) or longer, float32.
    """
    table, values, cells, reach = net.table, net.values, net.cells, net.reach
    width = table[0, 2]
    taps = view1d(work, net.taps, net.head - net.taps)
    spare = view1d(work, net.spare, cells * width)
    features = view1d(work, net.features, (cells + 2 * reach) * width)
    x = view1d(features, reach * width, cells * width)
    for i in range(reach * width):
        features[i] = _ZERO
        features[features.size - 1 - i] = _ZERO
    for layer in range(table.shape[0]):
        kind, inputs, outputs, start = (
            table[layer, 0], table[layer, 1], table[layer, 2], table[layer, 3],
        )  # fmt: skip
        if kind == _STEM:
            # x = max(0, w * input + b)
            _convolve_cells(taps, inputs, values, start, outputs, x, cells)
            rectify(x)
        elif kind == _RESIDUAL:
            # x += max(0, w * (three cells of x) + b)
            _gather(features, reach, table[layer, 4], width, cells, taps)
            _convolve_cells(taps, _THREE * inputs, values, start, outputs, spare, cells)
            add_rectified(x, spare)
        else:
            # output = w * x + b
            out = view1d(work, net.head, cells * outputs)
            _convolve_cells(x, inputs, values, start, outputs, out, cells)


@kernel
def _convolve_cells(x, run, values, start, outputs, out, cells):
    """Convolution whose inputs lie side by side, `run` of them for each cell."""
    convolve_strip(x, _NONE, run, run, values, start, outputs, out, _NONE, outputs, cells)


@kernel
def _gather(features, reach, dilation, width, cells, taps):
    """The three cells that each cell's results come from, side by side."""
    for c in range(cells):
        for t in range(_THREE):
            at = (reach + c + (t - 1) * dilation) * width
            source = view1d(features, at, width)
            target = view1d(taps, (c * _THREE + t) * width, width)
            for i in range(width):
                target[i] = source[i]


@kernel
def rectify(image):
    """Set what is negative to zero."""
    for j in range(image.size):
        # Exact; a selection into its own place would not become vector code.
        image[j] = _HALF * (image[j] + abs(image[j]))


@kernel
def add(image, other):
    """Add one image to another."""
    for j in range(image.size):
        image[j] += other[j]


@kernel
def add_rectified(image, other):
    """Add what is positive in one image to another: the end of a residual layer."""
    for j in range(image.size):
        image[j] += other[j] if other[j] > _ZERO else _ZERO
