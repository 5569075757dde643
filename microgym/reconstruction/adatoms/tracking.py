"""Association of the adatoms in an image with those that are tracked.

Pairs are formed greedily, the nearest first, and only within a gate. An adatom that was not dragged
is searched first, near its last position. One that was dragged is searched among the remaining
positions along its way, since it may be left behind anywhere on it. One that is then still missing
was disturbed, and is paired with another new position within a wider gate. Gates widen with every
image in a row in which an adatom was missed.

Adatoms have no features of their own: two that have changed places are confused.
"""

from typing import NamedTuple

import numpy as np

from microgym.jit import kernel
from microgym.reconstruction.adatoms.peak_detection import MOST
from microgym.state import Bool, Float64, Int64

LEGS = 8
"""Legs of a way that are kept between two images; of more the last ones (design choice)."""
STILL_NM = 0.35
"""Gate of an adatom that has not been dragged, nm: more than the next hollow is away, less than
half the usual distance of adatoms (design choice)."""
DRAGGED_NM = 0.5
"""Gate about the way of an adatom that has been dragged, nm (design choice)."""
AHEAD = 0.1
"""Weight of the distance from the end of the way, against that from the way: of two adatoms on it
the one nearer to the end is taken (design choice)."""
ASTRAY_NM = 1.0
"""Gate of an adatom that is neither near its position nor on its way, nm (design choice)."""


@kernel
def pair_nearest(costs, rows, columns, gates, pairs, free):
    """Pair rows and columns of a matrix greedily, the least cost first; of equal ones the first.

    Args:
        costs: (>= rows, >= columns) float64.
        rows, columns: how many of each.
        gates: (>= rows,) float64, largest cost of a pair of each row.
        pairs: (>= rows,) int64, column of each row; of those that are -1 the pairs are found.
        free: (>= columns,) bool, columns that can still be taken; updated.
    """
    while True:
        best, row, column = np.inf, -1, -1
        for i in range(rows):
            if pairs[i] >= 0:
                continue
            for j in range(columns):
                if free[j] and costs[i, j] <= gates[i] and costs[i, j] < best:
                    best, row, column = costs[i, j], i, j
        if row < 0:
            return
        pairs[row] = column
        free[column] = False


@kernel
def _from_segment(x, y, ax, ay, bx, by):
    """Distance of a place from a segment."""
    dx, dy = bx - ax, by - ay
    square = dx * dx + dy * dy
    part = 0.0
    if square > 0.0:
        part = min(max(((x - ax) * dx + (y - ay) * dy) / square, 0.0), 1.0)
    ex, ey = x - ax - part * dx, y - ay - part * dy
    return np.sqrt(ex * ex + ey * ey)


@kernel
def _from_way(x, y, corners, legs):
    """Distance of a place from a way of some legs, and from the end of it."""
    end = corners[legs]
    away = _from_segment(x, y, end[0], end[1], end[0], end[1])
    path = away
    for leg in range(legs):
        start, stop = corners[leg], corners[leg + 1]
        path = min(path, _from_segment(x, y, start[0], start[1], stop[0], stop[1]))
    return path, away


class AssociationWork(NamedTuple):
    """Work memory of `pair_nearest` for A adatoms and P positions.

    Attributes:
        costs: (A, P) float64.
        gates: (A,) float64.
        pairs: (A,) int64.
        free: (P,) bool.
    """

    costs: Float64
    gates: Float64
    pairs: Int64
    free: Bool


def association_work(adatoms: int, positions: int = MOST) -> AssociationWork:
    """Work memory for so many adatoms, and positions in an image."""
    return AssociationWork(
        costs=np.empty((adatoms, positions)),
        gates=np.empty(adatoms),
        pairs=np.empty(adatoms, np.int64),
        free=np.empty(positions, np.bool_),
    )


@kernel
def associate_rows(rows, adatoms, tracks, work):
    """Associate the adatoms in an image of each row with the tracked ones.

    Args:
        rows: (k,) int64.
        adatoms: `Adatoms` of the images.
        tracks: `TrackState`; `missed`, `seen`, `others` and `shown` are updated.
        work: of `association_work`, for all tracked and other adatoms.
    """
    found, corners, legs = adatoms.found, tracks.corners, tracks.legs
    others, shown, seen, missed = tracks.others, tracks.shown, tracks.seen, tracks.missed
    movers, room = legs.shape[1], others.shape[1]
    size = movers + room
    costs, gates, pairs, free = work
    for b in rows:
        count = adatoms.counts[b]
        # First, adatoms that were not dragged, near their last positions.
        for j in range(count):
            free[j] = True
        for i in range(size):
            pairs[i] = -1
            gates[i] = -1.0
            if i < movers and legs[b, i] == 0:
                gates[i] = STILL_NM * (1.0 + missed[b, i])
            elif i >= movers and shown[b, i - movers]:
                gates[i] = STILL_NM
            for j in range(count):
                x, y = found[b, j, 0], found[b, j, 1]
                if i < movers:
                    costs[i, j], _ = _from_way(x, y, corners[b, i], legs[b, i])
                else:
                    x0, y0 = others[b, i - movers, 0], others[b, i - movers, 1]
                    costs[i, j] = _from_segment(x, y, x0, y0, x0, y0)
        pair_nearest(costs, size, count, gates, pairs, free)
        # Second, adatoms that were dragged: along their ways, the nearer to the end the better.
        for i in range(movers):
            if legs[b, i] == 0:
                continue
            gates[i] = np.inf
            for j in range(count):
                path, away = _from_way(found[b, j, 0], found[b, j, 1], corners[b, i], legs[b, i])
                near = path <= DRAGGED_NM * (1.0 + missed[b, i])
                costs[i, j] = path + AHEAD * away if near else np.inf
        pair_nearest(costs, movers, count, gates, pairs, free)
        # Third, adatoms that are still missing: the other new positions within a wider gate.
        for i in range(movers):
            gates[i] = ASTRAY_NM * (1.0 + missed[b, i])
            for j in range(count):
                x, y = found[b, j, 0], found[b, j, 1]
                costs[i, j], _ = _from_way(x, y, corners[b, i], legs[b, i])
        pair_nearest(costs, movers, count, gates, pairs, free)
        # Write the tracked adatoms, and the remaining positions as the others.
        for j in range(count):
            free[j] = True
        for i in range(movers):
            missed[b, i] += 1
            seen[b, i, 2], seen[b, i, 3] = 0.0, 0.0
            if pairs[i] >= 0:
                free[pairs[i]] = False
                missed[b, i] = 0
                for column in range(4):
                    seen[b, i, column] = found[b, pairs[i], column]
        filled = 0
        for j in range(count):
            if free[j] and filled < room:
                others[b, filled, 0], others[b, filled, 1] = found[b, j, 0], found[b, j, 1]
                shown[b, filled] = True
                filled += 1
        for slot in range(filled, room):
            others[b, slot, 0], others[b, slot, 1] = 0.0, 0.0
            shown[b, slot] = False
