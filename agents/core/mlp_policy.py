"""Training of `MLPPolicyNet`: plain PPO on whole observations."""

from collections.abc import Sequence
from typing import Any

from gymnasium import spaces
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.torch_layers import CombinedExtractor
from torch import nn

from microgym.agents.core.learner import Learner
from microgym.agents.core.mlp_network import MLPPolicyNet, sizes_for


class FeaturePolicy(ActorCriticPolicy):
    """Actor and critic side by side, each of a few fully connected layers with tanh.

    Args:
        observation_space: a dict of boxes.
        action_space: `Box`, `Discrete` or `MultiDiscrete`.
        lr_schedule: learning rate as a function of the remaining progress.
        hidden: widths of the layers between.
        **kwargs: of `ActorCriticPolicy`.
    """

    def __init__(
        self,
        observation_space: spaces.Dict,
        action_space: spaces.Space[Any],
        lr_schedule: Any,
        *,
        hidden: Sequence[int] = (64, 64),
        **kwargs: Any,
    ) -> None:
        self._sizes = sizes_for(observation_space, action_space, hidden)
        kwargs |= {
            "features_extractor_class": CombinedExtractor,
            "net_arch": {"pi": list(hidden), "vf": list(hidden)},
            "activation_fn": nn.Tanh,
        }
        super().__init__(observation_space, action_space, lr_schedule, **kwargs)

    def network(self) -> MLPPolicyNet:
        """The actor alone; it shares its weights with this policy."""
        net = MLPPolicyNet(**self._sizes)
        net.body = self.mlp_extractor.policy_net
        head = self.action_net
        assert isinstance(head, nn.Linear)
        net.head = head
        return net


class FeatureLearner(Learner):
    """Plain PPO. Settings of its own: `net_arch`, and `log_std_init` for box actions."""

    policy = FeaturePolicy

    def policy_arguments(self) -> dict[str, Any]:
        """Widths of the layers, and how far exploration goes at first."""
        return {"hidden": self.chosen["net_arch"], "log_std_init": self.chosen["log_std_init"]}
