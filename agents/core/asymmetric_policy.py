"""Actors with asymmetric critics, as Stable-Baselines3 policies.

The critic sees the hidden state of training specimens, the actor does not, so that the policy that
is kept needs observations only (Pinto et al., arXiv 1710.06542).
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, cast

import torch
from gymnasium import spaces
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from torch import Tensor, nn

from microgym.agents.core.network import CRITIC, PRIVILEGED, ChoiceNet, Network, tanh_layers
from microgym.agents.core.residual_policy import ResidualPolicyNet


class ObservationFeatures(BaseFeaturesExtractor):
    """The observation for the actor; the observation and the privileged part for the critic.

    Attributes:
        actor_features: number of the actor's features, which come first.
    """

    def __init__(self, observation_space: spaces.Dict) -> None:
        seen = [name for name in observation_space if name not in PRIVILEGED]
        self._names = [*seen, *seen] + [CRITIC] * (CRITIC in observation_space.spaces)
        sizes = {name: spaces.flatdim(one) for name, one in observation_space.items()}
        self.actor_features = sum(sizes[name] for name in seen)
        super().__init__(observation_space, sum(sizes[name] for name in self._names))

    def forward(self, observations: Mapping[str, Tensor]) -> Tensor:
        """Features (B, features_dim)."""
        return torch.cat([observations[name].flatten(1).float() for name in self._names], dim=1)


class NetworkFeatures(BaseFeaturesExtractor):
    """The network's logits for the actor; its features and the privileged ones for the critic.

    Args:
        observation_space: a dict of boxes.
        net: the network that actor and critic share.
        choices: number of choices.

    Attributes:
        actor_features: number of the actor's features, which come first.
    """

    def __init__(self, observation_space: spaces.Dict, net: ChoiceNet, choices: int) -> None:
        self.actor_features = choices
        features = choices + net.value_features + net.privileged_features
        super().__init__(observation_space, features)
        self.net = net

    def forward(self, observations: Mapping[str, Tensor]) -> Tensor:
        """Features (B, features_dim)."""
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
        """Latent features of actor and critic, (B, latent_dim_pi) and (B, latent_dim_vf)."""
        return self.forward_actor(features), self.forward_critic(features)

    def forward_actor(self, features: Tensor) -> Tensor:
        """Latent features of the actor."""
        return self.policy_net(features[:, : self._actor])

    def forward_critic(self, features: Tensor) -> Tensor:
        """Latent features of the critic."""
        return self.value_net(features[:, self._actor :])


class AsymmetricPolicy(ActorCriticPolicy):
    """An actor and an asymmetric critic: side by side, or over one network that scores choices.

    Args:
        observation_space: a dict of boxes, of which `TARGET` is not read, and `CRITIC` by the
            critic only.
        action_space: `Discrete` for a `ChoiceNet`, `Box` for a `ResidualPolicyNet`.
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
        seen = {name: one for name, one in observation_space.items() if name not in PRIVILEGED}
        self._new_network = partial(
            network_class.from_spaces, spaces.Dict(seen), action_space, **settings
        )
        self._hidden: Sequence[int] = settings.get("net_arch", ())
        self._shares_network = issubclass(network_class, ChoiceNet)
        if self._shares_network:
            choices = int(cast("spaces.Discrete", action_space).n)
            kwargs["features_extractor_class"] = NetworkFeatures
            kwargs["features_extractor_kwargs"] = {"net": self._new_network(), "choices": choices}
        else:
            kwargs["features_extractor_class"] = ObservationFeatures
        kwargs["ortho_init"] = not self._shares_network
        super().__init__(observation_space, action_space, lr_schedule, **kwargs)
        if not self._shares_network:
            with torch.no_grad():
                cast("nn.Linear", self.action_net).weight.mul_(ResidualPolicyNet.head_gain)

    def network(self) -> Network:
        """The network that is kept; it shares its weights with this policy."""
        if self._shares_network:
            return cast("NetworkFeatures", self.features_extractor).net
        net = cast("ResidualPolicyNet", self._new_network())
        net.body, net.head = self.mlp_extractor.policy_net, cast("nn.Linear", self.action_net)
        return net

    def _build_mlp_extractor(self) -> None:
        features: Any = self.features_extractor
        actor, critic = features.actor_features, self.features_dim - features.actor_features
        self.mlp_extractor: Any = ActorCriticLayers(actor, critic, self._hidden)

    def _build(self, lr_schedule: Any) -> None:
        super()._build(lr_schedule)
        if self._shares_network:
            self.action_net = nn.Identity()
            optimizer: Any = self.optimizer_class
            rate = lr_schedule(1)
            self.optimizer = optimizer(self.parameters(), lr=rate, **self.optimizer_kwargs)
