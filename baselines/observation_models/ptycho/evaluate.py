"""Comparison of the network with classical solvers, and the coverage of its uncertainty.

The claim is about the regime of `Ptycho-v0`: few exposures that hardly overlap, few photons. There
the network is compared, specimen by specimen, with the best of the classical solvers.
"""

import functools
import itertools
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from microgym.baselines.evaluation.statistics import Estimate
from microgym.baselines.observation_models.evaluate import (
    SEEDS,
    compared,
    coverage_lines,
    estimate,
    failed_coverage,
    failed_wins,
    gain_text,
    mean_coverage,
    measure_coverage,
    pooled,
    tracked,
)
from microgym.baselines.observation_models.ptycho.classical import (
    INPUT_SWEEPS,
    CompletedScans,
    SolverGridSearch,
    halton_places,
    image_of,
    restore,
    take,
)
from microgym.baselines.observation_models.ptycho.dataset import (
    INSIDE,
    LEARNT,
    Conditions,
    make_dataset,
)
from microgym.baselines.observation_models.ptycho.inputs import aligned_error, lit_in
from microgym.baselines.observation_models.ptycho.robustness import DOSES, make_table
from microgym.baselines.observation_models.ptycho.siemens_star import make_star
from microgym.baselines.observation_models.specification import EvaluationBudget, Record
from microgym.reconstruction.nn.network import STATED, Weights
from microgym.specimens.splits import HELD_OUT

CLAIMED = 1e4
"""Photons of an exposure up to which the network is claimed to win."""
SCAN = 24
"""Exposures of the scans of the claim, as in Ptycho-v0: 26 px apart, under a probe of 25 px."""
DECADES = (10**2.7, 1e4, 1e5, 1e6)
"""Borders of the doses in the coverage by dose, photons an exposure."""


@dataclass(frozen=True)
class Budget(EvaluationBudget):
    """Numbers of an evaluation.

    Attributes:
        specimens: test specimens of each family and dose.
        judges: validation specimens for the settings of the classical solvers.
        rows: test specimens in each row of the table.
        groups: sets of conditions of the coverage.
    """

    specimens: int = 64
    judges: int = 6
    rows: int = 8
    groups: int = 48


def measure(
    network: Weights, budget: Budget, seed: int, recording: Path | None = None
) -> dict[str, Any]:
    """Results of an evaluation; see `ObservationModelSpec.measure`."""
    pairs = list(itertools.product((*LEARNT, *HELD_OUT), DOSES))
    claims = [
        claim(network, family, dose, budget=budget, seed=seed)
        for family, dose in tracked(pairs, "families and doses", "set")
    ]
    judges = min(budget.judges, 4)
    return {
        "kind": "reconstructor",
        "claims": claims,
        "table": make_table(network, specimens=budget.rows, judges=judges, seed=seed),
        "coverage": make_coverage(network, groups=budget.groups, seed=seed),
        "star": None if recording is None else make_star(network, recording, seed),
    }


def claim(
    weights: Weights, family: str, photons: float, *, budget: Budget, seed: int
) -> dict[str, Any]:
    """Compare on one family at one dose.

    Args:
        weights: the network.
        family: of the specimens.
        photons: of an exposure.
        budget: numbers of specimens.
        seed: of the specimens.

    Returns:
        Settings, and for lit pixels and the whole region mean E0 of each method and the gain of the
        network over the best classical solver, with 95% intervals.
    """

    def scans(split: str, count: int) -> CompletedScans:
        conditions = Conditions(family, split, SCAN, photons, drift="easy", damage="off")
        return take(conditions, SEEDS * seed + np.arange(count), halton_places(SCAN))

    validation = scans("validation", budget.judges)
    settings = SolverGridSearch(validation).best()
    sweeps = best_sweeps(weights, validation)
    test = scans("test", budget.specimens)
    images = {
        "network": restore(weights, test.inputs[sweeps])[0],
        "tuned": image_of(test, settings),
        "running": test.running(INPUT_SWEEPS[-1]),
        "vacuum": np.ones_like(test.truth),
    }
    return {
        "family": family,
        "unseen": family in HELD_OUT,
        "photons": photons,
        "specimens": budget.specimens,
        "recipe": asdict(settings),
        "network_sweeps": sweeps,
        **{
            area: compared({n: test.errors(one, area == "region") for n, one in images.items()})
            for area in ("lit", "region")
        },
    }


def best_sweeps(weights: Weights, validation: CompletedScans) -> int:
    """Sweeps before the network's inputs are taken that are best on validation scans."""
    errors = {
        sweeps: float(np.mean(validation.errors(restore(weights, inputs)[0])))
        for sweeps, inputs in validation.inputs.items()
    }
    return min(errors, key=lambda one: errors[one])


def coverage_under(
    weights: Weights, seed: int, family: str | None = None, group: int = 4
) -> tuple[Conditions, NDArray[np.float64]]:
    """Coverage under one set of random conditions, as in training.

    Args:
        weights: the network.
        seed: of everything random.
        family: of the specimens; None draws one of those of the training.
        group: test specimens.

    Returns:
        The conditions, and for each of `STATED` the share of lit pixels whose error stays below its
        bound, mean over inputs; NaN where nothing was lit.
    """
    data = make_dataset(seed, 1, "test", group, family)
    inputs = data.inputs.astype(np.float32)
    images, sigmas = restore(weights, inputs)
    truth = data.truth[data.specimen][:, INSIDE, INSIDE]
    found = [
        covered(aligned_error(image, true, lit)[lit] / sigma[lit], weights.radii)
        for image, true, sigma, lit in zip(images, truth, sigmas, lit_in(inputs), strict=True)
        if lit.any()
    ]
    mean = np.mean(found, axis=0) if found else np.full(len(STATED), np.nan)
    return data.conditions[0], np.asarray(mean, np.float64)


def covered(relative: NDArray[np.float32], radii: NDArray[np.float64]) -> NDArray[np.float64]:
    """Share of errors over standard deviations that stays below each bound."""
    return np.mean(relative[:, None] < radii, axis=0)


def make_coverage(weights: Weights, *, groups: int, seed: int) -> dict[str, Any]:
    """Coverage as of `measure_coverage`, with the bounds and the coverage at each dose."""
    under = functools.partial(coverage_under, weights)
    record, test = measure_coverage(under, HELD_OUT, groups, seed)
    by_dose = [
        {"from": low, "to": high, **mean_coverage(chosen)}
        for low, high in itertools.pairwise(DECADES)
        if (chosen := [one for one in test if low <= one[0].photons < high])
    ]
    return {**record, "radii": weights.radii, "by_dose": by_dose}


def claimed(record: Record) -> list[tuple[str, Estimate]]:
    """Gains that are claimed to be above zero: learnt families together, and each unseen one."""
    claims = [one for one in record["claims"] if one["photons"] <= CLAIMED]
    doses = sorted({one["photons"] for one in claims})
    learnt = {
        dose: [one["lit"]["gain"] for one in claims if one["photons"] == dose and not one["unseen"]]
        for dose in doses
    }
    return [(f"learnt families at {one:,.0f} photons", pooled(learnt[one])) for one in doses] + [
        (f"{one['family']} at {one['photons']:,.0f} photons", estimate(one["lit"]["gain"]))
        for one in claims
        if one["unseen"]
    ]


def failed_claims(record: Record) -> list[str]:
    """Claims that a record does not support."""
    return failed_wins(claimed(record)) + failed_coverage(record["coverage"])


def summary(record: Record) -> str:
    """The comparison in the claimed regime, and the coverage, as text."""
    lines = ["E0 on lit pixels: best classical, network, better by"]
    for one in record["claims"]:
        errors = one["lit"]["errors"]
        lines.append(
            f"  {one['family']:<16}{one['photons']:<9g}{errors['tuned']['value']:.3f}  "
            f"{errors['network']['value']:.3f}  {gain_text(one['lit']['gain'])}"
        )
    return "\n".join([*lines, *coverage_lines(record["coverage"])])
