"""Convolutions of small networks inside compiled code.

Images are flat float32 arrays with the channels innermost, (H + 2, W + 2, C), and a border of zeros
that stands for what lies outside. All layers come down to one operation: a tile of four pixels in a
row by some vectors of output channels, kept in registers while the inputs under it are run through.
That is emitted as explicit vector instructions. Products and sums are not fused and their order is
fixed, so the result has the same bits on every processor, in every batch and on every thread, which
a deep-learning library does not promise.
"""

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from microgym.compiled import kernel

LANES = 8
"""Output channels in one vector; channels come in multiples of it."""
TILE = 4
"""Neighbouring pixels computed together; widths are multiples of it."""

_LANE = ir.FloatType()
_VECTOR = ir.VectorType(_LANE, LANES)
_INDEX = ir.IntType(32)


def _make_tile(vectors: int) -> Any:
    """TILE pixels by `vectors` * LANES output channels as a compiled intrinsic.

    From element `at` of x on, it reads `rows` runs of `run` elements, `row_pitch` apart, for each
    pixel (`pixel_pitch` apart); from element `w_at` of w on, one row of `channels` weights for each
    element of the runs. The sums start from `bias` and go to `out`, `out_pitch` apart.
    """

    def tile(
        typing: Any,
        x: Any,
        at: Any,
        rows: Any,
        row_pitch: Any,
        run: Any,
        pixel_pitch: Any,
        w: Any,
        w_at: Any,
        channels: Any,
        bias_at: Any,
        out: Any,
        out_at: Any,
        out_pitch: Any,
    ) -> Any:
        """Signature and code of one tile."""
        size = types.intp
        signature = types.void(
            x, size, size, size, size, size, w, size, size, size, out, size, size
        )

        def generate(context: Any, b: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
            def data(place: int) -> ir.Value:
                return context.make_array(sig.args[place])(context, b, args[place]).data

            def load(base: ir.Value, offset: ir.Value) -> ir.Value:
                pointer = b.bitcast(b.gep(base, [offset]), _VECTOR.as_pointer())
                return b.load(pointer, align=4)

            def shifted(offset: ir.Value, distance: ir.Value, times: int) -> ir.Value:
                return b.add(offset, b.mul(distance, ir.Constant(offset.type, times)))

            source, weights, target = data(0), data(6), data(10)
            at, rows, row_pitch, run, pixel_pitch = args[1:6]
            w_at, channels, bias_at = args[7:10]
            out_at, out_pitch = args[11:13]
            lanes = ir.Constant(at.type, LANES)
            sums = [cgutils.alloca_once(b, _VECTOR) for _ in range(TILE * vectors)]
            for v in range(vectors):
                first = load(weights, shifted(bias_at, lanes, v))
                for p in range(TILE):
                    b.store(first, sums[p * vectors + v])
            with cgutils.for_range(b, rows) as outer:
                row_at = b.add(at, b.mul(outer.index, row_pitch))
                tap_at = b.add(w_at, b.mul(b.mul(outer.index, run), channels))
                with cgutils.for_range(b, run) as inner:
                    here = b.add(row_at, inner.index)
                    tap = b.add(tap_at, b.mul(inner.index, channels))
                    taps = [load(weights, shifted(tap, lanes, v)) for v in range(vectors)]
                    for p in range(TILE):
                        scalar = b.load(b.gep(source, [shifted(here, pixel_pitch, p)]))
                        value = _splat(b, scalar)
                        for v in range(vectors):
                            place = sums[p * vectors + v]
                            b.store(b.fadd(b.load(place), b.fmul(value, taps[v])), place)
            for p in range(TILE):
                for v in range(vectors):
                    to = shifted(shifted(out_at, out_pitch, p), lanes, v)
                    pointer = b.bitcast(b.gep(target, [to]), _VECTOR.as_pointer())
                    b.store(b.load(sums[p * vectors + v]), pointer, align=4)
            return context.get_dummy_value()

        return signature, generate

    return intrinsic(tile)


def _splat(b: ir.IRBuilder, scalar: ir.Value) -> ir.Value:
    undefined = ir.Constant(_VECTOR, ir.Undefined)
    single = b.insert_element(undefined, scalar, ir.Constant(_INDEX, 0))
    lanes = ir.Constant(ir.VectorType(_INDEX, LANES), [0] * LANES)
    return b.shuffle_vector(single, undefined, lanes)


_tile1 = _make_tile(1)
_tile2 = _make_tile(2)


@kernel
def convolve(x, x_pitch, inputs, kernel_px, stride, w, w_at, channels, out, out_pitch, at, step, h):
    """One convolution, without activation, for h by h output pixels.

    Args:
        x: input image, flat, with its border.
        x_pitch: pixels in a row of it, border included.
        inputs: its channels.
        kernel_px: edge of the kernel, 1, 2 or 3; a kernel of 3 reaches into the border.
        stride: distance of neighbouring output pixels in the input.
        w: flat weights: the bias [channels], then [kernel_px, kernel_px, inputs, channels].
        w_at: where they begin.
        channels: output channels, a multiple of LANES.
        out: output image, flat, with its border.
        out_pitch: pixels in a row of it, border included.
        at: pixel of `out` that takes the first result.
        step: distance of neighbouring results in `out`, both ways.
        h: edge of the result, a multiple of TILE.
    """
    border = 0 if kernel_px == 3 else 1
    run = kernel_px * inputs
    done = 0
    # Channels outermost: the weights of sixteen fit into the first-level cache, and their sums
    # into sixteen registers.
    while done < channels:
        many = 2 if channels - done >= 2 * LANES else 1
        taps, bias = w_at + channels + done, w_at + done
        for y in range(h):
            top = (border + y * stride) * x_pitch + border
            row = at + y * step * out_pitch
            for left in range(0, h, TILE):
                a = (top + left * stride) * inputs
                o = (row + left * step) * channels + done
                if many == 2:
                    _tile2(
                        x, a, kernel_px, x_pitch * inputs, run, stride * inputs,
                        w, taps, channels, bias, out, o, step * channels,
                    )  # fmt: skip
                else:
                    _tile1(
                        x, a, kernel_px, x_pitch * inputs, run, stride * inputs,
                        w, taps, channels, bias, out, o, step * channels,
                    )  # fmt: skip
        done += many * LANES
