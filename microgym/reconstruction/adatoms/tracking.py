"""Which of the adatoms in an image are which: by where each is believed to be.

Pairs are formed greedily, the nearest first, and only within a gate. What has not been touched is
looked for first, near where it was; what has been dragged is looked for among the rest, along its
way, for an adatom may be left behind anywhere on it. Adatoms do not vanish: what is still missing
then was disturbed, and is what else is new in the image, if that is not too far off. Gates widen
with every image in a row in which an adatom was missed.

All adatoms look alike. Two that have changed places cannot be told from two that have not.
"""

import numpy as np
from numpy.typing import NDArray

from microgym.jit import kernel
from microgym.reconstruction.adatoms.peak_detection import MOST

Float64 = NDArray[np.float64]

LEGS = 8
"""Legs of a way that are remembered between two images; of more the last ones (design choice)."""
STILL_NM = 0.35
"""Gate of an adatom that has not been dragged, nm: more than the next hollow is away, less than the
half of a usual distance of adatoms (design choice)."""
DRAGGED_NM = 0.5
"""Gate about the way of one that has, nm (design choice)."""
AHEAD = 0.1
"""What a distance from the end of the way counts, in distances from the way: of two adatoms on it
the one nearer to the end is taken (design choice)."""
ASTRAY_NM = 1.0
"""Gate of one that is neither near its place nor on its way, nm (design choice)."""


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


def association_work(
    adatoms: int, most: int = MOST
) -> tuple[Float64, Float64, NDArray[np.int64], NDArray[np.bool_]]:
    """Costs, gates, pairs and free places: room to pair adatoms with the places in an image.

    Args:
        adatoms: how many there can be.
        most: places in an image.
    """
    pairs, free = np.empty(adatoms, np.int64), np.empty(most, np.bool_)
    return np.empty((adatoms, most)), np.empty(adatoms), pairs, free


@kernel
def associate_rows(rows, found, counts, tracks, others, shown, seen, work):
    """Tell tracked adatoms from others in an image of each row.

    Args:
        rows: (k,) int64.
        found: (N, MOST, 4) float64, as `Adatoms.found`.
        counts: (N,) int64.
        tracks: of M tracked adatoms: corners (N, M, LEGS + 1, 2) float64, where each was last seen
            and then the ends of its drags, nm; legs (N, M) int64, number of drags; missed (N, M)
            int64, images in a row in which it was not seen, updated.
        others: (N, A, 2) float64, adatoms of the image before that are not tracked; written: those
            of this one.
        shown: (N, A) bool, whether there is such an adatom; written.
        seen: (N, M, 4) float64, of each tracked adatom place, probability and uncertainty, written
            where it was found; probability 0 where it was not.
        work: of `association_work`.
    """
    corners, legs, missed = tracks
    movers, room = legs.shape[1], others.shape[1]
    size = movers + room
    costs, gates, pairs, free = work
    for k in range(rows.size):
        b = rows[k]
        count = counts[b]
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
        for i in range(movers):
            if legs[b, i] == 0:
                continue
            gates[i] = np.inf
            for j in range(count):
                path, away = _from_way(found[b, j, 0], found[b, j, 1], corners[b, i], legs[b, i])
                near = path <= DRAGGED_NM * (1.0 + missed[b, i])
                costs[i, j] = path + AHEAD * away if near else np.inf
        pair_nearest(costs, movers, count, gates, pairs, free)
        for i in range(movers):
            gates[i] = ASTRAY_NM * (1.0 + missed[b, i])
            for j in range(count):
                x, y = found[b, j, 0], found[b, j, 1]
                costs[i, j], _ = _from_way(x, y, corners[b, i], legs[b, i])
        pair_nearest(costs, movers, count, gates, pairs, free)
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
