"""A restored state is checked: values out of range are refused, those at its ends act."""

import gymnasium as gym
import numpy as np
import pytest

from microgym.envs.core.comparison import assert_same
from microgym.envs.core.testing import ActionSource
from tests.conformance.cases import DEFAULTS

STEPS = 2
HUGE = 10**12


@pytest.fixture(scope="module", params=DEFAULTS, ids=str)
def begun(request):
    """An environment in the middle of an episode, its state, and actions."""
    env = gym.make(request.param.id, **request.param.arguments).unwrapped
    source = ActionSource(env.action_space, 0)
    env.reset(seed=0)
    for _ in range(STEPS):
        *_, terminated, truncated, _ = env.step(source.one())
        if terminated or truncated:
            env.reset()
    yield env, env.snapshot(), [source.one() for _ in range(STEPS)]
    env.close()


def refused(env, state, name, value, message):
    """Restore a state with one number changed, which must not change the environment."""
    env.restore(state)
    wrong = state[name].copy()
    wrong.flat[-1] = value
    with pytest.raises(ValueError, match=message):
        env.restore(state | {name: wrong})
    assert_same(env.snapshot(), state)


def test_integers_out_of_range_are_refused(begun):
    env, state, _ = begun
    whole = [name for name, array in state.items() if array.dtype.kind == "i" and array.size]
    assert "shell/elapsed" in whole
    for name in whole:
        refused(env, state, name, HUGE, rf"{name}'\] must be from .* to .*, got .*{HUGE}")
        refused(env, state, name, -HUGE, "must be from")


def test_numbers_that_are_not_finite_and_times_without_end_are_refused(begun):
    env, state, _ = begun
    ranges = env.task.ranges()
    for name, (_, high) in ranges.items():
        if state[f"task/{name}"].dtype.kind == "f" and state[f"task/{name}"].size:
            refused(env, state, f"task/{name}", np.nan, "must be from .*, got .*nan")
            if np.isfinite(high):
                refused(env, state, f"task/{name}", 1e19, "must be from .*, got .*e\\+19")
    times = [name for name in ranges if name.endswith("time_s") or "clock" in name]
    assert all(ranges[name][1] <= 2**31 for name in times)


def test_integers_at_the_end_of_their_range_act(begun):
    env, state, actions = begun
    for name, ends in env.task.ranges().items():
        if state[f"task/{name}"].dtype.kind != "i":
            continue
        for end in ends:
            env.restore(state | {f"task/{name}": np.full_like(state[f"task/{name}"], end)})
            if env.task.over(np.zeros(1, np.int64)).any():
                continue
            for action in actions:
                *_, terminated, truncated, _ = env.step(action)
                if terminated or truncated:
                    break


def test_ranges_cover_the_whole_state(begun):
    env, _, _ = begun
    assert env.task.ranges().keys() == env.task.arrays().keys() - {"arguments"}
