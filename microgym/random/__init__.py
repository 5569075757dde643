"""Random streams: every random number is a function of (episode, role, process, tick, index).

The generator is Threefry-2x32-20 (J. K. Salmon et al., "Parallel random numbers: as easy as 1, 2,
3", SC'11): a keyed bijection of 64-bit counters. It has no state, so that a number depends neither
on the batch it is drawn in nor on earlier draws, and a snapshot needs only the tick.

An episode has a key of two uint32 (`episode_key`). A role (`Role`) and the number of a process
(`microgym.random.streams` lists all of them) turn it into a stream key (`stream`). Within a stream,
`uniform` and `normal` draw the number at (tick, index), index < 2**31; the `fill_` functions and
`thin_counts` draw a whole array at a tick. Scalar and array draws never share a counter. Array
draws do among themselves (the same element uses the same bits), so give each process one kind of
array draw per tick.

Array functions take one-dimensional C-contiguous arrays; element i depends on the key, the tick, i
and the i-th parameters alone, not on the array's length. Every number is a monotone function of one
uniform number, so that two runs with the same key have the same quantiles where their means differ.
"""

from microgym.random.counts import POISSON_WORK, fill_poisson, thin_counts
from microgym.random.generator import (
    EXOGENOUS,
    MEASUREMENT,
    WORLD,
    Role,
    draw_normal,
    draw_uniform,
    episode_key,
    fill_normal,
    fill_uniform,
    normal,
    row_stream,
    stream,
    threefry,
    uniform,
)

__all__ = [
    "EXOGENOUS",
    "MEASUREMENT",
    "POISSON_WORK",
    "WORLD",
    "Role",
    "draw_normal",
    "draw_uniform",
    "episode_key",
    "fill_normal",
    "fill_poisson",
    "fill_uniform",
    "normal",
    "row_stream",
    "stream",
    "thin_counts",
    "threefry",
    "uniform",
]
