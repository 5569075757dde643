"""Cross-entropy search of open-loop sequences (Rubinstein and Kroese, 2004)."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from microgym.baselines.audit.play import Array

_ELITE, _SMOOTHING = 0.2, 0.8
_LEAST_DEVIATION = 0.02


@dataclass
class Found:
    """Best candidates of a search, and how many were tried.

    Attributes:
        candidates: [k, numbers], best first.
        iterations: of the search.
        tried: candidates in all.
    """

    candidates: Array
    iterations: int
    tried: int


def cross_entropy(
    score: Callable[[Array], Array],
    mean: Array,
    deviation: float,
    *,
    candidates: int,
    seconds: float,
    most: int,
    rng: np.random.Generator,
    keep: int = 6,
) -> Found:
    """Maximise a score over a Gaussian whose mean and deviations follow the best candidates.

    Args:
        score: from candidates [C, numbers] to scores [C].
        mean: [numbers], where the search begins.
        deviation: of each number at the beginning.
        candidates: C.
        seconds: processor time; at least two iterations are made.
        most: iterations at most.
        rng: of the candidates.
        keep: candidates returned, of all iterations.
    """
    centre, spread = mean.copy(), np.full(mean.size, deviation)
    elite = max(2, int(_ELITE * candidates))
    best, scores = np.empty((0, mean.size)), np.empty(0)
    start, done = time.process_time(), 0
    while done < most and (done < 2 or time.process_time() - start < seconds):
        drawn = centre + spread * rng.normal(size=(candidates, mean.size))
        drawn[0] = centre
        found = score(drawn)
        order = np.argsort(-found)[:elite]
        centre = centre + _SMOOTHING * (drawn[order].mean(axis=0) - centre)
        spread = spread + _SMOOTHING * (drawn[order].std(axis=0) - spread)
        spread = np.maximum(spread, _LEAST_DEVIATION)
        best, scores = np.concatenate([best, drawn[order]]), np.concatenate([scores, found[order]])
        top = np.argsort(-scores)[: keep - 1]
        best, scores, done = best[top], scores[top], done + 1
    return Found(np.concatenate([best, centre[None]]), done, done * candidates)
