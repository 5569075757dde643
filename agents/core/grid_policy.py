"""A network that judges a grid of places as a Stable-Baselines3 policy."""

from collections.abc import Mapping
from typing import Any

import torch
from gymnasium import spaces
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from torch import Tensor, nn

from microgym.agents.core.grid_network import GridPolicyNet
from microgym.agents.core.privileged_observation import TRUTH


class _Judgement(BaseFeaturesExtractor):
    """Runs the network once and hands logits and value features on side by side.

    Where the observation holds the truth, the critic, and only the critic, gets the hints that the
    network makes of it.
    """

    def __init__(
        self, observation_space: spaces.Dict, judge: type[GridPolicyNet], levels: int, width: int
    ) -> None:
        channels, cells = _sizes(observation_space)
        numbers = spaces.flatdim(observation_space["numbers"])
        net = judge(channels, numbers, levels, width)
        features = cells * levels + net.value_features + net.truth_features
        super().__init__(observation_space, features)
        self.net = net

    def forward(self, observations: Mapping[str, Tensor]) -> Tensor:
        logits, value, _ = self.net(observations)
        return torch.cat([logits, value, self._hints(observations)], dim=1)

    def _hints(self, observations: Mapping[str, Tensor]) -> Tensor:
        """What the truth says of the rest of the episode; nothing where there is none."""
        maps = observations["maps"]
        if TRUTH not in observations:
            return maps.new_zeros((maps.shape[0], self.net.truth_features))
        return self.net.hints(maps, observations[TRUTH])


def _sizes(observation_space: spaces.Dict) -> tuple[int, int]:
    """Maps of an observation, and cells of the action grid: a quarter of the maps' cells."""
    shape = observation_space["maps"].shape
    assert shape is not None
    channels, height, width = shape
    return channels, (height // 2) * (width // 2)


class Split(nn.Module):
    """Gives the actor its logits and the critic its features."""

    def __init__(self, actions: int, features: int) -> None:
        super().__init__()
        self.actions = actions
        self.latent_dim_pi = actions
        self.latent_dim_vf = features - actions

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Both parts of (B, features)."""
        return self.forward_actor(features), self.forward_critic(features)

    def forward_actor(self, features: Tensor) -> Tensor:
        """The first part."""
        return features[:, : self.actions]

    def forward_critic(self, features: Tensor) -> Tensor:
        """The rest."""
        return features[:, self.actions :]


class GridPolicy(ActorCriticPolicy):
    """Actor and critic over one network, for the grid action of a scanning environment.

    Args:
        observation_space: a dict of "maps" and "numbers".
        action_space: discrete, levels times cells.
        lr_schedule: learning rate as a function of the remaining progress.
        judge: class of the network.
        width: feature maps of it.
        **kwargs: of `ActorCriticPolicy`.
    """

    def __init__(
        self,
        observation_space: spaces.Dict,
        action_space: spaces.Discrete,
        lr_schedule: Any,
        *,
        judge: type[GridPolicyNet],
        width: int = 24,
        **kwargs: Any,
    ) -> None:
        levels = int(action_space.n) // _sizes(observation_space)[1]
        kwargs |= {
            "features_extractor_class": _Judgement,
            "features_extractor_kwargs": {"judge": judge, "levels": levels, "width": width},
            "net_arch": [],
            "ortho_init": False,
        }
        super().__init__(observation_space, action_space, lr_schedule, **kwargs)

    def network(self) -> GridPolicyNet:
        """The network that actor and critic share."""
        judgement = self.features_extractor
        assert isinstance(judgement, _Judgement)
        return judgement.net

    def _build_mlp_extractor(self) -> None:
        assert isinstance(self.action_space, spaces.Discrete)
        self.mlp_extractor = Split(int(self.action_space.n), self.features_dim)

    def _build(self, lr_schedule: Any) -> None:
        super()._build(lr_schedule)
        self.action_net = nn.Identity()
        optimizer: Any = self.optimizer_class
        self.optimizer = optimizer(self.parameters(), lr=lr_schedule(1), **self.optimizer_kwargs)
