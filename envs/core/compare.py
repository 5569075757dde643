"""Comparing what environments return to the bit, and driving them reproducibly."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray


def assert_same(one: Any, other: Any, where: str = "") -> None:
    """Assert that two results are equal to the bit: structure, types, shapes, dtypes, values.

    NaN equals NaN. The order of a dict's keys does not matter.

    Args:
        one: nested dicts, lists, tuples, arrays, numbers, texts, None.
        other: what it should equal.
        where: name of the thing, for the message.

    Raises:
        AssertionError: they differ; says where.
    """
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        mine, theirs = cast("Mapping[str, Any]", one), cast("Mapping[str, Any]", other)
        extra, missing = sorted(mine.keys() - theirs.keys()), sorted(theirs.keys() - mine.keys())
        assert not extra + missing, f"{where}: only first {extra}, only second {missing}"
        for name in mine:
            assert_same(mine[name], theirs[name], f"{where}[{name!r}]")
        return
    assert type(one) is type(other), f"{where}: {type(one)} against {type(other)}"
    if isinstance(one, list | tuple):
        firsts, seconds = cast("Sequence[Any]", one), cast("Sequence[Any]", other)
        assert len(firsts) == len(seconds), f"{where}: lengths {len(firsts)}, {len(seconds)}"
        for index, (first, second) in enumerate(zip(firsts, seconds, strict=True)):
            assert_same(first, second, f"{where}[{index}]")
    elif isinstance(one, np.ndarray):
        _assert_same_array(one, other, where)
    else:
        same = one == other or (one != one and other != other)
        assert same, f"{where}: {one!r} against {other!r}"


def _assert_same_array(one: NDArray[Any], other: NDArray[Any], where: str) -> None:
    assert one.dtype == other.dtype, f"{where}: {one.dtype} against {other.dtype}"
    assert one.shape == other.shape, f"{where}: {one.shape} against {other.shape}"
    if one.dtype == object:
        for index in np.ndindex(one.shape):
            assert_same(one[index], other[index], f"{where}{list(index)}")
    elif one.tobytes() != other.tobytes():
        bytes_1, bytes_2 = (
            np.ascontiguousarray(a).reshape(-1).view(np.uint8).reshape(one.size, -1)
            for a in (one, other)
        )
        first = int(np.flatnonzero((bytes_1 != bytes_2).any(-1))[0])
        index = tuple(int(i) for i in np.unravel_index(first, one.shape))
        raise AssertionError(f"{where}{list(index)}: {one[index]!r} against {other[index]!r}")


def fingerprint(thing: Any) -> str:
    """SHA-256 of a result of the kinds that `assert_same` compares, in hexadecimal.

    Args:
        thing: nested dicts, lists, tuples, arrays, numbers, texts, None.

    Returns:
        64 hexadecimal digits; equal for results that `assert_same` finds equal.
    """
    digest = hashlib.sha256()
    for part in _parts(thing):
        digest.update(part)
    return digest.hexdigest()


def _parts(thing: Any) -> Iterator[bytes]:
    thing = thing.item() if isinstance(thing, np.generic) else thing
    if isinstance(thing, Mapping):
        items = cast("Mapping[str, Any]", thing)
        yield b"{"
        for name in sorted(items):
            yield name.encode() + b":"
            yield from _parts(items[name])
        yield b"}"
    elif isinstance(thing, list | tuple) or (
        isinstance(thing, np.ndarray) and thing.dtype == object
    ):
        yield b"["
        for one in cast("Sequence[Any]", thing):
            yield from _parts(one)
        yield b"]"
    elif isinstance(thing, np.ndarray):
        yield f"{thing.dtype.str}{thing.shape}".encode() + thing.tobytes()
    else:
        text = thing.hex() if isinstance(thing, float) else repr(thing)
        yield f"{type(thing).__name__} {text};".encode()


class ActionSource:
    """Valid actions for any of this package's action spaces, from a seed.

    Raw PCG64 bits are turned into actions here, since the samplers of Gymnasium and NumPy may
    change from version to version and recorded trajectories must not.

    Args:
        space: one microscope's action space: Box, Discrete, MultiDiscrete, MultiBinary, or a Dict
            of these.
        seed: any non-negative integer.
    """

    def __init__(self, space: gym.Space[Any], seed: int) -> None:
        self._space = space
        self._bits = np.random.PCG64(seed)

    def _uniform(self, size: int) -> NDArray[np.float64]:
        raw = np.asarray(self._bits.random_raw(size), np.uint64)
        return (raw >> np.uint64(11)).astype(np.float64) * 2.0**-53

    def one(self) -> Any:
        """An action of one microscope."""
        space = self._space
        if isinstance(space, spaces.Box):
            shape = space.shape
            fractions = self._uniform(int(np.prod(shape))).reshape(shape)
            return (space.low + (space.high - space.low) * fractions).astype(space.dtype)
        if isinstance(space, spaces.Discrete):
            return np.int64(space.start + int(self._uniform(1)[0] * int(space.n)))
        if isinstance(space, spaces.MultiDiscrete):
            fractions = self._uniform(space.nvec.size).reshape(space.nvec.shape)
            return (space.start + np.floor(fractions * space.nvec)).astype(space.dtype)
        if isinstance(space, spaces.MultiBinary):
            fractions = self._uniform(int(np.prod(space.shape))).reshape(space.shape)
            return (fractions < 0.5).astype(space.dtype)
        if isinstance(space, spaces.Dict):
            parts = {name: ActionSource(part, 0) for name, part in space.items()}
            for part in parts.values():
                part._bits = self._bits
            return {name: part.one() for name, part in parts.items()}
        raise TypeError(f"no actions for {space}")

    def batch(self, num_envs: int) -> Any:
        """Actions of N microscopes, [N, ...], or a dict of such arrays."""
        return stacked([self.one() for _ in range(num_envs)])


def stacked(actions: Sequence[Any]) -> Any:
    """Actions of single environments as a vector environment takes them."""
    if isinstance(actions[0], dict):
        return {name: np.stack([one[name] for one in actions]) for name in actions[0]}
    return np.stack(actions)


def rollout(
    env: gym.Env[Any, Any], *, seed: int, episodes: int = 1, actions: int = 0
) -> list[tuple[Any, ...]]:
    """Whole episodes: everything `reset` and `step` return.

    Args:
        env: a single environment.
        seed: seeds the first reset; later resets go on from there.
        episodes: how many.
        actions: seeds the actions, which are the same ones in each episode.

    Returns:
        `(observation, info)` of each reset and `(observation, reward, terminated, truncated,
        info)` of each step, in order.
    """
    record: list[tuple[Any, ...]] = []
    for episode in range(episodes):
        source = ActionSource(env.action_space, actions)
        record.append(env.reset(seed=seed if episode == 0 else None))
        ended = False
        while not ended:
            record.append(env.step(source.one()))
            ended = bool(record[-1][2] or record[-1][3])
    return record
