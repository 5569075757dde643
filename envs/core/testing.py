"""Checks that any environment of this package must pass, for tests here and in other projects.

Each takes what `gymnasium.make` and `gymnasium.make_vec` take (an id such as
"microgym:Ptycho-v0", and arguments) and raises `AssertionError` with the place of the first
difference. Actions come from `ActionSource`, which does not depend on any library's sampler.

Example:
    >>> from microgym.envs.core import testing
    >>> testing.check_all("microgym:Ptycho-v0", exposures=4)  # doctest: +SKIP
"""

import copy
import itertools
import pickle
from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from numpy.typing import NDArray

from microgym.envs.core.compare import ActionSource, assert_same, fingerprint, rollout

__all__ = [
    "MODES",
    "ActionSource",
    "assert_same",
    "check_all",
    "check_deterministic",
    "check_fresh_data",
    "check_intervention",
    "check_pickle",
    "check_reset",
    "check_snapshot",
    "check_threads_do_not_matter",
    "check_vector_equals_single",
    "check_vector_state",
    "drive",
    "fingerprint",
    "rollout",
]

MODES = (AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP, AutoresetMode.DISABLED)
Step = tuple[Any, ...]


def drive(envs: VectorEnv[Any, Any, Any], *, seed: int, steps: int, after: int = 0) -> list[Step]:
    """Everything a vector environment returns over a number of steps.

    Args:
        envs: a vector environment in any autoreset mode.
        seed: seeds the first reset and the actions.
        steps: how many steps.
        after: do not reset at first but go on after so many steps of an earlier `drive`.

    Returns:
        `(observations, infos)` of each reset, `(observations, rewards, terminated, truncated,
        infos)` of each step.
    """
    source = ActionSource(envs.single_action_space, seed)
    record: list[Step] = [] if after else [envs.reset(seed=seed)]
    disabled = envs.metadata["autoreset_mode"] == AutoresetMode.DISABLED
    for number in range(after + steps):
        actions = source.batch(envs.num_envs)
        if number < after:
            continue
        record.append(envs.step(actions))
        ended = record[-1][2] | record[-1][3]
        if disabled and ended.any():
            record.append(envs.reset(options={"reset_mask": ended}))
    return record


def check_vector_equals_single(
    env_id: str,
    num_envs: int = 3,
    mode: AutoresetMode = AutoresetMode.NEXT_STEP,
    *,
    threads: int = 1,
    steps: int = 20,
    seed: int = 0,
    **arguments: Any,
) -> int:
    """The native vector environment equals Gymnasium's `SyncVectorEnv` over single ones.

    Step for step and to the bit: observations, rewards, flags and infos, including the final
    observations and infos, with their masks and dtypes.

    Args:
        env_id: the environment.
        num_envs: N.
        mode: autoreset mode of both.
        threads: threads of the native one; the single ones always have one.
        steps: how many steps; choose them so that episodes end.
        seed: seeds episodes and actions.
        **arguments: the environment's arguments; "max_episode_steps" is understood.

    Returns:
        The number of episodes that ended, so that a test can tell that some did.
    """
    native = gym.make_vec(env_id, num_envs, autoreset_mode=mode.value, threads=threads, **arguments)
    single = gym.make_vec(
        env_id,
        num_envs,
        vectorization_mode="sync",
        vector_kwargs={"autoreset_mode": mode},
        **arguments,
    )
    try:
        assert native.single_observation_space == single.single_observation_space
        assert native.single_action_space == single.single_action_space
        assert native.observation_space == single.observation_space
        assert native.action_space == single.action_space
        ours = drive(native, seed=seed, steps=steps)
        theirs = drive(single, seed=seed, steps=steps)
        assert_same(ours, theirs, f"{env_id} {mode.value} N={num_envs} threads={threads}")
        for step in ours:
            assert step[0] in native.observation_space, f"{env_id}: observation not in its space"
        return sum(int((step[2] | step[3]).sum()) for step in ours if len(step) == 5)
    finally:
        native.close()
        single.close()


def check_deterministic(env_id: str, *, seed: int = 3, **arguments: Any) -> None:
    """Equal seeds give equal episodes, in one instance or two; other episodes differ.

    Args:
        env_id: the environment.
        seed: seeds episodes and actions.
        **arguments: the environment's arguments.
    """
    first, second = gym.make(env_id, **arguments), gym.make(env_id, **arguments)
    expected = rollout(first, seed=seed, episodes=2)
    assert_same(rollout(second, seed=seed, episodes=2), expected, f"{env_id}: another instance")
    assert_same(rollout(first, seed=seed, episodes=2), expected, f"{env_id}: reset again")
    second_reset = next(i for i, step in enumerate(expected) if i and len(step) == 2)
    episode, following = expected[:second_reset], expected[second_reset:]
    assert fingerprint(following) != fingerprint(episode), f"{env_id}: episodes repeat themselves"
    other = rollout(first, seed=seed + 1)
    assert fingerprint(other) != fingerprint(episode), f"{env_id}: seeds change nothing"
    first.close()
    second.close()


def _leaves(thing: Any) -> list[NDArray[Any]]:
    if isinstance(thing, dict):
        return [leaf for part in thing.values() for leaf in _leaves(part)]
    if isinstance(thing, list | tuple):
        return [leaf for part in thing for leaf in _leaves(part)]
    if isinstance(thing, np.ndarray) and thing.dtype == object:
        return [leaf for one in thing for leaf in _leaves(one)]
    return [thing] if isinstance(thing, np.ndarray) else []


def check_fresh_data(env_id: str, *, num_envs: int = 2, seed: int = 5, **arguments: Any) -> None:
    """No two calls return arrays that share memory, and nothing returned changes afterwards.

    Args:
        env_id: the environment.
        num_envs: N of the vector environment; the single one is checked too.
        seed: seeds episodes and actions.
        **arguments: the environment's arguments.
    """
    env = gym.make(env_id, **arguments)
    source = ActionSource(env.action_space, seed)
    singles: list[Step] = [env.reset(seed=seed), env.step(source.one())]
    singles.append(env.reset(seed=seed))
    for mode in MODES:
        envs = gym.make_vec(env_id, num_envs, autoreset_mode=mode.value, **arguments)
        vectors: list[Step] = [envs.reset(seed=seed)]
        copies = [copy.deepcopy(vectors[0])]
        for _ in range(2):
            vectors.append(envs.step(source.batch(num_envs)))
            copies.append(copy.deepcopy(vectors[-1]))
        vectors.append(envs.reset(seed=seed))
        assert_same(vectors[:-1], copies, f"{env_id}: returned data changed afterwards")
        _assert_disjoint(vectors, env_id)
        envs.close()
    _assert_disjoint(singles, env_id)
    env.close()


def _assert_disjoint(results: list[Step], env_id: str) -> None:
    for (i, one), (j, other) in itertools.combinations(enumerate(results), 2):
        for mine in _leaves(one):
            for theirs in _leaves(other):
                assert not np.may_share_memory(mine, theirs), (
                    f"{env_id}: calls {i} and {j} returned arrays that share memory"
                )


def _twin_check(
    env_id: str, twin: Callable[[Any], Any], seed: int, arguments: dict[str, Any], what: str
) -> None:
    env = gym.make(env_id, **arguments)
    length = len(rollout(env, seed=seed))
    for before in range(length - 1):
        source = ActionSource(env.action_space, 0)
        env.reset(seed=seed)
        for _ in range(before):
            env.step(source.one())
        other = twin(env)
        results: list[list[Any]] = []
        for one in (env, other):
            going_on = copy.deepcopy(source)
            steps: list[Any] = [one.step(going_on.one()) for _ in range(before, length - 1)]
            results.append([*steps, one.reset(), one.step(going_on.one())])
        assert_same(results[1], results[0], f"{env_id}: {what} after {before} steps")
    env.close()


def check_pickle(env_id: str, *, seed: int = 7, **arguments: Any) -> None:
    """Pickled or copied at any step, an environment goes on like the original.

    Args:
        env_id: the environment.
        seed: seeds episodes and actions.
        **arguments: the environment's arguments.
    """
    fresh = pickle.loads(pickle.dumps(gym.make(env_id, **arguments)))
    expected = rollout(gym.make(env_id, **arguments), seed=seed)
    assert_same(rollout(fresh, seed=seed), expected, f"{env_id}: pickled before reset")
    _twin_check(env_id, lambda env: pickle.loads(pickle.dumps(env)), seed, arguments, "pickled")
    _twin_check(env_id, copy.deepcopy, seed, arguments, "copied")


def check_snapshot(env_id: str, *, seed: int = 9, **arguments: Any) -> None:
    """`restore(snapshot())` is exact at every step, in the same environment and in a new one.

    Args:
        env_id: the environment.
        seed: seeds episodes and actions.
        **arguments: the environment's arguments.
    """
    others = itertools.count(seed + 1)

    def twin(env: Any) -> Any:
        other: Any = gym.make(env_id, **arguments)
        rollout(other, seed=next(others))
        other.reset()
        state: Any = env.unwrapped.snapshot()
        other.unwrapped.restore(state)
        assert_same(other.unwrapped.snapshot(), state, f"{env_id}: snapshot")
        return other

    _twin_check(env_id, twin, seed, arguments, "restored")
    env: Any = gym.make(env_id, **arguments)
    env.reset(seed=seed)
    state = env.unwrapped.snapshot()
    source = ActionSource(env.action_space, seed)
    action = source.one()
    expected = env.step(action)
    env.unwrapped.restore(state)
    assert_same(env.unwrapped.step(action), expected, f"{env_id}: went back")
    env.close()


def check_vector_state(
    env_id: str, *, num_envs: int = 3, steps: int = 8, seed: int = 11, **arguments: Any
) -> None:
    """Pickles and snapshots of the vector environment are exact in every autoreset mode.

    Args:
        env_id: the environment.
        num_envs: N.
        steps: steps before and after.
        seed: seeds episodes and actions.
        **arguments: the environment's arguments.
    """
    for mode in MODES:
        kwargs: dict[str, Any] = {"autoreset_mode": mode.value, **arguments}
        envs: Any = gym.make_vec(env_id, num_envs, **kwargs)
        drive(envs, seed=seed, steps=steps)
        pickled = pickle.loads(pickle.dumps(envs))
        restored: Any = gym.make_vec(env_id, num_envs, **kwargs)
        restored.restore(envs.snapshot())
        expected = drive(envs, seed=seed, steps=steps, after=steps)
        for name, twin in (("pickled", pickled), ("restored", restored)):
            assert_same(
                drive(twin, seed=seed, steps=steps, after=steps),
                expected,
                f"{env_id} {mode.value}: {name}",
            )


def check_threads_do_not_matter(
    env_id: str, *, num_envs: int = 8, steps: int = 12, seed: int = 13, **arguments: Any
) -> None:
    """One, two and three threads give the same bits.

    Args:
        env_id: the environment.
        num_envs: N.
        steps: how many steps.
        seed: seeds episodes and actions.
        **arguments: the environment's arguments.
    """
    records = [
        drive(gym.make_vec(env_id, num_envs, threads=n, **arguments), seed=seed, steps=steps)
        for n in (1, 2, 3)
    ]
    assert_same(records[1], records[0], f"{env_id}: 2 threads")
    assert_same(records[2], records[0], f"{env_id}: 3 threads")


def check_intervention(
    env_id: str, name: str, value: Any, *, seed: int = 15, **arguments: Any
) -> None:
    """An intervention changes the state and no random draw.

    Done twice it gives the same course; taken back by `restore`, the original one; and the next
    episode is the one that would have come anyway.

    Args:
        env_id: the environment.
        name: hidden quantity.
        value: a value it does not have by chance.
        seed: seeds episodes and actions.
        **arguments: the environment's arguments.
    """
    env: Any = gym.make(env_id, **arguments).unwrapped
    source = ActionSource(env.action_space, seed)
    actions = [source.one() for _ in range(2)]
    env.reset(seed=seed)
    env.step(actions[0])
    start = env.snapshot()
    plain = env.step(actions[1]), env.snapshot(), env.reset()
    env.restore(start)
    env.intervene(**{name: value})
    changed = env.snapshot()
    assert fingerprint(changed) != fingerprint(start), f"{env_id}: {name}={value} changes nothing"
    touched = env.step(actions[1]), env.snapshot(), env.reset()
    assert_same(touched[2], plain[2], f"{env_id}: the episode after {name}={value}")
    env.restore(start)
    env.intervene(**{name: value})
    repeated = env.step(actions[1]), env.snapshot(), env.reset()
    assert_same(repeated, touched, f"{env_id}: {name}={value} twice")
    env.restore(start)
    back = env.step(actions[1]), env.snapshot(), env.reset()
    assert_same(back, plain, f"{env_id}: {name} taken back")


def check_reset(env_id: str, *, seed: int = 17, **arguments: Any) -> None:
    """A reset leaves nothing of the episode before it, whatever that was.

    The whole state is overwritten by arbitrary numbers before the reset. What follows must be what
    follows a reset of a fresh environment, and so must every declared state array.

    Args:
        env_id: the environment.
        seed: seeds episodes, actions and numbers.
        **arguments: the environment's arguments.
    """
    fresh, used = (gym.make(env_id, **arguments) for _ in range(2))
    native: Any = used.unwrapped
    used.reset(seed=seed + 1)
    rng = np.random.default_rng(seed)
    state = native.snapshot()
    for name, array in state.items():
        if name.startswith("task/") and array.dtype != np.bool_:
            state[name] = rng.integers(1, 100, array.shape).astype(array.dtype)
    native.restore(state)
    fresh.reset(seed=seed)
    used.reset(seed=seed)
    clean: Any = fresh.unwrapped
    for name, array in clean.snapshot().items():
        if "state." in name:
            assert_same(native.snapshot()[name], array, f"{env_id}: forgotten at reset: {name}")
    expected = rollout(fresh, seed=seed)
    assert_same(rollout(used, seed=seed), expected, f"{env_id}: something was forgotten at reset")


def check_all(env_id: str, *, steps: int = 20, **arguments: Any) -> None:
    """Every check of this module.

    Args:
        env_id: the environment.
        steps: steps of the vector checks; choose them so that episodes end.
        **arguments: the environment's arguments.

    Raises:
        AssertionError: something differs, or no episode ended within `steps`.
    """
    check_deterministic(env_id, **arguments)
    check_fresh_data(env_id, **arguments)
    check_pickle(env_id, **arguments)
    check_snapshot(env_id, **arguments)
    check_reset(env_id, **arguments)
    check_vector_state(env_id, **arguments)
    check_threads_do_not_matter(env_id, **arguments)
    for mode in MODES:
        for num_envs in (1, 3):
            ended = check_vector_equals_single(env_id, num_envs, mode, steps=steps, **arguments)
            assert ended, f"{env_id}: no episode ended in {steps} steps"
