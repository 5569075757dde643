"""Network and tuned classical detector on the same images: detections and their scores."""

from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from microgym.baselines.observation_models.stm.dataset import LabelledImages
from microgym.instruments.stm.state import PIXELS
from microgym.jit import kernel
from microgym.physics.adatoms import LATTICE_NM
from microgym.reconstruction.adatoms.observation_model import (
    ClassicalDetector,
    DetectorModel,
    MatchedFilter,
    NeuralDetector,
)
from microgym.reconstruction.adatoms.tracking import association_work, pair_nearest
from microgym.reconstruction.nn.network import Weights
from microgym.specimens.adatom_fields import FIELD_NM
from microgym.state import Bool, Float64, Int64

GEOMETRY = (PIXELS, FIELD_NM)
"""Edge of the images, px and nm."""
NEAR_NM = 0.5 * LATTICE_NM
"""Largest distance of a detection from its adatom, nm: half the least distance of adatoms."""
WIDTHS_NM = (0.15, 0.2, 0.25, 0.3, 0.35, 0.4)
REACHES_PX = (1, 2, 3, 4)
THRESHOLDS = tuple(round(0.15 + 0.05 * k, 2) for k in range(18))
LAGS_NM = (0.0, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5)
"""Settings that are tried; the lag at a medium threshold before the others."""


@dataclass(frozen=True, eq=False)
class Detections:
    """Detections in N images; S spots at most, A adatoms at most.

    Attributes:
        spots: (N, S, 4) float64, as `Adatoms.found`.
        valid: (N, S) bool, whether there is such a spot.
        hit: (N, S) bool, whether it is an adatom.
        offsets: (N, A, 2) float64, of each adatom's spot from it, nm; NaN where it was missed.
        spreads: (N, A) float64, stated uncertainty along one axis, nm; NaN where it was missed.
        present: (N, A) bool, whether there is such an adatom.
    """

    spots: Float64
    valid: Bool
    hit: Bool
    offsets: Float64
    spreads: Float64
    present: Bool

    @property
    def errors(self) -> Float64:
        """(N, A) distance of each adatom's spot from it, nm; NaN where it was missed."""
        return np.sqrt((self.offsets**2).sum(axis=-1))

    @property
    def relative(self) -> Float64:
        """(n,) errors along both axes over the stated uncertainties, of all hits."""
        ratio = np.abs(self.offsets / self.spreads[..., None])
        return ratio[np.isfinite(ratio)]

    @property
    def f1(self) -> Float64:
        """(N,) F1 score of each image; 1 where there is no adatom and no spot."""
        total = self.valid.sum(axis=1) + self.present.sum(axis=1)
        return np.where(total > 0, 2.0 * self.hit.sum(axis=1) / np.maximum(total, 1), 1.0)

    @property
    def precision(self) -> float:
        """Share of all spots that are adatoms; 1 where there are none."""
        spots = int(self.valid.sum())
        return float(self.hit.sum() / spots) if spots else 1.0

    @property
    def recall(self) -> float:
        """Share of all adatoms that were found; 1 where there are none."""
        present = int(self.present.sum())
        return float(self.hit.sum() / present) if present else 1.0


def find(weights: Weights, images: LabelledImages) -> Detections:
    """Detections of the network."""
    return detect(NeuralDetector(len(images.heights), *GEOMETRY, weights), images)


def find_classically(settings: MatchedFilter, images: LabelledImages) -> Detections:
    """Detections of the classical detector."""
    return detect(ClassicalDetector(len(images.heights), *GEOMETRY, settings), images)


def detect(detector: DetectorModel, images: LabelledImages) -> Detections:
    """Detections of a detector of N images in N images."""
    return matched(*detector.estimate(np.arange(len(images.heights)), images.heights), images)


def matched(spots: Float64, counts: Int64, images: LabelledImages) -> Detections:
    """Match spots (N, S, 4), as `Adatoms.found`, with the true adatoms, the nearest pairs first."""
    hit = np.zeros(spots.shape[:2], np.bool_)
    offsets = np.full(images.places.shape, np.nan)
    spreads = np.full(images.present.shape, np.nan)
    work = association_work(images.places.shape[1], spots.shape[1])
    _match(spots, counts, images.places, images.present, hit, offsets, spreads, work)
    valid = np.arange(spots.shape[1]) < counts[:, None]
    return Detections(spots.copy(), valid, hit, offsets, spreads, images.present)


def at_least(found: Detections, least: float, images: LabelledImages) -> Detections:
    """The detections with at least some probability."""
    kept = found.valid & (found.spots[..., 2] >= least)
    order = np.argsort(~kept, axis=1, kind="stable")
    spots = np.take_along_axis(found.spots, order[..., None], axis=1)
    return matched(spots, kept.sum(axis=1), images)


@kernel
def _match(found, counts, places, present, hit, offsets, spreads, work):
    """Pair spots and adatoms of each image within `NEAR_NM`; see `matched`."""
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


def tuned(images: LabelledImages) -> MatchedFilter:
    """Settings of the best mean F1 score, the first of equal ones; probability etc. are fitted."""
    best, score = MatchedFilter(), -1.0
    for width, reach in product(WIDTHS_NM, REACHES_PX):
        plain = _plain(MatchedFilter(width, reach, THRESHOLDS[0], lag_nm=0.0), images)

        def f1(threshold: float, lag: float, plain: Detections = plain) -> float:
            moved = replace(plain, spots=plain.spots - (lag, 0.0, 0.0, 0.0))
            return float(at_least(moved, 1.0 / (1.0 + np.exp(-threshold)), images).f1.mean())

        lag = max(LAGS_NM, key=lambda one: f1(0.45, one))
        for threshold in THRESHOLDS:
            here = f1(threshold, lag)
            if here > score:
                best, score = MatchedFilter(width, reach, threshold, lag_nm=lag), here
    return fitted(best, images)


def fitted(settings: MatchedFilter, images: LabelledImages) -> MatchedFilter:
    """The same settings, with probability, uncertainty and lag fitted to images."""
    plain = _plain(settings, images)
    chance = plain.spots[plain.valid][:, 2]
    slope, shift = logistic_fit(np.log(chance / (1.0 - chance)), plain.hit[plain.valid])
    slope = min(max(slope, 0.01), 100.0)
    place = min(max(-shift / slope, -10.0), 10.0)
    more = float(np.nanmean(plain.offsets[..., 0]))
    spread = min(float(np.sqrt(np.nanmean((plain.offsets - (more, 0.0)) ** 2))), 1.0)
    lag = settings.lag_nm + more
    return replace(settings, slope=slope, place=place, spread_nm=spread, lag_nm=lag)


def _plain(settings: MatchedFilter, images: LabelledImages) -> Detections:
    """Detections with the logistic function of the response itself as the probability."""
    return find_classically(replace(settings, slope=1.0, place=0.0), images)


def logistic_fit(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """Logistic regression (Platt scaling), by Newton's method with a slight ridge.

    Args:
        x: (n,) logarithms of the odds.
        y: (n,) bool, the outcomes.

    Returns:
        Slope and shift: the probability is 1 / (1 + exp(-(slope x + shift))).
    """
    design = np.stack([x, np.ones_like(x)], axis=1)
    answer = np.zeros(2)
    for _ in range(50):
        chance = 1.0 / (1.0 + np.exp(-np.clip(design @ answer, -30.0, 30.0)))
        gradient = design.T @ (chance - y) + 1e-3 * answer
        curvature = (design.T * (chance * (1.0 - chance))) @ design + 1e-3 * np.eye(2)
        step = np.linalg.solve(curvature, gradient)
        answer -= np.clip(step, -5.0, 5.0)
        if float(np.abs(step).max()) < 1e-9:
            break
    return float(answer[0]), float(answer[1])
