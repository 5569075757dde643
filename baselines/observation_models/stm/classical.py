"""Settings of the classical detector with the best F1 score on images with known adatoms."""

from dataclasses import replace
from itertools import product

import numpy as np

from microgym.baselines.observation_models.stm.dataset import LabelledImages
from microgym.baselines.observation_models.stm.scores import Detections, at_least, find_classically
from microgym.reconstruction.adatoms.observation_model import MatchedFilter

WIDTHS_NM = (0.15, 0.2, 0.25, 0.3, 0.35, 0.4)
REACHES_PX = (1, 2, 3, 4)
THRESHOLDS = tuple(round(0.15 + 0.05 * k, 2) for k in range(18))
LAGS_NM = (0.0, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5)
"""Settings that are tried; the lag at a medium threshold before the others."""


def tuned(images: LabelledImages) -> MatchedFilter:
    """Settings of the best mean F1 score, their probability and uncertainty fitted.

    Args:
        images: with known adatoms.

    Returns:
        The settings; of equal ones the first that was tried.
    """
    best, score = MatchedFilter(), -1.0
    for width, reach in product(WIDTHS_NM, REACHES_PX):
        plain = _plain(MatchedFilter(width, reach, THRESHOLDS[0], lag_nm=0.0), images)

        def f1(threshold: float, lag: float, plain: Detections = plain) -> float:
            return float(at_least(_moved(plain, lag), logistic(threshold), images).f1.mean())

        lag = max(LAGS_NM, key=lambda one: f1(0.45, one))
        for threshold in THRESHOLDS:
            here = f1(threshold, lag)
            if here > score:
                best, score = MatchedFilter(width, reach, threshold, lag_nm=lag), here
    return fitted(best, images)


def _moved(found: Detections, lag_nm: float) -> Detections:
    """The same spots, moved against the direction of the lines."""
    spots = found.spots.copy()
    spots[..., 0] -= lag_nm
    return replace(found, spots=spots)


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


def logistic(x: float) -> float:
    """1 / (1 + exp(-x))."""
    return float(1.0 / (1.0 + np.exp(-x)))


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
