"""Networks that score every cell of a grid, at several levels, from maps of twice its edge."""

from collections.abc import Callable
from typing import Any, Self

import torch
from gymnasium import spaces
from torch import Tensor

from microgym.agents.core.network import ChoiceNet


class GridPolicyNet(ChoiceNet):
    """A network whose choices are the cells of a g by g grid at several levels, levels outermost.

    Called with "maps" (B, channels, 2g, 2g) and "numbers" (B, numbers), it returns the logits of
    all choices (B, levels * g * g), features for a critic, and logits of the auxiliary target in
    each cell of the maps (B, 2g, 2g).

    Args:
        channels: maps of the observation.
        numbers: numbers of the observation.
        levels: levels to choose from.
        width: channels of the hidden layers.
    """

    settings = ("width",)

    def __init__(self, channels: int, numbers: int, levels: int, width: int) -> None:
        super().__init__()
        self.channels, self.numbers, self.levels, self.width = channels, numbers, levels, width

    @classmethod
    def from_spaces(
        cls, observation_space: spaces.Dict, action_space: spaces.Space[Any], **settings: Any
    ) -> Self:
        """A network for "maps" and "numbers", and a discrete action of levels times cells."""
        maps: Any = observation_space["maps"].shape
        assert isinstance(action_space, spaces.Discrete)
        levels = int(action_space.n) // ((maps[1] // 2) * (maps[2] // 2))
        return cls(maps[0], spaces.flatdim(observation_space["numbers"]), levels, **settings)


def random_symmetry() -> Callable[[Tensor], Tensor]:
    """A random symmetry of the square, to augment data of specimens without a preferred direction.

    Returns:
        A function of planes (..., H, H); the same symmetry at every call.
    """
    turns, mirrored = int(torch.randint(4, ())), bool(torch.randint(2, ()))
    return lambda planes: turned(planes, turns, mirrored)


def turned(planes: Tensor, turns: int, mirrored: bool) -> Tensor:
    """Turn the last two axes by quarter turns, after reflecting the last one if asked.

    Args:
        planes: (..., H, W).
        turns: number of quarter turns, 0 to 3.
        mirrored: reflect the last axis first.

    Returns:
        (..., H, W) for square planes.
    """
    return torch.rot90(planes.flip(-1) if mirrored else planes, turns, (-2, -1))
