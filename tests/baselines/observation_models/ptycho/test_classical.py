"""Scans of the comparison, and the tuned classical solver."""

import json
import math
from dataclasses import asdict

import numpy as np
import pytest

from microgym.baselines.evaluation.records import to_json
from microgym.baselines.observation_models.ptycho import classical
from microgym.baselines.observation_models.ptycho.classical import (
    GRID,
    INPUT_SWEEPS,
    SolverGridSearch,
    SolverSettings,
    halton_places,
    image_of,
    restore,
    solve,
    take,
)
from microgym.baselines.observation_models.ptycho.dataset import (
    FIELD,
    MARGIN,
    REGION,
    Conditions,
    Scans,
    estimate_in,
)
from microgym.metrics import complex_error
from microgym.reconstruction.ptychography.neural import NeuralImage
from microgym.reconstruction.ptychography.observation_models import RunningScan
from microgym.reconstruction.ptychography.online import OnlineReconstruction
from tests.baselines.observation_models.ptycho.synthetic import taken_with, with_error
from tests.microgym.reconstruction.ptychography.networks import make_weights

SEEDS = np.arange(2)
CONDITIONS = Conditions("lines", "test", 5, 1e5)


@pytest.fixture(scope="module")
def taken():
    return take(CONDITIONS, SEEDS, halton_places(5))


def test_places_are_spread_over_the_region():
    places = halton_places(24)
    assert places.min() > MARGIN
    assert places.max() < MARGIN + REGION
    away = np.hypot(*(places[:, None] - places).transpose(2, 0, 1))
    assert np.min(away + 1e3 * np.eye(24)) > 8.0


def test_everybody_gets_what_the_scan_measured(taken):
    scans = Scans(CONDITIONS, SEEDS)
    for e, place in enumerate(halton_places(5)):
        scans.expose(np.tile(place, (2, 1)), np.ones(2))
        assert taken.counts[:, e].tobytes() == scans.instrument.state.measurement.counts.tobytes()
    assert taken.inputs[0].tobytes() == scans.inputs().tobytes()
    scans.sweep(INPUT_SWEEPS[1])
    assert taken.inputs[INPUT_SWEEPS[1]].tobytes() == scans.inputs().tobytes()
    assert np.all(np.abs(taken.places - halton_places(5)) <= 0.5)
    assert taken.photons == pytest.approx(1e5)
    assert taken.truth.shape == taken.lit.shape == (2, REGION, REGION)
    assert 0.05 < taken.lit.mean() < 0.9
    inside = slice(MARGIN, MARGIN + REGION)
    running = scans.estimate.state.re + 1j * scans.estimate.state.im
    assert taken.running(INPUT_SWEEPS[1]) == pytest.approx(running[:, inside, inside], abs=1e-6)


def test_errors_are_on_lit_pixels_unless_asked_otherwise(taken):
    image = taken.running(0)
    assert taken.errors(image)[1] == complex_error(image[1], taken.truth[1], taken.lit[1])
    assert taken.errors(image, everywhere=True)[1] == complex_error(image[1], taken.truth[1])
    assert taken.errors(taken.truth) == pytest.approx(0.0, abs=1e-9)


def test_restoring_looks_is_what_the_environment_shows():
    weights = make_weights()
    scans = Scans(CONDITIONS, SEEDS)
    for place in halton_places(3):
        scans.expose(np.tile(place, (2, 1)), np.ones(2))
    view = NeuralImage(2, FIELD, scans.known[None], (MARGIN, REGION), weights)
    re, im, sigma = view.estimate(
        np.arange(2), RunningScan(scans.estimate.state.re, scans.estimate.state.im, scans.fluence)
    )
    image, doubt = restore(weights, scans.inputs())
    inside = (slice(None), slice(MARGIN, MARGIN + REGION), slice(MARGIN, MARGIN + REGION))
    assert image.real == pytest.approx(re[inside], abs=1e-4)
    assert image.imag == pytest.approx(im[inside], abs=1e-4)
    assert doubt == pytest.approx(sigma[inside], rel=1e-3)


def test_a_solver_starts_from_vacuum_and_goes_on_from_stop_to_stop(taken):
    nothing, one, three = solve(taken, 0.5, 1.0, math.inf, (0, 1, 3))
    assert np.all(nothing == 1.0)
    again = image_of(taken, SolverSettings(0.5, 1.0, math.inf, 3))
    assert again.tobytes() == three.tobytes()
    assert not np.array_equal(one, three)
    decayed = image_of(taken, SolverSettings(0.5, 1.0, 1.0, 3))
    assert not np.array_equal(decayed, three)


def test_the_solver_is_the_running_reconstruction_when_it_works_alike():
    """One exposure: online and in sweeps they are the same arithmetic, but for |O| <= 1."""
    one = take(Conditions("lines", "test", 1, 1e5), SEEDS, halton_places(1))
    online = estimate_in(one.inputs[0])
    defaults = OnlineReconstruction.__init__.__kwdefaults__
    (image,) = solve(one, defaults["alpha"], defaults["step"], math.inf, (defaults["iterations"],))
    assert image / np.maximum(np.abs(image), 1.0) == pytest.approx(online, abs=1e-5)


def recorded(errors):
    """A `solve` whose images have given errors: of settings and stop."""

    def solve(taken, alpha, step, decay, stops):
        for stop in stops:
            calls.append(((alpha, step, decay), stop))
            count = len(taken.truth)
            yield with_error(taken.truth, np.full(count, errors(alpha, step, decay, stop)))

    calls = []
    return solve, calls


def test_the_best_recipe_is_found_and_the_hopeless_are_dropped(monkeypatch):
    best = (0.5, 0.5, math.inf)

    def errors(alpha, step, decay, stop):
        if (alpha, step, decay) == best:
            return 0.3 - 0.002 * stop if stop <= 50 else 0.25
        return 0.3 if stop < 10 else 0.6

    solver, calls = recorded(errors)
    monkeypatch.setattr(classical, "solve", solver)
    tuned = SolverGridSearch(taken_with(2))
    assert tuned.best() == SolverSettings(*best, 50)
    assert tuned.best(7) == SolverSettings(*best, 5)
    assert tuned.best(0).sweeps == 0
    assert tuned.errors[SolverSettings(*best, 50)] == pytest.approx(0.2, abs=1e-4)
    later = {settings for settings, stop in calls if stop > 10}
    assert later == {best}
    assert {settings for settings, stop in calls if stop == 10} == set(GRID)


def test_a_recipe_survives_its_record():
    for recipe in (SolverSettings(0.1, 1.0, math.inf, 5), SolverSettings(0.5, 1.0, 3.0, 50)):
        assert SolverSettings.from_record(json.loads(to_json(asdict(recipe)))) == recipe


def test_recipes_are_told_in_words():
    assert SolverSettings(0.1, 1.0, math.inf, 0).describe() == "vacuum"
    assert SolverSettings(1.0, 0.25, math.inf, 1).describe() == "1 sweep, α 1, step 0.25"
    assert SolverSettings(0.1, 1.5, math.inf, 5).describe() == "5 sweeps, α 0.1, step 1.5"
    assert (
        SolverSettings(0.5, 1.0, 3.0, 50).describe() == "50 sweeps, α 0.5, step 1, falling after 3"
    )
