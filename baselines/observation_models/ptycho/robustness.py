"""Network and classical solvers over dose, overlap, drift and error of the probe, at equal time.

A scan is a jittered raster over a square of fixed size, so that less overlap means fewer exposures.
Times are processor times of this process, measured as the table is made.
"""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from microgym.baselines.evaluation.statistics import paired_difference
from microgym.baselines.observation_models.evaluate import SEEDS, compared, tracked
from microgym.baselines.observation_models.ptycho.classical import (
    INPUT_SWEEPS,
    CompletedScans,
    SolverGridSearch,
    SolverSettings,
    image_of,
    restore,
    solve,
    take,
)
from microgym.baselines.observation_models.ptycho.dataset import LEARNT, MARGIN, REGION, Conditions
from microgym.reconstruction.nn.network import Weights
from microgym.specimens.splits import HELD_OUT

PROBE_PX = 25.0
"""Diameter of the probe, px."""
AREA_PX = 100.0
"""Edge of the scanned square, px (design choice)."""
DOSES = (1e3, 1e4, 1e5, 1e6)
EDGES = (5, 7, 11)
"""Places along the edge of the square: linear overlaps of 0, 0.33 and 0.6."""
DEFOCUS_ERRORS = (0.0, 0.1)
DRIFTS = ("off", "real")
ITERATIONS = 3
"""Iterations of the running reconstruction on each new exposure."""
CONVERGED = SolverSettings(alpha=0.5, step=1.0, decay=3.0, sweeps=50)
"""A solver that converges: its step length falls, or noise would keep it moving (Konijnenberg et
al., arXiv 1703.10892)."""
TABLE_STOPS = (0, 1, 2, 5, 10, 25, 50)


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
    """Time the parts on scans; the best of several rounds, as others use the machine too."""
    count, exposures = scans.photons.shape
    updates: list[float] = []
    estimates: list[float] = []
    for _ in range(5):
        images = solve(scans, 0.5, 1.0, np.inf, (1, 4))
        next(images)
        start = clock()
        next(images)
        updates.append((clock() - start) / (3 * count * exposures))
        start = clock()
        restore(weights, scans.inputs[0])
        estimates.append((clock() - start) / count)
    return Times(min(updates), min(estimates))


def raster(edge: int, count: int, seed: int) -> NDArray[np.float64]:
    """Jittered rasters of edge x edge places, (count, edge^2, 2), px of the field.

    The jitter, a tenth of the step, keeps the grid from showing in the image.
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
    full = product(("sparse",), DOSES, EDGES, DRIFTS, DEFOCUS_ERRORS)
    others = [name for name in (*LEARNT, *HELD_OUT) if name != "sparse"]
    few = product(others, (DOSES[0], DOSES[2]), (EDGES[0], EDGES[2]), ("off",), (0.0,))
    return [
        Conditions(family, "test", edge * edge, photons, drift=drift, defocus_error=error)
        for family, photons, edge, drift, error in (*full, *few)
    ]


def row(
    weights: Weights,
    conditions: Conditions,
    *,
    specimens: int,
    seed: int,
    tuned: SolverGridSearch,
    times: Times,
) -> dict[str, Any]:
    """One row of the table.

    Args:
        weights: the network.
        conditions: of the scans.
        specimens: number of test specimens.
        seed: of specimens and jitter.
        tuned: classical solvers on validation specimens.
        times: of the parts.

    Returns:
        The conditions, mean E0 on lit pixels of each method with its 95% interval, and the
        difference of the network from the best classical solver of equal time, and from the best.
    """
    edge = round(conditions.exposures**0.5)
    scans = take(conditions, SEEDS * seed + np.arange(specimens), raster(edge, specimens, seed))
    solvers = {
        "equal_time": tuned.best(times.sweeps(conditions.exposures)),
        "tuned": tuned.best(),
        "converged": CONVERGED,
    }
    errors = {
        "network": scans.errors(restore(weights, scans.inputs[INPUT_SWEEPS[0]])[0]),
        "running": scans.errors(scans.running(INPUT_SWEEPS[0])),
        **{name: scans.errors(image_of(scans, one)) for name, one in solvers.items()},
        "vacuum": scans.errors(np.ones_like(scans.truth)),
    }
    mine = ITERATIONS * conditions.exposures * times.update + times.network
    found = compared(errors, "equal_time")
    return {
        "family": conditions.family,
        "photons": conditions.photons,
        "exposures": conditions.exposures,
        "overlap": overlap(edge),
        "drift": conditions.drift,
        "defocus_error": conditions.defocus_error,
        "specimens": specimens,
        "errors": found["errors"],
        "time_ratio": {
            name: one.sweeps * conditions.exposures * times.update / mine
            for name, one in solvers.items()
        },
        "recipes": {name: asdict(solvers[name]) for name in ("equal_time", "tuned")},
        "gain": found["gain"],
        "gain_tuned": asdict(paired_difference(errors["tuned"], errors["network"])),
    }


def tune(conditions: Conditions, *, specimens: int, seed: int) -> SolverGridSearch:
    """Run classical solvers on validation specimens, without drift and error of the probe."""
    ideal = replace(conditions, split="validation", drift="off", defocus_error=0.0)
    edge = round(conditions.exposures**0.5)
    scans = take(ideal, SEEDS * seed + np.arange(specimens), raster(edge, specimens, seed + 1))
    return SolverGridSearch(scans, TABLE_STOPS)


def make_table(weights: Weights, *, specimens: int, judges: int, seed: int) -> dict[str, Any]:
    """The whole table.

    Args:
        weights: the network.
        specimens: test specimens in each row.
        judges: validation specimens for the settings of the classical solvers.
        seed: of specimens and jitter.

    Returns:
        "times_us" and "rows".
    """
    sample = take(cells()[0], SEEDS * seed + np.arange(4), raster(5, 4, seed))
    times = measure_times(weights, sample)
    chosen: dict[tuple[str, float, int], SolverGridSearch] = {}
    rows: list[dict[str, Any]] = []
    for conditions in tracked(cells(), "dose, overlap, drift, probe", "row"):
        key = (conditions.family, conditions.photons, conditions.exposures)
        if key not in chosen:
            chosen[key] = tune(conditions, specimens=judges, seed=seed)
        rows.append(
            row(weights, conditions, specimens=specimens, seed=seed, tuned=chosen[key], times=times)
        )
    micro = {name: 1e6 * seconds for name, seconds in asdict(times).items()}
    return {"times_us": micro, "rows": rows}
