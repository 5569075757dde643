"""Actors with asymmetric critics, as Stable-Baselines3 policies.

The critic sees the hidden state of training specimens, the actor does not, so that the policy that
is kept needs observations only (Pinto et al., arXiv 1710.06542).
"""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, cast

import torch
from gymnasium import spaces
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from torch import Tensor, nn

from microgym.agents.core.network import (
    CRITIC,
    TARGET,
    ChoiceNet,
    MLPPolicyNet,
    Network,
    tanh_layers,
)


class ActorCriticFeatures(BaseFeaturesExtractor):
    """Features of the actor and of the critic side by side.

    Attributes:
        actor_features: number of the actor's, which come first.
    """

    actor_features: int


class ObservationFeatures(ActorCriticFeatures):
    """The observation for the actor; the observation and the privileged part for the critic.

    Args:
        observation_space: a dict of boxes.
    """

    def __init__(self, observation_space: spaces.Dict) -> None:
        self._seen = [name for name in observation_space if name not in (CRITIC, TARGET)]
        self._privileged = [CRITIC] if CRITIC in observation_space.spaces else []
        sizes = {name: spaces.flatdim(one) for name, one in observation_space.items()}
        self.actor_features = sum(sizes[name] for name in self._seen)
        extra = sum(sizes[name] for name in self._privileged)
        super().__init__(observation_space, 2 * self.actor_features + extra)

    def forward(self, observations: Mapping[str, Tensor]) -> Tensor:
        """Features (B, features_dim) of a batched observation."""
        names = (*self._seen, *self._seen, *self._privileged)
        return torch.cat([observations[name].flatten(1).float() for name in names], dim=1)


class NetworkFeatures(ActorCriticFeatures):
    """The network's logits for the actor; its features and the privileged ones for the critic.

    Args:
        observation_space: a dict of boxes.
        net: the network that actor and critic share.
        actions: number of choices.
    """

    def __init__(self, observation_space: spaces.Dict, net: ChoiceNet, actions: int) -> None:
        self.actor_features = actions
        features = actions + net.value_features + net.privileged_features
        super().__init__(observation_space, features)
        self.net = net

    def forward(self, observations: Mapping[str, Tensor]) -> Tensor:
        """Features (B, features_dim) of a batched observation."""
        logits, value = self.net(observations)[:2]
        return torch.cat([logits, value, self.net.critic_features(observations)], dim=1)


class ActorCriticLayers(nn.Module):
    """Hidden layers of the actor over its features, and of the critic over the others.

    Args:
        actor, critic: numbers of features.
        hidden: widths of the layers of either; none hands the features on.
    """

    def __init__(self, actor: int, critic: int, hidden: Sequence[int]) -> None:
        super().__init__()
        self._actor = actor
        self.latent_dim_pi, self.latent_dim_vf = [actor, *hidden][-1], [critic, *hidden][-1]
        self.policy_net, self.value_net = tanh_layers(actor, hidden), tanh_layers(critic, hidden)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Latent features of actor and critic for features (B, actor + critic)."""
        return self.forward_actor(features), self.forward_critic(features)

    def forward_actor(self, features: Tensor) -> Tensor:
        """Latent features of the actor, (B, latent_dim_pi)."""
        return self.policy_net(features[:, : self._actor])

    def forward_critic(self, features: Tensor) -> Tensor:
        """Latent features of the critic, (B, latent_dim_vf)."""
        return self.value_net(features[:, self._actor :])


class AsymmetricPolicy(ActorCriticPolicy):
    """An actor and an asymmetric critic.

    Args:
        observation_space: a dict of boxes, of which `TARGET` is not read, and `CRITIC` by the
            critic only.
        action_space: `Box`, `Discrete` or `MultiDiscrete`.
        lr_schedule: learning rate as a function of the remaining progress.
        network_class: class of the network that is kept.
        settings: of the network.
        **kwargs: of `ActorCriticPolicy`.
    """

    def __init__(
        self,
        observation_space: spaces.Dict,
        action_space: spaces.Space[Any],
        lr_schedule: Any,
        *,
        network_class: type[Network],
        settings: Mapping[str, Any],
        **kwargs: Any,
    ) -> None:
        self._network_class, self._settings = network_class, settings
        super().__init__(observation_space, action_space, lr_schedule, **kwargs)

    @abstractmethod
    def network(self) -> Network:
        """The network that is kept; it shares its weights with this policy."""

    def _build_mlp_extractor(self) -> None:
        features: Any = self.features_extractor
        actor, hidden = features.actor_features, self._settings.get("net_arch", ())
        self.mlp_extractor: Any = ActorCriticLayers(actor, self.features_dim - actor, hidden)


class MLPPolicy(AsymmetricPolicy):
    """Actor and critic side by side, of fully connected layers; see `AsymmetricPolicy`.

    Args:
        *args: of `AsymmetricPolicy`.
        **kwargs: of `AsymmetricPolicy`.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, features_extractor_class=ObservationFeatures, **kwargs)
        with torch.no_grad():
            gain = cast("type[MLPPolicyNet]", self._network_class).head_gain
            cast("nn.Linear", self.action_net).weight.mul_(gain)

    def network(self) -> MLPPolicyNet:
        """The actor alone."""
        net = self._net()
        net.body, net.head = self.mlp_extractor.policy_net, cast("nn.Linear", self.action_net)
        return net

    def _net(self) -> MLPPolicyNet:
        space = cast("spaces.Dict", self.observation_space)
        seen = {name: one for name, one in space.items() if name not in (CRITIC, TARGET)}
        kind = cast("type[MLPPolicyNet]", self._network_class)
        return kind.from_spaces(spaces.Dict(seen), self.action_space, **self._settings)


class ChoicePolicy(AsymmetricPolicy):
    """Actor and critic over one network that scores choices; see `AsymmetricPolicy`.

    Args:
        observation_space, action_space, lr_schedule, network_class, settings: of
            `AsymmetricPolicy`; the action is discrete.
        **kwargs: of `ActorCriticPolicy`.
    """

    def __init__(
        self,
        observation_space: spaces.Dict,
        action_space: spaces.Discrete,
        lr_schedule: Any,
        *,
        network_class: type[ChoiceNet],
        settings: Mapping[str, Any],
        **kwargs: Any,
    ) -> None:
        net = network_class.from_spaces(observation_space, action_space, **settings)
        super().__init__(
            observation_space,
            action_space,
            lr_schedule,
            network_class=network_class,
            settings=settings,
            features_extractor_class=NetworkFeatures,
            features_extractor_kwargs={"net": net, "actions": int(action_space.n)},
            ortho_init=False,
            **kwargs,
        )

    def network(self) -> ChoiceNet:
        """The network that actor and critic share."""
        return cast("NetworkFeatures", self.features_extractor).net

    def _build(self, lr_schedule: Any) -> None:
        super()._build(lr_schedule)
        self.action_net = nn.Identity()
        optimizer: Any = self.optimizer_class
        self.optimizer = optimizer(self.parameters(), lr=lr_schedule(1), **self.optimizer_kwargs)
