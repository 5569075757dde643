"""What the single and the vector environment share: a task, its episodes, its random seeds."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np
from gymnasium.error import ResetNeeded
from numpy.typing import NDArray

from microgym.envs.core.task import Task
from microgym.random import episode_key

Snapshot = dict[str, NDArray[Any]]
_WORD = (1 << 64) - 1


class Batch:
    """A task and the state of its N episodes.

    Attributes:
        task: the microscopes.
        started: bool [N]: has been reset at least once.
        done: bool [N]: the episode has ended and no reset has followed.
        elapsed: int64 [N]: steps since the last reset.
        max_episode_steps: where the shell cuts an episode (truncation), or None.
    """

    def __init__(self, task: Task, max_episode_steps: int | None = None) -> None:
        self.task = task
        self.max_episode_steps = max_episode_steps
        self.started = np.zeros(task.num_envs, np.bool_)
        self.done = np.zeros(task.num_envs, np.bool_)
        self.elapsed = np.zeros(task.num_envs, np.int64)

    def all_rows(self) -> NDArray[np.int64]:
        """Every row, int64 [N], fresh."""
        return np.arange(self.task.num_envs, dtype=np.int64)

    def reset(
        self,
        rows: NDArray[np.int64],
        generators: Sequence[np.random.Generator],
        options: dict[str, Any],
    ) -> None:
        """Begin new episodes; each takes one number from its own generator.

        The raw stream is used because it is the only one NumPy promises never to change.
        """
        keys = np.empty((rows.size, 2), np.uint32)
        for place, row in enumerate(rows):
            raw = int(cast("int", generators[row].bit_generator.random_raw()))
            keys[place] = episode_key(raw & (_WORD >> 1))
        self.task.reset(rows, keys, options)
        self.started[rows] = True
        self.done[rows] = False
        self.elapsed[rows] = 0

    def step(self, rows: NDArray[np.int64], actions: Any) -> None:
        """Advance the listed rows and cut episodes at the time limit."""
        self.task.step(rows, actions)
        self.elapsed[rows] += 1
        task = self.task
        if self.max_episode_steps is not None:
            task.truncated[rows] |= self.elapsed[rows] >= self.max_episode_steps
        self.done[rows] = task.terminated[rows] | task.truncated[rows]

    def require_started(self) -> None:
        """Raise `ResetNeeded` unless every row has been reset."""
        if not self.started.all():
            raise ResetNeeded("call reset() first: no episode has begun yet")

    def require_running(self) -> None:
        """Raise `ResetNeeded` unless every row is in the middle of an episode."""
        self.require_started()
        if self.done.any():
            rows = np.flatnonzero(self.done).tolist()
            raise ResetNeeded(f"the episodes of environments {rows} have ended: reset them first")

    def snapshot(self, generators: Sequence[np.random.Generator]) -> Snapshot:
        """The whole state as named arrays: the task's, the episodes' and the generators'."""
        state = {f"task/{name}": array for name, array in self.task.snapshot().items()}
        state["shell/started"] = self.started.copy()
        state["shell/done"] = self.done.copy()
        state["shell/elapsed"] = self.elapsed.copy()
        state["shell/generators"] = np.stack([_words(one) for one in generators])
        return state

    def restore(self, state: Mapping[str, NDArray[Any]]) -> list[np.random.Generator]:
        """Take back a state after checking that it is of this kind.

        Returns:
            The N generators as they were.

        Raises:
            ValueError: names, shapes or dtypes differ from this environment's; nothing changed.
        """
        mine = self.snapshot([np.random.default_rng(0)] * self.task.num_envs)
        missing, foreign = sorted(mine.keys() - state.keys()), sorted(state.keys() - mine.keys())
        if missing or foreign:
            raise ValueError(
                f"not a snapshot of this environment: lacks {missing}, has unknown {foreign}"
            )
        for name, array in mine.items():
            given = np.asarray(state[name])
            if given.shape != array.shape or given.dtype != array.dtype:
                raise ValueError(
                    f"snapshot[{name!r}] must be {array.dtype}{list(array.shape)}, "
                    f"got {given.dtype}{list(given.shape)}"
                )
        generators = [_generator(words) for words in state["shell/generators"]]
        prefix = "task/"
        self.task.restore({n.removeprefix(prefix): a for n, a in state.items() if n[:5] == prefix})
        self.started[:] = state["shell/started"]
        self.done[:] = state["shell/done"]
        self.elapsed[:] = state["shell/elapsed"]
        return generators


def _words(generator: np.random.Generator) -> NDArray[np.uint64]:
    """The state of a PCG64 generator as six 64-bit words."""
    bits = generator.bit_generator
    if not isinstance(bits, np.random.PCG64):
        raise TypeError(f"snapshots need Gymnasium's PCG64 generators, got {type(bits).__name__}")
    whole = cast("dict[str, Any]", bits.state)
    state, inc = int(whole["state"]["state"]), int(whole["state"]["inc"])
    words = [state >> 64, state & _WORD, inc >> 64, inc & _WORD]
    return np.array([*words, whole["has_uint32"], whole["uinteger"]], np.uint64)


def _generator(words: NDArray[np.uint64]) -> np.random.Generator:
    """The PCG64 generator whose six words these are."""
    high, low, inc_high, inc_low, has_uint32, uinteger = (int(word) for word in words)
    bits = np.random.PCG64(0)
    bits.state = {
        "bit_generator": "PCG64",
        "state": {"state": (high << 64) | low, "inc": (inc_high << 64) | inc_low},
        "has_uint32": has_uint32,
        "uinteger": uinteger,
    }
    return np.random.Generator(bits)


def single_info(info: Mapping[str, Any]) -> dict[str, Any]:
    """A batched info dict of a batch of one as a single environment gives it.

    Args:
        info: nested dict of arrays [1, ...].

    Returns:
        The same keys; one number a row becomes a float64 or int64 scalar of NumPy or a bool, the
        rest an array.
    """
    result: dict[str, Any] = {}
    for name, value in info.items():
        if isinstance(value, dict):
            result[name] = single_info(cast("dict[str, Any]", value))
        else:
            result[name] = _scalar(value[0]) if value.ndim == 1 else value[0]
    return result


def _scalar(value: Any) -> Any:
    """A number with a dtype, which readers of `info` ask for; bools and objects as in Python."""
    if isinstance(value, np.floating):
        return np.float64(value)
    return np.int64(value) if isinstance(value, np.integer) else _item(value)


def _item(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def vector_info(
    info: Mapping[str, Any], num_envs: int, present: NDArray[np.bool_] | None = None
) -> dict[str, Any]:
    """A batched info dict in the layout that Gymnasium's vector environments have.

    Args:
        info: nested dict of arrays [N, ...].
        num_envs: N.
        present: bool [N]: rows that have something to say; the others become zero (None for
            objects). None means all.

    Returns:
        The same keys, beside each `key` the mask `_key` (bool [N]); numbers as float64, int64
        or bool, as Gymnasium makes them from a single environment's Python numbers.
    """
    whole = present is None or bool(present.all())
    mask = np.ones(num_envs, np.bool_) if present is None else present
    return _columns(info, mask, whole)


_WIDE = {"f": np.float64, "i": np.int64, "u": np.int64, "U": np.object_}
_WIDEST = frozenset("dl?O")


def _columns(info: Mapping[str, Any], mask: NDArray[np.bool_], whole: bool) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for name, value in info.items():
        if isinstance(value, dict):
            result[name] = _columns(cast("dict[str, Any]", value), mask, whole)
        else:
            if value.ndim == 1 and value.dtype.char not in _WIDEST:
                value = value.astype(_WIDE.get(value.dtype.kind, value.dtype), copy=False)
            result[name] = value if whole else _blank(value, mask)
        result["_" + name] = mask.copy()
    return result


def _blank(value: NDArray[Any], mask: NDArray[np.bool_]) -> NDArray[Any]:
    """The array with nothing where the mask is False."""
    blank = np.full(value.shape, None, object) if value.dtype == object else np.zeros_like(value)
    blank[mask] = value[mask]
    return blank


def take_row(batched: Any, row: int) -> Any:
    """One row of a batched observation, as fresh memory."""
    if isinstance(batched, dict):
        parts = cast("dict[str, Any]", batched)
        return {name: take_row(part, row) for name, part in parts.items()}
    if isinstance(batched, tuple):
        return tuple(take_row(part, row) for part in cast("tuple[Any, ...]", batched))
    return np.copy(batched[row])


def first_row(batched: Any) -> Any:
    """The only row of a batched observation of a batch of one, without a copy."""
    if isinstance(batched, dict):
        parts = cast("dict[str, Any]", batched)
        return {name: first_row(part) for name, part in parts.items()}
    if isinstance(batched, tuple):
        return tuple(first_row(part) for part in cast("tuple[Any, ...]", batched))
    return batched[0]
