"""Networks of trained policies, and adapters to the environments that they decide in."""

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from inspect import signature
from itertools import pairwise
from typing import Any, ClassVar, Self

import numpy as np
import torch
from gymnasium import spaces
from gymnasium.vector import VectorEnv, VectorWrapper
from numpy.typing import NDArray
from torch import Tensor, nn

from microgym.agents.core.agent import Memory

TARGET = "target"
"""Part of the training observation that holds the target of the auxiliary loss."""
CRITIC = "critic"
"""Part of the training observation that only the critic sees."""
PRIVILEGED = (TARGET, CRITIC)
"""Parts of the training observation that the actor does not see."""


def by_row(
    compute: Callable[[dict[str, Tensor]], Tensor], parts: Mapping[str, NDArray[Any]]
) -> NDArray[Any]:
    """Output of a network, computed for one environment at a time.

    Rounding then cannot depend on the batch.

    Args:
        compute: from the parts of an observation, (1, ...) each, to an output (1, ...).
        parts: those of N environments, (N, ...) each.

    Returns:
        (N, ...).
    """
    found: list[NDArray[Any]] = []
    with torch.inference_mode():
        for row in range(len(next(iter(parts.values())))):
            one = {name: torch.from_numpy(part[row : row + 1]) for name, part in parts.items()}
            found.append(compute(one)[0].numpy())
    return np.stack(found)


class PolicyAdapter(Memory):
    """Maps observations to those of a network, and its choices to actions; here both unchanged.

    Some networks are trained on other observations and actions than the default ones, such as the
    cells of a grid, or corrections to an expert.

    Args:
        observation_shapes: shape in one environment of each part of the observation that is read.

    Attributes:
        observation_shapes: as given.
        observation_space, action_space: those of the network in one environment; None for the
            environment's own.
        idle: (N,) environments whose episodes are over, for which nothing need be computed; None
            where all go on.
    """

    observation_space: spaces.Dict | None = None
    action_space: spaces.Space[Any] | None = None
    idle: NDArray[np.bool_] | None = None

    def __init__(self, observation_shapes: Mapping[str, Sequence[int]] | None = None) -> None:
        given = observation_shapes or {}
        self.observation_shapes = {name: tuple(shape) for name, shape in given.items()}

    def adapt_observation(self, observation: Any) -> dict[str, NDArray[Any]]:
        """Observation of the network for a batched one of the environment; once a decision."""
        return {name: np.asarray(part, np.float32) for name, part in observation.items()}

    def adapt_action(self, choice: NDArray[Any]) -> NDArray[Any]:
        """Actions (N, ...) of the environment for the choices of the network."""
        return choice


class MemoryWrapper(VectorWrapper):
    """Vector wrapper whose own arrays belong to the snapshot of the environments."""

    def memory(self) -> dict[str, NDArray[Any]]:
        """The live arrays of the wrapper, by name."""
        raise NotImplementedError

    def snapshot(self) -> dict[str, NDArray[Any]]:
        """A copy of the whole state, that of the environments included."""
        native: Any = self.env.unwrapped
        own = {f"memory_{name}": array.copy() for name, array in self.memory().items()}
        return own | native.snapshot()

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Restore a state given by `snapshot`.

        Raises:
            ValueError: names, shapes or types that do not fit.
        """
        native: Any = self.env.unwrapped
        own = {f"memory_{name}": array for name, array in self.memory().items()}
        native.restore({name: array for name, array in state.items() if name not in own})
        for name, array in own.items():
            given = state[name]
            if (given.shape, given.dtype) != (array.shape, array.dtype):
                raise ValueError(f"{name} must have shape {array.shape}")
            array[...] = given


class Network(nn.Module):
    """A network that decides, can be stored, and is read back from its arguments and weights.

    Attributes:
        kind: name of the class in stored policies and in training configurations.
        settings: entries of the training configuration that `from_spaces` takes.
        adapter_class: class of the adapter, where it has no arguments.
        auxiliary_layers: names of the layers that the auxiliary loss trains; all by default.
    """

    kind: ClassVar[str]
    settings: ClassVar[tuple[str, ...]]
    adapter_class: ClassVar[type[PolicyAdapter]] = PolicyAdapter
    auxiliary_layers: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def from_spaces(
        cls, observation_space: spaces.Dict, action_space: spaces.Space[Any], **settings: Any
    ) -> Self:
        """A network for the spaces of one environment in training."""
        return cls(**settings)

    def sizes(self) -> dict[str, Any]:
        """Arguments of this network, which are attributes too, as JSON holds them."""
        return {name: getattr(self, name) for name in signature(type(self)).parameters}

    def adapter(self, env_id: str) -> PolicyAdapter:
        """Adapter between this network and the default environment."""
        return self.adapter_class()

    @classmethod
    def training_adapter(
        cls, env_id: str, env_kwargs: Mapping[str, Any], settings: Mapping[str, Any]
    ) -> PolicyAdapter:
        """Adapter between a network of this kind and the environments that it is trained in."""
        return cls.adapter_class()

    @classmethod
    def training_env(cls, env: VectorEnv[Any, Any, Any]) -> VectorEnv[Any, Any, Any]:
        """Wrapper of a vector environment that a network of this kind is trained in."""
        return env

    @abstractmethod
    def decide(self, observation: Mapping[str, Tensor]) -> Tensor:
        """The most probable action in each of B environments.

        Args:
            observation: the parts that the adapter gives, each (B, ...), float32.

        Returns:
            (B, ...) in the action space that the network was trained in.
        """

    def auxiliary_parameters(self) -> list[nn.Parameter]:
        """Weights that the auxiliary loss trains."""
        layers = [self.get_submodule(name) for name in self.auxiliary_layers] or [self]
        return [weight for layer in layers for weight in layer.parameters()]


class ChoiceNet(Network):
    """A network that scores a finite number of choices: cells of a grid, or proposed candidates.

    Called with an observation, it returns logits (B, choices) and features for a critic
    (B, value_features) first.

    Attributes:
        value_features: number of features for a critic.
        privileged_features: number of features that only the critic sees.
    """

    value_features: ClassVar[int]
    privileged_features: ClassVar[int]

    def decide(self, observation: Mapping[str, Tensor]) -> Tensor:
        """The most probable choice, (B,) int64."""
        return self(observation)[0].argmax(dim=1)

    def critic_features(self, observation: Mapping[str, Tensor]) -> Tensor:
        """Features of the hidden state for the critic, (B, privileged_features)."""
        return observation[CRITIC]


def tanh_layers(inputs: int, hidden: Sequence[int]) -> nn.Sequential:
    """Fully connected layers of given widths, each followed by tanh."""
    layers: list[nn.Module] = []
    for before, after in pairwise([inputs, *hidden]):
        layers += [nn.Linear(before, after), nn.Tanh()]
    return nn.Sequential(*layers)
