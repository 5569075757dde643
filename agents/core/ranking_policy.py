"""Candidate-ranking policy: proposed candidates are scored by the maps around their places."""

from collections.abc import Callable
from typing import ClassVar

import torch
from torch import Tensor, nn

from microgym.agents.core.network import ChoiceNet


class RankingPolicyNet(ChoiceNet):
    """Correction of a model's prediction of the effects of each candidate.

    Fully connected layers, shared by all candidates, read the maps around the place, numbers of the
    candidate and the model's prediction. A fresh network predicts what the model does.

    Args:
        maps: number of maps.
        numbers: numbers of a candidate, such as its bias.
        effects: number of effects of a candidate.
        width: units of the hidden layers.

    Attributes:
        reach: cells around a place that are read, in each direction.
        unit: unit of the correction of an effect.
        look_at, told, inner, cells: layers over the surroundings, over numbers and prediction, over
            both, and to the correction.
    """

    auxiliary_layers = ("look_at", "told", "inner", "cells")
    reach: ClassVar[int]
    unit: ClassVar[float]

    def __init__(self, maps: int, numbers: int, effects: int, width: int) -> None:
        super().__init__()
        patch = 2 * self.reach + 1
        self.look_at = nn.Linear(maps * patch**2, width)
        self.told = nn.Linear(numbers + 2 * effects, width)
        self.inner = nn.Linear(width, width)
        self.cells = nn.Linear(width, effects)
        with torch.no_grad():
            for parameter in self.cells.parameters():
                parameter.zero_()

    def predict(
        self,
        maps: Tensor,
        places: Tensor,
        numbers: Tensor,
        effects: Tensor,
        symmetry: Callable[[Tensor], Tensor] | None = None,
    ) -> Tensor:
        """Effects of each candidate, (B, K, effects).

        Args:
            maps: (B, maps, edge, edge).
            places: (B, K) cells of the maps, flat index.
            numbers: (B, K, numbers).
            effects: (B, K, effects), by the model.
            symmetry: of the square, applied to the surroundings of each place.
        """
        patches = self.surroundings(maps, places)
        around = patches if symmetry is None else symmetry(patches)
        told = [numbers, effects / self.unit, (effects / self.unit).abs()]
        x = torch.relu(self.look_at(around.flatten(2)) + self.told(torch.cat(told, dim=-1)))
        x = torch.relu(x + self.inner(x))
        return effects + self.unit * self.cells(x)

    def surroundings(self, maps: Tensor, places: Tensor) -> Tensor:
        """Maps around each place, (B, K, maps, patch, patch), with zeros outside the maps."""
        places, patch = places.long(), 2 * self.reach + 1
        padded = nn.functional.pad(maps, (self.reach,) * 4)
        windows = padded.unfold(2, patch, 1).unfold(3, patch, 1)
        row, column = places // maps.shape[-1], places % maps.shape[-1]
        return windows[torch.arange(len(maps))[:, None], :, row, column]
