"""The same bits, whichever way an environment is run."""

from typing import Any

import gymnasium as gym
import pytest

from microgym.envs.core import testing
from microgym.envs.core.comparison import assert_same
from microgym.envs.core.testing import ActionSource
from tests.conformance.cases import CASES, DEFAULTS

SIZES = [(1, 1), (3, 2), (8, 1), (8, 2)]


@pytest.mark.parametrize("mode", testing.MODES, ids=lambda mode: mode.value)
@pytest.mark.parametrize(("num_envs", "threads"), SIZES)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_vector_equals_single(case, num_envs, threads, mode):
    ended = testing.check_vector_env(
        case.id, num_envs, mode, threads=threads, steps=18, **case.arguments
    )
    assert ended > num_envs, "too few steps to see episodes begin again"


@pytest.mark.parametrize("case", CASES, ids=str)
def test_vector_equals_single_under_a_time_limit(case):
    for mode in testing.MODES:
        ended = testing.check_vector_env(
            case.id, 3, mode, steps=7, max_episode_steps=2, **case.arguments
        )
        assert ended >= 6


@pytest.mark.parametrize("case", DEFAULTS, ids=str)
def test_vector_rewards_equal_single_and_add_up(case):
    arguments: dict[str, Any] = {"reward_mode": "vector", **case.arguments}
    envs: Any = gym.make_vec(case.id, 2, **arguments)
    sums: Any = gym.make_vec(case.id, 2, **case.arguments)
    singles: list[Any] = [gym.make(case.id, **arguments).unwrapped for _ in range(2)]
    for row, env in enumerate(singles):
        env.reset(seed=row)
    envs.reset(seed=0)
    sums.reset(seed=0)
    source, running = ActionSource(envs.single_action_space, 1), dict(enumerate(singles))
    for _ in range(2):
        actions = source.batch(2)
        rewards, total = envs.step(actions)[1], sums.step(actions)[1]
        for row, env in list(running.items()):
            _, reward, terminated, truncated, _ = env.step(actions[row])
            if terminated or truncated:
                del running[row]
            assert_same(reward, rewards[row])
            assert reward in env.reward_space
            expected = reward @ env.reward_weights
            assert total[row] == pytest.approx(expected, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_equal_seeds_equal_episodes(case):
    testing.check_deterministic(case.id, **case.arguments)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_data_is_fresh(case):
    testing.check_fresh_data(case.id, **case.arguments)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_pickles_go_on(case):
    testing.check_pickle(case.id, **case.arguments)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_snapshots_are_exact(case):
    testing.check_snapshot(case.id, **case.arguments)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_reset_forgets_everything(case):
    testing.check_reset(case.id, **case.arguments)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_vector_state(case):
    testing.check_vector_state(case.id, **case.arguments)


@pytest.mark.parametrize("case", DEFAULTS, ids=str)
def test_threads_do_not_matter(case):
    testing.check_threads_do_not_matter(case.id, **case.arguments)


@pytest.mark.parametrize("mode", testing.MODES, ids=lambda mode: mode.value)
@pytest.mark.parametrize("case", DEFAULTS, ids=str)
def test_rows_with_other_arguments_equal_environments_made_with_them(case, mode):
    testing.check_arguments(case.id, mode, steps=18, **case.arguments)


@pytest.mark.parametrize("case", DEFAULTS, ids=str)
def test_interventions(case):
    for name, value in case.interventions.items():
        testing.check_intervention(case.id, name, value, **case.arguments)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_unknown_interventions_and_options_are_refused(case):
    env: Any = gym.make(case.id, **case.arguments)
    env.reset(seed=1)
    before = env.unwrapped.snapshot()
    with pytest.raises(ValueError, match="no_such_thing"):
        env.unwrapped.intervene(no_such_thing=1)
    with pytest.raises(ValueError, match="no_such_thing"):
        env.reset(options={"no_such_thing": 1})
    with pytest.raises(TypeError, match="no_such_thing"):
        gym.make(case.id, no_such_thing=1)
    assert_same(env.unwrapped.snapshot(), before)
