"""What the network is worth: its record, from a file of weights and a seed.

It is compared, image by image, with the classical detector, whose settings are those that do best
on validation specimens taken the same way; the network is the same everywhere.
"""

import itertools
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from microgym.baselines.cli.console import progress_bar
from microgym.baselines.evaluation.env_config import EnvironmentConfig
from microgym.baselines.evaluation.evaluate import evaluate_all
from microgym.baselines.evaluation.load_agent import find_agent
from microgym.baselines.evaluation.records import RESULTS, provenance
from microgym.baselines.evaluation.statistics import Estimate, bootstrap, paired_difference
from microgym.baselines.observation_models.stm.build import STATED, find, made_from
from microgym.baselines.observation_models.stm.classical import find as find_classical
from microgym.baselines.observation_models.stm.classical import tuned
from microgym.baselines.observation_models.stm.dataset import Conditions, Images, lessons, take
from microgym.baselines.observation_models.stm.scores import Found
from microgym.envs.stm.config import RECONSTRUCTORS
from microgym.reconstruction.adatoms.observation_model import (
    NETWORK,
    ClassicalDetector,
    DetectorModel,
    NeuralDetector,
)
from microgym.reconstruction.nn.network import Weights
from microgym.specimens.adatom_fields import HELD_OUT

RECORD = RESULTS / "adatoms.json"
"""Where the committed record is."""
BASE = Conditions("crowded", "test")
"""What is varied: images of 20 s, noise and drift as usual, five of ten tips not sharp."""
EDGES = (0.0, 0.5, 0.7, 0.9, 0.97, 0.99, 1.0)
"""Bounds of the stated probabilities that are told of together."""
TOLERATED = 0.06
"""Difference of a stated and a found share that is accepted."""
_FIRST = {"train": 0, "validation": 300_000_000, "test": 600_000_000}


def conditions() -> dict[str, Conditions]:
    """What is compared: names, and how images are taken."""
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
        "sharp tip": replace(BASE, state="sharp"),
        "double tip": replace(BASE, state="double"),
        "blunt tip": replace(BASE, state="blunt"),
        "contaminated tip": replace(BASE, state="contaminated"),
        "unstable tip": replace(BASE, state="unstable"),
        "close pairs": replace(BASE, paired=1.0),
        "2 s an image": replace(BASE, image_s=2.0),
        "step edge": replace(BASE, family="stepped"),
        "step edge, double tip": replace(BASE, family="stepped", state="double"),
    }


UNSEEN = ("2 s an image", "step edge", "step edge, double tip")
"""Those of which there is nothing in training."""


@dataclass(frozen=True)
class Effort:
    """How much is measured.

    Attributes:
        images: of test specimens under each set of conditions.
        judges: images of validation specimens that the classical settings are chosen by.
        groups: sets of conditions of the calibration.
        episodes: of the expert with each observation model.
    """

    images: int = 256
    judges: int = 256
    groups: int = 32
    episodes: int = 200

    def __post_init__(self) -> None:
        """Check every number."""
        for name, value in asdict(self).items():
            if value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}")


def images_of(how: Conditions, count: int, seed: int, split: str = "test") -> Images:
    """Images under some conditions, the seeds of which no training has."""
    first = _FIRST[split] + 1_000_000 * seed
    return take(replace(how, split=split), first + np.arange(count))


def compare(
    weights: Weights, name: str, how: Conditions, *, effort: Effort, seed: int
) -> dict[str, Any]:
    """Compare under one set of conditions.

    Args:
        weights: the network.
        name: of the conditions.
        how: images are taken.
        effort: numbers of images.
        seed: of the specimens.

    Returns:
        Settings of the classical detector; of each detector its scores; and the gains of the
        network with 95% intervals.
    """
    settings = tuned(images_of(how, effort.judges, seed, "validation"))
    images = images_of(how, effort.images, seed)
    found = {"network": find(weights, images), "classical": find_classical(settings, images)}
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
        "images": effort.images,
        "adatoms": int(images.present.sum()),
        "settings": asdict(settings),
        **{key: _scores(one, errors[key]) for key, one in found.items()},
        "gain": gain,
    }


def _scores(found: Found, errors_pm: NDArray[np.float64]) -> dict[str, Any]:
    return {
        "f1": asdict(bootstrap(found.f1)),
        "precision": found.precision,
        "recall": found.recall,
        "error_pm": asdict(bootstrap(errors_pm)) if errors_pm.size else None,
    }


def trusted(weights: Weights, images: Images) -> dict[str, Any]:
    """Stated probabilities and uncertainties against what is found.

    Args:
        weights: the network.
        images: N of them.

    Returns:
        "bins": of the spots with probabilities between two of `EDGES` their number, the mean
        probability and the share of adatoms; "cover": share of errors along an axis that stay below
        each of the bounds that `STATED` shares of a normal distribution do. Intervals of 95% are
        over images.
    """
    found = find(weights, images)
    bins: list[dict[str, Any]] = []
    for low, high in itertools.pairwise(EDGES):
        chance = found.spots[..., 2]
        inside = found.told & (chance >= low) & ((chance < high) | (high == 1.0))
        some = inside.any(axis=1)
        if not some.any():
            continue
        counts = inside.sum(axis=1)[some]
        hits = (found.hit & inside).sum(axis=1)[some]
        share = _ratio(hits, counts)
        bins.append(
            {
                "low": low,
                "high": high,
                "spots": int(counts.sum()),
                "stated": float(chance[inside].mean()),
                "found": asdict(share),
            }
        )
    ratio = np.abs(found.offsets / found.spreads[..., None])
    there = np.isfinite(ratio[..., 0])
    some = there.any(axis=1)
    cover: list[dict[str, float]] = []
    for bound in BOUNDS:
        inside = ((ratio < bound) & there[..., None]).sum(axis=(1, 2))[some]
        cover.append(asdict(_ratio(inside, 2 * there.sum(axis=1)[some])))
    return {"images": len(images), "bins": bins, "cover": cover}


BOUNDS = (0.6745, 1.0, 1.6449, 1.96)
"""Standard deviations that `STATED` parts of a normal distribution stay below."""


def _ratio(parts: NDArray[np.int64], wholes: NDArray[np.int64]) -> Estimate:
    """Sum of parts over the sum of wholes, resampled together."""
    generator = np.random.default_rng(0)
    drawn = generator.integers(0, parts.size, (2000, parts.size))
    ratios = parts[drawn].sum(axis=1) / wholes[drawn].sum(axis=1)
    low, high = np.quantile(ratios, (0.025, 0.975))
    return Estimate(float(parts.sum() / wholes.sum()), float(low), float(high))


def views(effort: Effort, seed: int, split: str = "test") -> dict[str, Any]:
    """Returns of the expert with each observation model, on the same specimens.

    Args:
        effort: numbers of episodes.
        seed: of the first episode.
        split: of the specimens.

    Returns:
        By id, "returns" of each model and "less", how much less it is than with the model.
    """
    result: dict[str, Any] = {}
    for env_id in ("STM-v0", "STMBuild-v0"):
        returns: dict[str, NDArray[np.float64]] = {}
        for name in RECONSTRUCTORS:
            setting = EnvironmentConfig(env_id, split, arguments={"reconstructor": name})
            agents = {"expert": find_agent(setting, "expert")}
            found = evaluate_all(setting, agents, episodes=effort.episodes, seed=seed)
            returns[name] = found["expert"].returns
        result[env_id] = {
            "episodes": effort.episodes,
            "returns": {name: asdict(bootstrap(one)) for name, one in returns.items()},
            "gain": {
                name: asdict(paired_difference(one, returns["model"]))
                for name, one in returns.items()
                if name != "model"
            },
            "network_gain": asdict(paired_difference(returns["neural"], returns["classical"])),
        }
    return result


def assess(weights: Path, *, effort: Effort | None = None, seed: int = 0) -> dict[str, Any]:
    """Make the whole record, under a progress bar.

    Args:
        weights: file of the network. What the expert sees is always the shipped one.
        effort: how much is measured; None for all of it.
        seed: of everything random.

    Returns:
        The record.

    Raises:
        ValueError: a number out of range, or not a network.
        FileNotFoundError: no network.
    """
    if seed < 0:
        raise ValueError(f"seed must be at least 0, got {seed}")
    chosen = Effort() if effort is None else effort
    network = NETWORK.load(weights)
    origin = provenance()
    rows: list[dict[str, Any]] = []
    with progress_bar(len(conditions()) + 3, "conditions", "set") as progress:
        for name, how in conditions().items():
            rows.append(compare(network, name, how, effort=chosen, seed=seed))
            progress(1)
        stepped = replace(BASE, family=HELD_OUT[0])
        calibration = {
            "test": trusted(network, lessons(seed, chosen.groups, "test")),
            HELD_OUT[0]: trusted(network, images_of(stepped, chosen.images, seed)),
        }
        progress(1)
        shown = views(chosen, seed)
        progress(1)
        times = times_us(network)
        progress(1)
    return {
        "kind": "detector",
        **origin,
        "seed": seed,
        "effort": asdict(chosen),
        "network": made_from(weights),
        "least": float(network.calibration["calibration"][0]),
        "conditions": rows,
        "calibration": calibration,
        "stated": STATED,
        "views": shown,
        "times_us": times,
    }


def times_us(weights: Weights) -> dict[str, float]:
    """Least time of a look at one of sixteen images, us."""
    images = images_of(BASE, 16, 0)
    size = (16, images.heights.shape[1], 8.0)
    detectors: dict[str, DetectorModel] = {
        "network": NeuralDetector(*size, weights),
        "classical": ClassicalDetector(*size),
    }
    found: dict[str, float] = {}
    for name, detector in detectors.items():
        best = np.inf
        for _ in range(20):
            began = time.perf_counter()
            detector.estimate(np.arange(16), images.heights)
            best = min(best, time.perf_counter() - began)
        found[name] = 1e6 * float(best) / 16
    return found


CLAIMED = (
    "loud",
    "three times as loud",
    "unstable tip",
    "close pairs",
)
"""Conditions under which the network is claimed to find more."""
FAST = "4 s an image"
"""The one of those it has learnt under which it is not claimed to place adatoms better."""


def missed(record: Mapping[str, Any]) -> list[str]:
    """What must hold of a record and does not; empty where all holds."""
    found: list[str] = []
    for one in record["conditions"]:
        gain = {name: Estimate(**each) for name, each in one["gain"].items()}
        if one["name"] in CLAIMED and not gain["f1"].above_zero:
            found.append(f"the network finds more, {one['name']}: {gain['f1'].value:.4f}")
        placed = not one["unseen"] and one["name"] != FAST
        if placed and not gain["error_pm"].above_zero:
            found.append(f"places are nearer, {one['name']}: {gain['error_pm'].value:.1f} pm")
    test = record["calibration"]["test"]
    for stated, one in zip(record["stated"], test["cover"], strict=True):
        if abs(one["value"] - stated) > TOLERATED:
            found.append(f"{stated:.0%} of errors stay below what is stated: {one['value']:.1%}")
    spots = np.array([one["spots"] for one in test["bins"]])
    shares = [
        float(np.sum(spots * np.array(values)) / np.sum(spots))
        for values in (
            [one["stated"] for one in test["bins"]],
            [one["found"]["value"] for one in test["bins"]],
        )
    ]
    if abs(shares[0] - shares[1]) > TOLERATED:
        found.append(f"mean probability stated {shares[0]:.2f}, found {shares[1]:.2f}")
    return found


def told(record: Mapping[str, Any]) -> str:
    """The record as text."""
    lines = ["F1 (error, pm): network; classical; network finds more by"]
    for one in record["conditions"]:
        gain = one["gain"]["f1"]
        lines.append(
            f"  {one['name']:<28}{_brief(one['network'])};  {_brief(one['classical'])};  "
            f"{gain['value']:+.3f} [{gain['low']:+.3f}, {gain['high']:+.3f}]"
        )
    for name, one in record["calibration"].items():
        shares = ", ".join(f"{each['value']:.1%}" for each in one["cover"])
        bins = ", ".join(
            f"{each['stated']:.2f}: {each['found']['value']:.2f}" for each in one["bins"]
        )
        lines.append(f"  errors covered, {name}: {shares}; probability: {bins}")
    for env_id, one in record["views"].items():
        for name, gain in one["gain"].items():
            lines.append(
                f"  {env_id}, expert with {name} less model: {gain['value']:+.3f} "
                f"[{gain['low']:+.3f}, {gain['high']:+.3f}]"
            )
    return "\n".join(lines)


def _brief(one: Mapping[str, Any]) -> str:
    error = one["error_pm"]
    return (
        f"{one['f1']['value']:.3f} ({error['value']:.0f})" if error else f"{one['f1']['value']:.3f}"
    )
