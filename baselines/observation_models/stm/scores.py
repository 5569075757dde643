"""What a detector found, held against what is there."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from microgym.baselines.observation_models.stm.dataset import Images
from microgym.instruments.stm.state import PIXELS
from microgym.jit import kernel
from microgym.physics.adatoms import LATTICE_NM
from microgym.reconstruction.adatoms.observation_model import DetectorModel
from microgym.reconstruction.adatoms.tracking import association_work, pair_nearest
from microgym.specimens.adatom_fields import FIELD_NM

Float64 = NDArray[np.float64]

NEAR_NM = 0.5 * LATTICE_NM
"""Largest distance of what was found from what is there, nm: half the least distance of adatoms."""


@dataclass(frozen=True, eq=False)
class Found:
    """What was found in N images; S spots at most, A adatoms at most.

    Attributes:
        spots: (N, S, 4) float64, as `Adatoms.found`.
        told: (N, S) bool, whether there is such a spot.
        hit: (N, S) bool, whether it is an adatom.
        offsets: (N, A, 2) float64, of each adatom's spot from it, nm; NaN where it was missed.
        spreads: (N, A) float64, uncertainty stated of each along one axis, nm; NaN the same.
        present: (N, A) bool, whether there is such an adatom.
    """

    spots: Float64
    told: NDArray[np.bool_]
    hit: NDArray[np.bool_]
    offsets: Float64
    spreads: Float64
    present: NDArray[np.bool_]

    @property
    def errors(self) -> Float64:
        """(N, A) distance of each adatom's spot from it, nm; NaN where it was missed."""
        return np.sqrt((self.offsets**2).sum(axis=-1))

    @property
    def relative(self) -> Float64:
        """(n,) errors along both axes over the uncertainties stated, of all that were found."""
        ratio = np.abs(self.offsets / self.spreads[..., None])
        return ratio[np.isfinite(ratio)]

    @property
    def true(self) -> NDArray[np.int64]:
        """(N,) adatoms found."""
        return self.hit.sum(axis=1)

    @property
    def false(self) -> NDArray[np.int64]:
        """(N,) spots that are none."""
        return (self.told & ~self.hit).sum(axis=1)

    @property
    def f1(self) -> Float64:
        """(N,) F1 score of each image; 1 where nothing is there and nothing was found."""
        total = self.told.sum(axis=1) + self.present.sum(axis=1)
        return np.where(total > 0, 2.0 * self.true / np.maximum(total, 1), 1.0)

    @property
    def precision(self) -> float:
        """Part of all spots that are adatoms; 1 where there are none."""
        told = int(self.told.sum())
        return float(self.hit.sum() / told) if told else 1.0

    @property
    def recall(self) -> float:
        """Part of all adatoms that were found; 1 where there are none."""
        there = int(self.present.sum())
        return float(self.hit.sum() / there) if there else 1.0


def judge(detector: DetectorModel, images: Images) -> Found:
    """Look at images, and match what is found with what is there, the nearest pairs first.

    Args:
        detector: of as many images.
        images: N of them.

    Returns:
        What was found.
    """
    found, counts = detector.estimate(np.arange(len(images)), images.heights)
    return matched(found, counts, images)


def matched(spots: Float64, counts: NDArray[np.int64], images: Images) -> Found:
    """Match what was found, as `Adatoms` has them, with what is there."""
    hit = np.zeros(spots.shape[:2], np.bool_)
    offsets = np.full(images.places.shape, np.nan)
    spreads = np.full(images.present.shape, np.nan)
    work = association_work(images.places.shape[1], spots.shape[1])
    _match(spots, counts, images.places, images.present, (hit, offsets, spreads), work)
    told = np.arange(spots.shape[1]) < counts[:, None]
    return Found(spots.copy(), told, hit, offsets, spreads, images.present)


def at_least(found: Found, least: float, images: Images) -> Found:
    """The same, had only spots of some probability at least been told."""
    kept = found.told & (found.spots[..., 2] >= least)
    order = np.argsort(~kept, axis=1, kind="stable")
    spots = np.take_along_axis(found.spots, order[..., None], axis=1)
    return matched(spots, kept.sum(axis=1), images)


@kernel
def _match(found, counts, places, present, answers, work):
    hit, offsets, spreads = answers
    costs, gates, pairs, free = work
    adatoms = gates.size
    for i in range(adatoms):
        gates[i] = NEAR_NM
    for b in range(counts.size):
        for j in range(found.shape[1]):
            free[j] = True
        for i in range(adatoms):
            pairs[i] = -1
            for j in range(counts[b]):
                dx, dy = found[b, j, 0] - places[b, i, 0], found[b, j, 1] - places[b, i, 1]
                costs[i, j] = np.sqrt(dx * dx + dy * dy) if present[b, i] else np.inf
        pair_nearest(costs, adatoms, counts[b], gates, pairs, free)
        for i in range(adatoms):
            if pairs[i] >= 0:
                hit[b, pairs[i]] = True
                spreads[b, i] = found[b, pairs[i], 3]
                for axis in range(2):
                    offsets[b, i, axis] = found[b, pairs[i], axis] - places[b, i, axis]


GEOMETRY = (PIXELS, FIELD_NM)
"""Edge of the images, px and nm."""
