"""Whether the network's stated uncertainty is true: how many errors stay below what it says."""

import itertools
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from microgym.baselines.evaluation.statistics import bootstrap
from microgym.baselines.observation_models.ptycho.build import aligned_error
from microgym.baselines.observation_models.ptycho.classical import restore
from microgym.baselines.observation_models.ptycho.dataset import INSIDE, Conditions, make_lessons
from microgym.baselines.observation_models.ptycho.inputs import lit_in
from microgym.reconstruction.nn.network import STATED, Weights
from microgym.specimens.splits import HELD_OUT

DECADES = (10**2.7, 1e4, 1e5, 1e6)
"""Borders of the doses that are told apart, photons an exposure."""


def coverage_of_group(
    weights: Weights, seed: int, family: str | None = None, group: int = 4
) -> tuple[Conditions, NDArray[np.float64]]:
    """Found coverage under one set of random conditions, as in training.

    Args:
        weights: the network.
        seed: of everything random.
        family: of the specimens; None draws one of those that the network learnt from.
        group: test specimens.

    Returns:
        The conditions, and for each of `STATED` the part of lit pixels whose error stays below the
        bound that belongs to it, mean over looks; NaN where nothing was lit.
    """
    lessons = make_lessons(seed, 1, "test", group, family)
    seen = lessons.seen.astype(np.float32)
    images, sigmas = restore(weights, seen)
    truth = lessons.truth[lessons.specimen][:, INSIDE, INSIDE]
    found = [
        covered(aligned_error(image, true, lit)[lit] / sigma[lit], weights.radii)
        for image, true, sigma, lit in zip(images, truth, sigmas, lit_in(seen), strict=True)
        if lit.any()
    ]
    mean = np.mean(found, axis=0) if found else np.full(len(STATED), np.nan)
    return lessons.conditions[0], np.asarray(mean, np.float64)


def covered(relative: NDArray[np.float32], radii: NDArray[np.float64]) -> NDArray[np.float64]:
    """Part of errors over standard deviations that stays below each bound."""
    return np.mean(relative[:, None] < radii, axis=0)


def make_coverage(
    weights: Weights,
    *,
    groups: int,
    seed: int,
    progress: Callable[[int], None] | None = None,
) -> dict[str, Any]:
    """Coverage on learnt families, on each of them and at each dose, and on those never seen.

    Args:
        weights: the network.
        groups: sets of conditions on learnt families, and a third as many on each unseen family.
        seed: of everything random.
        progress: is told of every set.

    Returns:
        "stated", and lists of coverages with 95% intervals over conditions.
    """
    done: dict[str | None, list[tuple[Conditions, NDArray[np.float64]]]] = {}
    for family in (None, *HELD_OUT):
        done[family] = []
        for number in range(groups if family is None else max(groups // 3, 1)):
            # Far from the seeds of training and calibration, though their split differs anyway.
            place = 1_000_000 * (seed + 1) + number
            conditions, found = coverage_of_group(weights, place, family)
            if np.isfinite(found).all():
                done[family].append((conditions, found))
            if progress is not None:
                progress(1)
    learnt = done.pop(None)
    families = sorted({conditions.family for conditions, _ in learnt})
    return {
        "stated": STATED,
        "radii": weights.radii,
        "test": _told(learnt),
        "unseen": {name: _told(some) for name, some in done.items() if name is not None},
        "by_family": {
            name: _told([one for one in learnt if one[0].family == name]) for name in families
        },
        "by_dose": [
            {"from": low, "to": high, **_told(chosen)}
            for low, high in itertools.pairwise(DECADES)
            if (chosen := [one for one in learnt if low <= one[0].photons < high])
        ],
    }


def _told(groups: list[tuple[Conditions, NDArray[np.float64]]]) -> dict[str, Any]:
    """Mean coverage over sets of conditions, with its interval."""
    found = np.array([one for _, one in groups])
    return {
        "conditions": len(groups),
        "found": [asdict(bootstrap(column)) for column in found.T],
    }
