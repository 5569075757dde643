"""Residual policies: a network corrects the actions of an expert, within bounds.

Johannink et al., arXiv 1812.03201. To infer what is hidden, the network sees the last few
decisions, each with the observation, the expert's action and the expert's memory.
"""

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, ClassVar, NamedTuple, Self

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray
from torch import Tensor, nn

from microgym.agents.core.network import Network, PolicyAdapter, tanh_layers
from microgym.agents.core.registry import declared
from microgym.state import Float32, Shape

HISTORY = "history"
"""Part of the network's observation: features of the last decisions."""


class ResidualState(NamedTuple):
    """The expert's present actions, and the features of the last decisions."""

    proposed: Annotated[Float32, Shape("components")]
    features: Annotated[Float32, Shape("history", "width")]


class ResidualController(PolicyAdapter):
    """Adapter of a residual policy: histories of features, and corrected actions.

    Args:
        expert: `BaseAgent` that is corrected.
        history: number of decisions in an observation, the present one included.
        observation_shapes: parts of the environment's observation that are read.
        components: number of components of an action.
        corrected: (k,) components that may be corrected.
        limits: (k,) largest correction of each of them.
        width: number of features of one decision.

    Attributes:
        feature_bound: largest size of a feature; larger ones are clipped.
    """

    State = ResidualState
    feature_bound: ClassVar[float] = 1.0

    def __init__(
        self,
        expert: Any,
        history: int,
        observation_shapes: Mapping[str, Sequence[int]],
        *,
        components: int,
        corrected: Sequence[int],
        limits: Sequence[float],
        width: int,
    ) -> None:
        super().__init__(observation_shapes)
        self.expert, self.width = expert, width
        self.corrected, self.limits = np.array(corrected), np.array(limits)
        self.sizes = {"history": history, "width": width, "components": components}
        most = self.feature_bound
        seen = spaces.Box(-most, most, (history * width,), np.float32)
        self.observation_space = spaces.Dict({HISTORY: seen})
        self.action_space = spaces.Box(-1.0, 1.0, (len(corrected),), np.float32)

    @abstractmethod
    def features(self, observation: Mapping[str, NDArray[Any]], action: Float32) -> NDArray[Any]:
        """Features of one decision, (N, width), of size 1; `action` is the expert's."""

    def allocate(self, num_envs: int) -> None:
        """Begin N episodes, of the expert too."""
        self.expert.reset(num_envs)
        super().allocate(num_envs)

    def reset_rows(self, rows: NDArray[np.bool_]) -> None:
        """Begin new episodes in some rows, of the expert too."""
        self.expert.reset_rows(rows)
        super().reset_rows(rows)

    def state_arrays(self) -> dict[str, NDArray[Any]]:
        """The live arrays of the expert's memory and of this one."""
        return {**self.expert.state_arrays(), **super().state_arrays()}

    def adapt_observation(self, observation: Any) -> dict[str, NDArray[Any]]:
        """Let the expert act, and append the features of its decision to the history.

        Returns:
            `HISTORY` (N, history * width) float32, the present decision last.
        """
        proposed, memory = self.state
        proposed[:] = self.expert.act(observation)
        parts = observation if isinstance(observation, Mapping) else {"numbers": observation}
        memory[:, :-1] = memory[:, 1:].copy()
        most = self.feature_bound
        memory[:, -1] = np.clip(self.features(parts, proposed), -most, most)
        return {HISTORY: memory.reshape(len(memory), -1).copy()}

    def adapt_action(self, choice: NDArray[Any]) -> Float32:
        """The expert's present actions, corrected by parts (N, k) of the largest corrections."""
        action = self.state.proposed.astype(np.float64)
        action[:, self.corrected] += self.limits * np.clip(choice, -1.0, 1.0)
        return np.clip(action, -1.0, 1.0).astype(np.float32)


class ResidualPolicyNet(Network):
    """Fully connected layers with tanh over the last decisions; one output for each correction.

    Args:
        history: number of decisions.
        width: number of features of each.
        components: number of corrections.
        hidden: widths of the hidden layers.
    """

    kind = "corrections"
    settings = ("history", "net_arch")
    head_gain: ClassVar[float] = 0.1  # training begins close to the expert

    def __init__(self, history: int, width: int, components: int, hidden: Sequence[int]) -> None:
        super().__init__()
        self.history, self.width, self.components = history, width, components
        self.hidden, inputs = list(hidden), history * width
        self.body = tanh_layers(inputs, hidden)
        self.head = nn.Linear([inputs, *hidden][-1], components)

    @classmethod
    def from_spaces(
        cls, observation_space: spaces.Dict, action_space: spaces.Space[Any], **settings: Any
    ) -> Self:
        """A network for the spaces of a controller."""
        history = settings["history"]
        width = spaces.flatdim(observation_space) // history
        return cls(history, width, spaces.flatdim(action_space), settings["net_arch"])

    def adapter(self, env_id: str) -> ResidualController:
        """The controller of the expert that this network corrects.

        Raises:
            ValueError: an environment without one, or another number of features.
        """
        controller = _controller_class(env_id)(self.history)
        if controller.width != self.width:
            raise ValueError(f"{self.width} features must be {controller.width} in {env_id}")
        return controller

    @classmethod
    def training_adapter(
        cls, env_id: str, env_kwargs: Mapping[str, Any], settings: Mapping[str, Any]
    ) -> ResidualController:
        """The controller of an environment's expert."""
        return _controller_class(env_id)(settings["history"])

    def forward(self, observation: Mapping[str, Tensor]) -> Tensor:
        """Parts of the largest corrections, (B, components), which may be beyond -1 and 1."""
        return self.head(self.body(observation[HISTORY]))

    def decide(self, observation: Mapping[str, Tensor]) -> Tensor:
        """The most probable corrections, (B, components) between -1 and 1."""
        return self(observation).clamp(-1.0, 1.0)


def _controller_class(env_id: str) -> Callable[[int], ResidualController]:
    """The controller of an environment's expert, which is made from the history."""
    controller = declared(env_id, "RESIDUAL", env_id)
    if controller is None:
        raise ValueError(f"{env_id} has no expert that can be corrected")
    return controller
