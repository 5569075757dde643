"""A small network over all numbers of an observation, for tasks without maps to look at."""

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import torch
from gymnasium import spaces
from torch import Tensor, nn

from microgym.agents.core.network import Network


class MLPPolicyNet(Network):
    """Fully connected layers with tanh; one output a component of the action.

    Args:
        parts: name and shape of each part of the observation, in the order in which they are read.
        hidden: widths of the layers between.
        action: "box" (components between `low` and `high`), "discrete" or "multidiscrete" (one of
            `choices` for each component).
        low, high: ends of each component of a box.
        choices: numbers of choices.

    Raises:
        ValueError: another kind of action.
    """

    kind = "features"

    def __init__(
        self,
        parts: Mapping[str, Sequence[int]],
        hidden: Sequence[int],
        action: str,
        low: Sequence[float] = (),
        high: Sequence[float] = (),
        choices: Sequence[int] = (),
    ) -> None:
        super().__init__()
        if action not in ("box", "discrete", "multidiscrete"):
            raise ValueError(f"action must be box, discrete or multidiscrete, got {action!r}")
        self.parts = {name: list(shape) for name, shape in parts.items()}
        self.reads = tuple(self.parts)
        self.hidden, self.action = list(hidden), action
        self.low, self.high, self.choices = list(low), list(high), list(choices)
        sizes = [sum(math.prod(shape) for shape in self.parts.values()), *hidden]
        layers: list[nn.Module] = []
        for before, after in pairwise(sizes):
            layers += [nn.Linear(before, after), nn.Tanh()]
        self.body = nn.Sequential(*layers)
        self.head = nn.Linear(sizes[-1], len(low) if action == "box" else sum(choices))

    def sizes(self) -> dict[str, Any]:
        """Arguments of this network."""
        names = ("parts", "hidden", "action", "low", "high", "choices")
        return {name: getattr(self, name) for name in names}

    def forward(self, observation: Mapping[str, Tensor]) -> Tensor:
        """Means of a box's components, or logits of all choices, (B, outputs)."""
        flat = [observation[name].flatten(1).float() for name in self.reads]
        return self.head(self.body(torch.cat(flat, dim=1)))

    def decide(self, observation: Mapping[str, Tensor]) -> Tensor:
        """The most probable action."""
        out = self(observation)
        if self.action == "box":
            return out.clamp(torch.tensor(self.low), torch.tensor(self.high))
        best = [one.argmax(dim=1) for one in out.split(self.choices, dim=1)]
        return best[0] if self.action == "discrete" else torch.stack(best, dim=1)


def sizes_for(
    observation_space: spaces.Dict, action_space: spaces.Space[Any], hidden: Sequence[int]
) -> dict[str, Any]:
    """Arguments of a `MLPPolicyNet` for an environment.

    Args:
        observation_space: a dict of boxes.
        action_space: `Box` of one axis, `Discrete` or `MultiDiscrete`.
        hidden: widths of the layers between.

    Raises:
        TypeError: an action space of another kind.
    """
    parts = {name: list(one.shape or ()) for name, one in observation_space.spaces.items()}
    sizes: dict[str, Any] = {"parts": parts, "hidden": list(hidden)}
    if isinstance(action_space, spaces.Box):
        ends = {"low": action_space.low.tolist(), "high": action_space.high.tolist()}
        return {**sizes, "action": "box", **ends}
    if isinstance(action_space, spaces.Discrete):
        return {**sizes, "action": "discrete", "choices": [int(action_space.n)]}
    if isinstance(action_space, spaces.MultiDiscrete):
        return {**sizes, "action": "multidiscrete", "choices": action_space.nvec.tolist()}
    raise TypeError(f"actions must be Box, Discrete or MultiDiscrete, got {action_space}")
