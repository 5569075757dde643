"""N microscopes as a `gymnasium.vector.VectorEnv`."""

import operator
from collections.abc import Sequence
from typing import Any, cast

import gymnasium as gym
import numpy as np
from gymnasium.error import ResetNeeded
from gymnasium.utils import seeding
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from microgym.envs.core.action_validation import action_checker
from microgym.envs.core.base_env import MicroscopeEnvBase
from microgym.envs.core.batch import Batch, take_row, vector_info
from microgym.envs.core.single_env import MicroscopeEnv
from microgym.envs.core.task import Task

Seeds = int | np.integer[Any] | Sequence[int | None] | None
StepResult = tuple[Any, NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_], dict[str, Any]]


def parse_mode(value: AutoresetMode | str) -> AutoresetMode:
    """An autoreset mode from the enumeration's member, value or name.

    Args:
        value: such as `AutoresetMode.SAME_STEP`, "SameStep" or "SAME_STEP".

    Returns:
        The member.

    Raises:
        ValueError: none of these.
    """
    if isinstance(value, AutoresetMode):
        return value
    for mode in AutoresetMode:
        if value in (mode.value, mode.name):
            return mode
    known = [str(mode.value) for mode in AutoresetMode]
    raise ValueError(f"autoreset_mode must be one of {known}, got {value!r}")


class MicroscopeVectorEnv(MicroscopeEnvBase, VectorEnv[Any, Any, Any]):
    """A task as a native vector environment: one call steps all N microscopes.

    What it returns is what `gymnasium.vector.SyncVectorEnv` returns over N single environments, to
    the bit and in the same layout, in each of the three autoreset modes:

    * NEXT_STEP (default, as in Gymnasium): the step after an end ignores the action and returns
      the new episode's first observation with reward 0;
    * SAME_STEP: the step that ends an episode returns the next one's first observation; the last
      observation and info are in `info["final_obs"]` and `info["final_info"]`;
    * DISABLED: the caller resets, with `reset(options={"reset_mask": ended})`.

    Args:
        num_envs: N, at least 1.
        autoreset_mode: the mode, or its name.
        max_episode_steps: truncate episodes after so many steps; None leaves it to the task.
        render_mode: None or "rgb_array".
        **arguments: the task's own arguments.
    """

    def __init__(
        self,
        num_envs: int = 1,
        *,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        max_episode_steps: int | None = None,
        render_mode: str | None = None,
        **arguments: Any,
    ) -> None:
        if max_episode_steps is not None and operator.index(max_episode_steps) < 1:
            raise ValueError(f"max_episode_steps must be at least 1, got {max_episode_steps}")
        self.autoreset_mode = parse_mode(autoreset_mode)
        self._build(num_envs, arguments, render_mode, max_episode_steps)
        task = self._batch.task
        self.num_envs = task.num_envs
        self.metadata["autoreset_mode"] = self.autoreset_mode
        self.single_observation_space = task.single_observation_space
        self.single_action_space = task.single_action_space
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)
        self.action_space = batch_space(self.single_action_space, self.num_envs)
        self._check = action_checker(self.single_action_space, self.num_envs, single=False)
        self._streams: list[np.random.Generator | None] = [None] * self.num_envs
        self._stream_seeds: list[int | None] = [None] * self.num_envs

    @property
    def np_random(self) -> Any:
        """The N generators, as a tuple; environment i draws its episodes from the i-th."""
        return tuple(self._generators())

    @np_random.setter
    def np_random(self, value: Any) -> None:
        self._set_generators(value)

    @property
    def np_random_seed(self) -> Any:
        """The N seeds the generators were made from; -1 where unknown."""
        self._generators()
        return tuple(self._stream_seeds)

    def reset(
        self, *, seed: Seeds = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Begin new episodes.

        Args:
            seed: environment i is seeded with `seed + i`, or with `seed[i]`; None goes on with
                the generator at hand.
            options: the task's reset options; and "reset_mask", bool [N]: reset only these.

        Returns:
            Observations [N, ...] and infos; where "reset_mask" is False, the infos are zero and
            their masks False.

        Raises:
            TypeError, ValueError, gymnasium.error.Error: bad seeds, mask or options; nothing has
                changed.
            ResetNeeded: a mask that leaves out environments which were never reset.
        """
        batch, given = self._batch, dict(options or {})
        present = self._mask(given.pop("reset_mask")) if "reset_mask" in given else None
        batch.task.check_options(given)
        streams = [None if one is None else seeding.np_random(one) for one in self._seeds(seed)]
        rows = batch.all_rows() if present is None else np.flatnonzero(present)
        for row in rows:
            fresh = streams[row]
            if fresh is not None:
                self._streams[row], self._stream_seeds[row] = fresh
        batch.reset(rows, self._generators(), given)
        return batch.task.observe(), vector_info(batch.task.info(), self.num_envs, present)

    def step(self, actions: Any) -> StepResult:
        """Carry out one action in every environment.

        Args:
            actions: [N, ...], an element of `action_space`.

        Returns:
            Observations [N, ...], rewards float64 [N] (or [N, terms]), terminated and truncated
            bool [N], infos; all fresh memory.

        Raises:
            ResetNeeded: before the first reset; or after an end where autoreset is DISABLED.
            TypeError, ValueError: an impossible action; nothing has changed.
        """
        batch = self._batch
        if self.autoreset_mode == AutoresetMode.NEXT_STEP:
            batch.require_started()
        else:
            batch.require_running()
        ended = batch.done.copy()
        renewed = bool(ended.any())
        checked = self._check(actions, ~ended if renewed else None)
        if renewed:
            batch.reset(np.flatnonzero(ended), self._generators(), {})
            running = np.flatnonzero(~ended)
            if running.size:
                batch.step(running, checked)
        else:
            batch.step(batch.all_rows(), checked)
        task = batch.task
        reward, terminated = task.reward.copy(), task.terminated.copy()
        truncated = task.truncated.copy()
        final = {}
        if self.autoreset_mode == AutoresetMode.SAME_STEP and batch.done.any():
            final = self._renew()
        infos = vector_info(task.info(), self.num_envs) | final
        return task.observe(), reward, terminated, truncated, infos

    def render(self) -> tuple[NDArray[np.uint8], ...] | None:
        """N pictures, each uint8 [height, width, 3]; None (and a warning) without a render mode.

        Raises:
            ResetNeeded: before the first reset.
        """
        if self.render_mode is None:
            gym.logger.warn('render() needs render_mode="rgb_array" in gym.make_vec')
            return None
        self._batch.require_started()
        return tuple(self._batch.task.render(row) for row in range(self.num_envs))

    def action_masks(self) -> NDArray[np.bool_]:
        """Which actions make sense now.

        Returns:
            bool [N, n].

        Raises:
            ResetNeeded: before the first reset.
            TypeError: this action space has no masks.
        """
        self._batch.require_started()
        masks = self._batch.task.action_masks()
        if masks is None:
            raise TypeError(f"no action masks in {self.single_action_space}")
        return masks

    def intervene(self, rows: Sequence[int] | None = None, **values: Any) -> None:
        """Set hidden quantities; every random draw, before and after, stays as it was.

        Args:
            rows: which environments, distinct; None means all.
            **values: name and value: a scalar, or an array with one element for each of `rows`.

        Raises:
            ResetNeeded: before the first reset.
            IndexError: no such environment.
            ValueError: unknown name, bad value, repeated row; nothing has changed.
        """
        batch = self._batch
        batch.require_started()
        chosen = batch.all_rows() if rows is None else batch.all_rows()[np.asarray(rows, np.int64)]
        if np.unique(chosen).size != chosen.size:
            raise ValueError(f"rows must be distinct, got {rows}")
        batch.task.intervene(chosen, **values)

    def call(self, name: str, *args: Any, **kwargs: Any) -> tuple[Any, ...]:
        """A method's results, or an attribute's values, in every environment.

        As `gymnasium.vector.SyncVectorEnv.call` over single environments. `render`,
        `action_masks` and `intervene` act on each environment; other methods of the vector
        environment do not belong to one of them.

        Args:
            name: of a method or attribute of the single environment.
            *args, **kwargs: of the method.

        Returns:
            N results.

        Raises:
            AttributeError: the single environment has nothing of that name.
        """
        return tuple(self._call_row(row, name, args, kwargs) for row in range(self.num_envs))

    def _call_row(self, row: int, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        batch = self._batch
        if name in ("observation_space", "action_space"):
            return getattr(self, f"single_{name}")
        if name in ("np_random", "np_random_seed"):
            return getattr(self, name)[row]
        if name == "render":
            return batch.task.render(row) if self.render_mode else None
        if name == "action_masks":
            return self.action_masks()[row]
        if name == "intervene":
            return self.intervene(*args, rows=[row], **kwargs)
        found = getattr(self, name)
        if callable(found):
            raise AttributeError(f"{name} is no method of a single environment of the batch")
        return found

    def get_attr(self, name: str) -> tuple[Any, ...]:
        """An attribute's values in every environment; as `call` without arguments."""
        return self.call(name)

    def set_attr(self, name: str, values: Any) -> None:
        """Set an attribute that all environments share, such as `render_mode`.

        Args:
            name: of the attribute.
            values: one value, or N equal ones in a list or tuple.

        Raises:
            ValueError: values that differ, since the environments are one batch.
            AttributeError: an attribute that cannot be set.
        """
        given = list(values) if isinstance(values, list | tuple) else [values] * self.num_envs
        if len(given) != self.num_envs or any(one != given[0] for one in given):
            raise ValueError(f"{name} must be one value, or {self.num_envs} equal ones")
        if name not in ("render_mode", "spec", "metadata"):
            raise AttributeError(f"{name} cannot be set in a batch")
        setattr(self, name, given[0])

    def close_extras(self, **kwargs: Any) -> None:
        """Release resources; called once by `close()`."""
        del kwargs
        # Gymnasium up to 1.2 closes what its constructor refused to make, too.
        batch: Batch | None = self.__dict__.get("_batch")
        if batch is not None:
            batch.task.close()

    def _renew(self) -> dict[str, Any]:
        """Reset what has just ended and keep what would be lost: last observations and infos."""
        batch = self._batch
        done = batch.done.copy()
        last, info = batch.task.observe(), vector_info(batch.task.info(), self.num_envs, done)
        observations = np.full(self.num_envs, None, object)
        rows = np.flatnonzero(done)
        for row in rows:
            observations[row] = take_row(last, int(row))
        batch.reset(rows, self._generators(), {})
        masks = {"_final_obs": done, "_final_info": done.copy()}
        return {"final_obs": observations, "final_info": info, **masks}

    def _mask(self, mask: Any) -> NDArray[np.bool_]:
        if not isinstance(mask, np.ndarray) or mask.dtype != np.bool_:
            raise TypeError(f"options['reset_mask'] must be an array of bool, got {mask!r}")
        if mask.shape != (self.num_envs,):
            raise ValueError(
                f"options['reset_mask'] must have shape {(self.num_envs,)}, got {mask.shape}"
            )
        if not mask.any():
            raise ValueError("options['reset_mask'] must be True somewhere")
        if not (self._batch.started | mask).all():
            raise ResetNeeded("the first reset must be of all environments")
        return mask.copy()

    def _seeds(self, seed: Seeds) -> list[int | None]:
        if seed is None:
            return [None] * self.num_envs
        if isinstance(seed, int | np.integer):
            return [int(seed) + row for row in range(self.num_envs)]
        if len(seed) != self.num_envs:
            raise ValueError(f"seed must have {self.num_envs} elements, got {len(seed)}")
        return [None if one is None else operator.index(one) for one in seed]

    def _generators(self) -> list[np.random.Generator]:
        for row, stream in enumerate(self._streams):
            if stream is None:
                self._streams[row], self._stream_seeds[row] = seeding.np_random()
        return [stream for stream in self._streams if stream is not None]

    def _set_generators(self, generators: Sequence[np.random.Generator]) -> None:
        if len(generators) != self.num_envs:
            raise ValueError(f"{self.num_envs} generators are needed, got {len(generators)}")
        self._streams = list(generators)
        self._stream_seeds = [-1] * self.num_envs


def environments(
    module: str, task: type[Task], page: str | None = None
) -> tuple[type[MicroscopeEnv], type[MicroscopeVectorEnv]]:
    """The single and the vector environment of a task, `<name>Env` and `<name>VectorEnv`.

    Args:
        module: `__name__` of the module that holds the two classes under these names.
        task: class of the name `<name>Task`.
        page: docstring of the single environment; by default, the task's.
    """
    stem = task.__name__.removesuffix("Task")
    shared = {"__module__": module, "task_class": task}
    single = {**shared, "__doc__": page or task.__doc__}
    vector = {**shared, "__doc__": f"N environments in one process; see `{stem}Env`."}
    return (
        cast("Any", type(f"{stem}Env", (MicroscopeEnv,), single)),
        cast("Any", type(f"{stem}VectorEnv", (MicroscopeVectorEnv,), vector)),
    )
