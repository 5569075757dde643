"""Ferroelectric films: maps of preferred polarisation, of pinning, and of dead boundaries.

A film of `size` x `size` cells is three maps. `imprint` is a random field, in reduced units.
`bond` is the relative change of the quartic coefficient: positive where the double well is shallow
and walls are cheap. `barrier` is a number between 0 and 1 on grain and twin boundaries, and 2
elsewhere: a cell is dead where it is below `DEAD_PART` times the strength of the disorder, so that
boundaries have gaps, and fewer of them the stronger it is. All sizes are design choices, such that
walls are held against their curvature and domains written by equal pulses differ; lengths are in
cells.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from microgym.jit import kernel
from microgym.numerics.array_views import view1d, view2d
from microgym.numerics.libm import sincos64
from microgym.random import WORLD, normal, stream, uniform
from microgym.random.streams import SpecimenWorld
from microgym.specimens.drawing import lattice_points, smooth_noise

Plane = NDArray[np.float32]

FAMILIES: Final = ("mixed", "random_field", "random_bond", "grains", "twins")
"""Every family, by name."""
HELD_OUT: Final = ("twins",)
"""Families that are never shown in training."""

DEAD_PART: Final = 0.7
"""Part of a boundary that is dead at strength 1."""
ALIVE: Final = np.float32(2.0)

REGION_SPACING = 11.0
"""Spacing of the noise that makes whole regions prefer one polarisation."""
PINNING_SPACING = 2.5
"""Spacing of the noise that walls stick to: about the width of a wall."""

_REGIONS, _PINS = np.int64(SpecimenWorld.FILM_REGIONS), np.int64(SpecimenWorld.FILM_PINS)
_BONDS, _GRAINS = np.int64(SpecimenWorld.FILM_BONDS), np.int64(SpecimenWorld.FILM_GRAINS)
_EDGES = np.int64(SpecimenWorld.FILM_EDGES)
_ZERO = np.int64(0)
_MAX_GRAINS = 16

# Region imprint, pinning imprint, bond, imprint of a grain, boundaries (0 none, 1 grains, 2 twins).
_RECIPES = {
    "mixed": (0.05, 0.12, 0.2, 0.05, 1.0),
    "random_field": (0.06, 0.18, 0.0, 0.0, 0.0),
    "random_bond": (0.04, 0.05, 0.35, 0.0, 0.0),
    "grains": (0.02, 0.08, 0.0, 0.08, 1.0),
    "twins": (0.03, 0.1, 0.0, 0.08, 2.0),
}


def film_work(size: int) -> int:
    """Length of the float32 work array of a film."""
    points = lattice_points(size, PINNING_SPACING)
    return size * size + points * points + points + 4 * size


@kernel
def _noise(s0, s1, spacing, scale, everywhere, out, work, first):
    """Add smooth noise of a standard deviation to a plane."""
    size = out.shape[0]
    points = int(size / spacing) + 5
    area, knots = size * size, points * points
    drawn = view2d(work, 0, size, size)
    lattice, row = view1d(work, area, knots), view1d(work, area + knots, points)
    weights = view2d(work, area + knots + points, 4, size)
    smooth_noise(s0, s1, _ZERO, spacing, everywhere, drawn, lattice, row, first, weights)
    for i in range(size):
        target, source = out[i], drawn[i]
        for j in range(size):
            target[j] += np.float32(scale) * source[j]


@kernel
def _draw(s0, s1, tick, index):
    """One uniform number as a call, for the code of a draw is long."""
    return uniform(s0, s1, tick, index)


@kernel
def _grains(s0, s1, e0, e1, preference, imprint, barrier, place):
    """Cells around random points (Voronoi), each with its own imprint; between them a boundary."""
    size = imprint.shape[0]
    count = 8 + int(8.0 * _draw(s0, s1, _ZERO, _ZERO))
    for k in range(count):
        place[k, 0] = size * _draw(s0, s1, k + 1, _ZERO)
        place[k, 1] = size * _draw(s0, s1, k + 1, _ZERO + 1)
        place[k, 2] = preference * normal(s0, s1, k + 1, _ZERO + 2)
    for i in range(size):
        for j in range(size):
            nearest, second, own, next_one = 1e9, 1e9, 0, 0
            for k in range(count):
                dy, dx = i - place[k, 0], j - place[k, 1]
                square = dy * dy + dx * dx
                if square < nearest:
                    nearest, second, own, next_one = square, nearest, k, own
                elif square < second:
                    second, next_one = square, k
            dy, dx = place[own, 0] - place[next_one, 0], place[own, 1] - place[next_one, 1]
            imprint[i, j] += np.float32(place[own, 2])
            # Distance of the bisector: half the difference of the squares over the distance.
            if second - nearest < 1.1 * np.sqrt(dy * dy + dx * dx):
                barrier[i, j] = np.float32(_draw(e0, e1, i, np.int64(j)))


@kernel
def _twins(s0, s1, e0, e1, preference, imprint, barrier):
    """Parallel stripes that prefer the one and the other polarisation in turn."""
    size = imprint.shape[0]
    sine, cosine = sincos64(np.pi * _draw(s0, s1, _ZERO, _ZERO))
    period = 9.0 + 7.0 * _draw(s0, s1, _ZERO, _ZERO + 1)
    start = period * _draw(s0, s1, _ZERO, _ZERO + 2)
    for i in range(size):
        for j in range(size):
            at = (i * cosine + j * sine + start) / period
            stripe = np.floor(at)
            odd = stripe - 2.0 * np.floor(0.5 * stripe)
            imprint[i, j] += np.float32(preference * (1.0 - 2.0 * odd))
            if (at - stripe) * period < 1.0:
                barrier[i, j] = np.float32(_draw(e0, e1, i, np.int64(j)))


@kernel
def _fill(keys, recipe, everywhere, imprint, bond, barrier, work, first, place):
    """Draw all films of a batch."""
    for k in range(keys.shape[0]):
        k0, k1 = keys[k, 0], keys[k, 1]
        imprint[k], bond[k], barrier[k] = np.float32(0.0), np.float32(0.0), ALIVE
        s0, s1 = stream(k0, k1, WORLD, _REGIONS)
        _noise(s0, s1, REGION_SPACING, recipe[0], everywhere, imprint[k], work, first)
        s0, s1 = stream(k0, k1, WORLD, _PINS)
        _noise(s0, s1, PINNING_SPACING, recipe[1], everywhere, imprint[k], work, first)
        s0, s1 = stream(k0, k1, WORLD, _BONDS)
        _noise(s0, s1, PINNING_SPACING, recipe[2], everywhere, bond[k], work, first)
        for i in range(bond.shape[1]):
            row = bond[k, i]
            for j in range(bond.shape[2]):
                row[j] = min(max(row[j], np.float32(-0.4)), np.float32(0.6))
        s0, s1 = stream(k0, k1, WORLD, _GRAINS)
        e0, e1 = stream(k0, k1, WORLD, _EDGES)
        if recipe[4] == 1.0:
            _grains(s0, s1, e0, e1, recipe[3], imprint[k], barrier[k], place)
        elif recipe[4] == 2.0:
            _twins(s0, s1, e0, e1, recipe[3], imprint[k], barrier[k])


def fill_films(
    family: str, keys: NDArray[np.uint32], imprint: Plane, bond: Plane, barrier: Plane
) -> None:
    """Draw films.

    Args:
        family: one of `FAMILIES`.
        keys: (k, 2) uint32, keys of the specimens (`microgym.specimens.splits.specimen_key`).
        imprint, bond, barrier: (k, size, size) float32, written.
    """
    size = imprint.shape[1]
    recipe = np.array(_RECIPES[family])
    work = np.empty(film_work(size), np.float32)
    everywhere = np.ones((size, size), np.uint8)
    first, place = np.empty(size, np.int64), np.empty((_MAX_GRAINS, 3))
    _fill(keys, recipe, everywhere, imprint, bond, barrier, work, first, place)
