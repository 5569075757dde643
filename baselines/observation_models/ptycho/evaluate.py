"""Comparison of the network with classical solvers, and the coverage of its uncertainty.

The claim is about the regime of `Ptycho-v0`: few exposures that hardly overlap, few photons. A
table goes over dose, overlap, drift and error of the probe; in it classical solvers also stop at
equal processor time of this process.
"""

import functools
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from itertools import pairwise, product
from pathlib import Path
from typing import Any

import numpy as np

from microgym.baselines.evaluation.statistics import Estimate, paired_difference
from microgym.baselines.observation_models.evaluate import (
    claimed_gains,
    compared,
    least_time,
    mean_coverage,
    measure_coverage,
    specimen_seeds,
    summary_text,
    tracked,
    unsupported_claims,
)
from microgym.baselines.observation_models.ptycho.classical import (
    INPUT_SWEEPS,
    CompletedScans,
    SolverGridSearch,
    SolverSettings,
    halton_places,
    image_of,
    restore,
    solve,
    take,
)
from microgym.baselines.observation_models.ptycho.dataset import (
    INSIDE,
    LEARNT,
    MARGIN,
    REGION,
    Conditions,
    aligned_error,
    lit_in,
    make_dataset,
)
from microgym.baselines.observation_models.ptycho.siemens_star import make_star
from microgym.baselines.observation_models.specification import EvaluationBudget, Record
from microgym.reconstruction.nn.network import STATED, Weights
from microgym.specimens.splits import HELD_OUT
from microgym.state import Float64

DOSES = (1e3, 1e4, 1e5, 1e6)
"""Photons of an exposure."""
CLAIMED = 1e4
"""Photons of an exposure up to which the network is claimed to win."""
SCAN = 24
"""Exposures of the scans of the claim, as in Ptycho-v0: 26 px apart, under a probe of 25 px."""
DECADES = (10**2.7, 1e4, 1e5, 1e6)
"""Borders of the doses in the coverage by dose, photons an exposure."""
PROBE_PX = 25.0
"""Diameter of the probe, px."""
AREA_PX = 100.0
"""Edge of the square that is scanned in the table, px (design choice)."""
EDGES = (5, 7, 11)
"""Places along the edge of the square: linear overlaps of 0, 0.33 and 0.6."""
ITERATIONS = 3
"""Iterations of the running reconstruction on each new exposure."""
CONVERGED = SolverSettings(alpha=0.5, step=1.0, decay=3.0, sweeps=50)
"""A solver that converges: its step length falls, or noise would keep it moving (Konijnenberg et
al., arXiv 1703.10892)."""
TABLE_STOPS = (0, 1, 2, 5, 10, 25, 50)


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
    pairs = list(product((*LEARNT, *HELD_OUT), DOSES))
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
    """Compare on one family at one dose, with numbers and a seed of specimens.

    Returns:
        Settings, and for lit pixels and the whole region mean E0 of each method and the gain of the
        network over the best classical solver, with 95% intervals.
    """

    def scans(split: str, count: int) -> CompletedScans:
        conditions = Conditions(family, split, SCAN, photons, drift="easy", damage="off")
        return take(conditions, specimen_seeds(seed, count), halton_places(SCAN))

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
    return min(errors, key=errors.__getitem__)


# --- dose, overlap, drift and error of the probe, at equal time -----------------------------------


@dataclass(frozen=True)
class Times:
    """Processor time of the parts, s.

    Attributes:
        update: one iteration of a classical solver on one exposure.
        network: one estimate of the network.
    """

    update: float
    network: float

    def sweeps(self, exposures: int) -> int:
        """Sweeps that last at least as long as the running reconstruction and the network."""
        return ITERATIONS + int(np.ceil(self.network / (exposures * self.update)))


def measure_times(
    weights: Weights, scans: CompletedScans, clock: Callable[[], float] = time.process_time
) -> Times:
    """Time the parts on scans."""
    count, exposures = scans.photons.shape
    begun = [solve(scans, 0.5, 1.0, np.inf, (1, 4)) for _ in range(5)]
    for images in begun:
        next(images)
    update = least_time(lambda: next(begun.pop()), len(begun), clock)
    network = least_time(lambda: restore(weights, scans.inputs[0]), 5, clock)
    return Times(update / (3 * count * exposures), network / count)


def raster(edge: int, count: int, seed: int) -> Float64:
    """Jittered rasters of edge x edge places, (count, edge^2, 2), px of the field.

    The square is of fixed size, so that less overlap means fewer exposures. The jitter, a tenth of
    the step, keeps the grid from showing in the image.
    """
    step = AREA_PX / (edge - 1)
    first = MARGIN + 0.5 * (REGION - AREA_PX)
    grid = first + step * np.indices((edge, edge)).reshape(2, -1).T
    generator = np.random.default_rng([seed, edge])
    return grid + generator.normal(0.0, 0.1 * step, (count, *grid.shape))


def overlap(edge: int) -> float:
    """Linear overlap of neighbouring exposures."""
    return 1.0 - AREA_PX / (edge - 1) / PROBE_PX


def cells() -> list[Conditions]:
    """Conditions of all rows: one family in full, the others at the ends."""
    full = product(("sparse",), DOSES, EDGES, ("off", "real"), (0.0, 0.1))
    others = [name for name in (*LEARNT, *HELD_OUT) if name != "sparse"]
    few = product(others, (DOSES[0], DOSES[2]), (EDGES[0], EDGES[2]), ("off",), (0.0,))
    return [
        Conditions(family, "test", edge * edge, photons, drift=drift, defocus_error=error)
        for family, photons, edge, drift, error in (*full, *few)
    ]


def row(
    weights: Weights,
    conditions: Conditions,
    scans: CompletedScans,
    tuned: SolverGridSearch,
    times: Times,
) -> dict[str, Any]:
    """One row of the table, from scans of test specimens and solvers on validation specimens.

    Returns:
        The conditions, mean E0 on lit pixels of each method with its 95% interval, and the
        difference of the network from the best classical solver of equal time, and from the best.
    """
    exposures = conditions.exposures
    solvers = {
        "equal_time": tuned.best(times.sweeps(exposures)),
        "tuned": tuned.best(),
        "converged": CONVERGED,
    }
    errors = {
        "network": scans.errors(restore(weights, scans.inputs[INPUT_SWEEPS[0]])[0]),
        "running": scans.errors(scans.running(INPUT_SWEEPS[0])),
        **{name: scans.errors(image_of(scans, one)) for name, one in solvers.items()},
        "vacuum": scans.errors(np.ones_like(scans.truth)),
    }
    mine = ITERATIONS * exposures * times.update + times.network
    found = compared(errors, "equal_time")
    return {
        "family": conditions.family,
        "photons": conditions.photons,
        "exposures": exposures,
        "overlap": overlap(round(exposures**0.5)),
        "drift": conditions.drift,
        "defocus_error": conditions.defocus_error,
        "specimens": len(scans.truth),
        "errors": found["errors"],
        "time_ratio": {
            name: one.sweeps * exposures * times.update / mine for name, one in solvers.items()
        },
        "recipes": {name: asdict(solvers[name]) for name in ("equal_time", "tuned")},
        "gain": found["gain"],
        "gain_tuned": asdict(paired_difference(errors["tuned"], errors["network"])),
    }


def make_table(weights: Weights, *, specimens: int, judges: int, seed: int) -> dict[str, Any]:
    """The whole table.

    Args:
        weights: the network.
        specimens: test specimens in each row.
        judges: validation specimens for the settings of the classical solvers.
        seed: of specimens and jitter.
    """

    def scan(conditions: Conditions, count: int, jitter: int) -> CompletedScans:
        places = raster(round(conditions.exposures**0.5), count, jitter)
        return take(conditions, specimen_seeds(seed, count), places)

    times = measure_times(weights, scan(cells()[0], 4, seed))
    tuned: dict[Conditions, SolverGridSearch] = {}
    rows: list[dict[str, Any]] = []
    for conditions in tracked(cells(), "dose, overlap, drift, probe", "row"):
        ideal = replace(conditions, split="validation", drift="off", defocus_error=0.0)
        if ideal not in tuned:
            tuned[ideal] = SolverGridSearch(scan(ideal, judges, seed + 1), TABLE_STOPS)
        scans = scan(conditions, specimens, seed)
        rows.append(row(weights, conditions, scans, tuned[ideal], times))
    micro = {name: 1e6 * seconds for name, seconds in asdict(times).items()}
    return {"times_us": micro, "rows": rows}


# --- coverage, claims and summary -----------------------------------------------------------------


def coverage_under(weights: Weights, seed: int, family: str | None) -> tuple[Conditions, Float64]:
    """Coverage of lit pixels of four specimens under random conditions; see `measure_coverage`."""
    data = make_dataset(seed, 1, "test", 4, family)
    inputs = data.inputs.astype(np.float32)
    images, sigmas = restore(weights, inputs)
    truth = data.truth[data.specimen][:, INSIDE, INSIDE]
    found = [
        np.mean((aligned_error(image, true, lit) / sigma)[lit][:, None] < weights.radii, axis=0)
        for image, true, sigma, lit in zip(images, truth, sigmas, lit_in(inputs), strict=True)
        if lit.any()
    ]
    mean = np.mean(found, axis=0) if found else np.full(len(STATED), np.nan)
    return data.conditions[0], np.asarray(mean, np.float64)


def make_coverage(weights: Weights, *, groups: int, seed: int) -> dict[str, Any]:
    """Coverage as of `measure_coverage`, with the bounds and the coverage at each dose."""
    under = functools.partial(coverage_under, weights)
    record, test = measure_coverage(under, HELD_OUT, groups, seed)
    by_dose = [
        {"from": low, "to": high, **mean_coverage(chosen)}
        for low, high in pairwise(DECADES)
        if (chosen := [one for one in test if low <= one[0].photons < high])
    ]
    return {**record, "radii": weights.radii, "by_dose": by_dose}


def claimed(record: Record) -> list[tuple[str, Estimate]]:
    """Gains on lit pixels that are claimed to be above zero, see `claimed_gains`."""
    return claimed_gains(
        [
            (f" at {one['photons']:,.0f} photons", one, one["lit"]["gain"])
            for one in record["claims"]
            if one["photons"] <= CLAIMED
        ]
    )


failed_claims = functools.partial(unsupported_claims, claimed)


def summary(record: Record) -> str:
    """The comparison in the claimed regime, and the coverage, as text."""
    head = "E0 on lit pixels: best classical, network, better by"
    found = [(f"{one['family']:<16}{one['photons']:<9g}", one["lit"]) for one in record["claims"]]
    return summary_text(head, found, ("tuned", "network"), record["coverage"])
