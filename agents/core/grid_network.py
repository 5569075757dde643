"""What networks have in common that look at maps and judge every place of a grid."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor, nn

from microgym.agents.core.network import Network


class GridPolicyNet(Network):
    """A network whose choices are places of a g by g grid, at several levels of something.

    Called with an observation ("maps" (B, channels, 2g, 2g) and "numbers"), it returns the logits
    of all choices (B, levels*g*g), levels outermost; features for a critic; and its belief, logits
    of what the truth of training is in each cell of the maps.

    Args:
        channels: maps of the observation.
        numbers: numbers of the observation.
        levels: levels to choose from.
        width: feature maps inside.

    Attributes:
        value_features: number of the critic's features.
        truth_features: numbers in a hint.
    """

    reads = ("maps", "numbers")
    value_features: ClassVar[int]
    truth_features: ClassVar[int]

    def __init__(self, channels: int, numbers: int, levels: int, width: int) -> None:
        super().__init__()
        self._arguments = {
            "channels": channels,
            "numbers": numbers,
            "levels": levels,
            "width": width,
        }

    def sizes(self) -> dict[str, int]:
        """Arguments of this network."""
        return dict(self._arguments)

    def decide(self, observation: Mapping[str, Tensor]) -> Tensor:
        """The most probable of the grid's actions, (B,) int64."""
        return self(observation)[0].argmax(dim=1)

    @abstractmethod
    def seeing(self) -> list[nn.Parameter]:
        """Weights that the lesson depends on."""

    @abstractmethod
    def lesson(
        self, seen: Mapping[str, Tensor], truth: Tensor, chosen: Tensor, reward: Tensor
    ) -> Tensor:
        """Loss of what the network is taught beside its policy.

        Args:
            seen: observations.
            truth: (B, 2g, 2g) truth of training, between 0 and 1.
            chosen: (B, levels, g, g), 1 at the choice that was made.
            reward: (B,) what it earned.

        Returns:
            A number.
        """

    @staticmethod
    @abstractmethod
    def hints(maps: Tensor, truth: Tensor) -> Tensor:
        """What a critic is told of the truth, (B, truth_features).

        Args:
            maps: (B, channels, 2g, 2g).
            truth: (B, 2g, 2g) truth of training.
        """


def turned(planes: Tensor, turns: int, mirrored: bool) -> Tensor:
    """Turn the last two axes by quarter turns, after mirroring them if asked.

    Args:
        planes: (..., H, W).
        turns: number of quarter turns, 0 to 3.
        mirrored: mirror the last axis first.

    Returns:
        (..., H, W) for square planes.
    """
    return torch.rot90(planes.flip(-1) if mirrored else planes, turns, (-2, -1))
