"""The generator, its keys, and uniform and normal numbers; see `microgym.random`."""

from enum import IntEnum
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic
from numpy.typing import NDArray

from microgym.jit import inline_kernel, kernel
from microgym.numerics.libm import ndtri32_signed, ndtri64

_U32 = np.uint32
_F32 = np.float32
_I32 = np.int32

Words = tuple[ir.Value, ir.Value]

_PARITY = 0x1BD11BDA  # of the key schedule, from the paper, as are the rotations
_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
_ARRAY_DRAW = np.uint32(0x80000000)
_CHILD = np.uint32(0x80000000)

STRIP = 64
"""Elements whose bits are drawn together by array functions (design choice: fastest of 32, 64)."""


class Role(IntEnum):
    """Role of a stream, so that the numbers of one role can be redrawn without the others.

    Attributes:
        WORLD: the specimen and hidden parameters.
        EXOGENOUS: processes that do not depend on the agent, such as drift.
        MEASUREMENT: noise of measurements, such as photon counting.
    """

    WORLD = 0
    EXOGENOUS = 1
    MEASUREMENT = 2


# For kernels: Numba would compile a helper anew for every literal and every member.
WORLD, EXOGENOUS, MEASUREMENT = (np.int64(role) for role in Role)


def _splat(value: int, kind: ir.Type) -> ir.Constant:
    """A constant of an integer type, or of vectors of one."""
    lanes = getattr(kind, "count", None)
    return ir.Constant(kind, value if lanes is None else [value] * lanes)


def _enciphered(b: ir.IRBuilder, key: Words, counter: Words) -> Words:
    """Instructions of Threefry-2x32-20, for one counter or for vectors of them."""
    kind = counter[0].type
    third = b.xor(b.xor(key[0], key[1]), _splat(_PARITY, kind))
    schedule = (*key, third)
    x0, x1 = b.add(counter[0], key[0]), b.add(counter[1], key[1])
    for four in range(5):
        for turn in _ROTATIONS[four % 2]:
            x0 = b.add(x0, x1)
            left, right = b.shl(x1, _splat(turn, kind)), b.lshr(x1, _splat(32 - turn, kind))
            x1 = b.xor(b.or_(left, right), x0)
        x0 = b.add(x0, schedule[(four + 1) % 3])
        x1 = b.add(x1, b.add(schedule[(four + 2) % 3], _splat(four + 1, kind)))
    return x0, x1


def _one_counter(typing: Any, k0: Any, k1: Any, c0: Any, c1: Any) -> Any:
    """`threefry` of four uint32."""
    word = types.uint32

    def generate(context: Any, b: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        words = _enciphered(b, (args[0], args[1]), (args[2], args[3]))
        return context.make_tuple(b, sig.return_type, words)

    return types.UniTuple(word, 2)(word, word, word, word), generate


_threefry: Any = intrinsic(_one_counter)


def _strip_of_counters(
    typing: Any, s0: Any, s1: Any, first: Any, tick: Any, out: Any, start: Any
) -> Any:
    """Write the words of the counters from `first` on into a strip of `out`.

    All in one vector, which the processor takes as several: while one waits for its result, the
    others go on.
    """
    word = types.uint32
    half = STRIP // 2

    def generate(context: Any, b: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        vector = ir.VectorType(ir.IntType(32), half)
        lanes = ir.Constant(vector, list(range(half)))

        def everywhere(value: ir.Value) -> ir.Value:
            undefined = ir.Constant(vector, ir.Undefined)
            lane = b.insert_element(undefined, value, ir.Constant(ir.IntType(32), 0))
            return b.shuffle_vector(lane, undefined, ir.Constant(vector, [0] * half))

        s0, s1, first, tick = (everywhere(value) for value in args[:4])
        data = context.make_array(sig.args[4])(context, b, args[4]).data
        words = _enciphered(b, (s0, s1), (b.add(first, lanes), tick))
        for part, value in enumerate(words):
            at = b.gep(data, [b.add(args[5], ir.Constant(args[5].type, part * half))])
            b.store(value, b.bitcast(at, vector.as_pointer()), align=4)
        return context.get_dummy_value()

    return types.void(word, word, word, word, out, types.intp), generate


_encipher_strip: Any = intrinsic(_strip_of_counters)


@inline_kernel
def threefry(k0, k1, c0, c1):
    """Threefry-2x32-20: the counter (c0, c1) enciphered with the key (k0, k1), two uint32.

    All four words are cast to uint32.
    """
    return _threefry(_U32(k0), _U32(k1), _U32(c0), _U32(c1))


@inline_kernel
def stream(k0, k1, role, process):
    """Key of one process of an episode.

    Args:
        k0, k1: words of the episode key.
        role: a `Role` (or its integer).
        process: integer 0 <= process < 2**32, one per source of randomness in the role.

    Returns:
        Two uint32, the stream key.
    """
    return threefry(k0, k1, _U32(process), _U32(role))


@kernel
def row_stream(keys, b, role, process):
    """`stream` of one episode of many; compiled once for all the places that ask.

    Args:
        keys: (N, 2) uint32, episode keys.
        b: which one.
        role, process: as for `stream`.

    Returns:
        Two uint32, the stream key.
    """
    return stream(keys[b, 0], keys[b, 1], role, process)


@inline_kernel
def unit52(x0, x1):
    """A float64 in (0, 1), the centre of one of 2**52 equal cells, from two uint32."""
    return (np.float64(x0 >> _U32(6)) * 67108864.0 + np.float64(x1 >> _U32(6)) + 0.5) * (
        2.220446049250313e-16
    )


@inline_kernel
def uniform(s0, s1, tick, index):
    """A uniform number in the open interval (0, 1), with 52 random bits.

    Args:
        s0, s1: words of the stream key.
        tick: integer, cast to uint32.
        index: integer 0 <= index < 2**31.

    Returns:
        float64.
    """
    x0, x1 = threefry(s0, s1, _U32(index), _U32(tick))
    return unit52(x0, x1)


@inline_kernel
def normal(s0, s1, tick, index):
    """A standard normal float64: the quantile of `uniform`, whose arguments it takes."""
    return ndtri64(uniform(s0, s1, tick, index))


# The code of the inlined draws is long: compiled here once, it is called from many places.
@kernel
def draw_uniform(s0, s1, tick, index):
    """`uniform` as a call."""
    return uniform(s0, s1, tick, index)


@kernel
def draw_normal(s0, s1, tick, index):
    """`normal` as a call."""
    return normal(s0, s1, tick, index)


@inline_kernel
def element_words(s0, s1, tick, i):
    """Both words of the counter of element i."""
    return threefry(s0, s1, _U32(_U32(i) | _ARRAY_DRAW), _U32(tick))


@kernel
def fill_bits(s0, s1, tick, out):
    """Fill with random bits, the source of the other array functions.

    Elements j and j + STRIP/2 of a strip are the two words of one counter.

    Args:
        s0, s1: words of the stream key.
        tick: integer, cast to uint32.
        out: uint32, one-dimensional; overwritten.
    """
    t = _U32(tick)
    half = STRIP // 2
    for start in range(0, out.size, STRIP):
        first = _U32(_U32(start // 2) | _ARRAY_DRAW)
        if start + STRIP <= out.size:
            _encipher_strip(_U32(s0), _U32(s1), first, t, out, start)
        else:
            for i in range(start, out.size):
                x0, x1 = threefry(s0, s1, _U32(first + _U32((i - start) % half)), t)
                out[i] = x0 if i - start < half else x1


@inline_kernel
def _unit24(bits):
    """A float32 in (0, 1), the centre of one of 2**24 equal cells."""
    return (_F32(_I32(bits >> _U32(8))) + _F32(0.5)) * _F32(5.9604644775390625e-8)


@inline_kernel
def centred(bits):
    """The 32 bits as x = 2u - 1 and as 1 - |x|, both float32 and both to full precision."""
    s = _I32(bits ^ _U32(0x80000000))
    tail = _I32((s ^ (s >> _I32(31))) ^ _I32(0x7FFFFFFF))
    unit = _F32(4.656612873077393e-10)
    return (_F32(s) + _F32(0.5)) * unit, (_F32(tail) + _F32(0.5)) * unit


@kernel
def fill_uniform(s0, s1, tick, out):
    """Fill with uniform numbers in the open interval (0, 1), with 24 random bits.

    Args:
        s0, s1: words of the stream key.
        tick: integer, cast to uint32.
        out: float32, one-dimensional; overwritten.
    """
    bits = out.view(np.uint32)
    fill_bits(s0, s1, tick, bits)
    for i in range(out.size):
        out[i] = _unit24(bits[i])


@kernel
def fill_normal(s0, s1, tick, out):
    """Fill with standard normal numbers: the quantiles of 32-bit uniform numbers.

    The largest magnitude is 6.34. The quantile's relative error is below 4e-7 up to 5, and below
    4e-4 beyond (probability 6e-7).

    Args:
        s0, s1: words of the stream key.
        tick: integer, cast to uint32.
        out: float32, one-dimensional; overwritten.
    """
    bits = out.view(np.uint32)
    fill_bits(s0, s1, tick, bits)
    for i in range(out.size):
        x, tail = centred(bits[i])
        out[i] = ndtri32_signed(x, tail)


@kernel
def _encipher(key, counter, out):
    """Array form of `threefry`, for Python."""
    out[0], out[1] = threefry(key[0], key[1], counter[0], counter[1])


_ROOT = np.array([0x6D696372, 0x6F67796D], dtype=np.uint32)  # "microgym" in ASCII


def _words(name: str, value: int) -> NDArray[np.uint32]:
    """Low and high word of a non-negative 63-bit integer."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise TypeError(f"{name} must be an integer, got {value!r} of {type(value).__name__}")
    if not 0 <= value < 2**63:
        raise ValueError(f"{name} must be in 0 <= {name} < 2**63, got {value}")
    return np.array([int(value) & 0xFFFFFFFF, int(value) >> 32], dtype=np.uint32)


def episode_key(seed: int, *path: int) -> NDArray[np.uint32]:
    """Key of an episode, or of anything else that is numbered below a seed.

    Args:
        seed: integer 0 <= seed < 2**63. Different seeds give different keys.
        *path: integers in the same range, such as the environment's and the episode's number. The
            keys of different paths below a seed are independent of each other.

    Returns:
        uint32, shape (2,), a fresh array.

    Raises:
        TypeError: an argument is not an integer (booleans are none).
        ValueError: an argument is out of range.
    """
    words = [_words("seed", seed), *(_words("path", p) for p in path)]
    key = np.empty(2, dtype=np.uint32)
    _encipher(_ROOT, words[0], key)
    for word in words[1:]:
        word[1] |= _CHILD
        _encipher(key.copy(), word, key)
    return key
