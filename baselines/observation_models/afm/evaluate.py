"""Comparison of the network with classical restorations, and the coverage of its uncertainty.

Frames are of the families of the training and of the one held out, scanned slowly and fast with
tips after some use. A second table goes through the states of tips one by one.
"""

import functools
import itertools
import time
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from microgym.baselines.evaluation.statistics import Estimate
from microgym.baselines.observation_models.afm.classical import (
    CORRECTED,
    FLATTENED,
    TRACE,
    best_settings,
    relative_error,
    restore,
    restore_classically,
)
from microgym.baselines.observation_models.afm.dataset import (
    LEARNT,
    WIDEST_NM,
    Conditions,
    Frames,
    random_frames,
    scan_frames,
)
from microgym.baselines.observation_models.evaluate import (
    claimed_gains,
    compared,
    least_time,
    measure_coverage,
    specimen_seeds,
    summary_text,
    tracked,
    unsupported_claims,
)
from microgym.baselines.observation_models.specification import EvaluationBudget, Record
from microgym.reconstruction.nn.network import Weights
from microgym.specimens.splits import HELD_OUT_SURFACES
from microgym.state import Float64

SPEEDS: dict[str, tuple[float, float]] = {"slow": (2.0, 5.0), "fast": (5.0, 20.0)}
"""Line rates, Hz: the even pace of AFM-v0 is 4 Hz."""
TIPS: dict[str, tuple[tuple[float, float], float]] = {
    "new": ((6.0, 10.0), 0.0),
    "used": ((10.0, 20.0), 0.0),
    "broken": ((20.0, WIDEST_NM), 0.0),
    "double": ((6.0, 20.0), 1.0),
}
"""States of tips: radii, nm, and the share that has a second apex."""
TABLED = ("mixed", "particles", *HELD_OUT_SURFACES)
"""Families of the table of tips."""


@dataclass(frozen=True)
class Budget(EvaluationBudget):
    """Numbers of an evaluation.

    Attributes:
        specimens: test frames under each set of conditions.
        judges: validation frames for the settings of the classical restoration.
        groups: sets of conditions of the coverage, four frames each.
    """

    specimens: int = 64
    judges: int = 16
    groups: int = 32


def measure(network: Weights, budget: Budget, seed: int) -> dict[str, Any]:
    """Results of an evaluation; see `ObservationModelSpec.measure`."""
    pairs = list(itertools.product((*LEARNT, *HELD_OUT_SURFACES), SPEEDS))
    claims: list[dict[str, Any]] = []
    for family, speed in tracked(pairs, "families and speeds", "set"):
        test = Conditions(family, "test", rates_hz=SPEEDS[speed])
        claims.append({"speed": speed, **compare(network, test, budget=budget, seed=seed)})
    table: list[dict[str, Any]] = []
    few = replace(budget, specimens=max(budget.specimens // 2, 1))
    for family, tip in tracked(list(itertools.product(TABLED, TIPS)), "states of tips", "set"):
        radii, split = TIPS[tip]
        test = Conditions(family, "test", radii_nm=radii, split_tips=split)
        table.append({"tip": tip, **compare(network, test, budget=few, seed=seed)})
    under = functools.partial(coverage_under, network)
    coverage, _ = measure_coverage(under, HELD_OUT_SURFACES, budget.groups, seed)
    count, lines = 4, 32
    sample = frames_of(Conditions("mixed", "test", lines=lines), seed, count)
    frames_s = least_time(lambda: restore(network, sample), 4, time.process_time)
    return {
        "kind": "reconstructor",
        "claims": claims,
        "tips": table,
        "coverage": coverage,
        "line_us": 1e6 * frames_s / (count * lines),
    }


def frames_of(conditions: Conditions, seed: int, count: int) -> Frames:
    """Frames that belong to one seed of an evaluation."""
    return scan_frames(conditions, specimen_seeds(seed, count), seed)


def compare(weights: Weights, test: Conditions, *, budget: Budget, seed: int) -> dict[str, Any]:
    """Compare under one set of conditions, with numbers and a seed of frames.

    Returns:
        Settings, tuned under the conditions but for the split, mean relative error of each method
        and the gain of the network over the best classical restoration, with 95% intervals.
    """
    validation = frames_of(replace(test, split="validation"), seed, budget.judges)
    settings = best_settings(validation)
    frames = frames_of(test, seed, budget.specimens)
    names = {"trace": TRACE, "flattened": FLATTENED, "corrected": CORRECTED, "tuned": settings}
    found = {
        one: relative_error(heights, frames.truth)
        for one, heights in restore_classically(frames, tuple(set(names.values())))
    }
    errors = {name: found[one] for name, one in names.items()}
    errors["network"] = relative_error(restore(weights, frames)[0], frames.truth)
    relief = np.sqrt(np.var(frames.truth, axis=-1, dtype=np.float64).mean())
    return {
        "family": test.family,
        "unseen": test.family in HELD_OUT_SURFACES,
        "rates_hz": test.rates_hz,
        "radii_nm": test.radii_nm,
        "split_tips": test.split_tips,
        "specimens": budget.specimens,
        "relief_nm": float(relief),
        "recipe": asdict(settings),
        **compared(errors),
    }


def coverage_under(weights: Weights, seed: int, family: str | None) -> tuple[Conditions, Float64]:
    """Coverage under one set of random conditions, as in training; see `measure_coverage`."""
    (frames,) = random_frames(seed, 1, "test", family=family)
    heights, sigma = restore(weights, frames)
    truth = frames.truth - frames.truth.mean(axis=-1, keepdims=True)
    share = np.abs(heights - truth) / sigma
    return frames.conditions, np.mean(share[..., None] < weights.radii, axis=(0, 1, 2))


def claimed(record: Record) -> list[tuple[str, Estimate]]:
    """Gains that are claimed to be above zero, see `claimed_gains`."""
    return claimed_gains([(f", {one['speed']}", one, one["gain"]) for one in record["claims"]])


failed_claims = functools.partial(unsupported_claims, claimed)


def summary(record: Record) -> str:
    """The comparison and the coverage, as text."""
    head = "error over relief: trace, corrected, best classical, network, better by"
    found = [
        (f"{one['family']:<12}{one.get('speed', one.get('tip')):<8}", one)
        for one in (*record["claims"], *record["tips"])
    ]
    return summary_text(head, found, ("trace", "corrected", "tuned", "network"), record["coverage"])
