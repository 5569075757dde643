"""Candidate-ranking policies: networks that score proposed places by the maps around them."""

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar

import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor, nn

from microgym.agents.core.network import ChoiceNet
from microgym.agents.core.policy_adapter import PolicyAdapter

MAPS, STATUS, PLACES = "maps", "numbers", "places"
"""Parts of the network's observation."""


class CandidateAdapter(PolicyAdapter):
    """Adapter of a candidate-ranking policy: maps, numbers, and the cells of the candidates.

    The choice is the number of a candidate, plus their count where an image is to follow.

    Args:
        observation_shapes: parts of the environment's observation that are read.
        maps: shape of the maps, (maps, edge, edge).
        numbers: number of numbers.
        count: number of candidates.
    """

    def __init__(
        self,
        observation_shapes: Mapping[str, Sequence[int]],
        maps: tuple[int, int, int],
        numbers: int,
        count: int,
    ) -> None:
        super().__init__(observation_shapes)
        self.observation_space = spaces.Dict(
            {
                MAPS: spaces.Box(-1.0, 1.0, maps, np.float32),
                STATUS: spaces.Box(-1.0, 1.0, (numbers,), np.float32),
                PLACES: spaces.Box(0, maps[1] * maps[2] - 1, (count,), np.int64),
            }
        )
        self.action_space = spaces.Discrete(2 * count)


class CandidatePolicyNet(ChoiceNet):
    """A network that corrects a model's prediction of the effect of each candidate.

    Fully connected layers, shared by all candidates, read the maps around the place, the kind of
    the candidate and the model's prediction.

    Args:
        maps: number of maps.
        kinds: (K,) kind of each candidate, such as the number of its bias.
        effects: number of effects of a candidate.
        width: units of the hidden layers.

    Attributes:
        edge: edge of the maps, cells.
        reach: cells around a place that are read, in each direction.
        unit: unit of the correction of an effect.
        look_at, told, inner, cells: layers over the surroundings, over kind and prediction, over
            both, and to the correction.
    """

    edge: ClassVar[int]
    reach: ClassVar[int]
    unit: ClassVar[float]
    _offsets: Tensor
    _kinds: Tensor

    def __init__(self, maps: int, kinds: Sequence[int], effects: int, width: int) -> None:
        super().__init__()
        patch = 2 * self.reach + 1
        self.look_at = nn.Linear(maps * patch**2, width)
        self.told = nn.Linear(max(kinds) + 1 + 2 * effects, width)
        self.inner = nn.Linear(width, width)
        self.cells = nn.Linear(width, effects)
        around = torch.arange(patch)
        offsets = around[:, None] * (self.edge + 2 * self.reach) + around[None, :]
        self.register_buffer("_offsets", offsets.flatten(), persistent=False)
        one_hot = nn.functional.one_hot(torch.tensor(kinds)).float()
        self.register_buffer("_kinds", one_hot, persistent=False)
        with torch.no_grad():
            for parameter in self.cells.parameters():
                parameter.zero_()

    @abstractmethod
    def model(self, around: Tensor) -> Tensor:
        """Effects that the model predicts, (B, K, effects).

        Args:
            around: (B, K, maps, patch * patch), maps around each place.
        """

    def predict(
        self, maps: Tensor, places: Tensor, symmetry: Callable[[Tensor], Tensor] | None = None
    ) -> Tensor:
        """Effects of each candidate, (B, K, effects).

        Args:
            maps: (B, maps, edge, edge).
            places: (B, K) cells of the maps, flat index.
            symmetry: of the square, applied to the surroundings of each place.
        """
        patches = self.surroundings(maps, places)
        around = (patches if symmetry is None else symmetry(patches)).flatten(3)
        effects = self.model(around)
        kinds = self._kinds.expand(*effects.shape[:2], -1)
        told = torch.cat([kinds, effects / self.unit, (effects / self.unit).abs()], dim=-1)
        x = torch.relu(self.look_at(around.flatten(2)) + self.told(told))
        x = torch.relu(x + self.inner(x))
        return effects + self.unit * self.cells(x)

    def surroundings(self, maps: Tensor, places: Tensor) -> Tensor:
        """Maps around each place, (B, K, maps, patch, patch), with zeros outside of the maps."""
        places, patch = places.long(), 2 * self.reach + 1
        padded = nn.functional.pad(maps, (self.reach,) * 4).flatten(2)
        corner = places // self.edge * (self.edge + 2 * self.reach) + places % self.edge
        index = (corner[:, :, None] + self._offsets).flatten(1)
        index = index[:, None].expand(-1, maps.shape[1], -1)
        found = padded.gather(2, index).unflatten(2, (places.shape[1], patch, patch))
        return found.transpose(1, 2)

    def auxiliary_parameters(self) -> list[nn.Parameter]:
        """Weights that the predicted effects depend on."""
        parts = (self.look_at, self.told, self.inner, self.cells)
        return [weight for part in parts for weight in part.parameters()]
