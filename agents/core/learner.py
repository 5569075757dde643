"""Learner: the parts of a training that depend on the kind of network."""

from collections import ChainMap
from collections.abc import Mapping, Sequence
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from gymnasium.vector import VectorEnv
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.vec_env import VecMonitor
from stable_baselines3.common.vec_env.base_vec_env import VecEnvStepReturn
from torch import Tensor

from microgym.agents.core.network import TARGET, Network
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


class AuxiliaryLossCallback(BaseCallback):
    """Gradient steps on a supervised loss over the observations of each rollout.

    An auxiliary task (Jaderberg et al., arXiv 1611.05397) with privileged targets. The steps on a
    rollout follow the update of PPO on it, so that the policy that is updated is the one that
    acted; the rollout is then dropped.

    Args:
        net: the network.
        teacher: loss, and mask of the targets. Its settings are `aux_learning_rate` of Adam,
            `aux_batch_size` and `aux_epochs` (passes over each rollout, 1 by default).

    Attributes:
        optimizer: of the weights that the auxiliary loss trains.
    """

    def __init__(self, net: Network, teacher: PrivilegedTeacher) -> None:
        super().__init__()
        self._net, self._teacher, self._settings = net, teacher, teacher.settings
        rate = self._settings["aux_learning_rate"]
        self.optimizer = torch.optim.Adam(net.auxiliary_parameters(), lr=rate)
        self._rollout: dict[str, Tensor] | None = None

    def _on_step(self) -> bool:
        return True

    def _on_rollout_end(self) -> None:
        buffer: Any = self.locals["rollout_buffer"]
        flat = {
            name: torch.from_numpy(values.reshape(-1, *values.shape[2:]))
            for name, values in buffer.observations.items()
        }
        mask = self._teacher.target_mask(flat[TARGET])
        self._rollout = {name: values[mask] for name, values in flat.items()}

    def _on_rollout_start(self) -> None:
        rollout, self._rollout = self._rollout, None
        settings = self._settings
        if rollout is None:
            return
        done = min(self.num_timesteps / self.locals["total_timesteps"], 1.0)
        decay = 1.0 - (1.0 - self._teacher.final_learning_rate) * done
        for group in self.optimizer.param_groups:
            group["lr"] = settings["aux_learning_rate"] * decay
        loss = torch.zeros(())
        for _ in range(settings.get("aux_epochs", 1)):
            for rows in torch.randperm(len(rollout[TARGET])).split(settings["aux_batch_size"]):
                loss = self._teacher.loss(self._net, {n: one[rows] for n, one in rollout.items()})
                self.optimizer.zero_grad()
                loss.backward()
                self.optimizer.step()
        self.logger.record("train/auxiliary_loss", loss.item())


def conditions_of(conditions: Sequence[Mapping[str, Any]], count: int) -> dict[str, list[Any]]:
    """Options of a reset that give environment i of N the i-th condition, in turn.

    Args:
        conditions: arguments by name; what one of them lacks stays as it is.
        count: N.
    """
    each = [conditions[row % len(conditions)] for row in range(count)]
    return {name: [one.get(name) for one in each] for name in ChainMap(*map(dict, conditions))}


class Learner:
    """Environments, policy and auxiliary loss with which PPO trains one kind of network.

    Args:
        env_id: such as "AFM-v0".
        settings: table "training" of the configuration; "network" is the kind. "conditions", if
            given, is a list of arguments that may change at a reset; environment i has the i-th of
            them, from the beginning again after the last.

    Raises:
        ValueError: an unknown kind of network.
    """

    def __init__(self, env_id: str, settings: Mapping[str, Any]) -> None:
        kind = settings["network"]
        network_class: type[Network] | None = declared(env_id, "NETWORKS", kind)
        if network_class is None:
            raise ValueError(f"network={kind!r} is no kind of network that {env_id} has")
        self.settings = settings
        self._env_id, self._network_class = env_id, network_class
        self._teacher: PrivilegedTeacher | None = None

    def policy_kwargs(self) -> dict[str, Any]:
        """Arguments of `AsymmetricPolicy`."""
        settings = {name: self.settings[name] for name in self._network_class.settings}
        words: dict[str, Any] = {"network_class": self._network_class, "settings": settings}
        if "log_std_init" in self.settings:
            words["log_std_init"] = self.settings["log_std_init"]
        return words

    def environment(self, env_kwargs: Mapping[str, Any]) -> VectorEnv[Any, Any, Any]:
        """Vector environment with given arguments to train in, in autoreset mode SAME_STEP."""
        teacher_class = declared(self._env_id, "TEACHERS", self.settings["network"])
        words: Any = {"autoreset_mode": "SameStep", **env_kwargs}
        if teacher_class is None:
            env = gym.make_vec(self._env_id, self.settings["num_envs"], **words)
            return self._network_class.training_env(env)
        env = gym.make_vec(self._env_id, self.settings["num_envs"], reveal=True, **words)
        if conditions := self.settings.get("conditions"):
            # They persist over the resets to come.
            env.reset(options=conditions_of(conditions, env.num_envs))
        given = {**gym.spec(self._env_id).kwargs, **env_kwargs}
        adapter = self._network_class.training_adapter(self._env_id, given, self.settings)
        teacher = self._teacher = teacher_class(adapter, given, self.settings)
        return PrivilegedObservationWrapper(env, adapter, teacher, self.settings["gamma"])

    def auxiliary_loss(self, net: Network) -> AuxiliaryLossCallback | None:
        """Callback of the network's auxiliary loss, if there is one; after `environment`."""
        return None if self._teacher is None else AuxiliaryLossCallback(net, self._teacher)
