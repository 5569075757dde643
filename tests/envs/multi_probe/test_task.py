"""MultiProbe-v0: PettingZoo's API, collisions, shared dose and time, what probes see."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from pettingzoo.test import parallel_api_test, parallel_seed_test

from microgym.envs.core.comparison import assert_same
from microgym.envs.core.testing import ActionSource
from microgym.envs.multi_probe import parallel_env
from microgym.envs.multi_probe.env import MultiProbeEnv
from microgym.envs.multi_probe.observation import MAPS, NUMBERS, OTHERS, draw_others, parts
from microgym.envs.ptycho.config import GRID, GRID_DWELLS_S

QUIET: dict[str, Any] = {"drift": "off", "damage": "off", "exposures": 6}


def make(seed: int = 1, **arguments: Any) -> Any:
    env = MultiProbeEnv(**{**QUIET, **arguments})
    env.reset(seed=seed)
    return env


def action(*places: tuple[float, float], exposure: float = 0.0) -> Any:
    return np.array([[*place, exposure] for place in places], np.float32)


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"probes": 3},
        {"probes": 4, "share": "none"},
        {"observation": "full"},
        {"action": "grid", "probes": 3},
    ],
    ids=str,
)
def test_pettingzoos_tests(arguments):
    parallel_api_test(parallel_env(**arguments), num_cycles=200)
    parallel_seed_test(lambda: parallel_env(**arguments), num_cycles=20)


@pytest.mark.parametrize("kind", ["continuous", "grid"])
@pytest.mark.parametrize("probes", [2, 3, 4])
def test_the_parallel_environment_is_the_joint_one(probes, kind):
    words = {"probes": probes, "action": kind}
    joint, team = make(**words), parallel_env(**QUIET, **words)
    observations, infos = team.reset(seed=1)
    source = ActionSource(joint.action_space, 3)
    seen = None
    for _ in range(3):
        chosen = source.one()
        seen, reward, terminated, _, info = joint.step(chosen)
        given = dict(zip(team.possible_agents, chosen, strict=True))
        observations, rewards, ends, _, infos = team.step(given)
        assert set(rewards.values()) == {reward}
        assert set(ends.values()) == {terminated}
        for k, agent in enumerate(team.agents):
            assert observations[agent] in team.observation_space(agent)
            assert_same(observations[agent], {name: part[k] for name, part in seen.items()})
            own = {"action_mask": info["action_mask"][k]} if kind == "grid" else {}
            assert_same(infos[agent], info | own)
            if own:
                space = team.action_space(agent)
                assert own["action_mask"][space.sample(own["action_mask"])]
    assert_same(team.state(), seen)


def test_probes_that_come_too_close_stay_and_lose_the_exposure():
    env = make(clearance_px=32.0)
    before = env.unwrapped.snapshot()
    seen, _, _, _, info = env.step(action((0.0, 0.0), (0.0, 0.4)))
    assert info["cost_terms"]["collision"] == 1.0
    assert info["ledger"]["exposures"] == 0
    assert info["ledger"]["dose"] == 0.0
    lost = seen["numbers"][:, NUMBERS.index("lost")]
    np.testing.assert_array_equal(lost, 1.0)
    after = env.unwrapped.snapshot()
    np.testing.assert_array_equal(before["task/team.state.place"], after["task/team.state.place"])
    # At the clearance they do not collide: 32 px are half of the region's half.
    info = env.step(action((0.0, -0.25), (0.0, 0.25)))[4]
    assert info["cost_terms"]["collision"] == 0.0
    assert info["ledger"]["exposures"] == 2


def test_of_three_probes_the_one_that_is_clear_exposes():
    env = make(probes=3)
    info = env.step(action((-0.9, -0.9), (0.5, 0.5), (0.5, 0.6)))[4]
    assert info["cost_terms"]["collision"] == 1.0
    assert info["ledger"]["exposures"] == 1


def test_a_grid_action_is_the_continuous_one_at_the_cells_centre():
    grid, free = make(action="grid", probes=3), make(probes=3)
    for cells in ((17, 100, 250), (5, 90, 200)):
        levels = np.array([0, 1, 2])
        one = grid.step(np.array(cells) + GRID * GRID * levels)
        places = 2.0 * (np.stack(np.divmod(cells, GRID), axis=-1) + 0.5) / GRID - 1.0
        seconds = np.log10(np.array(GRID_DWELLS_S)[levels])
        other = free.step(np.column_stack([places, seconds]).astype(np.float32))
        assert other[4]["cost"] == 0.0
        assert one[1] == pytest.approx(other[1], abs=1e-6)
        np.testing.assert_allclose(one[0]["maps"], other[0]["maps"], atol=1e-4)


@pytest.mark.parametrize("share", ["maps", "none"])
def test_cells_that_were_exposed_are_masked(share):
    env = make(action="grid", share=share)
    assert env.action_masks().shape == (2 * GRID * GRID * len(GRID_DWELLS_S),)

    def used() -> list[list[int]]:
        each = env.action_masks().reshape(2, len(GRID_DWELLS_S), -1)
        assert (each == each[:, :1]).all()
        return [np.flatnonzero(~one).tolist() for one in each[:, 0]]

    assert used() == [[], []]
    env.step([0, 255])
    env.step([GRID * GRID + 3, 100])
    assert used() == ([[0, 3, 100, 255]] * 2 if share == "maps" else [[0, 3], [100, 255]])
    # What a collision has lost was not exposed.
    before = used()
    assert env.step([50, 51])[4]["cost"] == 1.0
    assert used() == before
    env.unwrapped.task.state.used[0, 1] = True
    assert used() == [before[0], []], "where none is free, all are"


def test_a_round_takes_the_time_of_its_slowest_probe():
    def seconds(*exposures: float) -> float:
        env = make()
        chosen = action((0.0, -0.5), (0.0, 0.5))
        chosen[:, 2] = exposures
        return env.step(chosen)[4]["ledger"]["time_s"]

    long, short = 0.5, -0.5
    assert seconds(long, short) == seconds(short, long) == seconds(long, long)
    assert seconds(short, short) < seconds(long, long)
    # The action is the logarithm of the exposure time; both probes start over their places.
    assert seconds(long, short) == pytest.approx(0.2 + 10.0**long, abs=1e-6)


def test_specimen_and_dose_are_shared():
    env = make(damage="hard")
    places = ((0.0, -0.5), (0.0, 0.5))
    env.step(action(*places, exposure=0.3))
    mirrored = make(damage="hard")
    mirrored.step(action(*places[::-1], exposure=0.3))
    ours, theirs = (one.unwrapped.task.sample for one in (env, mirrored))
    # Exposures are simultaneous: the order of the probes makes no difference to the specimen.
    np.testing.assert_allclose(ours.fluence, theirs.fluence, rtol=1e-5)
    np.testing.assert_allclose(ours.object_re, theirs.object_re, atol=1e-6)
    dose = env.unwrapped.task.ledger.dose[0]
    assert ours.fluence.sum() == pytest.approx(dose, rel=1e-4)


def test_what_probes_see_of_each_other():
    shared, alone = make(), make(share="none")
    chosen = action((0.0, -0.5), (0.2, 0.5))
    seen, own = shared.step(chosen)[0], alone.step(chosen)[0]
    np.testing.assert_array_equal(seen["maps"][0, :-1], seen["maps"][1, :-1])
    assert not np.array_equal(own["maps"][0, :-1], own["maps"][1, :-1])
    others = [NUMBERS.index(f"{axis}_1") for axis in ("y", "x")]
    np.testing.assert_allclose(seen["numbers"][0, others], [0.2, 0.5], atol=1e-6)
    np.testing.assert_allclose(seen["numbers"][1, others], [0.0, -0.5], atol=1e-6)
    assert not own["numbers"][:, others].any()
    assert seen["maps"][:, MAPS.index("others")].any()
    assert not own["maps"][:, MAPS.index("others")].any()


def test_two_probes_find_what_one_finds_in_twice_the_rounds():
    """The reconstruction does not depend on which probe has taken an exposure."""
    places = [(0.0, -0.5), (0.0, 0.5), (0.4, -0.4), (0.4, 0.4)]
    quiet = {**QUIET, "photons": 1e8, "exposures": 2, "final_sweeps": 0}
    team = MultiProbeEnv(**quiet)
    team.reset(seed=1)
    for k in (0, 2):
        info = team.step(action(*places[k : k + 2]))[4]
    one: Any = gym.make("Ptycho-v0", **{**quiet, "exposures": 4})
    one.reset(seed=1)
    alone: Any = None
    for place in places:
        alone = one.step(np.array([*place, 0.0], np.float32))[4]
    assert info["metrics"]["found"] == pytest.approx(alone["metrics"]["found"], abs=1e-9)
    assert info["metrics"]["snr_db"] == pytest.approx(alone["metrics"]["snr_db"], abs=0.05)


def test_parts_cover_the_region_once():
    for probes in (2, 3, 4):
        sizes = np.prod(parts(probes)[:, 1] - parts(probes)[:, 0], axis=1)
        np.testing.assert_allclose(sizes, 4.0 / probes)
    drawn = draw_others(np.array([[[0.0, 0.0], [0.0, 0.0]]]), np.array([0.5]), 8)
    np.testing.assert_array_equal(drawn[0, 0], drawn[0, 1])
    assert OTHERS == 3


def test_the_drift_under_the_probes_of_one_specimen_is_set():
    envs: Any = gym.make_vec("MultiProbeJoint-v0", 2, reveal=True, **(QUIET | {"drift": "easy"}))
    envs.reset(seed=1)
    before = envs.unwrapped.task.probe_drift.velocity.copy()
    envs.unwrapped.intervene([1], drift_velocity_px_s=[[[0.5, 0.0], [0.0, -0.5]]])
    after = envs.unwrapped.task.probe_drift.velocity
    np.testing.assert_array_equal(after[0], before[0])
    np.testing.assert_array_equal(after[1], [[0.5, 0.0], [0.0, -0.5]])


def test_easy_probes_pass_each_other():
    envs: Any = gym.make_vec("MultiProbeJoint-v0", 2, exposures=3)
    envs.reset(seed=1, options={"difficulty": ["easy", "default"]})
    seen, _, _, _, info = envs.step(np.stack([action((0.0, 0.0), (0.0, 0.4))] * 2))
    assert info["cost_terms"]["collision"].tolist() == [0.0, 1.0]
    assert info["ledger"]["exposures"].tolist() == [2, 0]
    others = seen["maps"][:, :, MAPS.index("others")]
    assert not others[0].any()
    assert others[1].any()


def test_frames_show_every_probe():
    env = make(probes=3, render_mode="rgb_array")
    frames = [env.render()]
    env.step(action((-0.5, -0.5), (0.0, 0.0), (0.5, 0.5)))
    frames.append(env.render())
    assert frames[0].shape == (640, 480, 3)
    assert not np.array_equal(*frames)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"probes": 5}, ValueError, r"probes=5 must be in \[2, 4\]"),
        ({"share": "all"}, ValueError, "share='all' must be one of"),
        ({"observation": "features"}, ValueError, "observation='features' must be one of"),
        ({"clearance_px": -1.0}, ValueError, r"clearance_px=-1.0 must be in \[0, 128\]"),
        ({"recording": "scan.npz"}, ValueError, "has one probe"),
        ({"probe_count": 2}, TypeError, "unexpected keyword argument 'probe_count'"),
    ],
)
def test_impossible_arguments_are_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        parallel_env(**arguments)


def test_actions_of_unknown_or_missing_agents_are_refused():
    env = parallel_env(**QUIET)
    env.reset(seed=1)
    one = np.zeros(3, np.float32)
    for bad in ({"probe_0": one}, {"probe_0": one, "probe_9": one}):
        with pytest.raises(ValueError, match="actions must be of"):
            env.step(bad)
    with pytest.raises(ValueError, match="NaN"):
        env.step({"probe_0": one, "probe_1": one * np.nan})
