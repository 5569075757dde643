"""The auxiliary task of training: to see what is there, taught by one who knows.

PPO decides and is judged as ever. Beside it the network is taught to guess the truth, on the
observations of each rollout and from what training specimens tell: an auxiliary task (Jaderberg et
al., arXiv 1611.05397) with a teacher who knows (Pinto et al., arXiv 1710.06542).
"""

from typing import Any

import numpy as np
import torch
from stable_baselines3.common.callbacks import BaseCallback
from torch import Tensor

from microgym.agents.core.grid_network import GridPolicyNet, turned
from microgym.agents.core.privileged_observation import TRUTH

_CHOICE, _REWARD = "choice", "reward"


class AuxiliaryLossCallback(BaseCallback):
    """Teaches the network to see structure, between the policy's updates.

    What there is to learn, the network itself says (`lesson`): where structure is, and for some
    what a choice has earned. Specimens look alike from all sides, so each part of a lesson is
    turned and mirrored at random. The lesson on a rollout follows the policy's own update on it, so
    that the policy that is updated is the one that acted; once it is learnt it is forgotten.

    Args:
        net: the network.
        rate: learning rate.
        batch: observations a gradient step.

    Attributes:
        optimizer: of the weights that see.
    """

    def __init__(self, net: GridPolicyNet, rate: float, batch: int) -> None:
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
        self._edge = self._lesson[TRUTH].shape[-1] // 2
        self._lesson[_CHOICE] = torch.from_numpy(buffer.actions.reshape(-1).astype(np.int64))
        self._lesson[_REWARD] = torch.from_numpy(buffer.rewards.reshape(-1).copy())

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
            chosen = turned(self._planes(lesson[_CHOICE][rows]), turns, mirrored)
            loss = self._net.lesson(seen, truth, chosen, lesson[_REWARD][rows])
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
        self.logger.record("train/belief_loss", loss.item())

    def _planes(self, choice: Tensor) -> Tensor:
        """Choices on the grid as planes, (B, levels, g, g), 1 at the choice."""
        edge, levels = self._edge, self._net.sizes()["levels"]
        planes = torch.zeros((len(choice), levels * edge * edge))
        planes.scatter_(1, choice[:, None], 1.0)
        return planes.view(-1, levels, edge, edge)
