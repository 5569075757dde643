"""What the network is worth: its record, from a file of weights and a seed.

The claim is about the regime of `Ptycho-v0`: few exposures that hardly overlap, few photons. There
the network is compared, specimen by specimen, with the best of the classical recipes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from microgym.baselines.cli.console import progress_bar
from microgym.baselines.evaluation.records import RESULTS, provenance
from microgym.baselines.evaluation.statistics import Estimate, bootstrap, paired_difference
from microgym.baselines.observation_models.ptycho.build import made_from
from microgym.baselines.observation_models.ptycho.classical import (
    LOOKS,
    Recipe,
    Taken,
    Tuned,
    halton_places,
    image_of,
    restore,
    take,
)
from microgym.baselines.observation_models.ptycho.coverage import make_coverage
from microgym.baselines.observation_models.ptycho.dataset import LEARNT, Conditions
from microgym.baselines.observation_models.ptycho.figure import draw_figure
from microgym.baselines.observation_models.ptycho.robustness import (
    DOSES,
    cells,
    first_seed,
    make_table,
)
from microgym.baselines.observation_models.ptycho.siemens_star import EXPOSURES, make_star
from microgym.reconstruction.nn.network import Weights
from microgym.reconstruction.ptychography.neural import NETWORK
from microgym.specimens.splits import HELD_OUT

RECORD = RESULTS / "reconstructor.json"
"""Where the committed record is."""
CLAIMED = 1e4
"""Photons of an exposure up to which the network is claimed to win."""
TOLERATED = 0.05
"""Difference of stated and found coverage that is accepted."""
SCAN = 24
"""Exposures of the scans of the claim, as in Ptycho-v0: 26 px apart, under a probe of 25 px."""


@dataclass(frozen=True)
class Effort:
    """How much is measured.

    Attributes:
        specimens: test specimens of each family and dose.
        judges: validation specimens that recipes are chosen by.
        rows: test specimens in each row of the table.
        groups: sets of conditions of the coverage.
    """

    specimens: int = 64
    judges: int = 6
    rows: int = 8
    groups: int = 48

    def __post_init__(self) -> None:
        """Check every number."""
        for name, value in asdict(self).items():
            if value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}")


def claim(
    weights: Weights, family: str, photons: float, *, effort: Effort, seed: int
) -> dict[str, Any]:
    """Compare on one family at one dose.

    Args:
        weights: the network.
        family: of the specimens.
        photons: of an exposure.
        effort: numbers of specimens.
        seed: of the specimens.

    Returns:
        Recipes, and for lit pixels and the whole region mean E0 of each method and the gain of the
        network over the best classical recipe, with 95% intervals.
    """

    def scans(split: str, count: int) -> Taken:
        conditions = Conditions(family, split, SCAN, photons, drift="easy", damage="off")
        return take(conditions, first_seed(seed) + np.arange(count), halton_places(SCAN))

    judged = scans("validation", effort.judges)
    recipe = Tuned(judged).best()
    sweeps = best_look(weights, judged)
    taken = scans("test", effort.specimens)
    images = {
        "network": restore(weights, taken.looks[sweeps])[0],
        "tuned": image_of(taken, recipe),
        "running": taken.running(LOOKS[-1]),
        "vacuum": np.ones_like(taken.truth),
    }
    result: dict[str, Any] = {
        "family": family,
        "unseen": family in HELD_OUT,
        "photons": photons,
        "specimens": effort.specimens,
        "recipe": asdict(recipe),
        "network_sweeps": sweeps,
    }
    for area, everywhere in (("lit", False), ("region", True)):
        errors = {name: taken.errors(image, everywhere) for name, image in images.items()}
        result[area] = {
            "errors": {name: asdict(bootstrap(values)) for name, values in errors.items()},
            "gain": asdict(paired_difference(errors["tuned"], errors["network"])),
            "wins": float(np.mean(errors["network"] < errors["tuned"])),
        }
    return result


def best_look(weights: Weights, judged: Taken) -> int:
    """Sweeps before the network looks that are best on validation scans."""
    errors = {
        sweeps: float(np.mean(judged.errors(restore(weights, seen)[0])))
        for sweeps, seen in judged.looks.items()
    }
    return min(errors, key=lambda one: errors[one])


def assess(
    weights: Path,
    *,
    effort: Effort | None = None,
    seed: int = 0,
    recording: Path | None = None,
) -> dict[str, Any]:
    """Make the whole record, under progress bars.

    Args:
        weights: file of the network.
        effort: how much is measured; None for all of it.
        seed: of everything random.
        recording: the recorded Siemens star; None leaves it out.

    Returns:
        The record.

    Raises:
        ValueError: a number out of range, or not a network.
        FileNotFoundError: no network, or no recording.
    """
    if seed < 0:
        raise ValueError(f"seed must be at least 0, got {seed}")
    chosen = Effort() if effort is None else effort
    network = NETWORK.load(weights)
    origin = provenance()
    pairs = [(family, dose) for family in (*LEARNT, *HELD_OUT) for dose in DOSES]
    claims: list[dict[str, Any]] = []
    with progress_bar(len(pairs), "families and doses", "set") as progress:
        for family, dose in pairs:
            claims.append(claim(network, family, dose, effort=chosen, seed=seed))
            progress(1)
    with progress_bar(len(cells()), "dose, overlap, drift, probe", "row") as progress:
        table = make_table(
            network, specimens=chosen.rows, judges=min(chosen.judges, 4), seed=seed,
            progress=progress,
        )  # fmt: skip
    sets = chosen.groups + len(HELD_OUT) * max(chosen.groups // 3, 1)
    with progress_bar(sets, "uncertainty", "set") as progress:
        coverage = make_coverage(network, groups=chosen.groups, seed=seed, progress=progress)
    star = None
    if recording is not None:
        with progress_bar(len(EXPOSURES), f"recorded {recording.name}", "scan") as progress:
            star = make_star(network, recording, seed=seed, progress=progress)
    return {
        "kind": "reconstructor",
        **origin,
        "seed": seed,
        "effort": asdict(chosen),
        "network": made_from(weights),
        "claims": claims,
        "table": table,
        "coverage": coverage,
        "star": star,
    }


def pooled(claims: Sequence[Mapping[str, Any]], photons: float, area: str = "lit") -> Estimate:
    """Gain over all learnt families at one dose, each counting alike.

    Families are independent of each other, so that half widths of intervals add in squares.
    """
    gains = [one[area]["gain"] for one in claims if one["photons"] == photons and not one["unseen"]]
    value = float(np.mean([gain["value"] for gain in gains]))
    halves = [0.5 * (gain["high"] - gain["low"]) for gain in gains]
    half = float(np.linalg.norm(halves)) / len(gains)
    return Estimate(value, value - half, value + half)


def claimed(record: Mapping[str, Any]) -> list[tuple[str, Estimate]]:
    """What the network is claimed to win on: learnt families together, and each unseen one."""
    claims = record["claims"]
    doses = sorted({one["photons"] for one in claims if one["photons"] <= CLAIMED})
    return [(f"learnt families at {dose:,.0f} photons", pooled(claims, dose)) for dose in doses] + [
        (f"{one['family']} at {one['photons']:,.0f} photons", Estimate(**one["lit"]["gain"]))
        for one in claims
        if one["unseen"] and one["photons"] <= CLAIMED
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
    """The comparison in the claimed regime, and the coverage, as text."""
    lines = ["E0 on lit pixels: best classical, network, better by"]
    for one in record["claims"]:
        errors, gain = one["lit"]["errors"], one["lit"]["gain"]
        lines.append(
            f"  {one['family']:<16}{one['photons']:<9g}{errors['tuned']['value']:.3f}  "
            f"{errors['network']['value']:.3f}  {gain['value']:+.4f} "
            f"[{gain['low']:+.4f}, {gain['high']:+.4f}]"
        )
    for name, one in (
        ("test", record["coverage"]["test"]),
        *record["coverage"]["unseen"].items(),
    ):
        shares = ", ".join(f"{each['value']:.1%}" for each in one["found"])
        lines.append(f"  coverage on {name}: {shares}")
    return "\n".join(lines)


def figure(weights: Path, record: Mapping[str, Any]) -> bytes:
    """An example as a PNG file, classical settings taken from the record."""
    recipes = {
        one["photons"]: Recipe.from_record(one["recipe"])
        for one in record["claims"]
        if one["family"] == "sparse"
    }
    return draw_figure(NETWORK.load(weights), recipes)
