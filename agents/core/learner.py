"""What a learner is: the part of training that depends on the kind of network."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import gymnasium as gym
import torch
from gymnasium.vector import VectorEnv
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.policies import ActorCriticPolicy

from microgym.agents.core.network import Network


class Learner(ABC):
    """How Stable-Baselines3 trains one kind of network.

    Args:
        chosen: table "training" of the configuration.

    Attributes:
        policy: actor and critic; its method `network` gives the network that is kept.
        chosen: as given.
    """

    policy: ClassVar[type[ActorCriticPolicy]]

    def __init__(self, chosen: Mapping[str, Any]) -> None:
        self.chosen = chosen

    @abstractmethod
    def policy_arguments(self) -> dict[str, Any]:
        """Arguments of the policy that the configuration sets."""

    def environment(self, env_id: str, arguments: Mapping[str, Any]) -> VectorEnv[Any, Any, Any]:
        """The environments to learn in, in autoreset mode SAME_STEP.

        Args:
            env_id: such as "AFM-v0".
            arguments: of the environment.
        """
        words: Any = {"autoreset_mode": "SameStep", **arguments}
        return gym.make_vec(env_id, self.chosen["num_envs"], **words)

    def lessons(
        self, net: Network
    ) -> tuple[Sequence[BaseCallback], Mapping[str, torch.optim.Optimizer]]:
        """What the network learns besides the policy.

        Args:
            net: the network.

        Returns:
            Callbacks, and the optimisers that belong to the state of a run, by name.
        """
        del net
        return (), {}
