"""Ptycho-v0: what is seen, and what is hidden."""

import numpy as np
import pytest

from microgym.envs.ptycho.observation import MAPS, NUMBERS
from microgym.envs.ptycho.task import PtychoTask
from microgym.physics.probe import intensity
from microgym.reconstruction.ptychography.observation_models import PRIOR_CONTRAST
from tests.envs.ptycho.helpers import action, make, maps_of, number, play, richest, task_of, wander

TERMS = tuple(PtychoTask.REWARD)


@pytest.mark.parametrize(("observation", "cells"), [("compact", 32), ("full", 64)])
def test_maps_show_the_estimate_and_the_spent_fluence(observation, cells):
    env = make(observation=observation, reconstructor="classical")
    task = task_of(env)
    rng = np.random.default_rng(0)
    side, start, edge = task.instrument.field_px, task.start, task.region // cells
    task.scan.estimate.state.re[0] = rng.normal(0.6, 0.3, (side, side))
    task.scan.estimate.state.im[0] = rng.normal(0.0, 0.3, (side, side))
    exposures = rng.uniform(0.0, 4.0, (side, side))
    task.scan.running.fluence[0] = exposures * task.scan.unit
    task.scan.draw(np.arange(1))

    def pooled(plane):
        inside = plane[start : start + task.region, start : start + task.region]
        return inside.reshape(cells, edge, cells, edge).mean(axis=(1, 3))

    wave = pooled(task.scan.estimate.state.re[0]) + 1j * pooled(task.scan.estimate.state.im[0])
    spent = pooled(exposures)
    seen = task.observe()["maps"]
    assert seen.shape == (1, 5, cells, cells)
    maps = maps_of({"maps": seen[0]})
    assert maps["amplitude"] == pytest.approx(np.minimum(np.abs(wave) / 2, 1.0), abs=1e-6)
    assert maps["phase"] == pytest.approx(np.angle(wave) / np.pi, abs=1e-6)
    assert maps["coverage"] == pytest.approx(1 - np.exp(-3 * spent), abs=1e-6)
    assert maps["dose"] == pytest.approx(spent / 10, abs=1e-6)
    sigma = 1 / np.sqrt(1 / PRIOR_CONTRAST**2 + 2 * exposures * task.scan.unit)
    assert maps["uncertainty"] == pytest.approx(2 * pooled(sigma), abs=1e-6)


def test_an_untouched_specimen_looks_like_vacuum():
    observation, info = make(None, reconstructor="classical").reset(seed=3)
    maps = maps_of(observation)
    assert maps["uncertainty"] == pytest.approx(2 * PRIOR_CONTRAST)
    assert np.all(maps["amplitude"] == 0.5)
    assert all(np.all(maps[name] == 0.0) for name in ("phase", "coverage", "dose"))
    numbers = [number(observation, name) for name in NUMBERS]
    assert numbers == pytest.approx([0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0], abs=1e-6)
    assert info["metrics"]["snr_db"] == pytest.approx(0.0, abs=1e-9)
    assert info["metrics"]["found"] == info["metrics"]["contrast_lost"] == 0.0


def test_one_exposure_lights_the_commanded_place():
    env = make(reconstructor="classical")
    observation = env.step(action(-0.5, 0.25))[0]
    light = maps_of(observation)["dose"].astype(float)
    at = (np.arange(32) + 0.5) / 16 - 1
    total = light.sum()
    assert light.sum(axis=1) @ at / total == pytest.approx(-0.5, abs=0.02)
    assert light.sum(axis=0) @ at / total == pytest.approx(0.25, abs=0.02)
    assert task_of(env).scan.running.fluence.sum() == pytest.approx(1e5, rel=1e-4)
    # Wherever nothing was, the estimate is vacuum.
    dark = maps_of(observation)["coverage"] == 0.0
    assert dark.any()
    assert maps_of(observation)["amplitude"][dark] == pytest.approx(0.5, abs=1e-3)


def test_numbers_tell_place_budgets_and_signals():
    env = make(exposures=4, time_budget_s=20.0)
    observation, _, _, _, info = env.step(action(-0.5, 0.25, 3.0))
    assert number(observation, "y") == -0.5
    assert number(observation, "x") == 0.25
    assert number(observation, "exposures_left") == pytest.approx(0.75)
    time_s = info["ledger"]["time_s"]
    assert number(observation, "time_left") == pytest.approx(1 - time_s / 20.0, abs=1e-6)
    assert number(observation, "dose") == pytest.approx(0.75 / 1.75, abs=1e-6)
    instrument = task_of(env).instrument
    counts = instrument.state.measurement.counts[0].sum(dtype=float)
    passed = number(observation, "transmitted") + number(observation, "scattered")
    assert passed == pytest.approx(counts / 3e5, abs=1e-6)
    direct = float((instrument.state.measurement.counts[0] * instrument.disk).sum(dtype=float))
    assert number(observation, "transmitted") == pytest.approx(direct / 3e5, abs=1e-6)


def test_features_are_a_coarse_view():
    full, flat = make(), make(observation="features")
    seen = play(full, wander(2))[-1][0]
    maps, numbers = seen["maps"], seen["numbers"]
    vector = play(flat, wander(2))[-1][0]
    count = len(NUMBERS)
    assert vector.shape == (count + 2 * 64,)
    assert np.array_equal(vector[:count], numbers)
    contrast, coverage = vector[count:].reshape(2, 8, 8)
    assert np.corrcoef(
        coverage.ravel(), maps[MAPS.index("coverage")].reshape(8, 4, 8, 4).mean(axis=(1, 3)).ravel()
    )[0, 1] == pytest.approx(1.0, abs=0.1)
    assert contrast.min() >= 0.0
    assert contrast.max() > 0.01


def test_raw_view_shows_signals_and_no_reconstruction():
    env = make(reconstructor="raw")
    observation = env.step(action(*richest(env)))[0]
    task = task_of(env)
    light = intensity(task.instrument.known_probe).astype(np.float32)
    lit = light > 1e-3 * light.max()
    top, left = task.instrument.state.measurement.corner[0]
    bright, dark = (plane[0, top : top + 64, left : left + 64][lit] for plane in _planes(task))
    assert bright == pytest.approx(number(observation, "transmitted"), rel=1e-4)
    assert dark == pytest.approx(number(observation, "scattered"), rel=1e-4)
    plain = make(reconstructor="classical")
    plain.step(action(*richest(plain)))
    # The reward is the same: it is made of the reconstruction, whatever is shown.
    assert task.reward[0] == task_of(plain).reward[0]


def _planes(task):
    return task.scan.model.estimate(np.arange(1), task.scan.running)[:2]


def test_the_hidden_state_is_hidden_unless_asked_for():
    assert "latent" not in make(None).reset(seed=1)[1]
    env = make(None, reveal=True, drift="hard")
    latent = env.reset(seed=1)[1]["latent"]
    task = task_of(env)
    inside = task.instrument.sample.structure[0, 32:160, 32:160].astype(float)
    assert latent["structure"] == pytest.approx(inside.reshape(32, 4, 32, 4).mean(axis=(1, 3)))
    assert 0.02 < latent["structure"].mean() < 0.4
    drift = env.step(action(0.0, 0.0, 5.0))[4]["latent"]["drift_px"]
    assert drift.shape == (2,)
    assert np.array_equal(drift, task.instrument.state.drift.drift[0])
    assert np.abs(drift).max() > 0.01


# --- what is done --------------------------------------------------------------------------------
