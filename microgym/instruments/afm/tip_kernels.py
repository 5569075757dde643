"""Kernels of the force microscope's tip: exchange, wear, crashes, debris, and its signal table.

`tip` is the `TipState` and `keys` the keys of the episodes in `AFMState`; row b is updated.
"""

import numpy as np

from microgym.jit import kernel
from microgym.numerics.array_views import view1d
from microgym.numerics.libm import exp64, log64
from microgym.physics.afm_tip import apex_radius
from microgym.physics.cantilever import MODULI_GPA, RADII_NM
from microgym.random import EXOGENOUS, WORLD, draw_normal, draw_uniform, row_stream
from microgym.random.streams import AFMExogenous, AFMWorld

WORST_RADIUS_NM = 120.0
"""Largest radius after a crash, nm (design choice)."""
FARTHEST_NM = 45.0
"""Largest distance of a second apex, nm (design choice)."""
QUIET_CHANGE = 1.02
"""Ratio of the radius to that of its table beyond which the table is made anew (design choice)."""
SOFTEST_GPA = MODULI_GPA[0]
"""First modulus of the tables, GPa."""
LOG_MODULUS_STEP = float(np.log(MODULI_GPA[1] / MODULI_GPA[0]))
"""Logarithm of the ratio of two successive moduli of the tables."""

# Of type int64, not literals: Numba compiles a helper anew for every literal it is called with.
_TIPS = np.int64(AFMWorld.TIPS)
_SHAPES, _CRASHES = np.int64(AFMExogenous.SHAPES), np.int64(AFMExogenous.CRASHES)
_SHARPEST = RADII_NM[0]
_LOG_DOUBLE = float(np.log(2.0))


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
def _fit_table(radius, tables, out):
    """Interpolate the signal table of one radius, linear in log R between the tabulated radii."""
    count = tables.shape[0]
    place = log64(radius / _SHARPEST) / _LOG_DOUBLE
    place = min(max(place, 0.0), count - 1.000001)
    first = int(place)
    mix = place - first
    size = out.size
    flat, source = view1d(out, 0, size), view1d(tables, first * size, 2 * size)
    for i in range(size):
        flat[i] = source[i] + mix * (source[size + i] - source[i])


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
def refit_tip(b, parameters, tip):
    """Bring the signal table of row b up to its tip's radius.

    Args:
        parameters: `AFMParameters` of `microgym.instruments.afm.state`.
    """
    # The table depends on the effective radius; small changes do not call for another one.
    radius, fitted = apex_radius(tip.radius_nm[b], tip.worn_nm[b]), tip.table_radius_nm[b]
    if not fitted / QUIET_CHANGE < radius < fitted * QUIET_CHANGE:
        _fit_table(radius, parameters.signals.values, tip.table[b])
        tip.table_radius_nm[b] = radius


@kernel
def refit_rows(rows, parameters, tip):
    """`refit_tip` for the listed rows.

    Args:
        rows: (k,) int64.
        parameters: `AFMParameters` of `microgym.instruments.afm.state`.
    """
    for b in rows:
        refit_tip(b, parameters, tip)


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
