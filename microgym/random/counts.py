"""Counts: Poisson numbers and binomial thinning; see `microgym.random`."""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from microgym.jit import inline_kernel, kernel
from microgym.numerics.array_views import view1d
from microgym.numerics.libm import decay32, exp64, log32_normal, log64, ndtri32_log, ndtri64
from microgym.random.generator import centred, element_words, fill_bits, unit52

_U32 = np.uint32
_F32 = np.float32
_I32 = np.int32

_BLOCK = 16  # elements of one vector where probabilities are summed

_STRIP = 256  # elements that go through a step together
_HELD = 2 * _STRIP  # elements that are held back to be done together
_MOST_HELD = _HELD // _BLOCK  # blocks of them

POISSON_WORK = 2 * _STRIP + 4 * _HELD + _MOST_HELD + 3 * _BLOCK
"""Length of the float32 work array of `fill_poisson`."""

_NEGLIGIBLE = 1e-9
_RECIPROCALS = (1.0 / np.arange(1.0, 65.0)).astype(np.float32)  # 1, 1/2, 1/3, ...
_LARGE_MEAN = np.float32(8.0)  # lowest whole mean with total variation below 1e-4
_LARGE_THINNED = 30.0  # likewise, from the tests' comparison with the exact binomial


@inline_kernel
def _poisson_large(mean, w):
    """Poisson quantile for a mean of at least 8, in powers of 1/sqrt(mean).

    The first four terms are Q_N2 of M. B. Giles, "Algorithm 955", ACM TOMS 42, 7 (2016); the
    fifth was found in the same way, by inverting the Cornish-Fisher expansion of the gamma
    distribution (Abramowitz and Stegun 26.2.49).

    Args:
        mean: float32.
        w: float32, the normal quantile of the same probability.

    Returns:
        float32, a whole number.
    """
    v = w * w
    s = np.sqrt(mean)
    r = _F32(1.0) / s
    c2 = _F32(1 / 3) + v * _F32(1 / 6)
    c3 = -w * (_F32(1 / 36) + v * _F32(1 / 72))
    c4 = _F32(-8 / 405) + v * (_F32(7 / 810) + v * _F32(1 / 270))
    c5 = w * (_F32(671 / 38880) - v * (_F32(137 / 38880) + v * _F32(23 / 17280)))
    shift = s * w + (c2 + r * (c3 + r * (c4 + r * c5)))
    # The whole part is added last, so that the fraction is not rounded at large means.
    whole = np.floor(mean)
    count = whole + np.floor((mean - whole) + shift)
    return count if count > _F32(0.0) else _F32(0.0)


@inline_kernel
def _sum_start(bits, mean):
    """P(X = 0), and P(X > 0) less the complement of the uniform number; small means only.

    A count is the number of k with P(X > k) above that complement. Starting from 1 - exp(-mean),
    which is known to full relative precision, keeps rare counts exact.
    """
    small = (mean > _F32(0.0)) & (mean < _LARGE_MEAN)
    # Of anything else nothing is left, since nothing is beyond a mean of zero.
    p0, beyond = decay32(mean if small else _F32(0.0))
    complement = _F32(_I32((~bits) >> _U32(1))) + _F32(0.5)
    return p0 if small else _F32(0.0), beyond - complement * _F32(4.656612873077393e-10)


def _sum_probabilities(
    typing: Any, p: Any, left: Any, mean: Any, size: Any, reciprocals: Any, out: Any
) -> Any:
    """Write small-mean counts, block by block: how often a probability can be taken off.

    The loop over probabilities keeps a block in registers, until no lane has anything left; which
    lanes there are beside one does not change its count.
    """
    signature = types.void(p, left, mean, types.intp, reciprocals, out)

    def generate(context: Any, b: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        data = [context.make_array(sig.args[i])(context, b, args[i]).data for i in (0, 1, 2, 4, 5)]
        function = _sum_function(b.module)
        b.call(function, [*data, args[3]])
        return context.get_dummy_value()

    return signature, generate


def _sum_function(module: ir.Module) -> ir.Function:
    """`_sum_probabilities` as a function of pointers and a size."""
    name = "poisson_sum_probabilities"
    if name in module.globals:
        return module.globals[name]
    pointer, size_type = ir.FloatType().as_pointer(), ir.IntType(64)
    arguments = [pointer, pointer, pointer, pointer, pointer, size_type]
    function = ir.Function(module, ir.FunctionType(ir.VoidType(), arguments), name)
    function.linkage = "internal"
    b = ir.IRBuilder(function.append_basic_block("entry"))
    p, left, mean, reciprocals, out, size = function.args
    vector = ir.VectorType(ir.FloatType(), _BLOCK)
    whole = ir.VectorType(ir.IntType(32), _BLOCK)
    lanes = ir.IntType(_BLOCK)
    undefined = ir.Constant(vector, ir.Undefined)

    def constant(value: float) -> ir.Constant:
        return ir.Constant(vector, [ir.Constant(ir.FloatType(), value)] * _BLOCK)

    def index(value: int) -> ir.Constant:
        return ir.Constant(size_type, value)

    def block(array: ir.Value, start: ir.Value) -> ir.Value:
        return b.bitcast(b.gep(array, [start]), vector.as_pointer())

    def reciprocal(k: ir.Value) -> ir.Value:
        lane = b.insert_element(undefined, b.load(b.gep(reciprocals, [k])), index(0))
        return b.shuffle_vector(lane, undefined, ir.Constant(whole, [0] * _BLOCK))

    outer, inner, body, end, done = (
        function.append_basic_block(one) for one in ("outer", "inner", "body", "end", "done")
    )
    entry = b.block
    b.cbranch(b.icmp_signed(">", size, index(0)), outer, done)

    b.position_at_end(outer)
    start = b.phi(size_type)
    means = b.load(block(mean, start), align=4)
    p_first = b.load(block(p, start), align=4)
    left_first = b.load(block(left, start), align=4)
    b.branch(inner)

    b.position_at_end(inner)
    k, p0, left0, count = b.phi(size_type), b.phi(vector), b.phi(vector), b.phi(whole)
    active = b.fcmp_ordered(">", left0, constant(0.0))
    b.cbranch(b.icmp_unsigned("!=", b.bitcast(active, lanes), ir.Constant(lanes, 0)), body, end)

    b.position_at_end(body)
    p1 = b.fmul(p0, b.fmul(means, reciprocal(k)))
    left1 = b.fsub(left0, p1)
    p2 = b.fmul(p1, b.fmul(means, reciprocal(b.add(k, index(1)))))
    once = b.sub(count, b.sext(active, whole))
    twice = b.sub(once, b.sext(b.fcmp_ordered(">", left1, constant(0.0)), whole))
    # A rest that rounding leaves and no further probability uses up is cut off.
    more = b.fcmp_ordered(">", p2, constant(_NEGLIGIBLE))
    left2 = b.select(more, b.fsub(left1, p2), constant(-1.0))
    k_next = b.add(k, index(2))
    b.branch(inner)

    b.position_at_end(end)
    b.store(b.sitofp(count, vector), block(out, start), align=4)
    start_next = b.add(start, index(_BLOCK))
    b.cbranch(b.icmp_signed("<", start_next, size), outer, done)
    b.position_at_end(done)
    b.ret_void()

    start.add_incoming(index(0), entry)
    start.add_incoming(start_next, end)
    for phi, first, later in (
        (k, index(0), k_next),
        (p0, p_first, p2),
        (left0, left_first, left2),
        (count, ir.Constant(whole, None), twice),
    ):
        phi.add_incoming(first, outer)
        phi.add_incoming(later, body)
    return function


_summed: Any = intrinsic(_sum_probabilities)


@inline_kernel
def _count_large(mean):
    """Number of the means that are large."""
    large = _I32(0)
    for j in range(mean.size):
        large += _I32(1) if mean[j] >= _LARGE_MEAN else _I32(0)
    return large


@kernel
def _finish_large(bits, mean, places, blocks, out, work):
    """Write the counts of large means in blocks that belong at these places of `out`.

    One loop a step: chains of operations short enough for several to be under way at once.
    """
    x, w = view1d(work, 0, _HELD), view1d(work, _HELD, _HELD)
    for j in range(blocks * _BLOCK):
        x[j], tail = centred(bits[j])
        w[j] = -log32_normal(tail * (_F32(2.0) - tail))
    for j in range(blocks * _BLOCK):
        w[j] = ndtri32_log(x[j], w[j])
    for j in range(blocks * _BLOCK):
        x[j] = _poisson_large(max(mean[j], _LARGE_MEAN), w[j])
    for block in range(blocks):
        m, count = view1d(mean, block * _BLOCK, _BLOCK), view1d(x, block * _BLOCK, _BLOCK)
        o = view1d(out, places[block], _BLOCK)
        for j in range(_BLOCK):
            o[j] = count[j] if m[j] >= _LARGE_MEAN else o[j]


@kernel
def _quantile_blocks(bits, mean, out, work):
    """`poisson_quantile` for whole blocks.

    Small means are done strip by strip. Blocks with large ones are collected until they fill a
    loop: in a diffraction pattern they are few.
    """
    whole = work.view(np.uint32)
    p, left = view1d(work, 0, _STRIP), view1d(work, _STRIP, _STRIP)
    held_bits, held = view1d(whole, 2 * _STRIP, _HELD), view1d(work, 2 * _STRIP + _HELD, _HELD)
    rest = view1d(work, 2 * _STRIP + 2 * _HELD, 2 * _HELD)
    places = view1d(whole, 2 * _STRIP + 4 * _HELD, _MOST_HELD)
    blocks = 0
    for start in range(0, out.size, _STRIP):
        size = min(_STRIP, out.size - start)
        b, m, o = view1d(bits, start, size), view1d(mean, start, size), view1d(out, start, size)
        large = _count_large(m)
        if large > 0:
            if blocks * _BLOCK + _STRIP > _HELD:
                _finish_large(held_bits, held, places, blocks, out, rest)
                blocks = 0
            for at in range(0, size, _BLOCK):
                among = view1d(m, at, _BLOCK)
                if _count_large(among) > 0:
                    # Copied, for the counts of small means may take the place of the bits.
                    words, kept = view1d(b, at, _BLOCK), blocks * _BLOCK
                    keep_bits, keep = view1d(held_bits, kept, _BLOCK), view1d(held, kept, _BLOCK)
                    for j in range(_BLOCK):
                        keep_bits[j], keep[j] = words[j], among[j]
                    places[blocks] = start + at
                    blocks += 1
        if large < size:
            for j in range(size):
                p[j], left[j] = _sum_start(b[j], m[j])
            _summed(p, left, m, size, _RECIPROCALS, o)
    _finish_large(held_bits, held, places, blocks, out, rest)


@kernel
def poisson_quantile(bits, mean, out, work):
    """Poisson counts at the probabilities (bits + 1/2) / 2**32; see `fill_poisson`.

    Args:
        bits: uint32, one-dimensional; it may share its memory with `out`.
        mean: float32 of the same length.
        out: float32 of the same length; overwritten.
        work: float32 of at least POISSON_WORK elements; overwritten.
    """
    whole = out.size - out.size % _BLOCK
    _quantile_blocks(bits[:whole], mean[:whole], out[:whole], work)
    if whole < out.size:
        end = work[2 * _STRIP + 4 * _HELD + _MOST_HELD :]
        b, m, o = end[:_BLOCK].view(np.uint32), end[_BLOCK : 2 * _BLOCK], end[2 * _BLOCK :]
        for j in range(_BLOCK):
            b[j] = bits[whole + j] if whole + j < out.size else _U32(0)
            m[j] = mean[whole + j] if whole + j < out.size else _F32(0.0)
        _quantile_blocks(b, m, o[:_BLOCK], work)
        for j in range(out.size - whole):
            out[whole + j] = o[j]


@kernel
def fill_poisson(s0, s1, tick, mean, out, work):
    """Fill with Poisson counts: the quantile of one 32-bit uniform number each.

    Below a mean of 8 the quantile is exact up to the uniform number's 31 bits and float32 rounding:
    its total variation to the exact distribution is below 1e-6. From 8 on it is a five-term
    expansion in 1/sqrt(mean), with total variation below 1e-4: 7e-5 at 8, 6e-6 at 20, 3e-6 at
    1e4, and, now from float32 rounding, 9e-6 at 1e5 and 9e-5 at 1e7. Mean and variance are right
    to 1e-5 of the standard deviation and of the variance. Counts are whole numbers, exact in
    float32; up to that rounding they rise with the uniform number.

    Args:
        s0, s1: words of the stream key.
        tick: integer, cast to uint32.
        mean: float32, one-dimensional, 0 <= mean <= 1e7; not checked.
        out: float32 of the same length; overwritten with whole numbers.
        work: float32 of at least POISSON_WORK elements; overwritten.
    """
    bits = out.view(np.uint32)
    fill_bits(s0, s1, tick, bits)
    poisson_quantile(bits, mean, out, work)


@inline_kernel
def _binomial_small(n, p, u):
    """Binomial quantile by summing probabilities, for a small n * p with p <= 1/2."""
    odds = p / (1.0 - p)
    term = exp64(n * log64(1.0 - p))
    left = u - term
    k = 0.0
    # A term below 1e-18 cannot change the sum any more, once past the mean.
    while (left > 0.0) & (k < n) & ((term > 1e-18) | (k < n * p)):
        term *= odds * (n - k) / (k + 1.0)
        left -= term
        k += 1.0
    return k


@inline_kernel
def _binomial_large(n, p, u):
    """Binomial quantile by the Cornish-Fisher expansion with five cumulants.

    Abramowitz and Stegun 26.2.49; the variance and the fourth cumulant carry Sheppard's
    corrections for the lattice (M. G. Kendall, Advanced Theory of Statistics, 3.18).
    """
    pq = p * (1.0 - p)
    skew = 1.0 - 2.0 * p
    variance = n * pq - 1.0 / 12.0
    s = np.sqrt(variance)
    # Skewness, excess and fifth cumulant of the binomial distribution, normalised.
    g1 = n * pq * skew / (variance * s)
    g2 = (n * pq * (1.0 - 6.0 * pq) + 1.0 / 120.0) / (variance * variance)
    g3 = n * pq * skew * (1.0 - 12.0 * pq) / (variance * variance * s)
    w = ndtri64(u)
    v = w * w
    # Cornish-Fisher: quantile from the normal quantile w.
    z = w + g1 * (v - 1.0) / 6.0
    z += w * (g2 * (v - 3.0) / 24.0 - g1 * g1 * (2.0 * v - 5.0) / 36.0)
    z += g3 * (v * v - 6.0 * v + 3.0) / 120.0 - g1 * g2 * (v * v - 5.0 * v + 2.0) / 24.0
    z += g1 * g1 * g1 * (12.0 * v * v - 53.0 * v + 17.0) / 324.0
    k = np.floor(n * p + 0.5 + s * z)
    k = k if k > 0.0 else 0.0
    return k if k < n else n


@kernel
def thin_counts(s0, s1, tick, counts, probability, out):
    """Thin counts, keeping each photon with one probability: binomial numbers.

    With m = n * min(p, 1 - p), the quantile of a 52-bit uniform number is exact to 1e-9 where
    m < 30, and has a total variation to the exact distribution below 2e-5 elsewhere.

    Args:
        s0, s1: words of the stream key.
        tick: integer, cast to uint32.
        counts: float32, one-dimensional whole numbers 0 <= n <= 2**24; fractions are cut off,
            a negative number or NaN counts as zero.
        probability: number; clipped to 0 <= p <= 1.
        out: float32 of the same length; overwritten with whole numbers. It may be `counts`.
    """
    p = min(max(np.float64(probability), 0.0), 1.0)
    flip = p > 0.5
    rarer = 1.0 - p if flip else p
    for i in range(out.size):
        x0, x1 = element_words(s0, s1, tick, i)
        u = unit52(x0, x1)
        # The complement, so that the result still rises with the uniform number.
        u = 1.0 - u if flip else u
        n = np.floor(np.float64(counts[i])) if counts[i] > _F32(0.0) else 0.0
        if n * rarer < _LARGE_THINNED:
            k = _binomial_small(n, rarer, u)
        else:
            k = _binomial_large(n, rarer, u)
        out[i] = n - k if flip else k
