"""Tips of the force microscope: mounted, brought up to their shape, broken, fouled by debris."""

import numpy as np

from microgym.jit import kernel
from microgym.numerics.array_views import view1d
from microgym.numerics.libm import exp64, log64
from microgym.physics.afm_tip import apex_radius, shape_window
from microgym.physics.cantilever import MODULI_GPA, RADII_NM
from microgym.physics.drift import draw_normal, draw_uniform
from microgym.random import row_stream

WORST_RADIUS_NM = 120.0
"""A crash makes a tip no blunter than this, nm (design choice)."""
QUIET_CHANGE = 1.02
"""Change of the radius, as a ratio, that calls for another table (design choice)."""
SOFTEST_GPA = MODULI_GPA[0]
"""First modulus of the tables, GPa."""
LOG_MODULUS_STEP = float(np.log(MODULI_GPA[1] / MODULI_GPA[0]))
"""Logarithm of the ratio of a modulus of the tables to the one before."""

# Of type int64, not literals: Numba compiles a helper anew for every literal it is called with.
_WORLD, _EXOGENOUS = np.int64(0), np.int64(1)
_SHAPES, _CRASHES, _TIPS = np.int64(12), np.int64(13), np.int64(21)
_SHARPEST = RADII_NM[0]
_LOG_DOUBLE = float(np.log(2.0))


@kernel
def draw_lognormal(s0, s1, tick, index, median, sigma):
    """A number whose logarithm is normal."""
    return median * exp64(sigma * draw_normal(s0, s1, tick, index))


@kernel
def index_moduli(modulus):
    """Replace moduli in GPa by their place in the tables, a real number."""
    flat = view1d(modulus, 0, modulus.size)
    top = float(len(MODULI_GPA) - 1)
    for i in range(flat.size):
        place = log64(np.float64(flat[i]) / SOFTEST_GPA) / LOG_MODULUS_STEP
        flat[i] = np.float32(min(max(place, 0.0), top))


@kernel
def fit_table(radius, tables, out):
    """The table of a tip of one radius: linear in the logarithm between those there are."""
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
def renew_tip(b, keys, exchanges, radius_nm, sigma, angle, tip, volume):
    """Mount a new tip: the n-th of an episode is the same whenever it comes."""
    s0, s1 = row_stream(keys, b, _WORLD, _TIPS)
    n = exchanges[b]
    tip[b, 0] = max(draw_lognormal(s0, s1, n, np.int64(0), radius_nm, sigma), 2.0)
    tip[b, 1], tip[b, 2] = angle, 0.0
    tip[b, 3], tip[b, 4], tip[b, 5] = 0.0, 0.0, np.inf
    volume[b] = 0.0


@kernel
def mount_rows(rows, keys, exchanges, radius_nm, sigma, angle, tip, volume):
    """Mount the first tips of the listed rows."""
    for k in range(rows.size):
        renew_tip(rows[k], keys, exchanges, radius_nm, sigma, angle, tip, volume)


@kernel
def refit(b, pixel_nm, tables, tip, window, table, fitted):
    """Bring shape and table of row b up to its tip."""
    shape_window(tip[b], pixel_nm, window[b])
    radius = apex_radius(tip[b, 0], tip[b, 2])
    if not fitted[b] / QUIET_CHANGE < radius < fitted[b] * QUIET_CHANGE:
        fit_table(radius, tables, table[b])
        fitted[b] = radius


@kernel
def refit_rows(rows, pixel_nm, tables, tip, window, table, fitted):
    """`refit` for the listed rows."""
    for k in range(rows.size):
        refit(rows[k], pixel_nm, tables, tip, window, table, fitted)


@kernel
def _second_apex(s0, s1, n, tip):
    """Place a second apex, 15 to 45 nm away and up to 6 nm back (design choices)."""
    far = 15.0 + 30.0 * draw_uniform(s0, s1, n, np.int64(2))
    slant = 2.0 * draw_uniform(s0, s1, n, np.int64(3)) - 1.0
    side = 1.0 if draw_uniform(s0, s1, n, np.int64(4)) < 0.5 else -1.0
    tip[3], tip[4] = far * slant, far * side * np.sqrt(1.0 - slant * slant)
    tip[5] = 6.0 * draw_uniform(s0, s1, n, np.int64(5))


@kernel
def break_tip(b, keys, crashes, tip, volume):
    """A crash: the apex breaks, and half the time leaves two."""
    s0, s1 = row_stream(keys, b, _EXOGENOUS, _CRASHES)
    n = np.int64(crashes[b])
    crashes[b] += 1
    tip[b, 0] = min(tip[b, 0] + 10.0 + 30.0 * draw_uniform(s0, s1, n, np.int64(0)), WORST_RADIUS_NM)
    tip[b, 2], volume[b] = 0.0, 0.0
    if draw_uniform(s0, s1, n, np.int64(1)) < 0.5:
        _second_apex(s0, s1, n, tip[b])


@kernel
def meet_debris(b, keys, changes, tip):
    """Debris: it becomes a second apex, or what was there falls off."""
    s0, s1 = row_stream(keys, b, _EXOGENOUS, _SHAPES)
    n = np.int64(changes[b])
    changes[b] += 1
    if tip[b, 5] < np.inf and draw_uniform(s0, s1, n, np.int64(1)) < 0.5:
        tip[b, 5] = np.inf
    else:
        _second_apex(s0, s1, n, tip[b])
