"""Stock algorithms of Stable-Baselines3 and sb3-contrib, as the configurations declare them."""

import time
from collections.abc import Mapping, Sequence
from pkgutil import resolve_name
from typing import Any

import gymnasium as gym
import numpy as np
import sb3_contrib
import stable_baselines3
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3.common.vec_env import VecMonitor

from microgym.agents.training.sb3_vec_env import SB3VecEnv, make_sb3
from microgym.baselines.audit.context import Audit
from microgym.baselines.evaluation.env_config import EnvironmentConfig

MINUTES: Mapping[str, float] = {"easy": 10.0, "default": 30.0}
"""Processor minutes of a training run, unless the configuration declares others (design choice)."""
NUM_ENVS = 16


class TimedVecEnv(SB3VecEnv):
    """`SB3VecEnv` that counts the processor time of its steps.

    Attributes:
        spent: s.
    """

    spent = 0.0

    def step_wait(self) -> Any:
        """Step, and add the time."""
        start = time.process_time()
        found = super().step_wait()
        self.spent += time.process_time() - start
        return found


class StockAgent:
    """A model of Stable-Baselines3 as an agent: the most probable action.

    Args:
        model: of Stable-Baselines3 or sb3-contrib.
        name: of the agent.
    """

    uses_privileged_info = False

    def __init__(self, model: Any, name: str) -> None:
        self.name, self._model = name, model
        self._state: Any = None
        self._first: NDArray[np.bool_] = np.ones(1, np.bool_)

    def reset(self, num_envs: int = 1, seeds: Sequence[int] | None = None) -> None:
        """Begin N episodes."""
        self._state, self._first = None, np.ones(num_envs, np.bool_)

    def act(self, observation: Any, info: Mapping[str, Any] | None = None) -> Any:
        """Choose actions."""
        if isinstance(self._model, sb3_contrib.MaskablePPO):
            masks = np.asarray((info or {})["action_mask"]).astype(np.bool_)
            return self._model.predict(observation, deterministic=True, action_masks=masks)[0]
        actions, self._state = self._model.predict(
            observation, self._state, self._first, deterministic=True
        )
        self._first = np.zeros(len(self._first), np.bool_)
        return actions


def plain_tables(audit: Audit) -> dict[str, dict[str, Any]]:
    """Declared stock algorithms by class name; PPO as it comes where none is declared.

    Raises:
        ValueError: a table with an unknown entry.
    """
    found: dict[str, dict[str, Any]] = audit.tables.get("plain", {}) or {"PPO": {}}
    for name, table in found.items():
        unknown = table.keys() - {"policy", "num_envs", "minutes", "environment", "settings"}
        if unknown or not algorithm(name):
            raise ValueError(f"plain.{name} of {audit.env_id}: unknown {sorted(unknown) or name}")
    return found


def algorithm(name: str) -> Any:
    """Class of an algorithm; None if neither package has it."""
    return getattr(stable_baselines3, name, None) or getattr(sb3_contrib, name, None)


def environment_for(audit: Audit, table: Mapping[str, Any], difficulty: str) -> EnvironmentConfig:
    """The environment in which a declared algorithm learns, on training specimens."""
    words = {**table.get("environment", {}), **audit.difficulties[difficulty]}
    return audit.setting("train", **words)


def default_policy(name: str, setting: EnvironmentConfig) -> str:
    """Stock policy for the spaces of an environment."""
    env = gym.make_vec(setting.env_id, 1, **setting.keywords())
    env.close()
    several = isinstance(env.single_observation_space, spaces.Dict)
    return ("MultiInput" if several else "Mlp") + (
        "LstmPolicy" if name == "RecurrentPPO" else "Policy"
    )


def learner_for(
    audit: Audit, name: str, table: Mapping[str, Any], difficulty: str, seed: int
) -> tuple[Any, Any]:
    """A fresh model, and its environment, from a declared table."""
    torch.set_num_threads(1)
    setting = environment_for(audit, table, difficulty)
    count = int(table.get("num_envs", NUM_ENVS))
    made = make_sb3(audit.env_id, count, infos="final", **setting.keywords())
    env = TimedVecEnv(made.env, "final")
    given = dict(table.get("settings", {}))
    policy: Any = table.get("policy") or default_policy(name, setting)
    policy = resolve_name(policy) if ":" in policy else policy
    return algorithm(name)(policy, VecMonitor(env), seed=seed, device="cpu", **given), env
