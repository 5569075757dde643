"""STM-v0 and STMBuild-v0 with positions that a detector finds in images."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from microgym.envs.stm.env import STMBuildEnv, STMEnv
from microgym.envs.stm.move_task import STMTask
from microgym.physics.adatoms import nearest_site
from microgym.specimens.adatom_fields import ATOMS
from tests.envs.stm.test_task import (
    BOTH,
    DRAG,
    ONLY_LOOK,
    QUIET,
    drag,
    named,
    put_on_target,
    task_of,
)

DETECTORS = ("classical", "neural")


def make(seed: int = 5, env: Any = STMEnv, **arguments: Any) -> Any:
    made = env(**{**QUIET, "reconstructor": "neural", **arguments})
    made.reset(seed=seed)
    return made


def tracks_of(env: Any) -> Any:
    return task_of(env).tracker.state


def put(env: Any, atom: int, place: Any) -> None:
    """Set an adatom into the hollow nearest to a place."""
    from microgym.physics.adatoms import site_place

    fields = task_of(env).instrument.state.field
    site = nearest_site(*place, 0.288)
    fields.sites[0, atom], fields.places[0, atom] = site, site_place(*site, 0.288)


@pytest.mark.parametrize("view", DETECTORS)
def test_places_are_those_of_the_image(view):
    env = make(reconstructor=view, noise="real", tip="real")
    observation, info = env.reset(seed=5)
    fields = task_of(env).instrument.state.field
    seen = named(env, observation)
    assert [seen["x_0"], seen["y_0"]] == pytest.approx(fields.places[0, 0] / 4.0, abs=0.02)
    assert [seen["x_0"], seen["y_0"]] != pytest.approx(
        task_of(env).instrument.state.seen[0, 0] / 4.0, abs=1e-6
    )
    others = fields.places[0][fields.present[0]][1:]
    shown = tracks_of(env).others[0][tracks_of(env).shown[0]]
    assert len(shown) == len(others)
    for place in others:
        assert np.hypot(*(shown - place).T).min() < 0.12
    assert info["sighting"]["probability"][0] > 0.5
    assert 0.0 < info["sighting"]["uncertainty_nm"][0] < 0.1
    assert info["sighting"]["missed"][0] == 0


def test_the_model_and_the_network_see_the_same_world():
    worlds = [make(reconstructor=view, drift="real", tip="real") for view in ("model", "neural")]
    for action in (drag((0.0, 0.0), (0.6, 0.1), BOTH), drag((0.0, 0.0), (0.0, 0.5), BOTH)):
        for env in worlds:
            # Where the drag begins depends on what was seen: not here.
            task = task_of(env)
            task.state.believed[:, 0] = task.instrument.state.field.places[:, 0]
            env.step(action)
    one, other = (task_of(env).instrument.state for env in worlds)
    for name in ("drift", "wander", "velocity"):
        assert getattr(one.drift, name).tobytes() == getattr(other.drift, name).tobytes()
    assert one.field.places.tobytes() == other.field.places.tobytes()
    assert one.tip.traits.tobytes() == other.tip.traits.tobytes()


def test_an_adatom_that_was_left_behind_is_found_on_the_way():
    env = make()
    before = task_of(env).instrument.state.field.places[0, 0].copy()
    ahead = -np.sign(before) * [0.0, 1.5]
    env.step(drag((0.0, 0.0), ahead, DRAG))
    put(env, 0, before + 0.4 * ahead)
    here = task_of(env).instrument.state.field.places[0, 0].copy()
    observation, *_, info = env.step(drag((0.0, 0.0), (0.0, 0.0), ONLY_LOOK))
    seen = named(env, observation)
    assert [4.0 * seen["x_0"], 4.0 * seen["y_0"]] == pytest.approx(here, abs=0.05)
    assert seen["landed"] == pytest.approx(1.0)
    assert 0.5 * seen["landing_y"] == pytest.approx(
        np.clip((here - before - ahead)[1], -1.0, 1.0), abs=0.05
    )
    assert seen["stale_0"] == 0.0
    assert info["sighting"]["missed"][0] == 0


def test_one_that_is_missed_stays_where_it_was_believed_to_be():
    env = make()
    task = task_of(env)
    place = task.state.believed[0, 0].copy()
    task.instrument.state.field.present[0, 0] = False
    observation, *_, info = env.step(drag((0.0, 0.0), (0.0, 0.0), ONLY_LOOK))
    assert task.state.believed[0, 0].tolist() == place.tolist()
    assert info["sighting"]["missed"][0] == 1
    assert info["sighting"]["probability"][0] == 0.0
    assert named(env, observation)["stale_0"] == pytest.approx(0.25)
    assert named(env, observation)["landed"] == 0.0


def test_drift_between_the_image_and_a_drag_is_taken_into_account():
    env = make(drift="real")
    task = task_of(env)
    env.unwrapped.intervene(drift_velocity_nm_s=np.array([0.03, 0.0]), settling_nm=0.0)
    env.step(drag((0.0, 0.0), (0.0, 0.0), ONLY_LOOK))
    for _ in range(3):
        env.step(drag((0.0, 0.0), (0.0, 0.0), DRAG))
    corner = tracks_of(env).corners[0, 0, 3].copy()
    since = task.instrument.state.ledger.time_s[0] - tracks_of(env).times[0, 0, 0]
    task.instrument.state.field.present[0, 0] = False
    env.step(drag((0.0, 0.0), (0.0, 0.0), ONLY_LOOK))
    moved = tracks_of(env).corners[0, 0, 3] - corner
    assert moved[0] == pytest.approx(-0.03 * since, rel=0.1)
    assert abs(moved[1]) < 0.1


def test_a_build_keeps_its_adatoms_apart():
    env = make(env=STMBuildEnv, noise="real", tip="real", seed=3)
    task = task_of(env)
    places = task.instrument.state.field.places[0, : task.movers].copy()
    assert task.state.believed[0] == pytest.approx(places, abs=0.06)
    assert tracks_of(env).others.shape[1] == ATOMS - task.movers
    put_on_target(env)
    tracks_of(env).corners[0, :, 0] = task.instrument.state.field.places[0, : task.movers]
    *_, terminated, _, info = env.step(drag((0.0, 0.0), (0.0, 0.0), ONLY_LOOK, -1.0))
    assert terminated
    assert info["metrics"]["placed"] == 1.0


def test_the_image_is_the_one_that_was_looked_at():
    env = make(observation="image", noise="real")
    before = task_of(env).observe()["image"].copy()
    observation, *_ = env.step(drag((0.0, 0.0), (0.6, 0.1), DRAG))
    assert np.array_equal(observation["image"], before[0])
    observation, *_ = env.step(drag((0.0, 0.0), (0.0, 0.0), ONLY_LOOK))
    assert not np.array_equal(observation["image"], before[0])


def test_images_of_detectors_have_more_noise_than_those_of_the_model():
    rough = {
        view: make(observation="image", noise="real", reconstructor=view)
        for view in ("model", "neural")
    }
    lines = {
        view: float(np.diff(task_of(env).observe()["image"][0, 0, :, :4].mean(axis=1)).std())
        for view, env in rough.items()
    }
    assert lines["neural"] > lines["model"]


def test_an_unknown_observation_model_is_refused():
    with pytest.raises(ValueError, match="reconstructor='oracle' must be one of"):
        STMTask(1, reconstructor="oracle")


def test_without_a_detector_nothing_is_told_of_sightings():
    _, info = gym.make("STM-v0").reset(seed=1)
    assert "sighting" not in info
