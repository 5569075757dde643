"""The shell alone, on the toy task: what it refuses, how it resets, what it keeps."""

import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.error import ResetNeeded
from gymnasium.vector import AutoresetMode

from microgym.envs.core import registry
from microgym.envs.core.comparison import assert_same, fingerprint
from microgym.envs.core.gymnasium_env import MicroscopeEnv, MicroscopeVectorEnv
from microgym.envs.core.testing import drive
from tests.envs.toy.env import ToyEnv, ToyVectorEnv
from tests.envs.toy.task import GRID, ToyTask

ROOT = Path(__file__).parents[2]
STILL = np.zeros(3, np.float32)


def started(**arguments: Any) -> MicroscopeEnv:
    env = ToyEnv(**arguments)
    env.reset(seed=1)
    return env


def started_vector(num_envs: int = 3, **arguments: Any) -> MicroscopeVectorEnv:
    envs = ToyVectorEnv(num_envs, **arguments)
    envs.reset(seed=1)
    return envs


@pytest.mark.parametrize(
    ("action", "error", "message"),
    [
        ([0.0, np.nan, 0.0], ValueError, r"action\[1\] is NaN; it must be in \[-1.0, 1.0\]"),
        ([0.0, 0.0, np.inf], ValueError, r"action\[2\] is inf"),
        ([-1.1, 0.0, 0.0], ValueError, r"action\[0\] is -1.1; it must be in \[-1.0, 1.0\]"),
        ([0.0, 0.0], ValueError, r"action must have shape \(3,\), got \(2,\)"),
        (np.zeros((1, 3)), ValueError, r"got \(1, 3\)"),
        ([[0.0], [0.0, 1.0]], ValueError, "not a regular array"),
        (["a", "b", "c"], TypeError, "action must be real numbers"),
        (np.zeros(3, complex), TypeError, "real numbers"),
        (None, TypeError, "real numbers"),
        (True, TypeError, "real numbers"),
    ],
)
def test_bad_continuous_actions_change_nothing(action, error, message):
    env = started()
    before = env.snapshot()
    with pytest.raises(error, match=message):
        env.step(action)
    assert_same(env.snapshot(), before)


@pytest.mark.parametrize(
    ("action", "error", "message"),
    [
        (16, ValueError, r"action is 16; it must be in \[0, 15\]"),
        (-1, ValueError, "action is -1"),
        (1.0, TypeError, "action must be integers"),
        (True, TypeError, "integers"),
        ([1], ValueError, r"shape \(\), got \(1,\)"),
        ("3", TypeError, "integers"),
    ],
)
def test_bad_discrete_actions_change_nothing(action, error, message):
    env = started(action="grid")
    before = env.snapshot()
    with pytest.raises(error, match=message):
        env.step(action)
    assert_same(env.snapshot(), before)


def test_bad_vector_action_names_its_place():
    envs = started_vector()
    before = envs.snapshot()
    actions = np.zeros((3, 3))
    actions[2, 1] = 1.5
    with pytest.raises(ValueError, match=r"actions\[2, 1\] is 1.5"):
        envs.step(actions)
    with pytest.raises(ValueError, match=r"actions must have shape \(3, 3\), got \(3,\)"):
        envs.step(STILL)
    assert_same(envs.snapshot(), before)


def test_equal_actions_in_other_clothes_are_accepted():
    expected = started().step(np.array([0.5, -0.5, 1.0], np.float32))
    frozen = np.array([0.5, -0.5, 1.0])
    frozen.flags.writeable = False
    for action in ([0.5, -0.5, 1], frozen, np.array([0.5, -0.5, 1.0 + 5e-7])):
        assert_same(started().step(action), expected)
    cell = started(action="grid").step(7)
    for action in (np.int32(7), np.array(7), np.uint8(7)):
        assert_same(started(action="grid").step(action), cell)


def test_the_users_action_array_is_not_kept_nor_changed():
    envs = started_vector()
    actions = np.full((3, 3), 1.0 + 5e-7)
    envs.step(actions)
    assert np.all(actions == 1.0 + 5e-7)


def test_reset_comes_first():
    env, envs = ToyEnv(render_mode="rgb_array"), ToyVectorEnv(2, render_mode="rgb_array")
    single = [lambda: env.step(STILL), env.render, env.snapshot, lambda: env.intervene(lamp=0)]
    vector = [
        lambda: envs.step([STILL] * 2),
        envs.render,
        envs.snapshot,
        lambda: envs.intervene(lamp=0),
        envs.action_masks,
        env.action_masks,
    ]
    for call in [*single, *vector]:
        with pytest.raises(ResetNeeded, match="reset"):
            call()


def test_no_step_after_the_end():
    env = started(drift="off")
    while not any(env.step(STILL)[2:4]):
        pass
    before = env.snapshot()
    with pytest.raises(ResetNeeded, match=r"\[0\] have ended"):
        env.step(STILL)
    assert_same(env.snapshot(), before)
    env.reset()
    env.step(STILL)


def test_disabled_mode_asks_for_the_reset():
    envs = started_vector(autoreset_mode="Disabled", max_episode_steps=1)
    envs.step([STILL] * 3)
    with pytest.raises(ResetNeeded, match=r"\[0, 1, 2\] have ended"):
        envs.step([STILL] * 3)
    _, infos = envs.reset(options={"reset_mask": np.array([True, False, True])})
    assert infos["_ledger"].tolist() == [True, False, True]
    with pytest.raises(ResetNeeded, match=r"\[1\] have ended"):
        envs.step([STILL] * 3)


@pytest.mark.parametrize(
    ("mask", "error", "message"),
    [
        ([True, False], TypeError, "must be an array of bool"),
        (np.array([1, 0]), TypeError, "must be an array of bool"),
        (np.array([True]), ValueError, r"shape \(2,\), got \(1,\)"),
        (np.zeros(2, bool), ValueError, "True somewhere"),
    ],
)
def test_bad_reset_masks(mask, error, message):
    envs = started_vector(2, autoreset_mode="Disabled")
    before = envs.snapshot()
    with pytest.raises(error, match=message):
        envs.reset(options={"reset_mask": mask})
    assert_same(envs.snapshot(), before)


def test_first_reset_is_of_all():
    with pytest.raises(ResetNeeded, match="first reset"):
        ToyVectorEnv(2).reset(options={"reset_mask": np.array([True, False])})


def test_a_reset_mask_stays_in_the_users_options():
    envs = started_vector(2)
    options = {"reset_mask": np.array([True, False])}
    envs.reset(options=options)
    assert list(options) == ["reset_mask"]


@pytest.mark.parametrize("kind", [started, started_vector])
def test_bad_options_and_seeds_change_nothing(kind):
    env = kind()
    before = env.snapshot()
    with pytest.raises(ValueError, match=r"unknown reset options \['colour'\]; known are"):
        env.reset(seed=5, options={"colour": "red"})
    with pytest.raises(gym.error.Error, match="Seed must be"):
        env.reset(seed=-1)
    assert_same(env.snapshot(), before)


def test_vector_seeds():
    envs = ToyVectorEnv(2)
    with pytest.raises(ValueError, match="2 elements, got 3"):
        envs.reset(seed=[1, 2, 3])
    listed = envs.reset(seed=[4, 5])
    assert envs.np_random_seed == (4, 5)
    assert_same(listed, envs.reset(seed=4))
    first = ToyEnv(reveal=True).reset(seed=5)[1]["latent"]["lamp"]
    lamp = ToyVectorEnv(2, reveal=True).reset(seed=np.int64(4))[1]["latent"]["lamp"]
    assert_same(lamp[1], first)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"num_envs": 0}, ValueError, r"num_envs=0 must be in \[1, "),
        ({"num_envs": 1.5}, TypeError, "num_envs must be an integer"),
        ({"autoreset_mode": "sometimes"}, ValueError, "'NextStep', 'SameStep', 'Disabled'"),
        ({"max_episode_steps": 0}, ValueError, "max_episode_steps must be at least 1"),
        ({"render_mode": "ansi"}, ValueError, "render_mode must be None or in"),
        ({"threads": 0}, ValueError, r"threads=0 must be in \[1, 256\]"),
        ({"threads": 1.0}, TypeError, "threads must be an integer"),
        ({"reward_mode": "both"}, ValueError, "reward_mode='both' must be one of"),
        ({"colour": "red"}, TypeError, "colour"),
    ],
)
def test_bad_arguments(arguments, error, message):
    with pytest.raises(error, match=message):
        ToyVectorEnv(**arguments)


def test_autoreset_mode_by_member_value_or_name():
    for given in (AutoresetMode.SAME_STEP, "SameStep", "SAME_STEP"):
        envs = ToyVectorEnv(2, autoreset_mode=given)
        assert envs.autoreset_mode is envs.metadata["autoreset_mode"] is AutoresetMode.SAME_STEP
    assert "autoreset_mode" not in ToyVectorEnv.metadata
    assert ToyVectorEnv.metadata["render_fps"] == ToyTask.render_fps == 3


def test_same_step_hands_over_what_would_be_lost():
    envs = started_vector(2, autoreset_mode="SameStep", drift="off")
    ended, observation, infos = np.zeros(2, bool), dict[str, Any](), dict[str, Any]()
    while not ended.any():
        observation, _, terminated, truncated, infos = envs.step([STILL] * 2)
        ended = terminated | truncated
    assert infos["_final_obs"].tolist() == infos["_final_info"].tolist() == ended.tolist()
    row = int(np.flatnonzero(ended)[0])
    assert (
        infos["final_obs"][row]["image"][1].sum() == infos["final_info"]["ledger"]["exposures"][row]
    )
    assert infos["final_info"]["ledger"]["exposures"][row] > 0
    assert observation["image"][row].sum() == infos["ledger"]["exposures"][row] == 0
    assert ended.all() or infos["final_obs"][1 - row] is None


def test_time_limits_of_single_and_vector_agree():
    for mode in AutoresetMode:
        arguments: dict[str, Any] = {"max_episode_steps": 2, "drift": "off"}
        name = "tests.envs.toy:MicrogymToy-v0"
        native = gym.make_vec(name, 3, autoreset_mode=mode, **arguments)
        single = gym.make_vec(
            name, 3, vectorization_mode="sync", vector_kwargs={"autoreset_mode": mode}, **arguments
        )
        ours, theirs = drive(native, seed=2, steps=7), drive(single, seed=2, steps=7)
        assert_same(ours, theirs)
        assert any(step[3].any() for step in ours if len(step) == 5)


def test_vector_rewards():
    env, scalar = started(reward_mode="vector"), started()
    reward = env.step(STILL)[1]
    assert reward in env.reward_space
    assert (reward.dtype, reward.shape, env.reward_dim) == (np.float64, (2,), 2)
    assert scalar.step(STILL)[1] == pytest.approx(reward @ env.reward_weights, abs=1e-15)
    assert scalar.reward_space is None
    rewards = started_vector(reward_mode="vector").step([STILL] * 3)[1]
    assert_same(rewards[0], reward)


def test_an_intervention_leaves_every_draw_as_it_was():
    """Counterfactual: with the lamp put elsewhere, drift and noise are those of the real run."""

    def run(value: float | None) -> tuple[Any, Any]:
        env = started(reveal=True, observation="dict")
        env.step(STILL)
        if value is not None:
            env.intervene(lamp=value)
        steps = [env.step(np.array([1.0, 1.0, 0.0], np.float32)) for _ in range(2)]
        lamps = [step[4]["latent"]["lamp"] for step in steps]
        noise = [
            step[4]["reward_terms"]["signal"] - 1 / (1 + 9 * np.square(lamp - 1).sum())
            for step, lamp in zip(steps, lamps, strict=True)
        ]
        return lamps[1] - lamps[0], noise

    (wind, noise), (wind_elsewhere, noise_elsewhere) = run(None), run(0.3)
    np.testing.assert_allclose(wind_elsewhere, wind, atol=1e-15)
    np.testing.assert_allclose(noise_elsewhere, noise, atol=1e-15)
    env = started()
    before = env.snapshot()
    with pytest.raises(ValueError, match=r"unknown intervention 'lamb'"):
        env.intervene(lamb=1)
    with pytest.raises(ValueError, match=r"lamp=3 must be in"):
        env.intervene(lamp=3)
    assert_same(env.snapshot(), before)


def test_interventions_in_some_rows():
    envs = started_vector(reveal=True, drift="off")
    before = envs.step([STILL] * 3)[4]["latent"]["lamp"]
    envs.intervene(rows=[2, 0], lamp=[[0.1, 0.2], [0.3, 0.4]])
    after = envs.step([STILL] * 3)[4]["latent"]["lamp"]
    assert after.tolist() == [[0.3, 0.4], before[1].tolist(), [0.1, 0.2]]
    with pytest.raises(ValueError, match="distinct"):
        envs.intervene(rows=[1, 1], lamp=0)
    with pytest.raises(IndexError):
        envs.intervene(rows=[3], lamp=0)


def test_masks():
    envs = started_vector(2, action="grid")
    _, _, _, _, infos = envs.step([3, 5])
    masks = envs.action_masks()
    assert masks.shape == (2, GRID**2)
    assert np.argwhere(~masks).tolist() == [[0, 3], [1, 5]]
    assert_same(infos["action_mask"], masks.astype(np.int8))
    for seed in range(20):
        envs.action_space.seed(seed)
        actions = envs.action_space.sample(tuple(infos["action_mask"]))
        assert masks[np.arange(2), actions].all()
    with pytest.raises(TypeError, match="no action masks"):
        started().action_masks()
    with pytest.raises(TypeError, match="no action masks"):
        started_vector().action_masks()


def test_foreign_snapshots_are_refused_and_change_nothing():
    env = started()
    before = env.snapshot()
    for spoil, message in (
        ({"task/state.lamp": np.zeros((2, 2))}, r"'task/state.lamp'\] must be float64\[1, 2\]"),
        ({"task/state.tick": np.zeros(1)}, r"'task/state.tick'\] must be int64"),
        ({"task/rain": np.zeros(1)}, r"unknown \['task/rain'\]"),
    ):
        with pytest.raises(ValueError, match=message):
            env.restore(before | spoil)
        assert_same(env.snapshot(), before)
    with pytest.raises(ValueError, match="lacks"):
        env.restore({})
    assert_same(env.snapshot(), before)


def test_snapshots_survive_a_file(tmp_path):
    env = started()
    state: dict[str, Any] = dict(env.snapshot())
    np.savez(tmp_path / "state.npz", **state)
    expected = [env.step(STILL), env.reset(), env.step(STILL)]
    with np.load(tmp_path / "state.npz", allow_pickle=False) as file:
        other = ToyEnv()
        other.restore(dict(file))
    assert_same([other.step(STILL), other.reset(), other.step(STILL)], expected)


def test_a_foreign_generator_cannot_be_saved():
    env = started()
    env.np_random = np.random.Generator(np.random.MT19937(1))
    env.reset()
    with pytest.raises(TypeError, match="MT19937"):
        env.snapshot()


def test_generators_of_a_vector_environment_can_be_exchanged():
    envs, other = started_vector(2), ToyVectorEnv(2)
    other.np_random = pickle.loads(pickle.dumps(envs.np_random))
    assert_same(other.reset(), envs.reset())
    assert other.np_random_seed == (-1, -1)
    with pytest.raises(ValueError, match="2 generators"):
        other.np_random = ()


def test_pictures():
    env, envs = started(render_mode="rgb_array"), started_vector(2, render_mode="rgb_array")
    picture = env.render()
    assert picture is not None
    assert (picture.dtype, picture.shape) == (np.uint8, (32, 32, 3))
    assert_same(envs.render(), (picture, picture))
    for silent in (started(), started_vector()):
        with pytest.warns(UserWarning, match="render_mode"):
            assert silent.render() is None


def test_closing_twice_is_harmless():
    for one in (started(), started_vector()):
        one.close()
        one.close()


def test_fresh_environments_without_seed_differ():
    prints = {fingerprint(ToyEnv(reveal=True).reset()[1]) for _ in range(3)}
    assert len(prints) == 3


def test_import_registers_and_stays_light():
    code = (
        "import sys, microgym, gymnasium\n"
        "heavy = {'numba', 'torch', 'stable_baselines3', 'PIL', 'h5py'}.intersection(sys.modules)\n"
        "assert not heavy, heavy\n"
        "assert 'Ptycho-v0' in gymnasium.registry\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


@pytest.mark.filterwarnings("error")
def test_registration_is_repeatable_and_found():
    registry.register_all()
    for entry in registry.entries():
        assert registry.find(f"microgym:{entry.id}") is registry.find(entry.id) is entry
        assert gym.spec(entry.id).entry_point == entry.entry_point
    with pytest.raises(ValueError, match="no environment 'Nothing-v0'"):
        registry.find("Nothing-v0")
