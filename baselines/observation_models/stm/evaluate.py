"""Comparison of the network with the classical detector, and the truth of its statements.

Image by image, the settings of the classical detector are the best on validation specimens imaged
the same way; the network is the same everywhere.
"""

import itertools
import time
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from microgym.baselines.evaluation.env_config import EnvironmentConfig, find_agent
from microgym.baselines.evaluation.evaluate import evaluate_all
from microgym.baselines.evaluation.statistics import bootstrap, paired_difference
from microgym.baselines.observation_models.evaluate import (
    estimate,
    gain_text,
    least_time,
    shares_text,
    specimen_seeds,
    tracked,
)
from microgym.baselines.observation_models.specification import EvaluationBudget, Record
from microgym.baselines.observation_models.stm.classical import (
    GEOMETRY,
    find,
    find_classically,
    tuned,
)
from microgym.baselines.observation_models.stm.dataset import (
    Conditions,
    LabelledImages,
    make_dataset,
    take,
)
from microgym.envs.stm.config import RECONSTRUCTORS
from microgym.physics.stm_tip import STATES
from microgym.reconstruction.adatoms.observation_model import (
    ClassicalDetector,
    DetectorModel,
    NeuralDetector,
)
from microgym.reconstruction.nn.network import Weights
from microgym.specimens.adatom_fields import HELD_OUT
from microgym.state import Float64

BASE = Conditions("crowded", "test")
"""Conditions that are varied: images of 20 s, usual noise and drift, five of ten tips not sharp."""
EDGES = (0.0, 0.5, 0.7, 0.9, 0.97, 0.99, 1.0)
"""Borders of the bins of stated probabilities."""
STATED = (0.5, 0.6827, 0.9, 0.95)
"""Shares of errors along an axis whose bounds are evaluated."""
BOUNDS = (0.6745, 1.0, 1.6449, 1.96)
"""Standard deviations that `STATED` shares of a normal distribution stay below."""
RESAMPLES = 2000
"""Of the intervals of shares."""
TOLERATED = 0.06
"""Difference of a stated and a found share that is accepted."""
CLAIMED = ("loud", "three times as loud", "unstable tip", "close pairs")
"""Conditions under which the network is claimed to find more."""
FAST = "4 s an image"
"""Condition of the training under which the network is not claimed to place adatoms better."""
UNSEEN = ("2 s an image", "step edge", "step edge, double tip")
"""Conditions that are not in the training."""
_FIRST = {"train": 0, "validation": 300_000_000, "test": 600_000_000}


def conditions() -> dict[str, Conditions]:
    """Conditions of the comparison, by name."""
    return {
        "as STM-v0, few bystanders": replace(BASE, family="terrace"),
        "as STM-v0, many bystanders": BASE,
        "quiet": replace(BASE, noise="easy"),
        "loud": replace(BASE, noise="hard"),
        "three times as loud": replace(BASE, noise="hard", loudness=3.0),
        "40 s an image": replace(BASE, image_s=40.0),
        "8 s an image": replace(BASE, image_s=8.0),
        "4 s an image": replace(BASE, image_s=4.0),
        "strong drift": replace(BASE, drift="hard"),
        **{f"{one} tip": replace(BASE, state=one) for one in STATES},
        "close pairs": replace(BASE, paired=1.0),
        "2 s an image": replace(BASE, image_s=2.0),
        "step edge": replace(BASE, family="stepped"),
        "step edge, double tip": replace(BASE, family="stepped", state="double"),
    }


@dataclass(frozen=True)
class Budget(EvaluationBudget):
    """Numbers of an evaluation.

    Attributes:
        images: of test specimens under each set of conditions.
        judges: images of validation specimens for the settings of the classical detector.
        groups: sets of conditions of the calibration.
        episodes: of the expert with each observation model.
    """

    images: int = 256
    judges: int = 256
    groups: int = 32
    episodes: int = 200


def measure(network: Weights, budget: Budget, seed: int) -> dict[str, Any]:
    """Results of an evaluation; see `ObservationModelSpec.measure`."""
    rows = [
        compare(network, name, how, budget=budget, seed=seed)
        for name, how in tracked(conditions().items(), "conditions", "set")
    ]
    stepped = replace(BASE, family=HELD_OUT[0])
    return {
        "kind": "detector",
        "least": float(network.calibration["calibration"][0]),
        "conditions": rows,
        "calibration": {
            "test": calibration_of(network, make_dataset(seed, budget.groups, "test")),
            HELD_OUT[0]: calibration_of(network, images_of(stepped, budget.images, seed)),
        },
        "stated": STATED,
        "views": expert_returns(budget.episodes, seed),
        "times_us": times_us(network),
    }


def images_of(how: Conditions, count: int, seed: int, split: str = "test") -> LabelledImages:
    """Images under some conditions, with seeds that no training has."""
    return take(replace(how, split=split), _FIRST[split] + specimen_seeds(seed, count))


def compare(
    weights: Weights, name: str, how: Conditions, *, budget: Budget, seed: int
) -> dict[str, Any]:
    """Compare under one set of conditions, with numbers and a seed of images.

    Returns:
        Settings of the classical detector; of each detector its scores; and the gains of the
        network with 95% intervals.
    """
    settings = tuned(images_of(how, budget.judges, seed, "validation"))
    images = images_of(how, budget.images, seed)
    found = {"network": find(weights, images), "classical": find_classically(settings, images)}
    # Places are compared on adatoms that both have found.
    both = ~np.isnan(found["network"].errors) & ~np.isnan(found["classical"].errors)
    some = both.any(axis=1)
    errors = {
        key: 1e3 * np.nanmean(np.where(both, one.errors, np.nan)[some], axis=1)
        for key, one in found.items()
    }
    gain: dict[str, Any] = {"f1": asdict(paired_difference(*(one.f1 for one in found.values())))}
    if some.any():
        gain["error_pm"] = asdict(paired_difference(errors["classical"], errors["network"]))
    return {
        "name": name,
        "unseen": name in UNSEEN,
        "images": budget.images,
        "adatoms": int(images.present.sum()),
        "settings": asdict(settings),
        **{
            key: {
                "f1": asdict(bootstrap(one.f1)),
                "precision": one.precision,
                "recall": one.recall,
                "error_pm": asdict(bootstrap(errors[key])) if some.any() else None,
            }
            for key, one in found.items()
        },
        "gain": gain,
    }


def calibration_of(weights: Weights, images: LabelledImages) -> dict[str, Any]:
    """Stated probabilities and uncertainties against those found in images.

    Returns:
        "bins": of the spots with probabilities between two of `EDGES` their number, the mean
        probability and the share of adatoms; "cover": share of errors along an axis that stay below
        each of `BOUNDS`. Intervals of 95% are over images.
    """
    found = find(weights, images)
    chance = found.spots[..., 2]
    bins: list[dict[str, Any]] = []
    for low, high in itertools.pairwise(EDGES):
        inside = found.valid & (chance >= low) & ((chance < high) | (high == 1.0))
        some = inside.any(axis=1)
        if not some.any():
            continue
        counts = inside.sum(axis=1)[some]
        hits = (found.hit & inside).sum(axis=1)[some]
        bins.append(
            {
                "low": low,
                "high": high,
                "spots": int(counts.sum()),
                "stated": float(chance[inside].mean()),
                "found": asdict(bootstrap(hits, headroom=counts, resamples=RESAMPLES)),
            }
        )
    ratio = np.abs(found.offsets / found.spreads[..., None])
    there = np.isfinite(ratio[..., 0])
    some = there.any(axis=1)
    wholes = 2 * there.sum(axis=1)[some]
    below = [((ratio < bound) & there[..., None]).sum(axis=(1, 2))[some] for bound in BOUNDS]
    cover = [asdict(bootstrap(one, headroom=wholes, resamples=RESAMPLES)) for one in below]
    return {"images": len(images.heights), "bins": bins, "cover": cover}


def expert_returns(episodes: int, seed: int) -> dict[str, Any]:
    """Returns of the expert with each observation model, on the same specimens.

    Returns:
        By id, "returns" of each model, "gain", their difference from those with "model", and
        "network_gain", the difference of network and classical detector.
    """
    result: dict[str, Any] = {}
    for env_id in ("STM-v0", "STMBuild-v0"):
        returns: dict[str, Float64] = {}
        for name in RECONSTRUCTORS:
            setting = EnvironmentConfig(env_id, "test", arguments={"reconstructor": name})
            agents = {"expert": find_agent(setting, "expert")}
            found = evaluate_all(setting, agents, episodes=episodes, seed=seed)
            returns[name] = found["expert"].returns
        result[env_id] = {
            "episodes": episodes,
            "returns": {name: asdict(bootstrap(one)) for name, one in returns.items()},
            "gain": {
                name: asdict(paired_difference(one, returns["model"]))
                for name, one in returns.items()
                if name != "model"
            },
            "network_gain": asdict(paired_difference(returns["neural"], returns["classical"])),
        }
    return result


def times_us(weights: Weights) -> dict[str, float]:
    """Least time of an estimate of one of sixteen images, us."""
    count = 16
    images, rows = images_of(BASE, count, 0), np.arange(count)
    detectors: dict[str, DetectorModel] = {
        "network": NeuralDetector(count, *GEOMETRY, weights),
        "classical": ClassicalDetector(count, *GEOMETRY),
    }
    work = {name: partial(one.estimate, rows, images.heights) for name, one in detectors.items()}
    return {
        name: 1e6 * least_time(run, 20, time.perf_counter) / count for name, run in work.items()
    }


def failed_claims(record: Record) -> list[str]:
    """Claims that a record does not support."""
    found: list[str] = []
    for one in record["conditions"]:
        gain = {name: estimate(each) for name, each in one["gain"].items()}
        if one["name"] in CLAIMED and not gain["f1"].above_zero:
            found.append(f"the network finds more, {one['name']}: {gain['f1'].value:.4f}")
        placed = not one["unseen"] and one["name"] != FAST
        if placed and not gain["error_pm"].above_zero:
            found.append(f"places are nearer, {one['name']}: {gain['error_pm'].value:.1f} pm")
    test = record["calibration"]["test"]
    for stated, one in zip(record["stated"], test["cover"], strict=True):
        if abs(one["value"] - stated) > TOLERATED:
            found.append(f"{stated:.0%} of errors stay below what is stated: {one['value']:.1%}")
    spots = [one["spots"] for one in test["bins"]]
    stated = float(np.average([one["stated"] for one in test["bins"]], weights=spots))
    share = float(np.average([one["found"]["value"] for one in test["bins"]], weights=spots))
    if abs(stated - share) > TOLERATED:
        found.append(f"mean probability stated {stated:.2f}, found {share:.2f}")
    return found


def summary(record: Record) -> str:
    """The record as text."""
    lines = ["F1 (error, pm): network; classical; network finds more by"]
    for one in record["conditions"]:
        scores = [
            f"{each['f1']['value']:.3f}"
            + (f" ({each['error_pm']['value']:.0f})" if each["error_pm"] else "")
            for each in (one["network"], one["classical"])
        ]
        lines.append(f"  {one['name']:<28}{';  '.join(scores)};  {gain_text(one['gain']['f1'], 3)}")
    for name, one in record["calibration"].items():
        bins = ", ".join(
            f"{each['stated']:.2f}: {each['found']['value']:.2f}" for each in one["bins"]
        )
        lines.append(f"  errors covered, {name}: {shares_text(one['cover'])}; probability: {bins}")
    for env_id, one in record["views"].items():
        lines += [
            f"  {env_id}, expert with {name} less model: {gain_text(gain, 3)}"
            for name, gain in one["gain"].items()
        ]
    return "\n".join(lines)
