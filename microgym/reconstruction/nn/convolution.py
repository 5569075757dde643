"""Convolutions of small networks inside compiled code.

Images are flat float32 arrays with the channels innermost, (H + 2, W + 2, C), and a border of zeros
that stands for what lies outside. All layers come down to one operation: a tile of some pixels in a
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

from microgym.jit import kernel
from microgym.numerics.array_views import view1d

LANES = 8
"""Output channels in one vector; channels come in multiples of it."""
TILE = 4
"""Widths are multiples of this, the most neighbouring pixels that are computed together."""

VECTOR = ir.VectorType(ir.FloatType(), LANES)
"""Type of a vector in emitted code."""
_INDEX = ir.IntType(32)


def load_vector(b: ir.IRBuilder, base: ir.Value, offset: ir.Value) -> ir.Value:
    """Emit the load of a vector from element `offset` of the float32 at `base` on.

    Args:
        b: builder of the code.
        base: pointer to float32.
        offset: first element.

    Returns:
        The vector, which need be aligned to one element only.
    """
    return b.load(b.bitcast(b.gep(base, [offset]), VECTOR.as_pointer()), align=4)


def store_vector(b: ir.IRBuilder, value: ir.Value, base: ir.Value, offset: ir.Value) -> None:
    """Emit the store of a vector to element `offset` of the float32 at `base` on.

    Args:
        b: builder of the code.
        value: the vector.
        base: pointer to float32.
        offset: first element.
    """
    b.store(value, b.bitcast(b.gep(base, [offset]), VECTOR.as_pointer()), align=4)


def _make_tile(pixels: int, vectors: int) -> Any:
    """`pixels` by `vectors` * LANES output channels as a compiled intrinsic.

    From element `at` of x on, it reads a run of `run` elements for each pixel (`pixel_pitch`
    apart); from element `w_at` of w on, one row of `channels` weights for each element of the run.
    The sums start from `bias` and go to `out`, `out_pitch` apart.
    """

    def tile(
        typing: Any,
        x: Any,
        at: Any,
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
        signature = types.void(x, size, size, size, w, size, size, size, out, size, size)

        def generate(context: Any, b: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
            def data(place: int) -> ir.Value:
                return context.make_array(sig.args[place])(context, b, args[place]).data

            def splat(scalar: ir.Value) -> ir.Value:
                undefined = ir.Constant(VECTOR, ir.Undefined)
                single = b.insert_element(undefined, scalar, ir.Constant(_INDEX, 0))
                first = ir.Constant(ir.VectorType(_INDEX, LANES), [0] * LANES)
                return b.shuffle_vector(single, undefined, first)

            def shifted(offset: ir.Value, distance: ir.Value, times: int) -> ir.Value:
                return b.add(offset, b.mul(distance, ir.Constant(offset.type, times)))

            source, weights, target = data(0), data(4), data(8)
            at, run, pixel_pitch = args[1:4]
            w_at, channels, bias_at = args[5:8]
            out_at, out_pitch = args[9:11]
            lanes = ir.Constant(at.type, LANES)
            sums = [cgutils.alloca_once(b, VECTOR) for _ in range(pixels * vectors)]
            for v in range(vectors):
                first = load_vector(b, weights, shifted(bias_at, lanes, v))
                for p in range(pixels):
                    b.store(first, sums[p * vectors + v])
            with cgutils.for_range(b, b.sdiv(run, lanes)) as loop:
                first = b.mul(loop.index, lanes)
                for i in range(LANES):
                    here = b.add(first, ir.Constant(at.type, i))
                    tap = b.add(w_at, b.mul(here, channels))
                    taps = [load_vector(b, weights, shifted(tap, lanes, v)) for v in range(vectors)]
                    for p in range(pixels):
                        scalar = b.load(b.gep(source, [shifted(b.add(at, here), pixel_pitch, p)]))
                        value = splat(scalar)
                        for v in range(vectors):
                            place = sums[p * vectors + v]
                            b.store(b.fadd(b.load(place), b.fmul(value, taps[v])), place)
            for p in range(pixels):
                for v in range(vectors):
                    to = shifted(shifted(out_at, out_pitch, p), lanes, v)
                    store_vector(b, b.load(sums[p * vectors + v]), target, to)
            return context.get_dummy_value()

        return signature, generate

    return intrinsic(tile)


# As many sums as sixteen registers hold beside what is multiplied.
_tile1 = _make_tile(TILE, 1)
_tile2 = _make_tile(TILE, 2)
_tile3 = _make_tile(2, 3)


@kernel
def convolve_strip(x, at, run, pixel_pitch, w, w_at, channels, out, out_at, out_pitch, width):
    """A row of results, or whatever lies evenly spaced.

    Args:
        x: input, flat.
        at: element from which on the first result reads.
        run: elements that each result reads, a multiple of LANES.
        pixel_pitch: distance of the runs of neighbouring results.
        w: flat weights: the bias [channels], then [run, channels].
        w_at: where they begin.
        channels: output channels, a multiple of LANES.
        out: output, flat.
        out_at: element that takes the first channel of the first result.
        out_pitch: distance of neighbouring results.
        width: results, a multiple of TILE.
    """
    vectors = channels // LANES
    done = 0
    while done < vectors:
        some = vectors - done if vectors - done <= 3 else 2
        bias = w_at + done * LANES
        taps, o = bias + channels, out_at + done * LANES
        if some == 3:
            for left in range(0, width, 2):
                _tile3(
                    x, at + left * pixel_pitch, run, pixel_pitch, w, taps, channels, bias,
                    out, o + left * out_pitch, out_pitch,
                )  # fmt: skip
        elif some == 2:
            for left in range(0, width, TILE):
                _tile2(
                    x, at + left * pixel_pitch, run, pixel_pitch, w, taps, channels, bias,
                    out, o + left * out_pitch, out_pitch,
                )  # fmt: skip
        else:
            for left in range(0, width, TILE):
                _tile1(
                    x, at + left * pixel_pitch, run, pixel_pitch, w, taps, channels, bias,
                    out, o + left * out_pitch, out_pitch,
                )  # fmt: skip
        done += some


@kernel
def convolve1(x, at, pitch, inputs, w, w_at, channels, out, out_at, out_pitch, step, h):
    """One convolution by kernels of one pixel, without activation, for h by h pixels.

    Args:
        x: input image, flat.
        at: its first pixel.
        pitch: pixels in a row of it, border included.
        inputs: its channels.
        w: flat weights: the bias [channels], then [inputs, channels].
        w_at: where they begin.
        channels: output channels, a multiple of LANES.
        out: output image, flat.
        out_at: pixel of it that takes the first result.
        out_pitch: pixels in a row of it, border included.
        step: distance of neighbouring results in it, both ways.
        h: edge of the result, a multiple of TILE.
    """
    for y in range(h):
        convolve_strip(
            x, (at + y * pitch) * inputs, inputs, inputs, w, w_at, channels,
            out, (out_at + y * step * out_pitch) * channels, step * channels, h,
        )  # fmt: skip


@kernel
def convolve3(x, pitch, inputs, w, w_at, channels, out, out_pitch, h, work):
    """One convolution by kernels of 3x3 pixels, without activation, for h by h pixels.

    The nine pixels under each result of a row are copied side by side.

    Args:
        x: input image, flat, with its border.
        pitch: pixels in a row of it, border included.
        inputs: its channels, a multiple of LANES.
        w: flat weights: the bias [channels], then [3, 3, inputs, channels].
        w_at: where they begin.
        channels: output channels, a multiple of LANES.
        out: output image, flat, with a border, which is left as it is.
        out_pitch: pixels in a row of it, border included.
        h: edge of the result, a multiple of TILE.
        work: (9 * inputs * h,) float32, overwritten.
    """
    run = 3 * inputs
    for y in range(h):
        for k in range(h):
            for i in range(3):
                source = view1d(x, ((y + i) * pitch + k) * inputs, run)
                target = view1d(work, (3 * k + i) * run, run)
                for j in range(run):
                    target[j] = source[j]
        convolve_strip(
            work, 0, 3 * run, 3 * run, w, w_at, channels,
            out, ((y + 1) * out_pitch + 1) * channels, channels, h,
        )  # fmt: skip


@kernel
def fold(x, pitch, channels, h, out):
    """Blocks of two by two pixels as pixels of four times the channels: half a convolution.

    Args:
        x: (2 h + 2, 2 h + 2, channels), flat, with its border.
        pitch: pixels in a row of it, border included.
        channels: of it.
        h: edge of the result.
        out: (h, h, 4 * channels), flat, written.
    """
    run = 2 * channels
    for y in range(h):
        for i in range(2):
            start = ((1 + 2 * y + i) * pitch + 1) * channels
            for k in range(h):
                source = view1d(x, start + k * run, run)
                target = view1d(out, ((y * h + k) * 2 + i) * run, run)
                for j in range(run):
                    target[j] = source[j]
