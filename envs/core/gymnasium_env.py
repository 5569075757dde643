"""A task as a `gymnasium.Env` of one microscope and as a `gymnasium.vector.VectorEnv` of N."""

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

from microgym.envs.core.action_validation import ActionChecker
from microgym.envs.core.base_env import (
    MicroscopeEnvBase,
    checked_options,
    single_info,
    vector_info,
)
from microgym.envs.core.channels import row_of
from microgym.envs.core.task import Task

Seeds = int | np.integer[Any] | Sequence[int | None] | None
StepResult = tuple[Any, NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_], dict[str, Any]]

_MODES = {key: mode for mode in AutoresetMode for key in (mode, mode.value, mode.name)}
_OF_EACH = ("np_random", "np_random_seed", "render", "action_masks")
"""Attributes and methods of the vector environment that give one thing for each environment."""


class MicroscopeEnv(MicroscopeEnvBase, gym.Env[Any, Any]):
    """A task as a single environment: a batch of one.

    Args:
        render_mode: None or "rgb_array".
        **arguments: the task's own arguments.

    With `reward_mode="vector"` the reward is an array, float64 [terms], described by
    `reward_space`; that is MO-Gymnasium's convention and not Gymnasium's.
    """

    def __init__(self, render_mode: str | None = None, **arguments: Any) -> None:
        self._build(1, arguments, render_mode)
        self.observation_space = self.task.single_observation_space
        self.action_space = self.task.single_action_space
        self._check = ActionChecker(self.action_space, 1, single=True)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Begin an episode, as `gymnasium.Env` does.

        Args:
            seed: of the episodes from now on; None goes on with the generator at hand.
            options: arguments that may change at a reset, by name, such as the difficulty; they
                persist until they are changed again.

        Raises:
            TypeError, ValueError: an unknown option, or a bad value; nothing has changed.
        """
        arguments = self._arguments_of(self._rows, checked_options(options))
        super().reset(seed=seed)
        self._reset_rows(self._rows, arguments)
        return row_of(self.task.observe(), 0), single_info(self.task.info())

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Carry out an action, or what NumPy turns into one; all results are fresh memory.

        Raises:
            ResetNeeded: before the first reset, or after the end of an episode.
            TypeError, ValueError: an impossible action; nothing has changed.
        """
        self._require_running()
        self._step_rows(self._rows, self._check(action))
        task = self.task
        reward = task.reward[0].copy() if self.reward_space else float(task.reward[0])
        ends = bool(task.terminated[0]), bool(task.truncated[0])
        return row_of(task.observe(), 0), reward, *ends, single_info(task.info())

    def action_masks(self) -> NDArray[np.bool_]:
        """Which actions make sense now, bool [n], as sb3-contrib's MaskablePPO asks for it."""
        return super().action_masks()[0]

    def intervene(self, **values: Any) -> None:
        """Set hidden quantities; every random draw, before and after, stays as it was.

        Args:
            **values: name and value, as the environment's page lists them.

        Raises:
            ResetNeeded: before the first reset.
            ValueError: unknown name or bad value; nothing has changed.
        """
        self._require_started()
        self.task.intervene(self._rows, **values)


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
        autoreset_mode: the mode, its value or its name.
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
        if autoreset_mode not in _MODES:
            known = [str(mode.value) for mode in AutoresetMode]
            raise ValueError(f"autoreset_mode must be one of {known}, got {autoreset_mode!r}")
        self._build(num_envs, arguments, render_mode, max_episode_steps)
        self.autoreset_mode = self.metadata["autoreset_mode"] = _MODES[autoreset_mode]
        self.num_envs = self.task.num_envs
        self.single_observation_space = self.task.single_observation_space
        self.single_action_space = self.task.single_action_space
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)
        self.action_space = batch_space(self.single_action_space, self.num_envs)
        self._check = ActionChecker(self.single_action_space, self.num_envs, single=False)
        self._streams = [seeding.np_random() for _ in range(self.num_envs)]

    @property
    def np_random(self) -> Any:
        """The N generators, as a tuple; environment i draws its episodes from the i-th."""
        return tuple(generator for generator, _ in self._streams)

    @np_random.setter
    def np_random(self, value: Any) -> None:
        if len(value) != self.num_envs:
            raise ValueError(f"{self.num_envs} generators are needed, got {len(value)}")
        self._streams = [(one, -1) for one in value]

    @property
    def np_random_seed(self) -> Any:
        """The N seeds the generators were made from; -1 where unknown."""
        return tuple(seed for _, seed in self._streams)

    def reset(
        self, *, seed: Seeds = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Begin new episodes, in all environments or in those of `options["reset_mask"]`, bool [N].

        Args:
            seed: environment i is seeded with `seed + i`, or with `seed[i]`; None goes on with
                the generator at hand.
            options: "reset_mask"; where it is False, infos are zero and their masks False. And
                arguments that may change at a reset, by name, such as the difficulty: one value, or
                N of which those of the mask are taken, None for a row that stays as it is. They
                persist until they are changed again.

        Returns:
            Observations [N, ...] and infos.

        Raises:
            TypeError, ValueError, gymnasium.error.Error: bad seeds, mask or options; nothing has
                changed.
            ResetNeeded: a mask that leaves out environments which were never reset.
        """
        given = checked_options(options)
        present = self._mask(given.pop("reset_mask", np.ones(self.num_envs, np.bool_)))
        streams, rows = self._seeded(seed), np.flatnonzero(present)
        arguments = self._arguments_of(rows, given, single=False)
        for row in rows:
            self._streams[row] = streams[row]
        self._reset_rows(rows, arguments)
        return self.task.observe(), vector_info(self.task.info(), present)

    def step(self, actions: Any) -> StepResult:
        """Carry out one action in every environment; all results are fresh memory.

        Returns:
            Observations [N, ...], rewards float64 [N] (or [N, terms]), terminated and truncated
            bool [N], infos.

        Raises:
            ResetNeeded: before the first reset; or after an end where autoreset is DISABLED.
            TypeError, ValueError: an impossible action; nothing has changed.
        """
        if self.autoreset_mode == AutoresetMode.NEXT_STEP:
            self._require_started()
        else:
            self._require_running()
        ended = self._done.copy()
        checked = self._check(actions, ~ended)
        self._reset_rows(np.flatnonzero(ended))
        self._step_rows(np.flatnonzero(~ended), checked)
        task, final = self.task, dict[str, Any]()
        result = task.reward.copy(), task.terminated.copy(), task.truncated.copy()
        if self.autoreset_mode == AutoresetMode.SAME_STEP and self._done.any():
            final = self._renew()
        infos = vector_info(task.info(), np.ones(self.num_envs, np.bool_)) | final
        return task.observe(), *result, infos

    def render(self) -> tuple[NDArray[np.uint8], ...] | None:
        """N pictures, each uint8 [height, width, 3]; None (and a warning) without a render mode."""
        if super().render() is None:
            return None
        return tuple(self.task.variants.of(row).render(row) for row in range(self.num_envs))

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
        self._require_started()
        chosen = self._rows if rows is None else self._rows[np.asarray(rows, np.int64)]
        if np.unique(chosen).size != chosen.size:
            raise ValueError(f"rows must be distinct, got {rows}")
        self.task.intervene(chosen, **values)

    def get_attr(self, name: str) -> tuple[Any, ...]:
        """Values of an attribute of the single environment, as of `SyncVectorEnv`; N of them."""
        if name in ("observation_space", "action_space"):
            name = f"single_{name}"
        found = getattr(self, name)
        return found if name in _OF_EACH else (found,) * self.num_envs

    def set_attr(self, name: str, values: Any) -> None:
        """Set `render_mode`, `spec` or `metadata`, which all share: one value, or N equal ones.

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

    def call(self, name: str, *args: Any, **kwargs: Any) -> tuple[Any, ...]:
        """Results of `render`, `action_masks` or `intervene`, as of `SyncVectorEnv`; N of them."""
        found: Any = getattr(self, name)
        if not callable(found):
            return self.get_attr(name)
        if name not in (*_OF_EACH, "intervene"):
            raise AttributeError(f"{name} is no method of a single environment of the batch")
        results: Any = found(*args, **kwargs)
        return (None,) * self.num_envs if results is None else tuple(results)

    def _renew(self) -> dict[str, Any]:
        """Reset what has just ended and keep what would be lost: last observations and infos."""
        done, rows = self._done.copy(), np.flatnonzero(self._done)
        last, info = self.task.observe(), vector_info(self.task.info(), done)
        observations = np.full(self.num_envs, None, object)
        for row in rows:
            observations[row] = row_of(last, int(row))
        self._reset_rows(rows)
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
        if not (self._started | mask).all():
            raise ResetNeeded("the first reset must be of all environments")
        return mask.copy()

    def _seeded(self, seed: Seeds) -> list[tuple[np.random.Generator, int]]:
        """Streams after seeding; where there is no seed, those at hand."""
        seeds = seed if seed is not None else [None] * self.num_envs
        if isinstance(seeds, int | np.integer):
            seeds = range(int(seeds), int(seeds) + self.num_envs)
        if len(seeds) != self.num_envs:
            raise ValueError(f"seed must have {self.num_envs} elements, got {len(seeds)}")
        return [
            stream if one is None else seeding.np_random(operator.index(one))
            for one, stream in zip(seeds, self._streams, strict=True)
        ]


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
    # Clients such as skrl look for `VectorEnv` among the direct bases.
    bases = (MicroscopeVectorEnv, VectorEnv)
    shared = {"__module__": module, "task_class": task}
    single = {**shared, "__doc__": page or task.__doc__}
    vector = {**shared, "__doc__": f"N environments in one process; see `{stem}Env`."}
    return (
        cast("Any", type(f"{stem}Env", (MicroscopeEnv,), single)),
        cast("Any", type(f"{stem}VectorEnv", bases, vector)),
    )
