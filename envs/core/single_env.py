"""One microscope as a `gymnasium.Env`."""

from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from microgym.envs.core.action_validation import action_checker
from microgym.envs.core.base_env import MicroscopeEnvBase
from microgym.envs.core.batch import first_row, single_info


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
        task = self._batch.task
        self.observation_space = task.single_observation_space
        self.action_space = task.single_action_space
        self._check = action_checker(task.single_action_space, 1, single=True)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Begin an episode.

        Args:
            seed: seeds the generator from which this and later episodes are drawn.
            options: the task's reset options.

        Returns:
            Observation and info.

        Raises:
            ValueError: unknown option or bad value; nothing has changed.
        """
        batch, given = self._batch, dict(options or {})
        batch.task.check_options(given)
        super().reset(seed=seed)
        batch.reset(batch.all_rows(), [self.np_random], given)
        return first_row(batch.task.observe()), single_info(batch.task.info())

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Carry out one action.

        Args:
            action: an element of `action_space`; anything NumPy turns into one is accepted.

        Returns:
            Observation, reward, terminated, truncated, info; all fresh memory.

        Raises:
            ResetNeeded: before the first reset, or after the end of an episode.
            TypeError, ValueError: an impossible action; nothing has changed.
        """
        batch = self._batch
        batch.require_running()
        batch.step(batch.all_rows(), self._check(action))
        task = batch.task
        reward = task.reward[0].copy() if self.reward_space else float(task.reward[0])
        ends = bool(task.terminated[0]), bool(task.truncated[0])
        return first_row(task.observe()), reward, *ends, single_info(task.info())

    def render(self) -> Any:
        """A picture, uint8 [height, width, 3]; None (and a warning) without a render mode.

        Raises:
            ResetNeeded: before the first reset.
        """
        if self.render_mode is None:
            gym.logger.warn('render() needs render_mode="rgb_array" in gym.make')
            return None
        self._batch.require_started()
        return self._batch.task.render(0)

    def action_masks(self) -> NDArray[np.bool_]:
        """Which actions make sense now, as sb3-contrib's MaskablePPO asks for it.

        Returns:
            bool [n].

        Raises:
            ResetNeeded: before the first reset.
            TypeError: this action space has no masks.
        """
        self._batch.require_started()
        masks = self._batch.task.action_masks()
        if masks is None:
            raise TypeError(f"no action masks in {self.action_space}")
        return masks[0]

    def intervene(self, **values: Any) -> None:
        """Set hidden quantities; every random draw, before and after, stays as it was.

        Args:
            **values: name and value, as the environment's page lists them.

        Raises:
            ResetNeeded: before the first reset.
            ValueError: unknown name or bad value; nothing has changed.
        """
        self._batch.require_started()
        self._batch.task.intervene(self._batch.all_rows(), **values)

    def close(self) -> None:
        """Release resources; may be called again."""
        self._batch.task.close()

    def _generators(self) -> Sequence[np.random.Generator]:
        return [self.np_random]

    def _set_generators(self, generators: Sequence[np.random.Generator]) -> None:
        self.np_random = generators[0]
