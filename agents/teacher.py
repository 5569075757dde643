"""The auxiliary task of training: to see structure, taught by one who knows where it is."""

from typing import Any

import torch
from stable_baselines3.common.callbacks import BaseCallback
from torch import Tensor

from microgym.agents.networks import turned
from microgym.agents.policy import Network
from microgym.agents.privileged import TRUTH


class Teacher(BaseCallback):
    """Teaches the network to see structure, between the policy's updates.

    Specimens look alike from all sides, so each part of a lesson is turned and mirrored at random.
    The lesson on a rollout follows the policy's own update on it, so that the policy that is
    updated is the one that acted; once it is learnt it is forgotten.

    Args:
        net: the network.
        rate: learning rate.
        batch: observations a gradient step.

    Attributes:
        optimizer: of the weights that see.
    """

    def __init__(self, net: Network, rate: float, batch: int) -> None:
        super().__init__()
        self._net = net
        self._batch = batch
        self.optimizer = torch.optim.Adam(net.seeing(), lr=rate)
        self._lesson: dict[str, Tensor] | None = None

    def _on_step(self) -> bool:
        return True

    def _on_rollout_end(self) -> None:
        buffer: Any = self.locals["rollout_buffer"]
        self._lesson = {
            name: torch.from_numpy(values.reshape(-1, *values.shape[2:]).copy())
            for name, values in buffer.observations.items()
        }

    def _on_rollout_start(self) -> None:
        lesson, self._lesson = self._lesson, None
        if lesson is None:
            return
        loss = torch.zeros(())
        for rows in torch.randperm(len(lesson[TRUTH])).split(self._batch):
            turns, mirrored = int(torch.randint(4, ())), bool(torch.randint(2, ()))
            seen = {
                "maps": turned(lesson["maps"][rows], turns, mirrored),
                "numbers": lesson["numbers"][rows],
            }
            truth = turned(lesson[TRUTH][rows], turns, mirrored)
            loss = torch.nn.functional.binary_cross_entropy_with_logits(self._net(seen)[2], truth)
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
        self.logger.record("train/belief_loss", loss.item())
