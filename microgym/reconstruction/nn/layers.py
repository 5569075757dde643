"""Layers of small networks inside compiled code, run from the table that `pack_layers` makes.

Images are flat float32 arrays with the channels innermost, (H + 2, W + 2, C), and a border of zeros
that stands for what lies outside.
"""

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from microgym.jit import kernel
from microgym.numerics.workspace import aligned_empty
from microgym.reconstruction.nn.convolution import convolve1, fold
from microgym.reconstruction.nn.winograd import convolve3, pack_kernels

Float32 = NDArray[np.float32]
Layers = Mapping[str, tuple[int, int, int]]
"""Name of each convolution to its outputs, inputs and the edge of its kernel, as they run."""

_ZERO = np.float32(0.0)
_HALF = np.float32(0.5)


def layer_tensors(layers: Layers) -> dict[str, tuple[int, ...]]:
    """Shapes of the tensors of some layers: "<layer>.weight" and "<layer>.bias" of each."""
    shapes: dict[str, tuple[int, ...]] = {}
    for name, (outputs, inputs, edge) in layers.items():
        shapes |= {f"{name}.weight": (outputs, inputs, edge, edge), f"{name}.bias": (outputs,)}
    return shapes


def pack_layers(
    tensors: Mapping[str, Float32], names: Iterable[str]
) -> tuple[Float32, NDArray[np.int64]]:
    """Put convolutions in the order in which kernels read them.

    Those named "up..." write blocks of two by two pixels, every fourth output the same pixel, and
    become four convolutions.

    Args:
        tensors: "<layer>.weight" (outputs, inputs, k, k) and "<layer>.bias" (outputs,) of every
            layer; channels are multiples of `LANES`.
        names: of the layers, as they run.

    Returns:
        float32, for each convolution its bias and then [rows, columns, inputs, outputs], or for
        kernels of 3x3 what `pack_kernels` makes of them; and (L, 6) int64, of each: inputs (those
        of all four pixels together, where four become one), outputs, where its values begin, and
        for the results their distance, first row and first column.
    """
    table: list[tuple[int, ...]] = []
    values: list[Float32] = []
    start = 0
    for name in names:
        weight, bias = tensors[f"{name}.weight"], tensors[f"{name}.bias"]
        outputs, inputs, edge = weight.shape[:3]
        step = 2 if name.startswith("up") else 1
        for corner in range(step * step):
            w, b = weight[corner :: step * step], bias[corner :: step * step]
            place = (step, corner // step, corner % step)
            merged = 4 if edge == 2 else 1
            table.append((merged * inputs, outputs // (step * step), start, *place))
            packed = (
                pack_kernels(w, b)
                if edge == 3
                else np.concatenate([b, w.transpose(2, 3, 1, 0).ravel()])
            )
            values.append(packed)
            start += packed.size
    flat = aligned_empty(start)
    flat[:] = np.concatenate(values)
    return flat, np.array(table, np.int64)


@kernel
def run(layer, layers, weights, x, at, x_pitch, out, out_pitch, h):
    """Run a layer of the table whose kernels are of one pixel; see `convolve1`."""
    inputs, channels, start = layers[layer, 0], layers[layer, 1], layers[layer, 2]
    step, place = layers[layer, 3], (layers[layer, 4] + 1) * out_pitch + layers[layer, 5] + 1
    convolve1(x, at, x_pitch, inputs, weights, start, channels, out, place, out_pitch, step, h)


@kernel
def run2(layer, layers, weights, x, x_pitch, out, out_pitch, h, work):
    """Run a layer of the table that makes one pixel of two by two; see `fold`."""
    fold(x, x_pitch, layers[layer, 0] // 4, h, work)
    run(layer, layers, weights, work, np.int64(0), h, out, out_pitch, h)


@kernel
def run3(layer, layers, weights, x, pitch, out, h, work):
    """Run a layer of the table whose kernels are of 3x3; see `convolve3`."""
    inputs, channels, start = layers[layer, 0], layers[layer, 1], layers[layer, 2]
    convolve3(x, pitch, inputs, weights, start, channels, out, pitch, h, work)


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
