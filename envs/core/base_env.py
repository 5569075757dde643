"""Base of the environments over a task: episodes, seeds, state, frames; layouts of infos."""

from collections.abc import Mapping
from typing import Any, ClassVar, cast

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.error import ResetNeeded
from numpy.typing import NDArray

from microgym.envs.core.task import Rows, Task
from microgym.random import episode_key
from microgym.state import MOST

RENDER_MODES = ("rgb_array",)
Snapshot = dict[str, NDArray[Any]]
Float64 = NDArray[np.float64]

ARGUMENTS = "task/arguments"
"""Entry of a snapshot: `Variants.values`."""

_WIDE = {"f": np.float64, "i": np.int64, "u": np.int64, "U": np.object_}


class MicroscopeEnvBase:
    """Base of `MicroscopeEnv`, `MicroscopeVectorEnv` and `MicroscopeParallelEnv`.

    Attributes:
        task_class: the task, set by the environment's module.
        task: the N microscopes.
        reward_space: `Box` [terms] where `reward_mode="vector"`, else None (as in MO-Gymnasium).
        reward_dim: number of terms of a vector reward, else 1.
        reward_weights: float64 [terms]: what the scalar reward weighs its terms with, in the order
            of a vector reward.
    """

    task_class: ClassVar[type[Task]]
    metadata: dict[str, Any]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if hasattr(cls, "task_class"):
            fps = cls.task_class.render_fps
            cls.metadata = {"render_modes": list(RENDER_MODES), "render_fps": fps}

    def _build(
        self,
        num_envs: int,
        arguments: dict[str, Any],
        render_mode: str | None,
        max_episode_steps: int | None = None,
    ) -> None:
        """Make the task and everything that follows from it."""
        if render_mode is not None and render_mode not in RENDER_MODES:
            raise ValueError(f"render_mode must be None or in {RENDER_MODES}, got {render_mode!r}")
        self.render_mode = render_mode
        self.metadata = dict(self.metadata)
        self._arguments = arguments
        self._max_episode_steps = max_episode_steps
        self.task = task = self.task_class(num_envs, **arguments)
        self._rows = np.arange(task.num_envs)
        # Episodes that have begun, have ended without a reset since, and their steps.
        self._started = np.zeros(task.num_envs, np.bool_)
        self._done = np.zeros(task.num_envs, np.bool_)
        self._elapsed = np.zeros(task.num_envs, np.int64)
        vector = task.reward_mode == "vector"
        self.reward_dim = len(task.REWARD) if vector else 1
        self.reward_space = (
            spaces.Box(-np.inf, np.inf, (self.reward_dim,), np.float64) if vector else None
        )
        self.reward_weights = task.reward_weights.copy()

    @property
    def config(self) -> Any:
        """The checked arguments: the task's `Config`; where rows differ, those of the making."""
        return self.task.config

    def _generators(self) -> tuple[np.random.Generator, ...]:
        """Generators from which the rows' episodes are drawn: `np_random`, one or a tuple of N."""
        found = cast("Any", self).np_random
        return found if isinstance(found, tuple) else (found,)

    def _arguments_of(
        self, rows: Rows, options: Mapping[str, Any], single: bool = True
    ) -> Float64 | None:
        """Arguments of all rows after a reset of some; see `Variants.read`. None: as they are."""
        return self.task.variants.read(rows, options, single) if options else None

    def _reset_rows(self, rows: Rows, arguments: Float64 | None = None) -> None:
        """Begin new episodes; each takes one number from its own generator.

        The raw stream is used because it is the only one NumPy promises never to change.

        Args:
            rows: int64 [k].
            arguments: of all rows, from `_arguments_of`; None leaves them as they are.
        """
        if not rows.size:
            return
        if arguments is not None:
            self._set_arguments(arguments)
        generators = self._generators()
        raw = [int(generators[row].bit_generator.random_raw()) for row in rows]
        keys = np.array([episode_key(one & ((1 << 63) - 1)) for one in raw])
        for task, mine in self.task.variants.parts(rows):
            task.reset(rows[mine], keys[mine])
        self._started[rows], self._done[rows], self._elapsed[rows] = True, False, 0

    def _set_arguments(self, arguments: Float64) -> None:
        variants = self.task.variants
        variants.set(arguments)
        self.task = variants.current

    def _step_rows(self, rows: Rows, actions: Any) -> None:
        """Advance some rows, and truncate episodes at the limit of steps."""
        if not rows.size:
            return
        task = self.task
        for part, mine in task.variants.parts(rows):
            part.step(rows[mine], actions)
        self._elapsed[rows] += 1
        if self._max_episode_steps is not None:
            task.truncated[rows] |= self._elapsed[rows] >= self._max_episode_steps
        self._done[rows] = task.terminated[rows] | task.truncated[rows]

    def _require_started(self) -> None:
        """Raise `ResetNeeded` unless every row has been reset."""
        if not self._started.all():
            raise ResetNeeded("call reset() first: no episode has begun yet")

    def _require_running(self) -> None:
        """Raise `ResetNeeded` unless every row is in the middle of an episode."""
        self._require_started()
        if self._done.any():
            rows = np.flatnonzero(self._done).tolist()
            raise ResetNeeded(f"the episodes of environments {rows} have ended: reset them first")

    def render(self) -> Any:
        """A picture, uint8 [height, width, 3]; None (and a warning) without a render mode.

        Raises:
            ResetNeeded: before the first reset.
        """
        if self.render_mode is None:
            gym.logger.warn('render() needs render_mode="rgb_array" in gym.make or gym.make_vec')
            return None
        self._require_started()
        return self.task.variants.of(0).render(0)

    def action_masks(self) -> NDArray[np.bool_]:
        """Which actions make sense now, bool [N, n]; of several choices, one after the other.

        Raises:
            ResetNeeded: before the first reset.
            TypeError: this action space has no masks.
        """
        self._require_started()
        masks = self.task.action_masks()
        if masks is None:
            raise TypeError(f"no action masks in {self.task.single_action_space}")
        return masks

    def snapshot(self) -> Snapshot:
        """The complete state, to come back to later.

        Returns:
            Named arrays (they fit into `numpy.savez`): the microscopes, the episodes' flags and
            the random generators. Not the state of the spaces' own samplers.

        Raises:
            ResetNeeded: before the first reset.
            TypeError: the user has put in a generator other than PCG64.
        """
        self._require_started()
        words = np.array([_words(one) for one in self._generators()])
        return {name: array.copy() for name, array in self._arrays(words).items()}

    def restore(self, state: Snapshot) -> None:
        """Go back to a state; what follows is what followed then, to the bit.

        Works on the environment that gave the snapshot and on any other made with the same
        arguments, before its first reset too.

        Args:
            state: from `snapshot()`; copied, so it can be used again.

        Raises:
            ValueError: not a snapshot of such an environment, or a value outside the range that its
                array declares; nothing has changed.
        """
        mine = self._arrays(np.zeros((self._rows.size, 6), np.uint64))
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
        ranges = {f"task/{name}": ends for name, ends in self.task.ranges().items()}
        ranges["shell/elapsed"] = (0, MOST)
        for name in sorted(mine.keys() & ranges):
            given, (low, high) = np.asarray(state[name]), ranges[name]
            wrong = given[~((given >= low) & (given <= high))]
            if wrong.size:
                raise ValueError(
                    f"snapshot[{name!r}] must be from {low:g} to {high:g}, got {wrong.flat[0]!r}"
                )
        generators = tuple(_generator(words) for words in state["shell/generators"])
        self.task.variants.check(state[ARGUMENTS])
        for name, array in mine.items():
            array[...] = state[name]
        self._set_arguments(state[ARGUMENTS])
        own: Any = self
        own.np_random = generators if isinstance(own.np_random, tuple) else generators[0]

    def _arrays(self, generators: NDArray[np.uint64]) -> Snapshot:
        """The live arrays of the task and its episodes, and the words of the generators."""
        return {
            **{f"task/{name}": array for name, array in self.task.arrays().items()},
            "shell/started": self._started,
            "shell/done": self._done,
            "shell/elapsed": self._elapsed,
            "shell/generators": generators,
        }

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "task": self.task.snapshot()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.task = self.task_class(self._rows.size, **self._arguments)
        for name, array in self.task.arrays().items():
            array[...] = state["task"][name]
        self._set_arguments(self.task.variants.values)


def _widened(value: NDArray[Any]) -> NDArray[Any]:
    """One number a row as Gymnasium collects it; arrays keep their dtype."""
    if value.ndim > 1:
        return value
    return value.astype(_WIDE.get(value.dtype.kind, value.dtype), copy=False)


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
        one: Any = single_info(value) if isinstance(value, Mapping) else _widened(value)[0]
        result[name] = bool(one) if isinstance(one, np.bool_) else one
    return result


def vector_info(info: Mapping[str, Any], present: NDArray[np.bool_]) -> dict[str, Any]:
    """A batched info dict in the layout that Gymnasium's vector environments have.

    Args:
        info: nested dict of arrays [N, ...].
        present: bool [N]: rows that have something to say; the others become zero (None for
            objects).

    Returns:
        The same keys, beside each `key` the mask `_key` (bool [N]); numbers as float64, int64
        or bool, as Gymnasium makes them from a single environment's Python numbers.
    """
    result: dict[str, Any] = {}
    for name, value in info.items():
        if isinstance(value, Mapping):
            result[name] = vector_info(value, present)
        else:
            result[name] = value = _widened(value)
            if not present.all():
                value[~present] = None if value.dtype == object else 0
        result["_" + name] = present.copy()
    return result


def checked_options(options: Any) -> dict[str, Any]:
    """Options of a reset, as a fresh dict.

    Raises:
        TypeError: not a mapping, nor None.
    """
    if options is not None and not isinstance(options, Mapping):
        raise TypeError(f"options must map names to values, got {options!r}")
    return dict(options or {})


def _words(generator: np.random.Generator) -> NDArray[np.uint64]:
    """The state of a PCG64 generator as six 64-bit words."""
    bits = generator.bit_generator
    if not isinstance(bits, np.random.PCG64):
        raise TypeError(f"snapshots need Gymnasium's PCG64 generators, got {type(bits).__name__}")
    whole: Any = bits.state
    state, inc = (divmod(whole["state"][name], 1 << 64) for name in ("state", "inc"))
    return np.array([*state, *inc, whole["has_uint32"], whole["uinteger"]], np.uint64)


def _generator(words: NDArray[np.uint64]) -> np.random.Generator:
    """The PCG64 generator whose six words these are."""
    high, low, inc_high, inc_low, has_uint32, uinteger = (int(word) for word in words)
    bits: Any = np.random.PCG64(0)
    state = {"state": (high << 64) | low, "inc": (inc_high << 64) | inc_low}
    bits.state = bits.state | {"state": state, "has_uint32": has_uint32, "uinteger": uinteger}
    return np.random.Generator(bits)
