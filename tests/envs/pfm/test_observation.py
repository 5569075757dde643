"""Observations of PFM-v0: maps, numbers, features, and what is hidden."""

import numpy as np
import pytest

from microgym.envs.pfm.env import PFMVectorEnv
from microgym.envs.pfm.observation import MAPS, NUMBERS, RESPONSE_RANGE
from microgym.envs.pfm.task import (
    PFMTask,
)
from tests.envs.pfm.helpers import (
    CLEAN,
    action,
    coarse,
    make,
    maps_of,
    number,
    play,
    task_of,
    wander,
)

TERMS = tuple(PFMTask.REWARD)
RESPONSE, WANTED, FRESH, RAISED, LOWERED = range(5)


def test_names_of_maps_are_in_the_order_of_the_tests():
    assert MAPS.names == ("response", "wanted", "fresh", "raised", "lowered")


@pytest.mark.parametrize(("observation", "cells"), [("compact", 32), ("full", 64)])
def test_maps_show_image_target_and_pulses(observation, cells):
    env = make(observation=observation)
    task = task_of(env)
    start = maps_of({"maps": task.observe()["maps"][0]})
    assert start.shape == (5, cells, cells)
    assert np.all(start[RESPONSE] == -1.0)
    assert start[WANTED] == pytest.approx(
        coarse(task.state.target[0].astype(float), cells), abs=1e-6
    )
    assert np.all(start[[FRESH, RAISED, LOWERED]] == 0.0)

    seen = maps_of(env.step(action(20, 30, 8.0))[0])
    at = np.arange(64)
    r2 = (at[:, None] - 20) ** 2 + (at[None, :] - 30) ** 2
    d = task.instrument.settings.tip_cells
    shape = d**3 / (r2 + d**2) ** 1.5
    assert seen[FRESH] == pytest.approx(coarse(0.8 * shape, cells), abs=1e-6)
    assert seen[RAISED] == pytest.approx(coarse(8.0 / 30.0 * shape, cells), abs=1e-6)
    assert np.all(seen[LOWERED] == 0.0)
    assert np.all(seen[RESPONSE] == -1.0), "it was not looked"

    seen = maps_of(env.step(action(20, 30, -5.0, look=True))[0])
    assert np.all(seen[FRESH] == 0.0)
    assert seen[LOWERED] == pytest.approx(coarse(5.0 / 30.0 * shape, cells), abs=1e-6)
    image = coarse(task.instrument.state.image[0], cells)
    assert seen[RESPONSE] == pytest.approx(image, abs=1e-6)


def test_an_image_shows_a_domain_where_it_was_written():
    env = make()
    env.step(action(20, 40, 8.0, 1.0))
    response = env.step(action(20, 40, 8.0, 1.0, look=True))[0]["maps"][RESPONSE]
    brightest = np.unravel_index(int(response.argmax()), response.shape)
    assert np.abs(2 * np.array(brightest) + 0.5 - [20, 40]).max() <= 2.5


def test_numbers_tell_the_last_pulse_and_the_budgets():
    env = make(pulses=4, time_budget_s=20.0)
    start = env.reset(seed=1)[0]
    values = [number(start, name) for name in NUMBERS]
    assert values == pytest.approx([0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 0.0], abs=1e-6)
    seen, _, _, _, info = env.step(action(0, 63, -5.0, 1.0))
    assert number(seen, "y") == pytest.approx(-1.0)
    assert number(seen, "x") == pytest.approx(1.0)
    assert number(seen, "volts") == pytest.approx(-0.5)
    assert number(seen, "seconds") == pytest.approx(0.5)
    assert number(seen, "pulses_left") == pytest.approx(0.75)
    time_s = info["ledger"]["time_s"]
    assert number(seen, "time_left") == pytest.approx(1.0 - time_s / 20.0, abs=1e-6)
    assert number(seen, "age") == pytest.approx(time_s / 20.0, abs=1e-6)
    seen = env.step(action(30, 30, look=True))[0]
    assert number(seen, "age") == 0.0


def test_features_are_a_coarse_view():
    full, flat = make(), make(observation="features")
    seen = play(full, wander(2, look=True))[-1][0]
    vector = play(flat, wander(2, look=True))[-1][0]
    count = len(NUMBERS)
    assert vector.shape == (count + 3 * 64,)
    assert np.array_equal(vector[:count], seen["numbers"])
    maps = vector[count:].reshape(3, 8, 8)
    for small, large in zip(maps, seen["maps"], strict=False):
        assert small == pytest.approx(large.reshape(8, 4, 8, 4).mean(axis=(1, 3)), abs=1e-5)


def test_the_hidden_state_is_hidden_unless_asked_for():
    assert "latent" not in make().reset(seed=1)[1]
    env = make(reveal=True, disorder="real", drift="real")
    info = play(env, wander(2))[-1][4]
    instrument = task_of(env).instrument
    latent = info["latent"]
    assert np.array_equal(latent["p"], instrument.state.p[0])
    assert np.array_equal(latent["imprint"], instrument.state.imprint[0])
    assert np.array_equal(latent["drift_cells"], instrument.state.drift.drift[0])
    assert latent["structure"] == pytest.approx(coarse((instrument.state.p[0] > 0).astype(float)))
    assert latent["strength"] == 1.0


@pytest.mark.parametrize("level", ["off", "easy", "real", "hard"])
def test_a_film_that_is_poled_down_is_read_as_minus_one(level):
    """Whatever the noise: the range of the response holds signal, offset and four sigma."""
    env = PFMVectorEnv(16, **{**CLEAN, "readout": level})
    env.reset(seed=0)
    actions = np.tile(action(2, 2, 0.0, look=True), (16, 1))
    response = MAPS.unpack(env.step(actions)[0]["maps"])["response"]
    offset = env.task.instrument.state.offset[:, None, None]
    assert response.mean() - offset.mean() == pytest.approx(-1.0, abs=0.01)
    assert np.abs(response).max() < RESPONSE_RANGE
    one = make(disorder="real", pulses=16)
    one.step(action(30, 30, 8.0, 2.0, look=True))
    assert np.abs(task_of(one).instrument.state.image).max() < RESPONSE_RANGE


def test_new_films_have_domains_where_nobody_knows():
    env = make(None, domains=3, disorder="off")
    counts: list[int] = []
    for seed in range(6):
        seen = env.reset(seed=seed)[0]
        assert np.all(maps_of(seen)[RESPONSE] == -1.0)
        counts.append(int((task_of(env).instrument.state.p > 0.0).sum()))
    assert min(counts) > 60
    env.reset(seed=0, options={"domains": 0})
    assert not (task_of(env).instrument.state.p > 0.0).any()
