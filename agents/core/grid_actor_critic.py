"""A convolutional actor and critic over grid actions, for PPO of Stable-Baselines3 and MaskablePPO.

from sb3_contrib import MaskablePPO
from microgym.agents.core import GridPolicy
from microgym.agents.training.sb3_vec_env import make_sb3

envs = make_sb3("Ptycho-v0", 64, action="grid", infos="final")
model = MaskablePPO(GridPolicy, envs, n_steps=24, batch_size=512, n_epochs=3, gamma=0.97)
model.learn(300_000)
"""

from typing import Any, cast

from gymnasium import spaces
from sb3_contrib.common.maskable.policies import MaskableActorCriticPolicy
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from torch import nn

from microgym.agents.core.asymmetric_policy import ActorCriticLayers, NetworkFeatures
from microgym.agents.core.grid_policy import GridNet


class GridPolicy(MaskableActorCriticPolicy):
    """One logit for each cell and level from a `GridNet`, and a value from its pooled features.

    For observations of square "maps" and "numbers" and `action="grid"`, such as of Ptycho-v0 and
    PFM-v0, and of several agents with an axis of their own, as of MultiProbeJoint-v0. No privileged
    information is read. `network()` is kept by `microgym.agents.core.trained_agent.save_policy`,
    and read back without pickle.

    Args:
        observation_space, action_space: of the environment.
        lr_schedule: learning rate as a function of the remaining progress.
        width: channels of the hidden layers.
        use_sde: False; PPO passes it, and refuses True without continuous actions.
        **kwargs: of `ActorCriticPolicy`.

    Raises:
        ValueError: other observations, or actions that are no choices of a cell.
    """

    def __init__(
        self,
        observation_space: spaces.Dict,
        action_space: spaces.Discrete[Any] | spaces.MultiDiscrete,
        lr_schedule: Any,
        width: int = 24,
        use_sde: bool = False,
        **kwargs: Any,
    ) -> None:
        del use_sde
        self._width = width
        kwargs["ortho_init"] = False
        super().__init__(observation_space, action_space, lr_schedule, **kwargs)

    def network(self) -> GridNet:
        """The network, which shares its weights with this policy."""
        return cast("GridNet", cast("NetworkFeatures", self.features_extractor).net)

    def make_features_extractor(self) -> BaseFeaturesExtractor:
        """The network's logits, and its features for the critic."""
        space = cast("spaces.Dict", self.observation_space)
        net = GridNet.from_spaces(space, self.action_space, width=self._width)
        return NetworkFeatures(space, net, net.parts * net.levels * net.grid**2)

    def _build_mlp_extractor(self) -> None:
        features: Any = self.features_extractor
        actor = features.actor_features
        self.mlp_extractor: Any = ActorCriticLayers(actor, self.features_dim - actor, ())

    def _build(self, lr_schedule: Any) -> None:
        super()._build(lr_schedule)
        self.action_net = nn.Identity()
        optimizer: Any = self.optimizer_class
        self.optimizer = optimizer(self.parameters(), lr=lr_schedule(1), **self.optimizer_kwargs)

    def _get_constructor_parameters(self) -> dict[str, Any]:
        return {**super()._get_constructor_parameters(), "width": self._width}
