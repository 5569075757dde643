"""Training of networks that judge a grid: PPO, with a critic and a teacher that see the truth."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from gymnasium.vector import VectorEnv
from stable_baselines3.common.callbacks import BaseCallback

from microgym.agents.core.auxiliary_loss import AuxiliaryLossCallback
from microgym.agents.core.grid_network import GridPolicyNet
from microgym.agents.core.grid_policy import GridPolicy
from microgym.agents.core.learner import Learner
from microgym.agents.core.network import Network
from microgym.agents.core.privileged_observation import make_privileged
from microgym.agents.ptycho.network import ScanPolicyNet


class GridLearner(Learner):
    """PPO, taught to see. Settings of its own: `width`, `aux_learning_rate`, `aux_batch_size`.

    Attributes:
        judge: class of the network.
    """

    policy = GridPolicy
    judge: ClassVar[type[GridPolicyNet]]

    def policy_arguments(self) -> dict[str, Any]:
        """Kind and feature maps of the network."""
        return {"judge": self.judge, "width": self.chosen["width"]}

    def environment(self, env_id: str, arguments: Mapping[str, Any]) -> VectorEnv[Any, Any, Any]:
        """Environments whose observation holds the truth."""
        return make_privileged(env_id, self.chosen["num_envs"], **arguments)

    def lessons(
        self, net: Network
    ) -> tuple[Sequence[BaseCallback], Mapping[str, torch.optim.Optimizer]]:
        """The teacher, between the policy's updates."""
        assert isinstance(net, GridPolicyNet)
        rate, batch = self.chosen["aux_learning_rate"], self.chosen["aux_batch_size"]
        teacher = AuxiliaryLossCallback(net, rate, batch)
        return (teacher,), {"teacher": teacher.optimizer}


class ScanLearner(GridLearner):
    """Learns where a scan should go on."""

    judge = ScanPolicyNet
