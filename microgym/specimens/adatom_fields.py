"""Adatoms on fcc(111): those to be moved, where to, and what must be left alone.

A field holds movers (first in every array), their targets, bystanders, and in some families a step
edge and patches of contamination. Everything sits in hollows of the lattice of
`microgym.physics.adatoms`; places are (x, y) in nm from the centre of the field, x along a
close-packed row. All sizes are design choices, on the scale of the 8 nm images of Chen et al., Nat.
Commun. 13, 7499 (2022).
"""

import itertools
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from microgym.jit import kernel
from microgym.numerics.libm import sincos64
from microgym.physics.adatoms import LATTICE_NM, nearest_site, site_place
from microgym.random import Role, stream, uniform
from microgym.specimens.splits import specimen_key, validate_family

FAMILIES = ("terrace", "crowded", "stepped")
"""Every family of fields, by name: few bystanders; many; a step edge and contamination."""
HELD_OUT = ("stepped",)
"""Families that are never shown in training."""

FIELD_NM = 8.0
"""Edge of the field, nm."""
MARGIN_NM = 0.8
"""Nothing is put, and nothing has to be put, nearer to the field's border, nm."""
ATOMS = 12
"""Adatoms that a field has room for."""
MOVERS = 5
"""Most adatoms that are to be moved."""
PATCHES = 2
"""Patches of contamination that a field has room for."""
STEP_NM = 0.236
"""Height of a step of Ag(111), a times the root of 2/3, nm."""

BYSTANDERS = {"terrace": (2, 4), "crowded": (5, 7), "stepped": (2, 4)}
"""Fewest and most bystanders of each family."""

_FIGURES = np.array(
    [
        [(0, 0), (3, 0), (-3, 0), (6, 0), (-6, 0)],  # a row
        [(0, 0), (3, 0), (0, 3), (3, 3), (-3, 3)],  # triangles
        [(0, 0), (3, 0), (-3, 3), (6, -3), (-6, 6)],  # a zigzag
        [(0, 0), (3, 0), (3, 3), (0, 6), (-3, 6)],  # an arc
    ],
    np.int64,
)
"""Targets of up to five movers in cells of the lattice; the first of them make smaller figures."""
_ORDERS = np.full((MOVERS + 1, math.factorial(MOVERS), MOVERS), -1, np.int64)
for _count in range(1, MOVERS + 1):
    for _number, _order in enumerate(itertools.permutations(range(_count))):
        _ORDERS[_count, _number, :_count] = _order

_PROCESS = np.int64(1)
_TRIES = 200


@dataclass
class AdatomFields:
    """N fields; every array has the leading axis N.

    Attributes:
        sites: (N, ATOMS, 3) int64, hollows (n, m, s) of the adatoms, movers first.
        places: (N, ATOMS, 2) float64, places (x, y), nm; the same.
        present: (N, ATOMS) bool, whether there is such an adatom.
        targets: (N, MOVERS, 2) float64, places of the movers' targets, nm.
        steps: (N, 3) float64, a step edge along the line n r = d, up where n r > d: n (x, y), and d
            in nm, infinite where there is none.
        patches: (N, PATCHES, 3) float64, contamination: centre (x, y) and radius, nm; 0 if none.
    """

    sites: NDArray[np.int64]
    places: NDArray[np.float64]
    present: NDArray[np.bool_]
    targets: NDArray[np.float64]
    steps: NDArray[np.float64]
    patches: NDArray[np.float64]

    @classmethod
    def zeros(cls, num_envs: int) -> "AdatomFields":
        """Empty fields."""
        return cls(
            np.zeros((num_envs, ATOMS, 3), np.int64),
            np.zeros((num_envs, ATOMS, 2)),
            np.zeros((num_envs, ATOMS), np.bool_),
            np.zeros((num_envs, MOVERS, 2)),
            np.zeros((num_envs, 3)),
            np.zeros((num_envs, PATCHES, 3)),
        )

    def fill(
        self,
        rows: NDArray[np.int64],
        keys: NDArray[np.uint32],
        family: str,
        split: str,
        movers: int,
        distance_nm: tuple[float, float],
    ) -> None:
        """Draw fields into the listed rows.

        One mover gets a target at a distance from the range; several get a figure, and the targets
        are dealt out so that the ways add up to the least.

        Args:
            rows: (k,) int64.
            keys: (k, 2) uint32, keys of the episodes.
            family: one of `FAMILIES`.
            split: one of `microgym.specimens.splits.SPLITS`.
            movers: adatoms to be moved, 1 to MOVERS.
            distance_nm: least and largest way of a single mover, nm.

        Raises:
            ValueError: an unknown family or split, or a held-out family in training.
        """
        validate_family(family, split, FAMILIES, HELD_OUT)
        low, high = BYSTANDERS[family]
        fill_rows(
            rows,
            specimen_key(keys, split),
            (self.sites, self.places, self.present),
            (self.targets, self.steps, self.patches),
            (np.int64(movers), np.int64(low), np.int64(high), family == "stepped"),
            (float(distance_nm[0]), float(distance_nm[1])),
            LATTICE_NM,
        )


@kernel
def _drawn_site(s0, s1, tick, reach, lattice):
    """A hollow in the middle square of half the edge `reach`, drawn uniformly."""
    x = reach * (2.0 * uniform(s0, s1, tick, 0) - 1.0)
    y = reach * (2.0 * uniform(s0, s1, tick, 1) - 1.0)
    return nearest_site(x, y, lattice)


@kernel
def _room(places, count, x, y, least):
    """Whether the first `count` places are all at least a distance away."""
    for other in range(count):
        dx, dy = places[other, 0] - x, places[other, 1] - y
        if dx * dx + dy * dy < least * least:
            return False
    return True


@kernel
def _inside(x, y, step, edge):
    """Whether a place is on the field, and well on the lower terrace."""
    return max(abs(x), abs(y)) < edge and step[0] * x + step[1] * y < step[2] - 0.7


@kernel
def _deal_out(places, targets, movers):
    """Order the targets so that the ways of the movers add up to the least."""
    best, chosen = np.inf, 0
    for number in range(_ORDERS.shape[1]):
        if _ORDERS[movers, number, 0] < 0:
            break
        total = 0.0
        for k in range(movers):
            goal = _ORDERS[movers, number, k]
            dx, dy = targets[goal, 0] - places[k, 0], targets[goal, 1] - places[k, 1]
            total += np.sqrt(dx * dx + dy * dy)
        if total < best:
            best, chosen = total, number
    for k in range(movers):
        # What stood there has been exchanged for another already, if it is before this one.
        goal = _ORDERS[movers, chosen, k]
        while goal < k:
            goal = _ORDERS[movers, chosen, goal]
        for axis in range(2):
            here, there = targets[k, axis], targets[goal, axis]
            targets[k, axis], targets[goal, axis] = there, here


@kernel
def _set_targets(s0, s1, tick, targets, movers, step, edge, ways, start, lattice):
    """Draw the targets; whether all are on the field.

    One target lies at a drawn distance from `start`; several make a figure about the middle.
    """
    turns = int(6.0 * uniform(s0, s1, tick, 0))
    figure = int(_FIGURES.shape[0] * uniform(s0, s1, tick, 1))
    if movers == 1:
        low, high = ways
        way = low + (high - low) * uniform(s0, s1, tick, 2)
        sine, cosine = sincos64(2.0 * math.pi * uniform(s0, s1, tick, 3))
        n, m, s = nearest_site(start[0] + way * cosine, start[1] + way * sine, lattice)
    else:
        n, m, s = _drawn_site(s0, s1, tick + 1, 0.8, lattice)
    for k in range(movers):
        dn, dm = _FIGURES[figure, k, 0], _FIGURES[figure, k, 1]
        for _ in range(turns):
            dn, dm = -dm, dn + dm
        if movers == 1:
            dn, dm = 0, 0
        targets[k, 0], targets[k, 1] = site_place(n + dn, m + dm, s, lattice)
        if not _inside(targets[k, 0], targets[k, 1], step, edge):
            return False
    return True


@kernel
def fill_rows(rows, keys, atoms, ground, counts, ways, lattice):
    """Draw fields; see `AdatomFields.fill`.

    Args:
        rows: (k,) int64.
        keys: (k, 2) uint32, keys of the specimens.
        atoms: sites, places, present.
        ground: targets, steps, patches.
        counts: movers, fewest and most bystanders, whether there is a step.
        ways: least and largest way of a single mover, nm.
        lattice: nm.
    """
    sites, places, present = atoms
    targets, steps, patches = ground
    movers, fewest, most, stepped = counts
    edge = 0.5 * FIELD_NM - MARGIN_NM
    for k in range(rows.size):
        b = rows[k]
        s0, s1 = stream(keys[k, 0], keys[k, 1], Role.WORLD, _PROCESS)
        tick = np.int64(0)
        sites[b], places[b], present[b], targets[b], patches[b] = 0, 0.0, False, 0.0, 0.0
        sine, cosine = sincos64(2.0 * math.pi * uniform(s0, s1, tick, 0))
        steps[b, 0], steps[b, 1], steps[b, 2] = cosine, sine, np.inf
        if stepped:
            steps[b, 2] = 2.2 + uniform(s0, s1, tick, 1)
            for p in range(PATCHES):
                for axis in range(2):
                    patches[b, p, axis] = 3.2 * (
                        2.0 * uniform(s0, s1, tick, 2 + 2 * p + axis) - 1.0
                    )
                patches[b, p, 2] = 0.5
        bystanders = fewest + int((most - fewest + 1) * uniform(s0, s1, tick, 9))
        tick += 1
        count = 0
        for _ in range(_TRIES):
            n, m, s = _drawn_site(s0, s1, tick, edge if movers > 1 else 1.6, lattice)
            x, y = site_place(n, m, s, lattice)
            tick += 1
            if _inside(x, y, steps[b], edge) and _room(places[b], count, x, y, 1.0):
                sites[b, count, 0], sites[b, count, 1], sites[b, count, 2] = n, m, s
                places[b, count, 0], places[b, count, 1] = x, y
                present[b, count] = True
                count += 1
                if count == movers:
                    break
        start = (places[b, 0, 0], places[b, 0, 1])
        for _ in range(_TRIES):
            tick += 2
            if _set_targets(s0, s1, tick, targets[b], movers, steps[b], edge, ways, start, lattice):
                break
        _deal_out(places[b], targets[b], movers)
        for _ in range(_TRIES):
            if count == movers + bystanders:
                break
            n, m, s = _drawn_site(s0, s1, tick, edge, lattice)
            x, y = site_place(n, m, s, lattice)
            tick += 1
            free = _room(places[b], count, x, y, 0.8) and _room(targets[b], movers, x, y, 0.7)
            if free and _inside(x, y, steps[b], edge):
                sites[b, count, 0], sites[b, count, 1], sites[b, count, 2] = n, m, s
                places[b, count, 0], places[b, count, 1] = x, y
                present[b, count] = True
                count += 1
