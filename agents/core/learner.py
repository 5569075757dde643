"""Learner: the parts of a training that depend on the kind of network."""

from collections.abc import Mapping
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import VectorEnv
from stable_baselines3.common.vec_env import VecMonitor
from stable_baselines3.common.vec_env.base_vec_env import VecEnvStepReturn

from microgym.agents.core.asymmetric_policy import AsymmetricPolicy
from microgym.agents.core.auxiliary_loss import AuxiliaryLossCallback
from microgym.agents.core.network import Network
from microgym.agents.core.privileged_observation import (
    PrivilegedObservationWrapper,
    PrivilegedTeacher,
)
from microgym.agents.core.registry import declared


class ShapedMonitor(VecMonitor):
    """Monitor of the environment's own returns, which hands on shaped rewards.

    Args:
        venv: an `SB3VecEnv`; rewards are shaped if it is one over a `PrivilegedObservationWrapper`.
    """

    def step_wait(self) -> VecEnvStepReturn:
        """Observations, shaped rewards float32 (N,), dones and infos."""
        observation, reward, done, infos = super().step_wait()
        env: Any = self.venv
        shaping = getattr(env.env, "shaping", 0.0)
        return observation, (reward + shaping).astype(np.float32), done, infos


class Learner:
    """Environments, policy and auxiliary loss with which PPO trains one kind of network.

    Args:
        env_id: such as "AFM-v0".
        settings: table "training" of the configuration; "network" is the kind.

    Attributes:
        settings: as given.
        policy: class of actor and critic.

    Raises:
        ValueError: an unknown kind of network.
    """

    policy = AsymmetricPolicy

    def __init__(self, env_id: str, settings: Mapping[str, Any]) -> None:
        kind = settings["network"]
        network_class: type[Network] | None = declared(env_id, "NETWORKS", kind)
        if network_class is None:
            raise ValueError(f"network={kind!r} is no kind of network that {env_id} has")
        self.settings = settings
        self._env_id, self._network_class = env_id, network_class
        self._teacher: PrivilegedTeacher | None = None

    def policy_kwargs(self) -> dict[str, Any]:
        """Arguments of the policy."""
        settings = {name: self.settings[name] for name in self._network_class.settings}
        words: dict[str, Any] = {"network_class": self._network_class, "settings": settings}
        if "log_std_init" in self.settings:
            words["log_std_init"] = self.settings["log_std_init"]
        return words

    def environment(self, env_kwargs: Mapping[str, Any]) -> VectorEnv[Any, Any, Any]:
        """Vector environment to train in, in autoreset mode SAME_STEP.

        Args:
            env_kwargs: arguments of the environment.
        """
        teacher_class = declared(self._env_id, "TEACHERS", self.settings["network"])
        words: Any = {"autoreset_mode": "SameStep", **env_kwargs}
        if teacher_class is None:
            env = gym.make_vec(self._env_id, self.settings["num_envs"], **words)
            return self._network_class.training_env(env)
        env = gym.make_vec(self._env_id, self.settings["num_envs"], reveal=True, **words)
        given = {**gym.spec(self._env_id).kwargs, **env_kwargs}
        adapter = self._network_class.training_adapter(self._env_id, given, self.settings)
        teacher = self._teacher = teacher_class(adapter, given, self.settings)
        return PrivilegedObservationWrapper(env, adapter, teacher, self.settings["gamma"])

    def auxiliary_loss(self, net: Network) -> AuxiliaryLossCallback | None:
        """Callback of the auxiliary loss, if there is one; after `environment`.

        Args:
            net: the network.
        """
        return None if self._teacher is None else AuxiliaryLossCallback(net, self._teacher)
