"""Butterflies of the Fourier transform in explicit vector instructions.

The lanes of a vector are neighbouring columns, or, along a row, neighbouring elements; the last
stage of a row turns squares of eight by eight in registers. No multiplication is fused with an
addition, so results have the same bits for every number of lanes.
"""

import math
from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

ROW_LANES = 8
"""Elements of a row that go through a butterfly together."""
MOST_LANES = 16
"""Columns that go through a butterfly together, at most."""

_F32 = ir.FloatType()
_I32 = ir.IntType(32)
_I64 = ir.IntType(64)
_POINTER = _F32.as_pointer()

Pair = tuple[ir.Value, ir.Value]


def _add(b: ir.IRBuilder, x: Pair, y: Pair) -> Pair:
    """The sum x + y."""
    return b.fadd(x[0], y[0]), b.fadd(x[1], y[1])


def _sub(b: ir.IRBuilder, x: Pair, y: Pair) -> Pair:
    """The difference x - y."""
    return b.fsub(x[0], y[0]), b.fsub(x[1], y[1])


def _add_minus_i(b: ir.IRBuilder, x: Pair, y: Pair) -> Pair:
    """The sum x - i y."""
    return b.fadd(x[0], y[1]), b.fsub(x[1], y[0])


def _add_plus_i(b: ir.IRBuilder, x: Pair, y: Pair) -> Pair:
    """The sum x + i y."""
    return b.fsub(x[0], y[1]), b.fadd(x[1], y[0])


Read = Callable[[int], Pair]
Write = Callable[[int, Pair], None]


def _butterfly2(b: ir.IRBuilder, read: Read, write: Write) -> None:
    """Transform of two elements."""
    x, y = read(0), read(1)
    write(0, _add(b, x, y))
    write(1, _sub(b, x, y))


def _half_butterfly4(b: ir.IRBuilder, a: Pair, c: Pair) -> tuple[Pair, Pair]:
    """Sum and difference of two elements."""
    return _add(b, a, c), _sub(b, a, c)


def _butterfly4(b: ir.IRBuilder, read: Read, write: Write) -> None:
    """Transform of four elements."""
    even, even_d = _half_butterfly4(b, read(0), read(2))
    odd, odd_d = _half_butterfly4(b, read(1), read(3))
    write(0, _add(b, even, odd))
    write(2, _sub(b, even, odd))
    write(1, _add_minus_i(b, even_d, odd_d))
    write(3, _add_plus_i(b, even_d, odd_d))


def _butterfly8(b: ir.IRBuilder, read: Read, write: Write) -> None:
    """Elements are read late and written early, for there are only sixteen registers."""
    sum04, diff04 = _half_butterfly4(b, read(0), read(4))
    sum26, diff26 = _half_butterfly4(b, read(2), read(6))
    even0, even2 = _half_butterfly4(b, sum04, sum26)
    even1, even3 = _add_minus_i(b, diff04, diff26), _add_plus_i(b, diff04, diff26)
    sum15, diff15 = _half_butterfly4(b, read(1), read(5))
    sum37, diff37 = _half_butterfly4(b, read(3), read(7))
    odd0, odd2 = _half_butterfly4(b, sum15, sum37)
    write(0, _add(b, even0, odd0))
    write(4, _sub(b, even0, odd0))
    write(2, _add_minus_i(b, even2, odd2))
    write(6, _add_plus_i(b, even2, odd2))
    # The odd ones times exp(-i pi/4) and exp(-3 i pi/4), by one real factor each.
    half = _constant(math.sqrt(0.5), even0[0].type.count)
    re, im = _add_minus_i(b, diff15, diff37)
    turned = b.fmul(half, b.fadd(re, im)), b.fmul(half, b.fsub(im, re))
    write(1, _add(b, even1, turned))
    write(5, _sub(b, even1, turned))
    re, im = _add_plus_i(b, diff15, diff37)
    turned = b.fmul(half, b.fsub(im, re)), b.fmul(half, b.fadd(re, im))
    write(3, (b.fadd(even3[0], turned[0]), b.fsub(even3[1], turned[1])))
    write(7, (b.fsub(even3[0], turned[0]), b.fadd(even3[1], turned[1])))


_BUTTERFLIES = {2: _butterfly2, 4: _butterfly4, 8: _butterfly8}


def _vector(lanes: int) -> ir.VectorType:
    """Type of a vector of float32."""
    return ir.VectorType(_F32, lanes)


def _constant(value: float, lanes: int) -> ir.Constant:
    """A vector that holds one number in every lane."""
    return ir.Constant(_vector(lanes), [ir.Constant(_F32, value)] * lanes)


def _splat(b: ir.IRBuilder, scalar: ir.Value, lanes: int) -> ir.Value:
    """A vector that holds a scalar of the code in every lane."""
    undefined = ir.Constant(_vector(lanes), ir.Undefined)
    single = b.insert_element(undefined, scalar, ir.Constant(_I32, 0))
    return b.shuffle_vector(single, undefined, ir.Constant(ir.VectorType(_I32, lanes), [0] * lanes))


def _at(b: ir.IRBuilder, base: ir.Value, step: ir.Value, k: int) -> ir.Value:
    """Address of the element k steps on."""
    return b.gep(base, [b.mul(step, ir.Constant(_I64, k))])


def _load(b: ir.IRBuilder, address: ir.Value, lanes: int) -> ir.Value:
    """The vector at an address, which need be aligned to one element only."""
    return b.load(b.bitcast(address, _vector(lanes).as_pointer()), align=4)


def _transposed(b: ir.IRBuilder, rows: list[ir.Value]) -> list[ir.Value]:
    """A square of as many rows as lanes, turned in registers."""
    edge = len(rows)
    distance = edge // 2
    while distance:
        # Swaps the off-diagonal blocks of this edge.
        low: list[int] = []
        high: list[int] = []
        for lane in range(edge):
            other = bool(lane & distance)
            low.append(edge + lane - distance if other else lane)
            high.append(edge + lane if other else lane + distance)
        lanes = ir.VectorType(_I32, edge)
        turned = list(rows)
        for i in range(edge):
            if not i & distance:
                pair = rows[i], rows[i + distance]
                turned[i] = b.shuffle_vector(*pair, ir.Constant(lanes, low))
                turned[i + distance] = b.shuffle_vector(*pair, ir.Constant(lanes, high))
        rows = turned
        distance //= 2
    return rows


def _codelet(module: ir.Module, radix: int, lanes: int, kind: str) -> ir.Function:
    """One butterfly as a function of its own.

    Not inlined: the compiler would keep every row's address in a variable of the loop around it,
    and there are not enough registers for that. Its kinds: "along" and "across" turn the results
    by twiddles, one a lane (lanes along a row) or one for all (lanes across columns); "last"
    multiplies them by a scale; "turned" first turns the square it has read.
    """
    name = f"fft_butterfly_{radix}_{lanes}_{kind}"
    if name in module.globals:
        return module.globals[name]
    arguments = [_POINTER, _POINTER, _I64, _POINTER, _POINTER, _I64, _POINTER, _I64, _F32]
    function = ir.Function(module, ir.FunctionType(ir.VoidType(), arguments), name)
    function.linkage = "internal"
    function.attributes.add("noinline")
    function.attributes.add("nounwind")
    b = ir.IRBuilder(function.append_basic_block())
    re, im, step, out_re, out_im, out_step, twiddles, groups, scale = function.args

    def read(k: int) -> Pair:
        return _load(b, _at(b, re, step, k), lanes), _load(b, _at(b, im, step, k), lanes)

    def twiddle(k: int) -> ir.Value:
        address = _at(b, twiddles, groups, k)
        return _load(b, address, lanes) if kind == "along" else _splat(b, b.load(address), lanes)

    def write(k: int, value: Pair) -> None:
        x, y = value
        if kind in ("along", "across") and k:
            cos, sin = twiddle(2 * k - 2), twiddle(2 * k - 1)
            x, y = (
                b.fsub(b.fmul(x, cos), b.fmul(y, sin)),
                b.fadd(b.fmul(x, sin), b.fmul(y, cos)),
            )
        if kind == "last":
            factor = _splat(b, scale, lanes)
            x, y = b.fmul(x, factor), b.fmul(y, factor)
        for part, base in ((x, out_re), (y, out_im)):
            address = b.bitcast(_at(b, base, out_step, k), _vector(lanes).as_pointer())
            b.store(part, address, align=4)

    if kind == "turned":
        rows = [read(k) for k in range(radix)]
        square_re = _transposed(b, [row[0] for row in rows])
        square_im = _transposed(b, [row[1] for row in rows])
        _BUTTERFLIES[radix](b, lambda k: (square_re[k], square_im[k]), write)
    else:
        _BUTTERFLIES[radix](b, read, write)
    b.ret_void()
    return function


def _vector_lanes(context: Any) -> int:
    """Lanes of float32 in the widest register of the processor that code is generated for."""
    features = set(context.codegen().magic_tuple()[2].split(","))
    if "+avx512f" in features:
        return MOST_LANES
    return 8 if "+avx" in features else 4


def _lanes_of_columns(typing: Any) -> Any:
    """Columns in one vector, a constant of the generated code."""

    def generate(context: Any, b: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        return context.get_constant(types.intp, _vector_lanes(context))

    return types.intp(), generate


column_lanes: Any = intrinsic(_lanes_of_columns)


def _make_butterfly(radix: int, kind: str) -> Any:
    """A codelet as an intrinsic for kernels.

    It reads `radix` vectors, `step` elements apart, from element `start` of the source planes on,
    and writes them `out_step` apart from `out_start` on; twiddles are `groups` apart from `first`
    on.
    """

    def butterfly(
        typing: Any,
        re: Any,
        im: Any,
        start: Any,
        step: Any,
        out_re: Any,
        out_im: Any,
        out_start: Any,
        out_step: Any,
        twiddles: Any,
        first: Any,
        groups: Any,
        scale: Any,
    ) -> Any:
        """Signature and code of one butterfly."""
        size = types.intp
        signature = types.void(
            re, im, size, size, out_re, out_im, size, size, twiddles, size, size, types.float32
        )

        def generate(context: Any, b: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
            def element(array: int, index: int) -> ir.Value:
                data = context.make_array(sig.args[array])(context, b, args[array]).data
                return b.gep(data, [args[index]])

            lanes = _vector_lanes(context) if kind in ("across", "last") else ROW_LANES
            source, target = [element(0, 2), element(1, 2)], [element(4, 6), element(5, 6)]
            rest = [element(8, 9), args[10], args[11]]
            function = _codelet(b.module, radix, lanes, kind)
            b.call(function, [*source, args[3], *target, args[7], *rest])
            return context.get_dummy_value()

        return signature, generate

    return intrinsic(butterfly)


along4 = _make_butterfly(4, "along")
along8 = _make_butterfly(8, "along")
turned8 = _make_butterfly(8, "turned")
across2 = _make_butterfly(2, "across")
across4 = _make_butterfly(4, "across")
across8 = _make_butterfly(8, "across")
last8 = _make_butterfly(8, "last")
