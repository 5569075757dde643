"""One microscope as a `gymnasium.Env`."""

from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from microgym.envs.core.action_validation import ActionChecker
from microgym.envs.core.base_env import MicroscopeEnvBase, refuse_options
from microgym.envs.core.info import row_of, single_info


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

        Raises:
            ValueError: an option, of which none is known; nothing has changed.
        """
        refuse_options(options or {})
        super().reset(seed=seed)
        self._reset_rows(self._rows)
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

    def _generators(self) -> Sequence[np.random.Generator]:
        return [self.np_random]

    def _set_generators(self, generators: Sequence[np.random.Generator]) -> None:
        self.np_random = generators[0]
