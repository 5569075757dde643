"""Gymnasium's own tools accept and run every environment."""

import warnings
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.envs.registration import EnvSpec
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AsyncVectorEnv
from gymnasium.wrappers import RecordVideo
from gymnasium.wrappers.vector import NormalizeObservation, RecordEpisodeStatistics
from stable_baselines3.common.env_checker import check_env as check_env_for_sb3
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import SubprocVecEnv

from microgym.envs.core.comparison import assert_same
from microgym.envs.core.testing import MODES, ActionSource, drive
from tests.conformance.cases import CASES, DEFAULTS, REGISTERED, Case


@pytest.mark.parametrize("case", CASES, ids=str)
def test_gymnasium_checks_without_a_warning(case):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(gym.make(case.id, **case.arguments).unwrapped)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_sb3_checks(case):
    check_env_for_sb3(gym.make(case.id, **case.arguments).unwrapped)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_specs_are_json(case):
    spec = gym.make(case.id, **case.arguments).spec
    assert spec is not None
    again = EnvSpec.from_json(spec.to_json())
    assert again.kwargs == case.arguments
    one, other = gym.make(again), gym.make(spec)
    assert_same(one.reset(seed=1), other.reset(seed=1))
    vector = gym.make_vec(case.id, 2, autoreset_mode="SameStep", **case.arguments).spec
    assert vector is not None
    assert EnvSpec.from_json(vector.to_json()).kwargs["autoreset_mode"] == "SameStep"


@pytest.mark.parametrize("case", CASES, ids=str)
def test_native_vector_is_the_default_and_says_so(case):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        envs = gym.make_vec(case.id, 2, **case.arguments)
    assert type(envs).__name__ == f"{case.entry.name}VectorEnv"
    assert gym.vector.VectorEnv in type(envs).__bases__, "skrl asks for a direct base"
    assert envs.spec is not None
    assert envs.spec.id == case.entry.id
    for mode in MODES:
        chosen: Any = gym.make_vec(case.id, 2, autoreset_mode=mode, **case.arguments)
        assert chosen.metadata["autoreset_mode"] is chosen.autoreset_mode is mode


@pytest.mark.parametrize("case", CASES, ids=str)
def test_info_follows_the_schema(case):
    env: Any = gym.make(case.id, **case.arguments)
    _assert_schema(env.reset(seed=0)[1], env, case)
    _assert_schema(env.step(ActionSource(env.action_space, 0).one())[4], env, case)


def _assert_schema(info: dict[str, Any], env: Any, case: Case) -> None:
    assert {"reward_terms", "cost", "cost_terms", "metrics", "ledger"} <= info.keys()
    assert {"time_s", "dose", "exposures", "path_m"} <= info["ledger"].keys()
    assert isinstance(info["cost"], float)
    assert all(isinstance(value, float) for value in info["reward_terms"].values())
    assert ("latent" in info) == bool(case.arguments.get("reveal"))
    several = isinstance(env.action_space, gym.spaces.MultiDiscrete)
    discrete = several or isinstance(env.action_space, gym.spaces.Discrete)
    assert ("action_mask" in info) == discrete
    if discrete:
        masks, told = env.unwrapped.action_masks(), info["action_mask"]
        assert masks.dtype == np.bool_
        assert masks.ndim == 1, "choices stand one after the other, as for MaskablePPO"
        assert_same(masks.astype(np.int8), told.ravel())
        assert told.any(axis=-1).all()
        for seed in range(20):
            env.action_space.seed(seed)
            chosen = env.action_space.sample(tuple(told) if several else told)
            allowed = np.take_along_axis(told, np.asarray(chosen)[..., None], axis=-1)
            assert allowed.all()


@pytest.mark.parametrize("case", DEFAULTS, ids=str)
def test_hidden_state_on_demand(case):
    env = gym.make(case.id, **{**case.arguments, "reveal": True})
    assert env.reset(seed=0)[1]["latent"]


@pytest.mark.parametrize("case", DEFAULTS, ids=str)
def test_gymnasium_workers(case):
    def make() -> gym.Env[Any, Any]:
        return gym.make(case.id, **case.arguments)

    workers = AsyncVectorEnv([make, make])
    try:
        native = gym.make_vec(case.id, 2, **case.arguments)
        assert_same(drive(workers, seed=4, steps=8), drive(native, seed=4, steps=8))
    finally:
        workers.close()


@pytest.mark.parametrize("case", REGISTERED, ids=str)
def test_sb3_workers(case):
    workers = make_vec_env(case.id, 2, seed=4, env_kwargs=case.arguments, vec_env_cls=SubprocVecEnv)
    try:
        # Workers of Stable-Baselines3 begin the next episode in the step that ends one.
        native = gym.make_vec(case.id, 2, autoreset_mode="SameStep", **case.arguments)
        assert_same(workers.reset(), native.reset(seed=4)[0])
        actions = ActionSource(native.single_action_space, 4).batch(2)
        observations, rewards, *_ = workers.step(actions)
        expected = native.step(actions)
        assert_same(observations, expected[0])
        assert_same(rewards, expected[1])
    finally:
        workers.close()


@pytest.mark.parametrize("case", DEFAULTS, ids=str)
def test_videos(case, tmp_path):
    env = gym.make(case.id, render_mode="rgb_array", **case.arguments)
    assert env.metadata["render_fps"] > 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        video = RecordVideo(env, str(tmp_path), episode_trigger=lambda _: True)
        source = ActionSource(env.action_space, 0)
        video.reset(seed=0)
        for _ in range(2):
            video.step(source.one())
        video.close()
    assert [file.suffix for file in tmp_path.iterdir()] == [".mp4"]
    assert next(tmp_path.iterdir()).stat().st_size > 0


@pytest.mark.parametrize("case", DEFAULTS, ids=str)
def test_pictures_do_not_change_the_course(case):
    env = gym.make(case.id, render_mode="rgb_array", **case.arguments)
    envs = gym.make_vec(case.id, 2, render_mode="rgb_array", **case.arguments)
    quiet = gym.make_vec(case.id, 2, **case.arguments)
    env.reset(seed=3)
    for one in (envs, quiet):
        one.reset(seed=3)
    pictures: Any = envs.render()
    picture: Any = env.render()
    assert (picture.dtype, picture.ndim, picture.shape[2]) == (np.uint8, 3, 3)
    assert_same(pictures[0], picture)
    assert len(pictures) == 2
    actions = ActionSource(env.action_space, 1).batch(2)
    assert_same(envs.step(actions), quiet.step(actions))


@pytest.mark.parametrize("case", CASES, ids=str)
def test_vector_wrappers(case):
    envs = RecordEpisodeStatistics(gym.make_vec(case.id, 2, **case.arguments))
    if not isinstance(envs.single_observation_space, gym.spaces.Dict):
        envs = NormalizeObservation(envs)
    episodes = 0
    envs.reset(seed=0)
    source = ActionSource(envs.single_action_space, 0)
    for _ in range(18):
        infos = envs.step(source.batch(2))[4]
        episodes += int(infos["_episode"].sum()) if "_episode" in infos else 0
    assert episodes >= 2
