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

from microgym.baselines.evaluation.statistics import bootstrap, paired_difference
from microgym.baselines.observation_models.ptycho.classical import (
    LOOKS,
    Recipe,
    Taken,
    Tuned,
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
CONVERGED = Recipe(alpha=0.5, step=1.0, decay=3.0, sweeps=50)
"""What is called converged: its step length falls, or noise would keep it moving (Konijnenberg et
al., arXiv 1703.10892)."""
TABLE_STOPS = (0, 1, 2, 5, 10, 25, 50)

Clock = Callable[[], float]


@dataclass(frozen=True)
class Times:
    """Processor time of the parts, s.

    Attributes:
        update: one iteration of a classical solver on one exposure.
        network: one look of the network at one scan.
    """

    update: float
    network: float

    def sweeps(self, exposures: int) -> int:
        """Sweeps that last at least as long as the running reconstruction and the network."""
        return ITERATIONS + int(np.ceil(self.network / (exposures * self.update)))


def measure_times(weights: Weights, taken: Taken, clock: Clock = time.process_time) -> Times:
    """Time the parts on scans; the best of several rounds, as others use the machine too."""
    count, exposures = taken.photons.shape
    updates: list[float] = []
    looks: list[float] = []
    for _ in range(5):
        images = solve(taken, 0.5, 1.0, np.inf, (1, 4))
        next(images)
        start = clock()
        next(images)
        updates.append((clock() - start) / (3 * count * exposures))
        start = clock()
        restore(weights, taken.looks[0])
        looks.append((clock() - start) / count)
    return Times(min(updates), min(looks))


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
    full = product(DOSES, EDGES, DRIFTS, DEFOCUS_ERRORS)
    rows = [_conditions("sparse", *one) for one in full]
    others = [name for name in (*LEARNT, *HELD_OUT) if name != "sparse"]
    few = product(others, (DOSES[0], DOSES[2]), (EDGES[0], EDGES[2]))
    return rows + [_conditions(*one, "off", 0.0) for one in few]


def _conditions(family: str, photons: float, edge: int, drift: str, error: float) -> Conditions:
    return Conditions(
        family=family,
        split="test",
        exposures=edge * edge,
        photons=photons,
        drift=drift,
        defocus_error=error,
    )


def row(
    weights: Weights,
    conditions: Conditions,
    *,
    specimens: int,
    seed: int,
    tuned: Tuned,
    times: Times,
) -> dict[str, Any]:
    """One row of the table.

    Args:
        weights: the network.
        conditions: of the scans.
        specimens: number of test specimens.
        seed: of specimens and jitter.
        tuned: recipes, judged on validation specimens.
        times: of the parts.

    Returns:
        What was done, mean E0 on lit pixels of each method with its 95% interval, and the
        difference of the network from the best classical one of equal time.
    """
    edge = round(conditions.exposures**0.5)
    taken = take(conditions, first_seed(seed) + np.arange(specimens), raster(edge, specimens, seed))
    allowed = times.sweeps(conditions.exposures)
    equal, best = tuned.best(allowed), tuned.best()
    sight = LOOKS[0]
    neural, _ = restore(weights, taken.looks[sight])
    errors = {
        "network": taken.errors(neural),
        "running": taken.errors(taken.running(sight)),
        "equal_time": taken.errors(image_of(taken, equal)),
        "tuned": taken.errors(image_of(taken, best)),
        "converged": taken.errors(image_of(taken, CONVERGED)),
        "vacuum": taken.errors(np.ones_like(taken.truth)),
    }
    mine = ITERATIONS * conditions.exposures * times.update + times.network
    spent = {name: r.sweeps * conditions.exposures * times.update for name, r in
             (("equal_time", equal), ("tuned", best), ("converged", CONVERGED))}  # fmt: skip
    return {
        "family": conditions.family,
        "photons": conditions.photons,
        "exposures": conditions.exposures,
        "overlap": overlap(edge),
        "drift": conditions.drift,
        "defocus_error": conditions.defocus_error,
        "specimens": specimens,
        "errors": {name: asdict(bootstrap(values)) for name, values in errors.items()},
        "time_ratio": {name: seconds / mine for name, seconds in spent.items()},
        "recipes": {"equal_time": asdict(equal), "tuned": asdict(best)},
        "gain": asdict(paired_difference(errors["equal_time"], errors["network"])),
        "gain_tuned": asdict(paired_difference(errors["tuned"], errors["network"])),
    }


def tune(conditions: Conditions, *, specimens: int, seed: int) -> Tuned:
    """Judge recipes under conditions without drift and error, on validation specimens."""
    ideal = replace(conditions, split="validation", drift="off", defocus_error=0.0)
    edge = round(conditions.exposures**0.5)
    taken = take(ideal, first_seed(seed) + np.arange(specimens), raster(edge, specimens, seed + 1))
    return Tuned(taken, TABLE_STOPS)


def first_seed(seed: int) -> int:
    """First of a million seeds of specimens that belong to one seed of an assessment."""
    return 1_000_000 * seed


def make_table(
    weights: Weights,
    *,
    specimens: int,
    judges: int,
    seed: int,
    progress: Callable[[int], None] | None = None,
) -> dict[str, Any]:
    """The whole table.

    Args:
        weights: the network.
        specimens: test specimens in each row.
        judges: validation specimens that classical recipes are chosen by.
        seed: of specimens and jitter.
        progress: is told of every row.

    Returns:
        "times_us" and "rows".
    """
    chosen: dict[tuple[str, float, int], Tuned] = {}
    rows: list[dict[str, Any]] = []
    times: Times | None = None
    for conditions in cells():
        key = (conditions.family, conditions.photons, conditions.exposures)
        if key not in chosen:
            chosen[key] = tune(conditions, specimens=judges, seed=seed)
        if times is None:
            sample = take(conditions, first_seed(seed) + np.arange(4), raster(5, 4, seed))
            times = measure_times(weights, sample)
        tuned = chosen[key]
        rows.append(
            row(weights, conditions, specimens=specimens, seed=seed, tuned=tuned, times=times)
        )
        if progress is not None:
            progress(1)
    assert times is not None
    micro = {"update": 1e6 * times.update, "network": 1e6 * times.network}
    return {"times_us": micro, "rows": rows}
