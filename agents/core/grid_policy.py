"""Grid policy: a convolutional network that scores every cell of a grid, at several levels."""

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor, nn

from microgym.agents.core.network import TARGET, ChoiceNet


class GridPolicyNet(ChoiceNet):
    """Expected unseen structure under an exposure: one logit for each cell and level.

    A small convolutional network predicts the probability of structure in each cell of maps of
    twice the edge of the grid. That is multiplied by a power of one minus the coverage, and a
    convolution, initialised as the footprint of an exposure, sums it over each possible exposure; a
    second, free term is added. Numbers of the observation are constant planes beside the maps.

    Args:
        channels: maps of the observation.
        numbers: numbers of the observation.
        levels: levels of an exposure to choose from, such as its time.
        width: channels of the hidden layers.

    Attributes:
        empty: values of the maps where there is nothing.
        contrast: factors that bring structure in the maps to order one.
        coverage: number of the map of what has been seen, 0 to 1.
        footprint: width of the disk of an exposure, cells of the maps.
        logits_scale: inverse temperature of the policy.
        forget: power of one minus the coverage.
    """

    settings = ("width",)
    auxiliary_layers = ("stem", "body", "belief")
    privileged_features = 3
    value_features = 64
    empty: ClassVar[tuple[float, ...]]
    contrast: ClassVar[tuple[float, ...]]
    coverage: ClassVar[int]
    footprint: ClassVar[float]
    _empty: Tensor
    _contrast: Tensor

    def __init__(self, channels: int, numbers: int, levels: int, width: int) -> None:
        super().__init__()
        self.channels, self.numbers, self.levels, self.width = channels, numbers, levels, width
        self.stem = nn.Conv2d(channels + numbers, width, 4, stride=2, padding=1)
        self.body = nn.ModuleList(
            nn.Conv2d(width, width, 3, padding=reach, dilation=reach) for reach in (1, 2, 4)
        )
        self.belief = nn.Conv2d(width, 4, 1)
        self.free = nn.Conv2d(width, levels, 1)
        self.probe = nn.Conv2d(1, levels, 8, stride=2, padding=3)
        self.logits_scale = nn.Parameter(torch.tensor(12.0))
        self.forget = nn.Parameter(torch.tensor(0.5))
        for name in ("empty", "contrast"):
            plane = torch.tensor(getattr(self, name))[:, None, None]
            self.register_buffer(f"_{name}", plane, persistent=False)
        self.value = nn.Sequential(nn.Linear(2 * width + numbers, 64), nn.ReLU())
        with torch.no_grad():
            for parameter in (*self.free.parameters(), *self.probe.parameters()):
                parameter.zero_()
            self.probe.weight.copy_(soft_disk(self.footprint, 8).expand_as(self.probe.weight))

    def forward(self, observation: Mapping[str, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """Score every possible next exposure.

        Args:
            observation: "maps" (B, channels, 2g, 2g) and "numbers" (B, numbers), float32.

        Returns:
            Logits of the action (B, levels * g * g), levels outermost; value features (B, 64);
            logits of structure in each cell (B, 2g, 2g).
        """
        maps, numbers = observation["maps"], observation["numbers"]
        planes = numbers[:, :, None, None].expand(-1, -1, *maps.shape[2:])
        clear = (maps - self._empty) * self._contrast
        x = torch.relu(self.stem(torch.cat([clear, planes], dim=1)))
        for layer in self.body:
            x = x + torch.relu(layer(x))
        belief = nn.functional.pixel_shuffle(self.belief(x), 2)
        covered = maps[:, self.coverage : self.coverage + 1]
        unseen = (1.0 - covered).clamp(min=1e-4) ** self.forget
        logits = self.logits_scale * self.probe(torch.sigmoid(belief) * unseen) + self.free(x)
        pooled = torch.cat([x.mean(dim=(2, 3)), x.amax(dim=(2, 3)), numbers], dim=1)
        return logits.flatten(1), self.value(pooled), belief[:, 0]

    def critic_features(self, observation: Mapping[str, Tensor]) -> Tensor:
        """All structure, that not covered yet, and the most in one exposure, (B, 3)."""
        structure = observation[TARGET]
        rest = structure * (1.0 - observation["maps"][:, self.coverage])
        patches = nn.functional.avg_pool2d(rest[:, None], round(self.footprint), stride=2)
        sizes = [structure.mean(dim=(1, 2)), rest.mean(dim=(1, 2)), patches.amax(dim=(1, 2, 3))]
        return torch.stack(sizes, dim=1)


def soft_disk(width: float, edge: int) -> Tensor:
    """Disk of a width in cells with a rim of one cell, (edge, edge), of sum one."""
    at = torch.arange(edge) - 0.5 * (edge - 1)
    radius = torch.hypot(at[:, None], at[None, :])
    disk = (0.5 * width + 0.5 - radius).clamp(0.0, 1.0)
    return disk / disk.sum()
