"""Adapter from a native vector environment to the `VecEnv` of Stable-Baselines3."""

from collections import ChainMap
from collections.abc import Mapping, Sequence
from copy import copy
from typing import Any, cast

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from numpy.typing import NDArray
from stable_baselines3.common.vec_env import VecEnv
from stable_baselines3.common.vec_env.base_vec_env import VecEnvIndices, VecEnvStepReturn

INFOS = ("all", "final")


def row_info(infos: Mapping[str, Any], row: int) -> dict[str, Any]:
    """Info of one environment, from the keys of a batched one whose mask `_key` is set there."""
    info: dict[str, Any] = {}
    for name in [name for name in infos if f"_{name}" in infos and infos[f"_{name}"][row]]:
        column = infos[name]
        if isinstance(column, Mapping):
            info[name] = row_info(cast("Mapping[str, Any]", column), row)
        else:
            value = column[row]
            info[name] = bool(value) if isinstance(value, np.bool_) else copy(value)
    return info


class SB3VecEnv(VecEnv):
    """`VecEnv` that steps a native vector environment with one call.

    Results equal those of `DummyVecEnv` over single environments. `env_method("action_masks")`
    serves MaskablePPO of sb3-contrib.

    Args:
        env: a vector environment in autoreset mode SAME_STEP.
        infos: "all" for the whole info of each environment at each step; "final" for the whole info
            at the end of an episode and `TimeLimit.truncated` otherwise, which is faster.

    Raises:
        ValueError: another autoreset mode, or unknown `infos`.
    """

    def __init__(self, env: VectorEnv[Any, Any, Any], infos: str = "all") -> None:
        if env.metadata.get("autoreset_mode") != AutoresetMode.SAME_STEP:
            raise ValueError(
                "Stable-Baselines3 needs autoreset_mode='SameStep', "
                f"got {env.metadata.get('autoreset_mode')}"
            )
        if infos not in INFOS:
            raise ValueError(f"infos must be one of {INFOS}, got {infos!r}")
        self.env, self.infos = env, infos
        self._actions: Any = None
        super().__init__(env.num_envs, env.single_observation_space, env.single_action_space)
        self.metadata = {**env.metadata, **self.metadata}

    def reset(self) -> Any:
        """Begin new episodes in all environments, each with its own options."""
        seeds: Any = self._seeds
        options = {n: [one.get(n) for one in self._options] for n in ChainMap(*self._options)}
        observations, infos = self.env.reset(seed=seeds, options=options)
        self.reset_infos = [row_info(infos, row) for row in range(self.num_envs)]
        self._reset_seeds()
        self._reset_options()
        return observations

    def step_async(self, actions: NDArray[Any]) -> None:
        """Store the actions for `step_wait`."""
        self._actions = actions

    def step_wait(self) -> VecEnvStepReturn:
        """Step all environments with the actions given to `step_async`.

        Returns:
            Observations [N, ...], rewards float32 [N], dones bool [N] and N info dicts. Where an
            episode ended, the observation is the first of the next one.
        """
        observations, rewards, terminated, truncated, infos = self.env.step(self._actions)
        dones = terminated | truncated
        cut = (truncated & ~terminated).tolist()
        final: dict[str, Any] = infos.pop("final_info", {})
        last = infos.pop("final_obs", None)
        each: list[dict[str, Any]] = []
        for row, done in enumerate(dones.tolist()):
            if done:
                info = row_info(final, row) | {"terminal_observation": last[row]}
                self.reset_infos[row] = row_info(infos, row)
            else:
                info = row_info(infos, row) if self.infos == "all" else {}
            info["TimeLimit.truncated"] = cut[row]
            each.append(info)
        return observations, rewards.astype(np.float32), dones, each

    def close(self) -> None:
        """Close the vector environment."""
        self.env.close()

    def get_images(self) -> Sequence[NDArray[np.uint8] | None]:
        """One frame per environment; None without render mode "rgb_array"."""
        frames: Any = self.env.render()
        return [None] * self.num_envs if frames is None else list(frames)

    def get_attr(self, attr_name: str, indices: VecEnvIndices = None) -> list[Any]:
        """Attribute of the vector environment, once for each index."""
        if attr_name == "action_masks" and isinstance(self.action_space, gym.spaces.Box):
            raise AttributeError(f"no action masks in {self.action_space}")
        value = getattr(self.env, attr_name)
        return [value for _ in self._get_indices(indices)]

    def set_attr(self, attr_name: str, value: Any, indices: VecEnvIndices = None) -> None:
        """Set an attribute of the vector environment, for all indices at once.

        Raises:
            ValueError: `indices` leaves some environments out.
        """
        if len(list(self._get_indices(indices))) != self.num_envs:
            raise ValueError("attributes belong to all environments together: leave indices out")
        setattr(self.env, attr_name, value)

    def env_method(
        self,
        method_name: str,
        *method_args: Any,
        indices: VecEnvIndices = None,
        **method_kwargs: Any,
    ) -> list[Any]:
        """Call a method that returns one result per environment: "action_masks" or "render".

        Raises:
            ValueError: another method, whose results could not be told apart.
        """
        if method_name not in ("action_masks", "render"):
            raise ValueError(
                f"env_method knows 'action_masks' and 'render', got {method_name!r}; "
                "call the vector environment itself: .env"
            )
        results: Any = getattr(self.env, method_name)(*method_args, **method_kwargs)
        return [results[row] for row in self._get_indices(indices)]

    def env_is_wrapped(self, wrapper_class: Any, indices: VecEnvIndices = None) -> list[bool]:
        """False for each index: there are no single environments to wrap."""
        return [False for _ in self._get_indices(indices)]


def make_sb3(env_id: str, num_envs: int, *, infos: str = "all", **arguments: Any) -> SB3VecEnv:
    """Make N environments with given arguments for Stable-Baselines3; see `SB3VecEnv`."""
    env = gym.make_vec(env_id, num_envs, autoreset_mode="SameStep", **arguments)
    return SB3VecEnv(env, infos)
