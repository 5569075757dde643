"""Evaluation of the neural observation models: the record, and what all of them have in common."""

import hashlib
import json
import timeit
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from microgym.baselines.cli.console import progress_bar
from microgym.baselines.evaluation.records import origin
from microgym.baselines.evaluation.statistics import Estimate, bootstrap, paired_difference
from microgym.baselines.observation_models.specification import ObservationModelSpec, Record
from microgym.reconstruction.nn.network import STATED, Network, read_tensors
from microgym.state import Float64, Int64

ItemT = TypeVar("ItemT")
Claims = Sequence[tuple[str, Estimate]]
TOLERANCE = 0.05
"""Accepted difference of a stated share of errors from the share found."""
SEEDS = 1_000_000
"""Seeds of specimens that belong to one seed of an evaluation."""


def evaluate(
    spec: ObservationModelSpec,
    weights: Path,
    *,
    budget: Any,
    seed: int = 0,
    recording: Path | None = None,
) -> dict[str, Any]:
    """Make the whole record of a network, under progress bars.

    Args:
        spec: the observation model.
        weights: file of the network.
        budget: numbers of the evaluation.
        seed: of everything random.
        recording: recorded experiment to compare on, where there is one; None leaves it out.

    Returns:
        The record.

    Raises:
        ValueError: a number out of range, or not a network.
        FileNotFoundError: no network, or no recording.
    """
    if seed < 0:
        raise ValueError(f"seed must be at least 0, got {seed}")
    network = spec.network.load(weights)
    # The provenance is that of the code at the start.
    made_by = origin(spec.env_id)
    options = {"recording": recording} if spec.recorded else {}
    found = spec.measure(network, budget, seed, **options)
    made = made_from(spec.network, weights)
    return {"kind": "observation-model", **made_by, "seed": seed, "effort": asdict(budget),
            "network": made, **found}  # fmt: skip


def made_from(network: Network, path: Path) -> dict[str, Any]:
    """Provenance of a trained network, from the metadata of its file.

    Returns:
        "sha256" of the tensors in the order of their names, and the provenance of the training:
        "seed", "groups", "steps", "command" and so on.

    Raises:
        FileNotFoundError: no such file.
        ValueError: not such a file.
    """
    tensors, metadata = read_tensors(path, network.format)
    network.pack(tensors)
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(tensors[name].tobytes())
    return {"sha256": digest.hexdigest(), **json.loads(metadata["made"])}


def tracked(items: Collection[ItemT], what: str, unit: str) -> Iterator[ItemT]:
    """Items under a progress bar, each a step of it; `what` is being done, by `unit`."""
    with progress_bar(len(items), what, unit) as progress:
        for one in items:
            yield one
            progress(1)


def specimen_seeds(seed: int, count: int) -> Int64:
    """Seeds of specimens, (count,), that belong to one seed of an evaluation."""
    return SEEDS * seed + np.arange(count)


def least_time(work: Callable[[], object], rounds: int, clock: Callable[[], float]) -> float:
    """Seconds that some work takes: the best of several rounds, as others use the machine too."""
    return min(timeit.repeat(work, timer=clock, repeat=rounds, number=1))


def compared(errors: Mapping[str, Float64], best: str = "tuned") -> dict[str, Any]:
    """Compare the network with other methods on the same specimens.

    Args:
        errors: (N,) of each method; that of the network is "network".
        best: the method that the network is to be better than.

    Returns:
        "errors", the means, and "gain", how much less the network's error is, with 95% intervals;
        "wins", the share of specimens on which it is less.
    """
    return {
        "errors": {name: asdict(bootstrap(values)) for name, values in errors.items()},
        "gain": asdict(paired_difference(errors[best], errors["network"])),
        "wins": float(np.mean(errors["network"] < errors[best])),
    }


def estimate(found: Record) -> Estimate:
    """An estimate of a record."""
    return Estimate(float(found["value"]), float(found["low"]), float(found["high"]))


def pooled(gains: Sequence[Record]) -> Estimate:
    """Mean of independent gains; half widths of their intervals add in squares."""
    halves = [0.5 * (gain["high"] - gain["low"]) for gain in gains]
    value = float(np.mean([gain["value"] for gain in gains]))
    half = float(np.linalg.norm(halves)) / len(gains)
    return Estimate(value, value - half, value + half)


# --- coverage: shares of errors that stay below stated bounds -------------------------------------

Coverage = list[tuple[Any, Float64]]


def measure_coverage(
    under: Callable[[int, str | None], tuple[Any, Float64]],
    held_out: Sequence[str],
    groups: int,
    seed: int,
) -> tuple[dict[str, Any], Coverage]:
    """Coverage on the families of the training, and on each of those held out.

    Args:
        under: conditions, with their `family`, drawn with a seed, and the share of errors below
            each bound of `STATED` under them; the family is drawn too where it is None. NaN where
            nothing was measured.
        held_out: families that the training does not see.
        groups: sets of conditions; a third as many on each family held out.
        seed: of the evaluation.

    Returns:
        "stated", "test", "unseen" and "by_family", shares with 95% intervals over sets of
        conditions; and those sets of the test.
    """
    sets = [(None, k) for k in range(groups)]
    sets += [(family, k) for family in held_out for k in range(max(groups // 3, 1))]
    found: dict[str | None, Coverage] = {family: [] for family, _ in sets}
    for family, number in tracked(sets, "uncertainty", "set"):
        # Far from the seeds of training and calibration, though their split differs anyway.
        conditions, shares = under(SEEDS * (seed + 1) + number, family)
        if np.isfinite(shares).all():
            found[family].append((conditions, shares))
    test = found[None]
    families = sorted({conditions.family for conditions, _ in test})
    record = {
        "stated": STATED,
        "test": mean_coverage(test),
        "unseen": {family: mean_coverage(found[family]) for family in held_out},
        "by_family": {
            family: mean_coverage([one for one in test if one[0].family == family])
            for family in families
        },
    }
    return record, test


def mean_coverage(sets: Coverage) -> dict[str, Any]:
    """Mean coverage over sets of conditions, with its interval."""
    columns = np.array([shares for _, shares in sets]).T
    return {"conditions": len(sets), "found": [asdict(bootstrap(column)) for column in columns]}


# --- claims and summaries -------------------------------------------------------------------------


def claimed_gains(found: Sequence[tuple[str, Record, Record]]) -> list[tuple[str, Estimate]]:
    """Gains that are claimed to be above zero: learnt families together, and each unseen one.

    Args:
        found: of each comparison the words for its conditions, its entry in the record and its
            gain.
    """
    learnt: dict[str, list[Record]] = {}
    for words, one, gain in found:
        if not one["unseen"]:
            learnt.setdefault(words, []).append(gain)
    return [(f"learnt families{words}", pooled(gains)) for words, gains in learnt.items()] + [
        (f"{one['family']}{words}", estimate(gain)) for words, one, gain in found if one["unseen"]
    ]


def unsupported_claims(claimed: Callable[[Record], Claims], record: Record) -> list[str]:
    """Claims that a record does not support, as sentences.

    Gains of `claimed` are to be above zero; shares of errors found on test specimens are to be
    within `TOLERANCE` of those stated.
    """
    coverage = record["coverage"]
    lost = [
        f"the network wins on {name}: better by {gain.value:.4f}, from {gain.low:.4f}"
        for name, gain in claimed(record)
        if not gain.above_zero
    ]
    return lost + [
        f"stated {stated:.0%} cover within {100 * TOLERANCE:.0f} points: {one['value']:.1%}"
        for stated, one in zip(coverage["stated"], coverage["test"]["found"], strict=True)
        if abs(one["value"] - stated) > TOLERANCE
    ]


def gain_text(gain: Record, digits: int = 4) -> str:
    """A gain with its interval, for a terminal."""
    value, low, high = (f"{gain[name]:+.{digits}f}" for name in ("value", "low", "high"))
    return f"{value} [{low}, {high}]"


def shares_text(found: Sequence[Record]) -> str:
    """Shares of a record in percent."""
    return ", ".join(f"{one['value']:.1%}" for one in found)


def summary_text(
    head: str, found: Sequence[tuple[str, Record]], methods: Sequence[str], coverage: Record
) -> str:
    """Comparisons and coverage for a terminal.

    Args:
        head: first line.
        found: label of each comparison, and its errors and gain.
        methods: those whose errors are shown.
        coverage: of the record.
    """
    lines = [head]
    for label, one in found:
        errors = "  ".join(f"{one['errors'][name]['value']:.3f}" for name in methods)
        lines.append(f"  {label}{errors}  {gain_text(one['gain'])}")
    for name, shares in found_shares(coverage).items():
        lines.append(f"  coverage on {name}: {shares_text(shares)}")
    return "\n".join(lines)


def found_shares(coverage: Record) -> dict[str, Sequence[Record]]:
    """Shares found on test specimens and on each family held out."""
    found = {"test": coverage["test"], **coverage["unseen"]}
    return {name: one["found"] for name, one in found.items()}
