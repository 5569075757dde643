"""The network that looks at a scan's maps and says how good each next exposure would be."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from microgym.agents.core.grid_network import GridPolicyNet

PROBE_CELLS = 6.25
"""Width of the probe of the default environment in cells of the maps: 25 px of 4 px each."""

VACUUM = (0.5, 0.0, 0.0, 0.0, 0.6)
"""What the maps show where nothing is: amplitude, phase, coverage, dose, uncertainty."""
CONTRAST = (10.0, 20.0, 1.0, 3.0, 2.0)
"""Factors that bring structure in the maps to order one (design choice)."""

COVERAGE = 2
"""Place of the coverage among the maps (`microgym.envs.ptycho.observation.CHANNELS`)."""


class ScanPolicyNet(GridPolicyNet):
    """What is where, seen through the probe: one logit a cell and exposure time.

    A small convolutional network says how likely each place holds structure. That is multiplied by
    what the coverage leaves to be seen, and a convolution that starts as the probe's disk adds it
    up under each possible exposure; a second, free term is added. The numbers of the observation
    become constant planes beside the maps, so that every place knows how much time is left.

    Args:
        channels: maps of the observation.
        numbers: numbers of the observation.
        levels: exposure times to choose from.
        width: feature maps inside.
        dilations: reach of each inner layer, cells of the grid.

    Attributes:
        logits_scale: how sharply the policy prefers the better places.
    """

    kind = "scan"
    truth_features = 3
    value_features = 64

    def __init__(
        self,
        channels: int = len(VACUUM),
        numbers: int = 7,
        levels: int = 3,
        width: int = 24,
        dilations: tuple[int, ...] = (1, 2, 4),
    ) -> None:
        super().__init__(channels, numbers, levels, width)
        self.stem = nn.Conv2d(channels + numbers, width, 4, stride=2, padding=1)
        self.body = nn.ModuleList(
            nn.Conv2d(width, width, 3, padding=reach, dilation=reach) for reach in dilations
        )
        self.belief = nn.Conv2d(width, 4, 1)
        self.free = nn.Conv2d(width, levels, 1)
        self.probe = nn.Conv2d(1, levels, 8, stride=2, padding=3)
        self.logits_scale = nn.Parameter(torch.tensor(12.0))
        self.forget = nn.Parameter(torch.tensor(0.5))
        self.vacuum: Tensor
        self.contrast: Tensor
        self.register_buffer("vacuum", torch.tensor(VACUUM)[:, None, None], persistent=False)
        self.register_buffer("contrast", torch.tensor(CONTRAST)[:, None, None], persistent=False)
        self.value = nn.Sequential(nn.Linear(2 * width + numbers, 64), nn.ReLU())
        with torch.no_grad():
            for parameter in (*self.free.parameters(), *self.probe.parameters()):
                parameter.zero_()
            self.probe.weight.copy_(_disk(8).expand_as(self.probe.weight))

    def forward(self, observation: Mapping[str, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """Judge every possible next exposure.

        Args:
            observation: "maps" (B, channels, 2g, 2g) and "numbers" (B, numbers), float32.

        Returns:
            Logits of the action (B, levels*g*g), exposure times outermost; value features (B, 64);
            logits of structure in each cell (B, 2g, 2g).
        """
        maps, numbers = observation["maps"], observation["numbers"]
        planes = numbers[:, :, None, None].expand(-1, -1, *maps.shape[2:])
        clear = (maps - self.vacuum) * self.contrast
        x = torch.relu(self.stem(torch.cat([clear, planes], dim=1)))
        for layer in self.body:
            x = x + torch.relu(layer(x))
        belief = nn.functional.pixel_shuffle(self.belief(x), 2)
        unseen = (1.0 - maps[:, COVERAGE : COVERAGE + 1]).clamp(min=1e-4) ** self.forget
        logits = self.logits_scale * self.probe(torch.sigmoid(belief) * unseen) + self.free(x)
        pooled = torch.cat([x.mean(dim=(2, 3)), x.amax(dim=(2, 3)), numbers], dim=1)
        return logits.flatten(1), self.value(pooled), belief[:, 0]

    def seeing(self) -> list[nn.Parameter]:
        """Weights that the belief depends on."""
        parts = [self.stem, self.body, self.belief]
        return [weight for part in parts for weight in part.parameters()]

    def lesson(
        self, seen: Mapping[str, Tensor], truth: Tensor, chosen: Tensor, reward: Tensor
    ) -> Tensor:
        """Loss of the auxiliary task: to see structure.

        Args:
            seen: observations.
            truth: (B, 2g, 2g) part of each cell that is structure.
            chosen: (B, levels, g, g), not needed here.
            reward: (B,), not needed here.
        """
        del chosen, reward
        return nn.functional.binary_cross_entropy_with_logits(self(seen)[2], truth)

    @staticmethod
    def hints(maps: Tensor, truth: Tensor) -> Tensor:
        """What the truth says of the rest of the episode, (B, 3).

        How much structure there is, how much of it is not covered yet, and how much one exposure
        could show.

        Args:
            maps: (B, channels, 2g, 2g).
            truth: (B, 2g, 2g) part of each cell that is structure.
        """
        rest = truth * (1.0 - maps[:, COVERAGE])
        patches = nn.functional.avg_pool2d(rest[:, None], 6, stride=2)
        sizes = [truth.mean(dim=(1, 2)), rest.mean(dim=(1, 2)), patches.amax(dim=(1, 2, 3))]
        return torch.stack(sizes, dim=1)


def _disk(edge: int) -> Tensor:
    """Soft disk of the probe's width, (edge, edge), adding up to one."""
    at = torch.arange(edge) - 0.5 * (edge - 1)
    radius = torch.hypot(at[:, None], at[None, :])
    disk = (0.5 * PROBE_CELLS + 0.5 - radius).clamp(0.0, 1.0)
    return disk / disk.sum()
