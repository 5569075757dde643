"""What both kinds of environment offer beyond Gymnasium: state, masks, pickling."""

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from microgym.envs.core.batch import Batch, Snapshot
from microgym.envs.core.metrics import Metric
from microgym.envs.core.task import Task

RENDER_MODES = ("rgb_array",)


class MicroscopeEnvBase:
    """Base of `MicroscopeEnv` and `MicroscopeVectorEnv`.

    Attributes:
        task_class: the task, set by the environment's module.
        reward_space: `Box` [terms] where `reward_mode="vector"`, else None (as in MO-Gymnasium).
        reward_dim: number of terms of a vector reward, else 1.
        reward_weights: float64 [terms]: what the scalar reward weighs its terms with, in the order
            of a vector reward.
        outcomes: facts of an episode's end that belong beside the return.
    """

    task_class: ClassVar[type[Task]]
    metadata: dict[str, Any]
    reward_space: spaces.Box | None
    reward_dim: int
    reward_weights: NDArray[np.float64]
    outcomes: tuple[Metric, ...]
    _batch: Batch
    _arguments: dict[str, Any]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        fps = getattr(cls, "task_class", Task).render_fps
        own = cls.__dict__.get("metadata", {})
        cls.metadata = {"render_modes": list(RENDER_MODES), "render_fps": fps, **own}

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
        self._arguments = arguments
        self._batch = Batch(self.task_class(num_envs, **arguments), max_episode_steps)
        task = self._batch.task
        vector = task.reward_mode == "vector"
        self.reward_dim = len(task.reward_terms) if vector else 1
        self.reward_space = (
            spaces.Box(-np.inf, np.inf, (self.reward_dim,), np.float64) if vector else None
        )
        self.reward_weights = task.reward_weights.copy()
        self.outcomes = task.outcomes
        self.metadata = dict(self.metadata)

    @property
    def config(self) -> Any:
        """The checked arguments: the task's `Config`."""
        return self._batch.task.config

    def _generators(self) -> Sequence[np.random.Generator]:
        raise NotImplementedError

    def _set_generators(self, generators: Sequence[np.random.Generator]) -> None:
        raise NotImplementedError

    def snapshot(self) -> Snapshot:
        """The complete state, to come back to later.

        Returns:
            Named arrays (they fit into `numpy.savez`): the microscopes, the episodes' flags and
            the random generators. Not the state of the spaces' own samplers.

        Raises:
            ResetNeeded: before the first reset.
            TypeError: the user has put in a generator other than PCG64.
        """
        self._batch.require_started()
        return self._batch.snapshot(self._generators())

    def restore(self, state: Snapshot) -> None:
        """Go back to a state; what follows is what followed then, to the bit.

        Works on the environment that gave the snapshot and on any other made with the same
        arguments, before its first reset too.

        Args:
            state: from `snapshot()`; copied, so it can be used again.

        Raises:
            ValueError: not a snapshot of such an environment; nothing has changed.
        """
        self._set_generators(self._batch.restore(state))

    def __getstate__(self) -> dict[str, Any]:
        state = dict(self.__dict__)
        batch: Batch = state.pop("_batch")
        nothing = [np.random.default_rng(0)] * batch.task.num_envs
        state["_saved"] = (
            batch.task.num_envs,
            batch.max_episode_steps,
            batch.task.closed,
            batch.snapshot(nothing),
        )
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        num_envs, max_episode_steps, closed, snapshot = state.pop("_saved")
        self.__dict__.update(state)
        self._batch = Batch(self.task_class(num_envs, **self._arguments), max_episode_steps)
        self._batch.restore(snapshot)
        if closed:
            self._batch.task.close()
