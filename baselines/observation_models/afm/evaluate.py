"""What the network is worth: its record, from a file of weights and a seed.

Frame by frame it is compared with the best simple restoration of the same lines: on learnt families
and on the one it never saw, slow and fast, with tips as they are after some use. A second table
goes through the states of tips one by one.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from microgym.baselines.cli.console import progress_bar
from microgym.baselines.evaluation.records import RESULTS, provenance
from microgym.baselines.evaluation.statistics import Estimate, bootstrap, paired_difference
from microgym.baselines.observation_models.afm.build import made_from
from microgym.baselines.observation_models.afm.classical import (
    CORRECTED,
    FLATTENED,
    TRACE,
    best_recipe,
    relative_error,
    restore,
    simple,
)
from microgym.baselines.observation_models.afm.dataset import (
    LEARNT,
    WIDEST_NM,
    Conditions,
    Frames,
    random_frames,
    scan_frames,
)
from microgym.reconstruction.nn.network import STATED, Weights
from microgym.reconstruction.topography.observation_model import NETWORK
from microgym.specimens.splits import HELD_OUT_SURFACES

RECORD = RESULTS / "topography.json"
"""Where the committed record is."""
TOLERATED = 0.05
"""Difference of stated and found coverage that is accepted on learnt families."""
SPEEDS: dict[str, tuple[float, float]] = {"slow": (2.0, 5.0), "fast": (5.0, 20.0)}
"""Line rates, Hz: the even pace of AFM-v0 is 4 Hz."""
TIPS: dict[str, tuple[tuple[float, float], float]] = {
    "new": ((6.0, 10.0), 0.0),
    "used": ((10.0, 20.0), 0.0),
    "broken": ((20.0, WIDEST_NM), 0.0),
    "double": ((6.0, 20.0), 1.0),
}
"""States of tips: radii, nm, and the part that has a second apex."""
TABLED = ("mixed", "particles", *HELD_OUT_SURFACES)
"""Families of the table of tips."""


@dataclass(frozen=True)
class Effort:
    """How much is measured.

    Attributes:
        specimens: test frames under each set of conditions.
        judges: validation frames that recipes are chosen by.
        groups: sets of conditions of the coverage, four frames each.
    """

    specimens: int = 64
    judges: int = 16
    groups: int = 32

    def __post_init__(self) -> None:
        """Check every number."""
        for name, value in asdict(self).items():
            if value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}")


def frames_of(conditions: Conditions, seed: int, count: int) -> Frames:
    """Frames that belong to one seed of an assessment."""
    return scan_frames(conditions, 1_000_000 * seed + np.arange(count), seed)


def compare(weights: Weights, test: Conditions, *, effort: Effort, seed: int) -> dict[str, Any]:
    """Compare under one set of conditions.

    Args:
        weights: the network.
        test: how test frames are scanned; validation frames are scanned alike.
        effort: numbers of frames.
        seed: of the frames.

    Returns:
        The recipe, mean relative error of each method and the gain of the network over the best
        recipe and over the corrected mean, with 95% intervals.
    """
    judged = frames_of(replace(test, split="validation"), seed, effort.judges)
    recipe = best_recipe(judged)
    frames = frames_of(test, seed, effort.specimens)
    names = {"trace": TRACE, "flattened": FLATTENED, "corrected": CORRECTED, "tuned": recipe}
    found = {
        one: relative_error(heights, frames.truth)
        for one, heights in simple(frames, tuple(set(names.values())))
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
        "specimens": effort.specimens,
        "relief_nm": float(relief),
        "recipe": asdict(recipe),
        "errors": {name: asdict(bootstrap(values)) for name, values in errors.items()},
        "gain": asdict(paired_difference(errors["tuned"], errors["network"])),
        "wins": float(np.mean(errors["network"] < errors["tuned"])),
    }


def covered(
    weights: Weights, seed: int, groups: int, family: str | None, progress: Callable[[int], None]
) -> list[tuple[str, NDArray[np.float64]]]:
    """Part of errors that stay below each of `STATED`, under random conditions as in training.

    Args:
        weights: the network.
        seed: of everything random.
        groups: sets of conditions.
        family: of the surfaces; None draws learnt ones.
        progress: is told of every set.

    Returns:
        Family and found coverage of each set.
    """
    found: list[tuple[str, NDArray[np.float64]]] = []
    for number in range(groups):
        (frames,) = random_frames(1_000_000 * (seed + 1) + number, 1, "test", family=family)
        heights, sigma = restore(weights, frames)
        truth = frames.truth - frames.truth.mean(axis=-1, keepdims=True)
        share = np.abs(heights - truth) / sigma
        part = np.mean(share[..., None] < weights.radii, axis=(0, 1, 2))
        found.append((frames.conditions.family, part))
        progress(1)
    return found


def line_time(weights: Weights, frames: Frames, clock: Callable[[], float]) -> float:
    """Seconds that the network takes for a line; the best of several rounds."""
    count, lines = frames.truth.shape[:2]
    spent: list[float] = []
    for _ in range(4):
        start = clock()
        restore(weights, frames)
        spent.append((clock() - start) / (count * lines))
    return min(spent)


def assess(weights: Path, *, effort: Effort | None = None, seed: int = 0) -> dict[str, Any]:
    """Make the whole record, under progress bars.

    Args:
        weights: file of the network.
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
    claims: list[dict[str, Any]] = []
    families = (*LEARNT, *HELD_OUT_SURFACES)
    with progress_bar(len(families) * len(SPEEDS), "families and speeds", "set") as progress:
        for family in families:
            for speed, rates in SPEEDS.items():
                test = Conditions(family, "test", rates_hz=rates)
                made = compare(network, test, effort=chosen, seed=seed)
                claims.append({"speed": speed, **made})
                progress(1)
    table: list[dict[str, Any]] = []
    few = Effort(max(chosen.specimens // 2, 1), chosen.judges, chosen.groups)
    with progress_bar(len(TABLED) * len(TIPS), "states of tips", "set") as progress:
        for family in TABLED:
            for name, (radii, split) in TIPS.items():
                test = Conditions(family, "test", radii_nm=radii, split_tips=split)
                table.append({"tip": name, **compare(network, test, effort=few, seed=seed)})
                progress(1)
    third = max(chosen.groups // 3, 1)
    with progress_bar(chosen.groups + third, "uncertainty", "set") as progress:
        learnt = covered(network, seed, chosen.groups, None, progress)
        (unseen,) = HELD_OUT_SURFACES
        other = covered(network, seed, third, unseen, progress)
    sample = frames_of(Conditions("mixed", "test", lines=32), seed, 4)
    return {
        "kind": "reconstructor",
        **origin,
        "seed": seed,
        "effort": asdict(chosen),
        "network": made_from(weights),
        "claims": claims,
        "tips": table,
        "coverage": {
            "stated": STATED,
            "test": _told(learnt),
            "unseen": {unseen: _told(other)},
            "by_family": {
                name: _told([one for one in learnt if one[0] == name])
                for name in sorted({one[0] for one in learnt})
            },
        },
        "line_us": 1e6 * line_time(network, sample, time.process_time),
    }


def _told(sets: Sequence[tuple[str, NDArray[np.float64]]]) -> dict[str, Any]:
    """Mean coverage over sets of conditions, with its interval."""
    found = np.array([one for _, one in sets])
    return {"conditions": len(sets), "found": [asdict(bootstrap(column)) for column in found.T]}


def pooled(claims: Sequence[Mapping[str, Any]], speed: str) -> Estimate:
    """Gain over all learnt families at one speed, each counting alike.

    Families are independent of each other, so that half widths of intervals add in squares.
    """
    gains = [one["gain"] for one in claims if one["speed"] == speed and not one["unseen"]]
    value = float(np.mean([gain["value"] for gain in gains]))
    halves = [0.5 * (gain["high"] - gain["low"]) for gain in gains]
    half = float(np.linalg.norm(halves)) / len(gains)
    return Estimate(value, value - half, value + half)


def claimed(record: Mapping[str, Any]) -> list[tuple[str, Estimate]]:
    """What the network is claimed to win on: learnt families together, and each unseen one."""
    claims = record["claims"]
    speeds = list(dict.fromkeys(one["speed"] for one in claims))
    return [(f"learnt families, {speed}", pooled(claims, speed)) for speed in speeds] + [
        (f"{one['family']}, {one['speed']}", Estimate(**one["gain"]))
        for one in claims
        if one["unseen"]
    ]


def missed(record: Mapping[str, Any]) -> list[str]:
    """What must hold of a record and does not; empty where all holds."""
    found = [
        f"the network wins on {name}: better by {gain.value:.4f}, from {gain.low:.4f}"
        for name, gain in claimed(record)
        if not gain.above_zero
    ]
    coverage = record["coverage"]
    for stated, one in zip(coverage["stated"], coverage["test"]["found"], strict=True):
        if abs(one["value"] - stated) > TOLERATED:
            found.append(f"stated {stated:.0%} cover within 5 points: {one['value']:.1%}")
    return found


def told(record: Mapping[str, Any]) -> str:
    """The comparison and the coverage, as text."""
    lines = ["error over relief: trace, corrected, best simple, network, better by"]
    for one in (*record["claims"], *record["tips"]):
        errors, gain = one["errors"], one["gain"]
        shown = "  ".join(
            f"{errors[name]['value']:.3f}" for name in ("trace", "corrected", "tuned", "network")
        )
        lines.append(
            f"  {one['family']:<12}{one.get('speed', one.get('tip')):<8}{shown}  "
            f"{gain['value']:+.4f} [{gain['low']:+.4f}, {gain['high']:+.4f}]"
        )
    for name, one in (("test", record["coverage"]["test"]), *record["coverage"]["unseen"].items()):
        shares = ", ".join(f"{each['value']:.1%}" for each in one["found"])
        lines.append(f"  coverage on {name}: {shares}")
    return "\n".join(lines)


def figure(weights: Path, record: Mapping[str, Any]) -> bytes:
    """An example as a PNG file, the simple restoration as in the record."""
    from microgym.baselines.observation_models.afm.figure import draw_figure

    return draw_figure(NETWORK.load(weights), record["claims"])
