"""The table at equal time, and the coverage: their arithmetic, on scans with known errors."""

import math
from dataclasses import replace

import numpy as np
import pytest

from microgym.baselines.observation_models.ptycho import evaluate
from microgym.baselines.observation_models.ptycho.classical import SolverSettings
from microgym.baselines.observation_models.ptycho.dataset import MARGIN, REGION, Conditions
from microgym.baselines.observation_models.ptycho.evaluate import (
    AREA_PX,
    CONVERGED,
    EDGES,
    Times,
    cells,
    measure_times,
    overlap,
    raster,
)
from microgym.reconstruction.nn.network import STATED
from microgym.specimens.splits import FAMILIES
from tests.baselines.observation_models.ptycho.synthetic import taken_with, with_error
from tests.microgym.reconstruction.ptychography.networks import make_weights

QUICK, SLOW = SolverSettings(0.5, 0.5, math.inf, 2), SolverSettings(0.1, 1.0, math.inf, 50)


class Known:
    """Settings as `SolverGridSearch` finds them: quick is good, slow is better."""

    def best(self, most_sweeps=100):
        return SLOW if most_sweeps >= SLOW.sweeps else QUICK


def test_rasters_cover_the_same_square_with_the_stated_overlap():
    assert [round(overlap(edge), 2) for edge in EDGES] == [0.0, 0.33, 0.6]
    for edge in EDGES:
        places = raster(edge, 200, 0)
        assert places.shape == (200, edge * edge, 2)
        mean = places.mean(axis=0)
        low = MARGIN + (REGION - AREA_PX) / 2
        assert mean.min() == pytest.approx(low, abs=1.0)
        assert mean.max() == pytest.approx(low + AREA_PX, abs=1.0)
        assert places.std(axis=0) == pytest.approx(0.1 * AREA_PX / (edge - 1), rel=0.3)
    assert np.array_equal(raster(5, 2, 3), raster(5, 2, 3))
    assert not np.array_equal(raster(5, 2, 3), raster(5, 2, 4))


def test_the_table_has_one_family_in_full_and_all_others():
    rows = cells()
    assert len(set(rows)) == len(rows)
    assert {one.family for one in rows} == set(FAMILIES)
    full = [one for one in rows if one.family == "sparse"]
    assert len(full) == 4 * 3 * 2 * 2
    assert {one.split for one in rows} == {"test"}
    assert {one.exposures for one in full} == {25, 49, 121}
    assert all(one.drift == "off" for one in rows if one.family != "sparse")


@pytest.mark.parametrize(
    ("network", "exposures", "sweeps"), [(1e-3, 25, 3 + 2), (1e-3, 100, 3 + 1), (1e-9, 25, 3 + 1)]
)
def test_equal_time_is_rounded_in_favour_of_the_classical_solver(network, exposures, sweeps):
    assert Times(update=2e-5, network=network).sweeps(exposures) == sweeps


def test_times_are_of_one_iteration_and_one_look(monkeypatch):
    """A clock that only the work moves."""
    now = [0.0]

    def solve(taken, alpha, step, decay, stops):
        for sweeps in np.diff([0, *stops]):
            now[0] += sweeps * taken.photons.size * 2e-5
            yield taken.truth

    def restore(weights, inputs):
        now[0] += len(inputs) * 1e-3
        return None, None

    monkeypatch.setattr(evaluate, "solve", solve)
    monkeypatch.setattr(evaluate, "restore", restore)
    times = measure_times(make_weights(), taken_with(3), lambda: now[0])
    assert times.update == pytest.approx(2e-5)
    assert times.network == pytest.approx(1e-3)


def test_a_row_compares_everybody_on_the_same_scans(monkeypatch):
    errors = {QUICK: 0.25, SLOW: 0.15, CONVERGED: 0.4}
    scans = taken_with(6, running=0.35)

    def image_of(taken, recipe):
        assert taken is scans
        return with_error(taken.truth, np.full(len(taken.truth), errors[recipe]), 1)

    monkeypatch.setattr(evaluate, "image_of", image_of)
    monkeypatch.setattr(
        evaluate, "restore", lambda w, seen: (with_error(scans.truth, np.full(6, 0.2), 2), None)
    )
    conditions = Conditions("lines", "test", 25, 1e4, drift="real", defocus_error=0.1)
    row = evaluate.row(make_weights(), conditions, scans, Known(), Times(2e-5, 5e-4))
    found = {name: one["value"] for name, one in row["errors"].items()}
    wanted = {"network": 0.2, "running": 0.35, "equal_time": 0.25, "tuned": 0.15, "converged": 0.4}
    assert {name: found[name] for name in wanted} == pytest.approx(wanted, abs=1e-3)
    assert found["vacuum"] == pytest.approx(0.2 / np.sqrt(1.04), abs=1e-3)
    assert row["gain"]["value"] == pytest.approx(0.05, abs=1e-3)
    assert row["gain_tuned"]["value"] == pytest.approx(-0.05, abs=1e-3)
    # Three iterations on 25 exposures of 20 us and half a millisecond: 2 ms.
    ratios = {"equal_time": 0.5, "tuned": 12.5, "converged": 12.5}
    assert row["time_ratio"] == pytest.approx(ratios)
    assert (row["overlap"], row["drift"], row["defocus_error"]) == (0.0, "real", 0.1)
    assert row["specimens"] == 6


def test_recipes_are_tuned_without_drift_and_error_on_validation_specimens(monkeypatch):
    asked = []
    wrong = Conditions("grf", "test", 49, 1e5, drift="real", defocus_error=0.1)
    right = replace(wrong, drift="off", defocus_error=0.0)
    monkeypatch.setattr(evaluate, "cells", lambda: [wrong, right])
    monkeypatch.setattr(evaluate, "take", lambda c, s, p: asked.append((c, s.tolist(), p.shape)))
    monkeypatch.setattr(evaluate, "SolverGridSearch", lambda taken, stops: stops)
    monkeypatch.setattr(evaluate, "measure_times", lambda *_: Times(2e-5, 5e-4))
    monkeypatch.setattr(evaluate, "row", lambda w, c, scans, tuned, times: (c, tuned))
    found = evaluate.make_table(make_weights(), specimens=6, judges=3, seed=2)
    # Both rows have the same settings, which are chosen once.
    assert found["rows"] == [(one, evaluate.TABLE_STOPS) for one in (wrong, right)]
    timed, judged, *tested = asked
    assert timed[0] == wrong
    assert judged[0] == Conditions("grf", "validation", 49, 1e5)
    assert judged[2] == (3, 49, 2)
    seeds = [2_000_000 + i for i in range(6)]
    assert tested == [(one, seeds, (6, 49, 2)) for one in (wrong, right)]


# --- coverage ------------------------------------------------------------------------------------


def test_coverage_of_a_true_uncertainty_is_what_is_stated(monkeypatch):
    """A network that knows its own errors exactly, on scans as in training."""
    rng = np.random.default_rng(0)
    weights = make_weights()
    stated = np.array(STATED)
    weights.calibration["radii"][:] = np.sqrt(-np.log(1.0 - stated))

    def restore(weights, inputs):
        truth = made[-1].truth[made[-1].specimen]
        inside = slice(MARGIN, MARGIN + REGION)
        sigma = rng.uniform(0.005, 0.02, inputs[:, 0].shape).astype(np.float32)
        wave = rng.normal(size=sigma.shape) + 1j * rng.normal(size=sigma.shape)
        return truth[:, inside, inside] + sigma * np.sqrt(0.5) * wave, sigma

    made = []
    make = evaluate.make_dataset

    def remember(*arguments):
        made.append(make(*arguments))
        return made[-1]

    monkeypatch.setattr(evaluate, "make_dataset", remember)
    monkeypatch.setattr(evaluate, "restore", restore)
    found = evaluate.make_coverage(weights, groups=3, seed=0)
    assert len(made) == 4
    assert {one.conditions[0].split for one in made} == {"test"}
    assert made[-1].conditions[0].family == "siemens_star"
    for one in (found["test"], *found["unseen"].values(), *found["by_family"].values()):
        assert [each["value"] for each in one["found"]] == pytest.approx(stated, abs=0.02)
    assert found["test"]["conditions"] == sum(one["conditions"] for one in found["by_dose"]) == 3
    monkeypatch.setattr(
        evaluate, "restore", lambda w, s: (restore(w, s)[0], np.full_like(s[:, 0], 1))
    )
    wide = evaluate.make_coverage(weights, groups=1, seed=0)
    assert wide["test"]["found"][0]["value"] == 1.0
