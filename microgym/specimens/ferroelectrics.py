"""Ferroelectric films: maps of preferred polarisation, of pinning, and of dead boundaries.

A film of `size` x `size` cells is three maps. `imprint` is a random field, in reduced units.
`bond` is the relative change of the quartic coefficient: positive where the double well is shallow
and walls are cheap. `barrier` is a number between 0 and 1 on grain and twin boundaries, and 2
elsewhere: a cell is dead where it is below `DEAD_PART` times the strength of the disorder, so that
boundaries have gaps, and fewer of them the stronger it is. All sizes are design choices, such that
walls are held against their curvature and domains written by equal pulses differ; lengths are in
cells.
"""

from typing import Any, Final, NamedTuple

import numpy as np

from microgym.jit import kernel
from microgym.numerics.libm import sincos64
from microgym.random import WORLD, draw_uniform, normal, stream
from microgym.random.streams import SpecimenWorld
from microgym.specimens.drawing import noise_work, smooth_noise
from microgym.state import Float32, Uint32

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


@kernel
def _add_noise(key, process, spacing, scale, everywhere, drawn, out, work):
    """Add smooth noise of a standard deviation to a plane."""
    noise = stream(key[0], key[1], WORLD, process)
    smooth_noise(noise, _ZERO, spacing, everywhere, drawn, work)
    for i in range(out.shape[0]):
        target, source = out[i], drawn[i]
        for j in range(out.shape[1]):
            target[j] += np.float32(scale) * source[j]


@kernel
def _grains(key, preference, imprint, barrier, place):
    """Cells around random points (Voronoi), each with its own imprint; between them a boundary."""
    s0, s1 = stream(key[0], key[1], WORLD, _GRAINS)
    e0, e1 = stream(key[0], key[1], WORLD, _EDGES)
    size = imprint.shape[0]
    count = 8 + int(8.0 * draw_uniform(s0, s1, _ZERO, _ZERO))
    for k in range(count):
        place[k, 0] = size * draw_uniform(s0, s1, k + 1, _ZERO)
        place[k, 1] = size * draw_uniform(s0, s1, k + 1, _ZERO + 1)
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
                barrier[i, j] = np.float32(draw_uniform(e0, e1, i, np.int64(j)))


@kernel
def _twins(key, preference, imprint, barrier, place):
    """Parallel stripes that prefer the one and the other polarisation in turn."""
    s0, s1 = stream(key[0], key[1], WORLD, _GRAINS)
    e0, e1 = stream(key[0], key[1], WORLD, _EDGES)
    size = imprint.shape[0]
    sine, cosine = sincos64(np.pi * draw_uniform(s0, s1, _ZERO, _ZERO))
    period = 9.0 + 7.0 * draw_uniform(s0, s1, _ZERO, _ZERO + 1)
    start = period * draw_uniform(s0, s1, _ZERO, _ZERO + 2)
    for i in range(size):
        for j in range(size):
            at = (i * cosine + j * sine + start) / period
            stripe = np.floor(at)
            odd = stripe - 2.0 * np.floor(0.5 * stripe)
            imprint[i, j] += np.float32(preference * (1.0 - 2.0 * odd))
            if (at - stripe) * period < 1.0:
                barrier[i, j] = np.float32(draw_uniform(e0, e1, i, np.int64(j)))


class Recipe(NamedTuple):
    """Disorder of a family of films.

    Attributes:
        regions, pins: standard deviations of the imprint of regions, and of pinning.
        bonds: standard deviation of the bond.
        preference: imprint of a grain or a stripe.
        boundaries: kernel that draws these, and the boundaries between them; None for neither.
    """

    regions: float
    pins: float
    bonds: float
    preference: float = 0.0
    boundaries: Any = None


_RECIPES: Final = {
    "mixed": Recipe(0.05, 0.12, 0.2, 0.05, _grains),
    "random_field": Recipe(0.06, 0.18, 0.0),
    "random_bond": Recipe(0.04, 0.05, 0.35),
    "grains": Recipe(0.02, 0.08, 0.0, 0.08, _grains),
    "twins": Recipe(0.03, 0.1, 0.0, 0.08, _twins),
}
FAMILIES: Final = tuple(_RECIPES)
"""Every family, by name."""


def fill_films(
    family: str, keys: Uint32, imprint: Float32, bond: Float32, barrier: Float32
) -> None:
    """Draw films.

    Args:
        family: one of `FAMILIES`.
        keys: (k, 2) uint32, keys of the specimens (`microgym.specimens.splits.specimen_key`).
        imprint, bond, barrier: (k, size, size) float32, written.
    """
    size, recipe = imprint.shape[1], _RECIPES[family]
    everywhere, drawn = np.ones((size, size), np.uint8), np.empty((size, size), np.float32)
    noise, place = noise_work(size, size, PINNING_SPACING), np.empty((_MAX_GRAINS, 3))
    imprint[:], bond[:], barrier[:] = 0.0, 0.0, ALIVE
    for k, key in enumerate(keys):
        for process, spacing, scale, plane in (
            (_REGIONS, REGION_SPACING, recipe.regions, imprint[k]),
            (_PINS, PINNING_SPACING, recipe.pins, imprint[k]),
            (_BONDS, PINNING_SPACING, recipe.bonds, bond[k]),
        ):
            _add_noise(key, process, spacing, scale, everywhere, drawn, plane, noise)
        if recipe.boundaries is not None:
            recipe.boundaries(key, recipe.preference, imprint[k], barrier[k], place)
    np.clip(bond, -0.4, 0.6, out=bond)
