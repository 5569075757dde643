"""Fields of adatoms on fcc(111): movers, their targets, bystanders, steps, contamination.

A field holds movers (first in every array), their targets, bystanders, and in some families a step
edge and patches of contamination. Everything sits in hollows of the lattice of
`microgym.physics.adatoms`; places are (x, y) in nm from the centre of the field, x along a
close-packed row. All sizes are design choices, on the scale of the 8 nm images of Chen et al., Nat.
Commun. 13, 7499 (2022).
"""

import itertools
import math
from typing import Annotated, NamedTuple

import numpy as np

from microgym.jit import kernel
from microgym.numerics.libm import sincos64
from microgym.physics.adatoms import LATTICE_NM, nearest_site, site_place
from microgym.random import WORLD, stream, uniform
from microgym.random.streams import SpecimenWorld
from microgym.specimens.splits import specimen_key, validate_family
from microgym.state import Bool, Float64, Int64, Shape, Uint32

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
FARTHEST = 10_000
"""Largest coordinate of a site, cells of the lattice: 3 um from the middle (design choice)."""
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

_STREAM = np.int64(SpecimenWorld.ADATOMS)
_TRIES = 200
_EDGE_NM = 0.5 * FIELD_NM - MARGIN_NM


class FieldRecipe(NamedTuple):
    """Numbers that fields are drawn with.

    Attributes:
        movers: adatoms to be moved.
        fewest, most: bystanders.
        stepped: whether there are a step edge and contamination.
        nearest_nm, farthest_nm: least and largest distance of a mover's target, nm; several movers
            are anywhere on the field if the largest is at least FIELD_NM.
    """

    movers: int
    fewest: int
    most: int
    stepped: bool
    nearest_nm: float
    farthest_nm: float


class AdatomFields(NamedTuple):
    """N fields; every array has the leading axis N.

    Attributes:
        sites: (N, ATOMS, 3) int64, hollows (n, m, s) of the adatoms, movers first.
        places: (N, ATOMS, 2) float64, positions (x, y) of the same adatoms, nm.
        present: (N, ATOMS) bool, whether the slot holds an adatom.
        targets: (N, MOVERS, 2) float64, positions of the movers' targets, nm.
        steps: (N, 3) float64, a step edge along the line n r = d, up where n r > d: n (x, y), and d
            in nm, infinite where there is none.
        patches: (N, PATCHES, 3) float64, contamination: centre (x, y) and radius, nm; 0 if none.
    """

    sites: Annotated[Int64, Shape(ATOMS, 3, low=-FARTHEST, high=FARTHEST)]
    places: Annotated[Float64, Shape(ATOMS, 2, unit="nm")]
    present: Annotated[Bool, Shape(ATOMS)]
    targets: Annotated[Float64, Shape(MOVERS, 2, unit="nm")]
    steps: Annotated[Float64, Shape(3, high=np.inf)]
    patches: Annotated[Float64, Shape(PATCHES, 3, unit="nm")]

    def fill(
        self,
        rows: Int64,
        keys: Uint32,
        family: str,
        split: str,
        movers: int,
        distance_nm: tuple[float, float],
    ) -> None:
        """Draw fields into the listed rows.

        One mover gets a target at a distance from the range. Several get a figure, and the targets
        are dealt out so that the ways add up to the least; with a largest distance below FIELD_NM
        each begins at a distance from the range from a target, where there is room for it.

        Args:
            rows: (k,) int64.
            keys: (k, 2) uint32, keys of the episodes.
            family: one of `FAMILIES`.
            split: one of `microgym.specimens.splits.SPLITS`.
            movers: adatoms to be moved, 1 to MOVERS.
            distance_nm: least and largest way of a mover, nm.

        Raises:
            ValueError: an unknown family or split, or a held-out family in training.
        """
        validate_family(family, split, FAMILIES, HELD_OUT)
        low, high = BYSTANDERS[family]
        nearest, farthest = map(float, distance_nm)
        recipe = FieldRecipe(movers, low, high, family == "stepped", nearest, farthest)
        fill_rows(rows, specimen_key(keys, split), recipe, self)


@kernel
def _drawn_site(s0, s1, tick, reach):
    """A hollow in the middle square of half the edge `reach`, drawn uniformly."""
    x = reach * (2.0 * uniform(s0, s1, tick, 0) - 1.0)
    y = reach * (2.0 * uniform(s0, s1, tick, 1) - 1.0)
    return nearest_site(x, y, LATTICE_NM)


@kernel
def _room(places, count, x, y, least):
    """True if the first `count` places are all at least a distance away."""
    for other in range(count):
        dx, dy = places[other, 0] - x, places[other, 1] - y
        if dx * dx + dy * dy < least * least:
            return False
    return True


@kernel
def _inside(x, y, step):
    """True if a place is on the field, and well on the lower terrace."""
    return max(abs(x), abs(y)) < _EDGE_NM and step[0] * x + step[1] * y < step[2] - 0.7


@kernel
def _deal_out(places, targets, movers):
    """Assign targets to movers by exhaustive search for the least sum of distances."""
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
        # A target of a smaller number has been exchanged already: follow the exchanges.
        goal = _ORDERS[movers, chosen, k]
        while goal < k:
            goal = _ORDERS[movers, chosen, goal]
        for axis in range(2):
            here, there = targets[k, axis], targets[goal, axis]
            targets[k, axis], targets[goal, axis] = there, here


@kernel
def _set_targets(s0, s1, tick, targets, step, start, recipe):
    """Draw the targets.

    A single target lies at a drawn distance from `start`; several make a figure about the middle.

    Returns:
        Whether all targets are on the field.
    """
    movers = recipe.movers
    turns = int(6.0 * uniform(s0, s1, tick, 0))
    figure = int(_FIGURES.shape[0] * uniform(s0, s1, tick, 1))
    if movers == 1:
        low, high = recipe.nearest_nm, recipe.farthest_nm
        way = low + (high - low) * uniform(s0, s1, tick, 2)
        sine, cosine = sincos64(2.0 * math.pi * uniform(s0, s1, tick, 3))
        n, m, s = nearest_site(start[0] + way * cosine, start[1] + way * sine, LATTICE_NM)
    else:
        n, m, s = _drawn_site(s0, s1, tick + 1, 0.8)
    for k in range(movers):
        # A turn by 60 degrees in cells of the lattice: (n, m) -> (-m, n + m).
        dn, dm = _FIGURES[figure, k, 0], _FIGURES[figure, k, 1]
        for _ in range(turns):
            dn, dm = -dm, dn + dm
        if movers == 1:
            dn, dm = 0, 0
        targets[k, 0], targets[k, 1] = site_place(n + dn, m + dm, s, LATTICE_NM)
        if not _inside(targets[k, 0], targets[k, 1], step):
            return False
    return True


@kernel
def _scatter(s0, s1, tick, field, b, count, wanted, reach, apart, targets):
    """Put adatoms into hollows by rejection: apart from each other and from the first targets.

    Returns:
        How many adatoms the field then has, and the next tick.
    """
    for _ in range(_TRIES):
        if count == wanted:
            break
        n, m, s = _drawn_site(s0, s1, tick, reach)
        x, y = site_place(n, m, s, LATTICE_NM)
        tick += 1
        free = _room(field.places[b], count, x, y, apart)
        free = free and _room(field.targets[b], targets, x, y, 0.7)
        if free and _inside(x, y, field.steps[b]):
            field.sites[b, count, 0], field.sites[b, count, 1] = n, m
            field.sites[b, count, 2], field.present[b, count] = s, True
            field.places[b, count, 0], field.places[b, count, 1] = x, y
            count += 1
    return count, tick


@kernel
def _draw_near(s0, s1, tick, field, b, recipe):
    """Put movers into hollows at drawn distances from the targets, by rejection.

    Apart from each other by 1 nm and from the other targets by 0.7 nm.

    Returns:
        How many adatoms the field then has, and the next tick.
    """
    places, targets = field.places[b], field.targets[b]
    count = 0
    for _ in range(_TRIES):
        if count == recipe.movers:
            break
        low, high = recipe.nearest_nm, recipe.farthest_nm
        way = low + (high - low) * uniform(s0, s1, tick, 0)
        sine, cosine = sincos64(2.0 * math.pi * uniform(s0, s1, tick, 1))
        tick += 1
        x, y = targets[count, 0] + way * cosine, targets[count, 1] + way * sine
        n, m, s = nearest_site(x, y, LATTICE_NM)
        x, y = site_place(n, m, s, LATTICE_NM)
        free = _inside(x, y, field.steps[b]) and _room(places, count, x, y, 1.0)
        if free and _room(targets, recipe.movers, x, y, 0.7):
            field.sites[b, count, 0], field.sites[b, count, 1] = n, m
            field.sites[b, count, 2], field.present[b, count] = s, True
            places[count, 0], places[count, 1] = x, y
            count += 1
    return count, tick


@kernel
def fill_rows(rows, keys, recipe, field):
    """Draw fields; see `AdatomFields.fill`.

    Args:
        rows: (k,) int64.
        keys: (k, 2) uint32, keys of the specimens.
        recipe: `FieldRecipe`.
        field: `AdatomFields`; the listed rows are overwritten.
    """
    places, targets, steps, patches = field.places, field.targets, field.steps, field.patches
    movers = recipe.movers
    for k in range(rows.size):
        b = rows[k]
        s0, s1 = stream(keys[k, 0], keys[k, 1], WORLD, _STREAM)
        tick = np.int64(0)
        field.sites[b], field.present[b] = 0, False
        places[b], targets[b], patches[b] = 0.0, 0.0, 0.0
        # The step edge has a random direction, and an infinite distance where there is none.
        sine, cosine = sincos64(2.0 * math.pi * uniform(s0, s1, tick, 0))
        steps[b, 0], steps[b, 1], steps[b, 2] = cosine, sine, np.inf
        if recipe.stepped:
            steps[b, 2] = 2.2 + uniform(s0, s1, tick, 1)
            for p in range(PATCHES):
                for axis in range(2):
                    patches[b, p, axis] = 3.2 * (
                        2.0 * uniform(s0, s1, tick, 2 + 2 * p + axis) - 1.0
                    )
                patches[b, p, 2] = 0.5
        more = recipe.most - recipe.fewest + 1
        bystanders = recipe.fewest + int(more * uniform(s0, s1, tick, 9))
        tick += 1
        # Movers at least 1 nm apart; bystanders 0.8 nm from each other and 0.7 nm from targets.
        reach = _EDGE_NM if movers > 1 else 1.6
        near = movers > 1 and recipe.farthest_nm < FIELD_NM
        count = 0
        if not near:
            count, tick = _scatter(s0, s1, tick, field, b, 0, movers, reach, 1.0, 0)
        start = (places[b, 0, 0], places[b, 0, 1])
        for _ in range(_TRIES):
            tick += 2
            if _set_targets(s0, s1, tick, targets[b], steps[b], start, recipe):
                break
        if near:
            tick += 2
            count, tick = _draw_near(s0, s1, tick, field, b, recipe)
            count, tick = _scatter(s0, s1, tick, field, b, count, movers, reach, 1.0, movers)
        _deal_out(places[b], targets[b], movers)
        wanted = movers + bystanders
        _scatter(s0, s1, tick, field, b, count, wanted, _EDGE_NM, 0.8, movers)
