"""Checks that any environment of this package must pass, for tests here and in other projects.

A check takes an id such as "microgym:Ptycho-v0", the `seed` of episodes and actions, and the
environment's arguments as `gymnasium.make` and `gymnasium.make_vec` take them; those of vector
environments also take `num_envs` and the number of `steps`. It raises `AssertionError` with the
place of the first difference.

Example:
    >>> from microgym.envs.core import testing
    >>> testing.check_all("microgym:Ptycho-v0", exposures=4)  # doctest: +SKIP
"""

import copy
import itertools
import pickle
from collections.abc import Callable
from typing import Any, cast

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, SyncVectorEnv, VectorEnv

from microgym.envs.core.channels import stacked
from microgym.envs.core.comparison import assert_same, fingerprint, walk
from microgym.envs.core.config import DIFFICULTY
from microgym.envs.core.config import options as options_of

MODES = (AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP, AutoresetMode.DISABLED)
Step = tuple[Any, ...]


class ActionSource:
    """Valid actions for any of this package's action spaces, from a seed.

    Raw PCG64 bits are turned into actions here, since the samplers of Gymnasium and NumPy may
    change from version to version and recorded trajectories must not.

    Args:
        space: one microscope's action space: `Box`, `Discrete`, `MultiDiscrete`, or a `Dict`.
        seed: any non-negative integer.
    """

    def __init__(self, space: gym.Space[Any], seed: int) -> None:
        self._space = space
        self._bits = np.random.PCG64(seed)

    def one(self) -> Any:
        """An action of one microscope."""
        return self._draw(self._space)

    def _draw(self, space: Any) -> Any:
        if isinstance(space, spaces.Dict):
            return {name: self._draw(part) for name, part in space.items()}
        if not isinstance(space, spaces.Box | spaces.Discrete | spaces.MultiDiscrete):
            raise TypeError(f"no actions for {space}")
        raw = np.asarray(self._bits.random_raw(int(np.prod(space.shape or ()))), np.uint64)
        fractions = ((raw >> np.uint64(11)).astype(np.float64) * 2.0**-53).reshape(space.shape)
        if isinstance(space, spaces.Box):
            return (space.low + (space.high - space.low) * fractions).astype(space.dtype)
        sizes = space.n if isinstance(space, spaces.Discrete) else space.nvec
        return space.start + (fractions * sizes).astype(space.dtype)

    def batch(self, num_envs: int) -> Any:
        """Actions of N microscopes, [N, ...], or a dict of such."""
        return stacked([self.one() for _ in range(num_envs)])


def rollout(env: gym.Env[Any, Any], *, seed: int, episodes: int = 1) -> list[Step]:
    """Whole episodes: everything `reset` and `step` return.

    Args:
        env: a single environment.
        seed: seeds the first reset; later resets go on from there.
        episodes: how many; the actions are the same ones in each.

    Returns:
        `(observation, info)` of each reset and `(observation, reward, terminated, truncated,
        info)` of each step, in order.
    """
    record: list[Step] = []
    for episode in range(episodes):
        source = ActionSource(env.action_space, 0)
        record.append(env.reset(seed=seed if episode == 0 else None))
        ended = False
        while not ended:
            record.append(env.step(source.one()))
            ended = bool(record[-1][2] or record[-1][3])
    return record


def drive(
    envs: VectorEnv[Any, Any, Any],
    *,
    seed: int,
    steps: int,
    reset: bool = True,
    options: dict[str, Any] | None = None,
) -> list[Step]:
    """Everything a vector environment returns over a number of steps.

    Args:
        envs: a vector environment in any autoreset mode.
        seed: seeds the first reset and the actions.
        steps: how many steps.
        reset: begin with a reset; otherwise the running episodes go on.
        options: of the first reset.

    Returns:
        `(observations, infos)` of each reset, `(observations, rewards, terminated, truncated,
        infos)` of each step.
    """
    source = ActionSource(envs.single_action_space, seed)
    record: list[Step] = [envs.reset(seed=seed, options=options)] if reset else []
    disabled = envs.metadata["autoreset_mode"] == AutoresetMode.DISABLED
    for _ in range(steps):
        record.append(envs.step(source.batch(envs.num_envs)))
        ended = record[-1][2] | record[-1][3]
        if disabled and ended.any():
            record.append(envs.reset(options={"reset_mask": ended}))
    return record


def check_vector_env(
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
    observations and infos, with their masks and dtypes. `threads` are those of the native one; the
    single ones always have one.

    Returns:
        The number of episodes that ended, so that a test can tell that some did.
    """
    native = gym.make_vec(env_id, num_envs, autoreset_mode=mode.value, threads=threads, **arguments)
    single = gym.make_vec(env_id, num_envs, "sync", {"autoreset_mode": mode}, **arguments)
    for name in ("observation_space", "action_space"):
        for space in (name, f"single_{name}"):
            assert getattr(native, space) == getattr(single, space), f"{env_id}: {space}"
    ours = drive(native, seed=seed, steps=steps)
    theirs = drive(single, seed=seed, steps=steps)
    single.close()
    assert_same(ours, theirs, f"{env_id} {mode.value} N={num_envs} threads={threads}")
    for step in ours:
        assert step[0] in native.observation_space, f"{env_id}: observation not in its space"
    return sum(int((step[2] | step[3]).sum()) for step in ours if len(step) == 5)


def check_deterministic(env_id: str, *, seed: int = 3, **arguments: Any) -> None:
    """Equal seeds give equal episodes, in one instance or two; other episodes differ."""
    first, second = gym.make(env_id, **arguments), gym.make(env_id, **arguments)
    expected = rollout(first, seed=seed, episodes=2)
    assert_same(rollout(second, seed=seed, episodes=2), expected, f"{env_id}: another instance")
    assert_same(rollout(first, seed=seed, episodes=2), expected, f"{env_id}: reset again")
    second_reset = next(i for i, step in enumerate(expected) if i and len(step) == 2)
    episode, following = expected[:second_reset], expected[second_reset:]
    assert fingerprint(following) != fingerprint(episode), f"{env_id}: episodes repeat themselves"
    other = rollout(first, seed=seed + 1)
    assert fingerprint(other) != fingerprint(episode), f"{env_id}: seeds change nothing"


def check_fresh_data(env_id: str, *, num_envs: int = 2, seed: int = 5, **arguments: Any) -> None:
    """No two calls return arrays that share memory, and nothing returned changes afterwards."""
    single = gym.make(env_id, **arguments)
    source = ActionSource(single.action_space, seed)
    words: list[dict[str, Any]] = [{"autoreset_mode": one.value, **arguments} for one in MODES]
    for env in (single, *(gym.make_vec(env_id, num_envs, **one) for one in words)):
        results, copies = list[Step](), list[Step]()
        for call in range(4):
            action = source.one() if env is single else source.batch(num_envs)
            # The flags of a step follow its reward; a reset has none.
            again = call in (0, 3) or np.any(results[-1][2:4])
            results.append(env.reset(seed=seed) if again else env.step(action))
            copies.append(copy.deepcopy(results[-1]))
        assert_same(results, copies, f"{env_id}: returned data changed afterwards")
        for (i, one), (j, other) in itertools.combinations(enumerate(results), 2):
            for (_, mine), (_, theirs) in itertools.product(walk(one), walk(other)):
                arrays = isinstance(mine, np.ndarray) and isinstance(theirs, np.ndarray)
                assert not (arrays and np.may_share_memory(mine, theirs)), (
                    f"{env_id}: calls {i} and {j} returned arrays that share memory"
                )


def _check_twin(
    env_id: str, twin: Callable[[Any], Any], seed: int, arguments: dict[str, Any], what: str
) -> None:
    """A twin made at any step of an episode goes on like the original."""
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


def check_pickle(env_id: str, *, seed: int = 7, **arguments: Any) -> None:
    """Pickled or copied at any step, an environment goes on like the original."""
    fresh = pickle.loads(pickle.dumps(gym.make(env_id, **arguments)))
    expected = rollout(gym.make(env_id, **arguments), seed=seed)
    assert_same(rollout(fresh, seed=seed), expected, f"{env_id}: pickled before reset")
    _check_twin(env_id, lambda env: pickle.loads(pickle.dumps(env)), seed, arguments, "pickled")
    _check_twin(env_id, copy.deepcopy, seed, arguments, "copied")


def check_snapshot(env_id: str, *, seed: int = 9, **arguments: Any) -> None:
    """`restore(snapshot())` is exact at every step, in the same environment and in a new one."""
    others = itertools.count(seed + 1)

    def twin(env: Any) -> Any:
        other: Any = gym.make(env_id, **arguments)
        rollout(other, seed=next(others))
        other.reset()
        state: Any = env.unwrapped.snapshot()
        other.unwrapped.restore(state)
        assert_same(other.unwrapped.snapshot(), state, f"{env_id}: snapshot")
        return other

    _check_twin(env_id, twin, seed, arguments, "restored")
    env: Any = gym.make(env_id, **arguments)
    env.reset(seed=seed)
    state = env.unwrapped.snapshot()
    action = ActionSource(env.action_space, seed).one()
    expected = env.step(action)
    env.unwrapped.restore(state)
    assert_same(env.unwrapped.step(action), expected, f"{env_id}: went back")


def check_vector_state(
    env_id: str, *, num_envs: int = 3, steps: int = 8, seed: int = 11, **arguments: Any
) -> None:
    """Pickles and snapshots of the vector environment are exact in every autoreset mode."""
    for mode in MODES:
        kwargs: dict[str, Any] = {"autoreset_mode": mode.value, **arguments}
        envs, restored = (cast("Any", gym.make_vec(env_id, num_envs, **kwargs)) for _ in range(2))
        drive(envs, seed=seed, steps=steps)
        pickled = pickle.loads(pickle.dumps(envs))
        restored.restore(envs.snapshot())
        expected = drive(envs, seed=seed, steps=steps, reset=False)
        for name, twin in (("pickled", pickled), ("restored", restored)):
            found = drive(twin, seed=seed, steps=steps, reset=False)
            assert_same(found, expected, f"{env_id} {mode.value}: {name}")


def check_threads_do_not_matter(
    env_id: str, *, num_envs: int = 8, steps: int = 12, seed: int = 13, **arguments: Any
) -> None:
    """One, two and three threads give the same bits."""
    expected, *others = (
        drive(gym.make_vec(env_id, num_envs, threads=n, **arguments), seed=seed, steps=steps)
        for n in (1, 2, 3)
    )
    for n, found in enumerate(others, 2):
        assert_same(found, expected, f"{env_id}: {n} threads")


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
    env.reset(seed=seed)
    env.step(source.one())
    start, action = env.snapshot(), source.one()

    def course(**values: Any) -> list[Any]:
        """The state before a step, the step, the state after it, the next episode; and back."""
        env.intervene(**values)
        found = [env.snapshot(), env.step(action), env.snapshot(), env.reset()]
        env.restore(start)
        return found

    plain, touched, repeated = course(), course(**{name: value}), course(**{name: value})
    changed = fingerprint(touched[0]) != fingerprint(start)
    assert changed, f"{env_id}: {name}={value} changes nothing"
    assert_same(touched[-1], plain[-1], f"{env_id}: the episode after {name}={value}")
    assert_same(repeated, touched, f"{env_id}: {name}={value} twice")
    assert_same(course(), plain, f"{env_id}: {name} taken back")


def check_reset(env_id: str, *, seed: int = 17, **arguments: Any) -> None:
    """A reset leaves nothing of the episode before it, whatever that was.

    The whole state is overwritten by numbers in its ranges before the reset. What follows must be
    what follows a reset of a fresh environment, and so must every declared state array.
    """
    fresh, used = (cast("Any", gym.make(env_id, **arguments).unwrapped) for _ in range(2))
    used.reset(seed=seed + 1)
    rng = np.random.default_rng(seed)
    state = used.snapshot()
    for name, ends in used.task.ranges().items():
        array = state[f"task/{name}"]
        if array.dtype != np.bool_:
            drawn = np.clip(rng.integers(1, 100, array.shape), *ends)
            state[f"task/{name}"] = drawn.astype(array.dtype)
    used.restore(state)
    fresh.reset(seed=seed)
    used.reset(seed=seed)
    for name, array in fresh.snapshot().items():
        if "state." in name:
            assert_same(used.snapshot()[name], array, f"{env_id}: forgotten at reset: {name}")
    found, expected = rollout(used, seed=seed), rollout(fresh, seed=seed)
    assert_same(found, expected, f"{env_id}: something was forgotten at reset")


def argument_sets(env_id: str, **arguments: Any) -> list[dict[str, Any]]:
    """Sets of arguments that may change at a reset: none, easy, extreme levels, every family."""
    made: Any = cast("Any", gym.make(env_id, **arguments).unwrapped).config
    known = {name: one for name, one in options_of(type(made)).items() if one.at_reset}
    levels = [name for name, one in known.items() if one.levels]
    sets = [{}, {DIFFICULTY: "easy"}, *(dict.fromkeys(levels, one) for one in ("off", "hard"))]
    for name, one in known.items():
        if one.choices and name not in (DIFFICULTY, *levels):
            sets += [{name: value} for value in one.choices if value != getattr(made, name)]

    def goes(given: dict[str, Any]) -> bool:
        try:
            type(made).parse({**arguments, **given}, env_id)
        except ValueError:
            return False
        return True

    return [one for one in sets if goes(one)]


def check_arguments(
    env_id: str,
    mode: AutoresetMode = AutoresetMode.NEXT_STEP,
    *,
    threads: int = 2,
    steps: int = 20,
    seed: int = 13,
    **arguments: Any,
) -> None:
    """Rows whose arguments a reset has changed equal environments that were made with them.

    One batch has a row for each of `argument_sets`. Half-way, twins take over its state, and go on
    like it.
    """
    sets = argument_sets(env_id, **arguments)
    words: dict[str, Any] = {"autoreset_mode": mode.value, "threads": threads, **arguments}
    batch, restored = (cast("Any", gym.make_vec(env_id, len(sets), **words)) for _ in range(2))

    def single(given: dict[str, Any]) -> Callable[[], gym.Env[Any, Any]]:
        return lambda: gym.make(env_id, **{**arguments, **given})

    made = SyncVectorEnv([single(one) for one in sets], autoreset_mode=mode)
    names = dict.fromkeys(name for one in sets for name in one)
    options = {name: [one.get(name) for one in sets] for name in names}
    ours = drive(batch, seed=seed, steps=steps // 2, options=options)
    theirs = drive(made, seed=seed, steps=steps // 2)
    pickled = pickle.loads(pickle.dumps(batch))
    restored.restore(batch.snapshot())
    going_on: dict[str, Any] = {"seed": seed + 1, "steps": steps // 2, "reset": False}
    later = drive(batch, **going_on)
    for twin in (pickled, restored):
        assert_same(drive(twin, **going_on), later, f"{env_id} {mode.value}: a twin of {sets}")
    theirs += drive(made, **going_on)
    assert_same(ours + later, theirs, f"{env_id} {mode.value}: rows of {sets}")


def check_all(env_id: str, *, steps: int = 20, **arguments: Any) -> None:
    """Every check of this module; episodes must end within the `steps` of the vector checks."""
    for check in (
        check_deterministic,
        check_fresh_data,
        check_pickle,
        check_snapshot,
        check_reset,
        check_vector_state,
        check_threads_do_not_matter,
    ):
        check(env_id, **arguments)
    for mode, num_envs in itertools.product(MODES, (1, 3)):
        if num_envs == 1:
            check_arguments(env_id, mode, steps=steps, **arguments)
        ended = check_vector_env(env_id, num_envs, mode, steps=steps, **arguments)
        assert ended, f"{env_id}: no episode ended in {steps} steps"
