"""Grid policy of Ptycho-v0: a convolutional network that scores every next exposure."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from microgym.agents.core.network import TARGET, ChoiceNet, PolicyAdapter
from microgym.agents.core.privileged_observation import PrivilegedTeacher, random_symmetry
from microgym.envs.ptycho.config import GRID, GRID_DWELLS_S
from microgym.envs.ptycho.observation import MAPS, NUMBERS

PROBE_CELLS = 6.25
"""Width of the probe of the default environment in cells of the maps: 25 px of 4 px each."""

VACUUM = (0.5, 0.0, 0.0, 0.0, 0.6)
"""Values of the maps in vacuum: amplitude, phase, coverage, dose, uncertainty."""
CONTRAST = (10.0, 20.0, 1.0, 3.0, 2.0)
"""Factors that bring structure in the maps to order one (design choice)."""

COVERAGE = MAPS.index("coverage")


class ScanPolicyNet(ChoiceNet):
    """Expected unseen structure under the probe: one logit for each cell and exposure time.

    A small convolutional network predicts the probability of structure in each cell. That is
    multiplied by a power of one minus the coverage, and a convolution, initialised as the disk of
    the probe, sums it over each possible exposure; a second, free term is added. The numbers of
    the observation become constant planes beside the maps.

    Args:
        channels: maps of the observation.
        numbers: numbers of the observation.
        levels: exposure times to choose from.
        width: channels of the hidden layers.

    Attributes:
        logits_scale: inverse temperature of the policy.
    """

    kind = "scan"
    settings = ("width",)
    auxiliary_layers = ("stem", "body", "belief")
    privileged_features = 3
    value_features = 64

    def __init__(
        self,
        channels: int = len(MAPS),
        numbers: int = len(NUMBERS),
        levels: int = len(GRID_DWELLS_S),
        width: int = 24,
    ) -> None:
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
        """Score every possible next exposure.

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

    def adapter(self, env_id: str) -> PolicyAdapter:
        """Cells of the grid as continuous actions."""
        maps = (self.channels, 2 * GRID, 2 * GRID)
        return ExposureGridAdapter({"maps": maps, "numbers": (self.numbers,)})

    def critic_features(self, observation: Mapping[str, Tensor]) -> Tensor:
        """All structure, that not covered yet, and the most in one exposure, (B, 3)."""
        structure = observation[TARGET]
        rest = structure * (1.0 - observation["maps"][:, COVERAGE])
        patches = nn.functional.avg_pool2d(rest[:, None], 6, stride=2)
        sizes = [structure.mean(dim=(1, 2)), rest.mean(dim=(1, 2)), patches.amax(dim=(1, 2, 3))]
        return torch.stack(sizes, dim=1)


class ExposureGridAdapter(PolicyAdapter):
    """Observations as they are; cells and exposure times as (y, x, log10 of seconds)."""

    def adapt_action(self, choice: NDArray[Any]) -> NDArray[np.float32]:
        """Actions (..., 3) for choices (...), exposure times outermost."""
        level, cell = np.divmod(choice, GRID * GRID)
        places = 2.0 * (np.stack(np.divmod(cell, GRID), axis=-1) + 0.5) / GRID - 1.0
        seconds = np.array([math.log10(dwell_s) for dwell_s in GRID_DWELLS_S])[level]
        return np.concatenate([places, seconds[..., None]], axis=-1).astype(np.float32)


def _disk(edge: int) -> Tensor:
    """Soft disk of the probe's width, (edge, edge), with sum one."""
    at = torch.arange(edge) - 0.5 * (edge - 1)
    radius = torch.hypot(at[:, None], at[None, :])
    disk = (0.5 * PROBE_CELLS + 0.5 - radius).clamp(0.0, 1.0)
    return disk / disk.sum()


class StructureTeacher(PrivilegedTeacher):
    """Targets are the parts of the cells of the maps that are structure."""

    target_shape = (2 * GRID, 2 * GRID)

    def target(self, observation: Any, info: Mapping[str, Any]) -> NDArray[Any]:
        """(N, 2 * GRID, 2 * GRID) float32 between 0 and 1."""
        return info["latent"]["structure"]

    def loss(self, net: Any, batch: Mapping[str, Tensor]) -> Tensor:
        """Binary cross entropy of the segmentation, under a random symmetry of the square."""
        symmetry = random_symmetry()
        observation = {"maps": symmetry(batch["maps"]), "numbers": batch["numbers"]}
        logits, target = net(observation)[2], symmetry(batch[TARGET])
        return nn.functional.binary_cross_entropy_with_logits(logits, target)
