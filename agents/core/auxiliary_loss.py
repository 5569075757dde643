"""Auxiliary loss of a policy's network, trained between the updates of PPO."""

import math
from typing import Any

import torch
from stable_baselines3.common.callbacks import BaseCallback
from torch import Tensor

from microgym.agents.core.network import TARGET, Network
from microgym.agents.core.privileged_observation import PrivilegedTeacher


class AuxiliaryLossCallback(BaseCallback):
    """Gradient steps on a supervised loss over the observations of each rollout.

    An auxiliary task (Jaderberg et al., arXiv 1611.05397) with privileged targets. The steps on a
    rollout follow the update of PPO on it, so that the policy that is updated is the one that
    acted; the rollout is then dropped.

    Args:
        net: the network.
        teacher: loss, and mask of the targets. Its settings are `aux_learning_rate` of Adam,
            `aux_batch_size`, `aux_epochs` (passes over each rollout, 1 by default) and
            `aux_until_step` (environment step after which there is no loss; no end by default).

    Attributes:
        optimizer: of the weights that the auxiliary loss trains.
    """

    def __init__(self, net: Network, teacher: PrivilegedTeacher) -> None:
        super().__init__()
        self._net, self._teacher, settings = net, teacher, teacher.settings
        self._learning_rate, self._batch_size = (
            settings[f"aux_{name}"] for name in ("learning_rate", "batch_size")
        )
        self._n_epochs = settings.get("aux_epochs", 1)
        self._until_step = settings.get("aux_until_step", math.inf)
        self.optimizer = torch.optim.Adam(net.auxiliary_parameters(), lr=self._learning_rate)
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
        if rollout is None or self.num_timesteps > self._until_step:
            return
        done = min(self.num_timesteps / self.locals["total_timesteps"], 1.0)
        decay = 1.0 - (1.0 - self._teacher.final_learning_rate) * done
        for group in self.optimizer.param_groups:
            group["lr"] = self._learning_rate * decay
        loss = torch.zeros(())
        for _ in range(self._n_epochs):
            for rows in torch.randperm(len(rollout[TARGET])).split(self._batch_size):
                loss = self._teacher.loss(self._net, {n: one[rows] for n, one in rollout.items()})
                self.optimizer.zero_grad()
                loss.backward()
                self.optimizer.step()
        self.logger.record("train/auxiliary_loss", loss.item())
