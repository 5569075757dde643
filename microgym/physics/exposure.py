"""Times within an exposure at which the expected counts are summed.

The specimen fades and drifts while it is exposed, so that the expected counts are an integral over
the exposure of length T,

    N(q) = (photons / T) integral_0^T |F{P(r - d(t)) O(r, F(t))}(q)|^2 dt.

It is summed by Gauss and Legendre's rule in u, with t / T = ((1 + x / 2)^u - 1) / (x / 2): the
contrast falls fastest at the start, and nodes are crowded there. x is the largest fluence of the
exposure over the smallest critical fluence, and the integrands are exp(-y t / T) with y up to 2 x.
The weights are scaled to sum to one, so that photons are conserved.
"""

import numpy as np

from microgym.jit import kernel
from microgym.numerics.libm import exponential, log64

MOST_NODES = 4
"""Most nodes of one exposure."""
FADING_LIMITS = (0.2, 1.4, 5.8)
"""Largest x for 1, 2 and 3 nodes. The error is at most 1.6e-3 of the fresh intensity for one node,
and beyond 5e-4 up to x = 45, 1e-3 up to 90; so large is the step, too, where one more node is taken
(design choice: below the error of a node of the drift)."""
WAY_LIMITS_PX = (0.1, 0.5, 1.0)
"""Longest way of the drift within an exposure for 1, 2 and 3 nodes, px.

At a way w and f cycles per pixel the terms of the expected counts are off by at most (pi f w)^2 / 6
for one node, (pi f w)^4 / 270 for two and (pi f w)^6 / 15750 for three: 4e-3, 1.5e-3 and 1e-3 at
half a cycle per pixel (design choice)."""

_EVEN = 1e-6

# Abramowitz and Stegun, table 25.4, moved to [0, 1]; row k has the rule of k + 1 nodes.
_PLACES = np.array(
    [
        [0.5, 0.0, 0.0, 0.0],
        [0.21132486540518712, 0.7886751345948129, 0.0, 0.0],
        [0.1127016653792583, 0.5, 0.8872983346207417, 0.0],
        [0.06943184420297371, 0.33000947820757187, 0.6699905217924281, 0.9305681557970262],
    ]
)
_WEIGHTS = np.array(
    [
        [1.0, 0.0, 0.0, 0.0],
        [0.5, 0.5, 0.0, 0.0],
        [0.2777777777777778, 0.4444444444444444, 0.2777777777777778, 0.0],
        [0.17392742256872692, 0.32607257743127305, 0.32607257743127305, 0.17392742256872692],
    ]
)


@kernel
def count_nodes(value, limits):
    """Nodes that a fading or a way needs: 1, and 1 more for each of three limits it exceeds."""
    return 1 + int(value > limits[0]) + int(value > limits[1]) + int(value > limits[2])


@kernel
def exposure_node(k, count, fading):
    """Time and weight of one node.

    Args:
        k: number of the node, from 0 to `count` - 1, in the order of time.
        count: nodes of the exposure, 1 to `MOST_NODES`.
        fading: x, the largest fluence of the exposure over the smallest critical fluence.

    Returns:
        Time over that of the exposure, and weight; the weights of all nodes sum to one.
    """
    half = 0.5 * fading
    power = log64(1.0 + half)
    total, time, weight = 0.0, 0.0, 0.0
    for j in range(count):
        # g^u with g = 1 + x / 2: t = (g^u - 1) / (g - 1), and w dt/du up to a constant factor.
        u = _PLACES[count - 1, j]
        grown = exponential(u * power)
        part = _WEIGHTS[count - 1, j] * grown
        total += part
        if j == k:
            time, weight = ((grown - 1.0) / half if half > _EVEN else u), part
    return time, weight / total
