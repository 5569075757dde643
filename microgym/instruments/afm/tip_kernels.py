"""Kernels of the force microscope's tip: exchange, crashes, and debris.

`tip` is the `TipState` and `keys` the keys of the episodes in `AFMState`; row b is updated.
"""

import numpy as np

from microgym.jit import kernel
from microgym.numerics.libm import exp64
from microgym.random import EXOGENOUS, WORLD, draw_normal, draw_uniform, row_stream
from microgym.random.streams import AFMExogenous, AFMWorld

WORST_RADIUS_NM = 120.0
"""Largest radius after a crash, nm (design choice)."""
FARTHEST_NM = 45.0
"""Largest distance of a second apex, nm (design choice)."""

# Of type int64, not literals: Numba compiles a helper anew for every literal it is called with.
_TIPS = np.int64(AFMWorld.TIPS)
_SHAPES, _CRASHES = np.int64(AFMExogenous.SHAPES), np.int64(AFMExogenous.CRASHES)


@kernel
def draw_lognormal(s0, s1, tick, index, spread):
    """Draw m exp(sigma x), x standard normal; `spread` is a `Spread` (m, sigma).

    Args:
        s0, s1: words of the stream key.
        tick, index: of the draw, see `microgym.random.normal`.
        spread: median m and standard deviation sigma of the logarithm.

    Returns:
        float64, in the unit of the median.
    """
    return spread.median * exp64(spread.sigma * draw_normal(s0, s1, tick, index))


@kernel
def renew_tip(b, keys, parameters, tip):
    """Mount a new tip on row b; the n-th tip of an episode is the same whenever it is mounted.

    Args:
        parameters: `AFMParameters` of `microgym.instruments.afm.state`.
    """
    s0, s1 = row_stream(keys, b, WORLD, _TIPS)
    drawn = draw_lognormal(s0, s1, tip.exchanges[b], np.int64(0), parameters.tip_radius_nm)
    tip.radius_nm[b] = max(drawn, 2.0)
    tip.half_angle_deg[b], tip.worn_nm[b] = parameters.half_angle_deg, 0.0
    tip.second_y_nm[b], tip.second_x_nm[b], tip.second_z_nm[b] = 0.0, 0.0, np.inf
    tip.volume_nm3[b] = 0.0


@kernel
def _add_second_apex(b, s0, s1, n, tip):
    """Place a second apex, 15 nm to `FARTHEST_NM` away and up to 6 nm back (design choices)."""
    # A direction from a uniform sine; y = r sin a, x = +-r cos a.
    far = 15.0 + (FARTHEST_NM - 15.0) * draw_uniform(s0, s1, n, np.int64(2))
    slant = 2.0 * draw_uniform(s0, s1, n, np.int64(3)) - 1.0
    side = 1.0 if draw_uniform(s0, s1, n, np.int64(4)) < 0.5 else -1.0
    tip.second_y_nm[b] = far * slant
    tip.second_x_nm[b] = far * side * np.sqrt(1.0 - slant * slant)
    tip.second_z_nm[b] = 6.0 * draw_uniform(s0, s1, n, np.int64(5))


@kernel
def break_tip(b, keys, tip):
    """Break the apex of row b: it becomes blunter, and with probability 1/2 there are two."""
    s0, s1 = row_stream(keys, b, EXOGENOUS, _CRASHES)
    n = tip.crashes[b]
    tip.crashes[b] += 1
    # R' = R + 10 to 40 nm, at most `WORST_RADIUS_NM`; the worn flat breaks off.
    blunt = tip.radius_nm[b] + 10.0 + 30.0 * draw_uniform(s0, s1, n, np.int64(0))
    tip.radius_nm[b] = min(blunt, WORST_RADIUS_NM)
    tip.worn_nm[b], tip.volume_nm3[b] = 0.0, 0.0
    if draw_uniform(s0, s1, n, np.int64(1)) < 0.5:
        _add_second_apex(b, s0, s1, n, tip)


@kernel
def meet_debris(b, keys, tip):
    """Let debris become a second apex of row b, or a second apex fall off."""
    s0, s1 = row_stream(keys, b, EXOGENOUS, _SHAPES)
    n = tip.changes[b]
    tip.changes[b] += 1
    if tip.second_z_nm[b] < np.inf and draw_uniform(s0, s1, n, np.int64(1)) < 0.5:
        tip.second_z_nm[b] = np.inf
    else:
        _add_second_apex(b, s0, s1, n, tip)
