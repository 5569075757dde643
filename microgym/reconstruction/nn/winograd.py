"""Convolutions with kernels of 3x3 by minimal filtering: four products an output instead of nine.

Blocks of two by two output pixels are made from blocks of four by four input pixels, F(2x2, 3x3) of
Winograd (SIAM 1980) in the form of Lavin and Gray (arXiv 1509.09308):

    out = A^T [(G g G^T) * (B^T d B)] A,

with the products summed over the input channels. Kernels are transformed once, when a network is
packed. The products are convolutions of 1x1, one for each of sixteen `frequencies`, and are left to
`microgym.reconstruction.nn.convolution`. Transforms are emitted as explicit vector instructions, in
fixed order, so that bits do not depend on the processor.
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numpy.typing import NDArray

from microgym.jit import kernel
from microgym.numerics.array_views import view1d
from microgym.reconstruction.nn.convolution import LANES, convolve_strip, load_vector, store_vector

FREQUENCIES = 16
"""Products for each block."""
_BLOCKS = 16
"""Blocks that are transformed before their products are formed, at least, so that the weights of a
frequency are used often enough while they are in the first-level cache (design choice)."""
_KERNEL = np.array([[1.0, 0.0, 0.0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0.0, 0.0, 1.0]])
_MIDDLE = 5  # the frequency that all four pixels of a block get with weight one


def pack_kernels(weight: NDArray[np.float32], bias: NDArray[np.float32]) -> NDArray[np.float32]:
    """Transform the kernels of a layer.

    Args:
        weight: (outputs, inputs, 3, 3).
        bias: (outputs,).

    Returns:
        (16 * outputs * (inputs + 1),) float32: for each frequency the bias, which only one of them
        has, then [inputs, outputs].
    """
    outputs, inputs = weight.shape[:2]
    wide = weight.astype(np.float64)
    spectrum = np.einsum("ij,ocjk,lk->ilco", _KERNEL, wide, _KERNEL)
    packed = np.zeros((FREQUENCIES, inputs + 1, outputs), np.float32)
    packed[:, 1:] = spectrum.reshape(FREQUENCIES, inputs, outputs)
    packed[_MIDDLE, 0] = bias
    return packed.ravel()


def work_size(inputs: int, outputs: int, h: int) -> int:
    """Length of the float32 work array of `convolve3` for h by h output pixels."""
    return FREQUENCIES * _rows_together(h) * (h // 2) * (inputs + outputs)


@kernel
def _rows_together(h):
    """Rows of blocks that are worked on together: an even number, since tiles take four blocks."""
    blocks = h // 2
    return min(blocks, max(2, _BLOCKS // blocks // 2 * 2))


def _forward(b: ir.IRBuilder, d: list[ir.Value]) -> list[ir.Value]:
    """B^T d of four vectors."""
    return [b.fsub(d[0], d[2]), b.fadd(d[1], d[2]), b.fsub(d[2], d[1]), b.fsub(d[1], d[3])]


def _backward(b: ir.IRBuilder, m: list[ir.Value]) -> list[ir.Value]:
    """A^T m of four vectors."""
    return [b.fadd(b.fadd(m[0], m[1]), m[2]), b.fsub(b.fsub(m[1], m[2]), m[3])]


def _make_transform(change: Any, size: int, found: int) -> Any:
    """`change` along both axes of a block of `size` by `size` vectors, as a compiled intrinsic.

    It takes a source, where the block begins in it, the distances of its rows and of its columns,
    a target with the same three, and the number of channels, which are independent.
    """

    def transform(
        typing: Any,
        x: Any,
        at: Any,
        row_pitch: Any,
        column_pitch: Any,
        out: Any,
        out_at: Any,
        out_row_pitch: Any,
        out_column_pitch: Any,
        channels: Any,
    ) -> Any:
        """Signature and code of one block."""
        step = types.intp
        signature = types.void(x, step, step, step, out, step, step, step, step)

        def generate(context: Any, b: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
            source = context.make_array(sig.args[0])(context, b, args[0]).data
            target = context.make_array(sig.args[4])(context, b, args[4]).data
            at, row_pitch, column_pitch = args[1:4]
            out_at, out_row_pitch, out_column_pitch = args[5:8]

            def place(start: ir.Value, rows: ir.Value, columns: ir.Value, i: int, j: int) -> Any:
                row = b.mul(rows, ir.Constant(rows.type, i))
                return b.add(b.add(start, row), b.mul(columns, ir.Constant(rows.type, j)))

            lanes = ir.Constant(at.type, LANES)
            with cgutils.for_range(b, b.sdiv(args[8], lanes)) as loop:
                channel = b.mul(loop.index, lanes)
                here, there = b.add(at, channel), b.add(out_at, channel)
                columns: list[list[ir.Value]] = []
                for j in range(size):
                    places = [place(here, row_pitch, column_pitch, i, j) for i in range(size)]
                    columns.append(change(b, [load_vector(b, source, at) for at in places]))
                for i in range(found):
                    for j, value in enumerate(change(b, [column[i] for column in columns])):
                        to = place(there, out_row_pitch, out_column_pitch, i, j)
                        store_vector(b, value, target, to)
            return context.get_dummy_value()

        return signature, generate

    return intrinsic(transform)


_into_frequencies = _make_transform(_forward, 4, 4)
_from_frequencies = _make_transform(_backward, 4, 2)


@kernel
def convolve3(x, x_pitch, inputs, w, w_at, channels, out, out_pitch, h, work):
    """One convolution by kernels of 3x3, without activation, for h by h pixels.

    Args:
        x: input image, flat, with its border.
        x_pitch: pixels in a row of it, border included.
        inputs: its channels, a multiple of LANES.
        w: flat weights, from `pack_kernels`.
        w_at: where they begin.
        channels: output channels, a multiple of LANES.
        out: output image, flat, with its border.
        out_pitch: pixels in a row of it, border included.
        h: edge of the result, a multiple of four.
        work: (`work_size(inputs, channels, h)`,) float32.
    """
    blocks = h // 2
    rows = _rows_together(h)
    most = rows * blocks
    spectra = view1d(work, 0, FREQUENCIES * most * inputs)
    products = view1d(work, spectra.size, FREQUENCIES * most * channels)
    for first in range(0, blocks, rows):
        some = min(rows, blocks - first)
        for row in range(some):
            for block in range(blocks):
                a = (2 * (first + row) * x_pitch + 2 * block) * inputs
                o = (row * blocks + block) * inputs
                pitch = most * inputs
                _into_frequencies(
                    x, a, x_pitch * inputs, inputs, spectra, o, 4 * pitch, pitch, inputs
                )
        for frequency in range(FREQUENCIES):
            weights = w_at + frequency * channels * (inputs + 1)
            a, o = frequency * most * inputs, frequency * most * channels
            convolve_strip(
                spectra,
                a,
                inputs,
                inputs,
                w,
                weights,
                channels,
                products,
                o,
                channels,
                some * blocks,
            )
        for row in range(some):
            for block in range(blocks):
                a = (row * blocks + block) * channels
                y, left = 2 * (first + row) + 1, 2 * block + 1
                o = (y * out_pitch + left) * channels
                pitch = most * channels
                _from_frequencies(
                    products, a, 4 * pitch, pitch, out, o, out_pitch * channels, channels, channels
                )
