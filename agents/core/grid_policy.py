"""Grid policies: convolutional networks that score every cell of a grid, at several levels."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor, nn

from microgym.agents.core.network import TARGET, ChoiceNet, PolicyAdapter
from microgym.agents.core.registry import declared
from microgym.envs.core.channels import Channels

SYMMETRIES = tuple((turns, mirrored) for mirrored in (False, True) for turns in range(4))
"""Symmetries of the square: quarter turns, and whether it is mirrored before."""


def dilated(width: int, reaches: Sequence[int]) -> nn.ModuleList:
    """Convolutions of 3 by 3 that keep the shape, with taps at given distances, cells."""
    return nn.ModuleList(
        nn.Conv2d(width, width, 3, padding=reach, dilation=reach) for reach in reaches
    )


def residual(x: Tensor, layers: nn.ModuleList) -> Tensor:
    """Features (B, width, g, g) after residual layers."""
    for layer in layers:
        x = x + torch.relu(layer(x))
    return x


def pooled(x: Tensor, numbers: Tensor) -> Tensor:
    """Mean and maximum of features over the cells, then numbers, (B, 2 * width + numbers)."""
    return torch.cat([x.mean(dim=(2, 3)), x.amax(dim=(2, 3)), numbers], dim=1)


class GridNet(ChoiceNet):
    """Fully convolutional policy over the cells of a grid, for any observation of square maps.

    One convolution with the coordinates of the cells beside the maps brings them to the edge of the
    grid, numbers are added as constant planes, and residual, dilated convolutions give one logit
    for each cell and level. A fresh network chooses uniformly. Nothing is privileged.

    Where several agents choose at once, maps and numbers of all are read together, and each choice
    has output maps of its own. A fresh network prefers another side of the grid for each agent:
    equal policies would choose equal places, since each agent's choice is unknown to the others.

    Args:
        channels: maps of the observation, of one agent.
        numbers: numbers of the observation, of one agent.
        edge: cells along an edge of the maps, a multiple of `grid`.
        grid: cells along an edge of the grid of actions.
        levels: choices for each cell.
        width: channels of the hidden layers.
        parts: agents that choose at once.
    """

    kind = "grid"
    settings = ("width",)
    privileged_features = 0
    value_features = 64
    _at: Tensor

    def __init__(
        self,
        channels: int,
        numbers: int,
        edge: int,
        grid: int,
        levels: int,
        width: int = 24,
        parts: int = 1,
    ) -> None:
        super().__init__()
        self.channels, self.numbers, self.edge = channels, numbers, edge
        self.grid, self.levels, self.width, self.parts = grid, levels, width, parts
        maps, told = parts * channels + 2, parts * numbers
        step = edge // grid
        half = step // 2
        self.stem = nn.Conv2d(maps, width, step + 2 * half, stride=step, padding=half)
        self.told = nn.Linear(told, width)
        self.body = dilated(width, (1, 1, 2, 4))
        self.free = nn.Conv2d(width, parts * levels, 1)
        self.lean = nn.Parameter(_sides(parts))
        self.value = nn.Sequential(nn.Linear(2 * width + told, 64), nn.ReLU())
        line = (torch.arange(edge) + 0.5) * (2.0 / edge) - 1.0
        at = torch.stack(torch.meshgrid(line, line, indexing="ij"))
        self.register_buffer("_at", at, persistent=False)
        with torch.no_grad():
            for parameter in self.free.parameters():
                parameter.zero_()

    @classmethod
    def from_spaces(
        cls, observation_space: spaces.Dict, action_space: spaces.Space[Any], **settings: Any
    ) -> Self:
        """A network for the spaces of an environment with `action="grid"`.

        The grid is the largest that divides both the maps and the number of actions. Where actions
        are several choices of equal size, maps and numbers have an axis of as many agents.

        Raises:
            ValueError: an observation without square "maps" and "numbers", or actions that are no
                choices of a cell.
        """
        named = observation_space.spaces if isinstance(observation_space, spaces.Dict) else {}
        shape = named["maps"].shape if named.keys() == {"maps", "numbers"} else None
        if shape is None or len(shape) < 3 or shape[-2] != shape[-1]:
            raise ValueError(
                f"observations need square 'maps' and 'numbers', got {observation_space}"
            )
        # Choices of each agent; none where actions are continuous, or choices of unequal size.
        sizes = np.ravel(getattr(action_space, "nvec", getattr(action_space, "n", 0)))
        fits = shape[:-3] == action_space.shape and (sizes == sizes[0]).all()
        edge, choices = shape[-1], int(sizes[0]) if fits else 0
        found = [g for g in range(2, edge + 1) if edge % g == 0 and choices and choices % g**2 == 0]
        if not found:
            raise ValueError(f"actions must be cells of a grid on {edge} cells, got {action_space}")
        grid, numbers = found[-1], named["numbers"].shape
        assert numbers is not None
        parts, levels = len(sizes), choices // grid**2
        return cls(shape[-3], numbers[-1], edge, grid, levels, parts=parts, **settings)

    def forward(self, observation: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Score every choice.

        Args:
            observation: "maps" (B, channels, edge, edge) and "numbers" (B, numbers), float32, at
                the scale at which environments give them; with an axis of agents after the first
                where there are several.

        Returns:
            Logits (B, parts * levels * grid * grid), agents outermost, then levels; value features
            (B, 64).
        """
        maps, numbers = observation["maps"].flatten(1, -3), observation["numbers"].flatten(1)
        at = self._at.expand(len(maps), -1, -1, -1)
        line = (torch.arange(self.grid) + 0.5) * (2.0 / self.grid) - 1.0
        side = self.lean[:, :1, None] * line[:, None] + self.lean[:, 1:, None] * line
        x = self.stem(torch.cat([maps, at], dim=1)) + self.told(numbers)[:, :, None, None]
        x = residual(torch.relu(x), self.body)
        logits = self.free(x).unflatten(1, (self.parts, self.levels)) + side[:, None]
        return logits.flatten(1), self.value(pooled(x, numbers))

    def adapter(self, env_id: str) -> PolicyAdapter:
        """Cells of the grid as actions of the default environment.

        Raises:
            ValueError: an environment whose agents declare no such adapter.
        """
        adapter_class: type[PolicyAdapter] | None = declared(env_id, "ADAPTERS", self.kind)
        if adapter_class is None:
            raise ValueError(f"{env_id} has no adapter from cells of a grid to its actions")
        agents = () if self.parts == 1 else (self.parts,)
        maps = *agents, self.channels, self.edge, self.edge
        return adapter_class({"maps": maps, "numbers": (*agents, self.numbers)})

    def decide(self, observation: Mapping[str, Tensor]) -> Tensor:
        """The most probable choice, (B,) int64; (B, parts) where several agents choose."""
        chosen = self(observation)[0].unflatten(1, (self.parts, -1)).argmax(dim=2)
        return chosen[:, 0] if self.parts == 1 else chosen

    def critic_features(self, observation: Mapping[str, Tensor]) -> Tensor:
        """None, (B, 0)."""
        return observation["numbers"].flatten(1)[:, :0]


class GridPolicyNet(ChoiceNet):
    """Expected unseen structure under an exposure: one logit for each cell and level.

    A small convolutional network predicts the probability of structure in each cell of maps of
    twice the edge of the grid. That is multiplied by a power of one minus the coverage, and a
    convolution, initialised as the footprint of an exposure, sums it over each possible exposure.
    Logits are that gain, over the largest, less a part of the distance from the latest exposure,
    and what further convolutions over all of these add, at first nothing. Numbers of the
    observation are constant planes beside the maps; the first two are the latest position (y, x),
    between -1 and 1. Decisions are by the mean over all symmetries of the square.

    Args:
        channels: maps of the observation.
        numbers: numbers of the observation.
        levels: levels of an exposure to choose from, such as its time.
        width: channels of the hidden layers.

    Attributes:
        declared: channels of the maps.
        coverage: name of the map of what has been seen, 0 to 1.
        footprint: width of the disk of an exposure, cells of the maps.
        log_scale: logarithm of the inverse temperature of the policy.
        forget: power of one minus the coverage.
        travel: part of the largest gain that a distance of half the field costs.
    """

    settings = ("width",)
    auxiliary_layers = ("stem", "body", "belief")
    value_features = 64
    declared: ClassVar[Channels]
    coverage: ClassVar[str] = "coverage"
    footprint: ClassVar[float]

    def __init__(self, channels: int, numbers: int, levels: int, width: int) -> None:
        super().__init__()
        self.channels, self.numbers, self.levels, self.width = channels, numbers, levels, width
        self.stem = nn.Conv2d(channels + numbers, width, 4, stride=2, padding=1)
        self.body = dilated(width, (1, 2, 4))
        self.belief = nn.Conv2d(width, 4, 1)
        self.probe = nn.Conv2d(1, levels, 8, stride=2, padding=3)
        self.log_scale = nn.Parameter(torch.tensor(3.2))
        self.forget = nn.Parameter(torch.tensor(2.0))
        self.travel = nn.Parameter(torch.tensor(0.15))
        self.plan = nn.Conv2d(width + levels + 1, width, 1)
        self.ahead = dilated(width, (1, 2, 4))
        self.free = nn.Conv2d(width, levels, 1)
        self.value = nn.Sequential(nn.Linear(2 * width + numbers, 64), nn.ReLU())
        with torch.no_grad():
            for parameter in (*self.free.parameters(), *self.probe.parameters()):
                parameter.zero_()
            self.probe.weight.copy_(_disk(self.footprint, 8).expand_as(self.probe.weight))

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
        x = torch.relu(self.stem(torch.cat([maps, planes], dim=1)))
        x = residual(x, self.body)
        belief = nn.functional.pixel_shuffle(self.belief(x), 2)
        # The policy uses what is believed, and does not change it.
        likely, x = torch.sigmoid(belief.detach()), x.detach()
        unseen = (1.0 - self._covered(maps)).clamp(min=1e-4) ** self.forget
        gain = self.probe(likely * unseen)
        gain = gain / gain.amax(dim=(1, 2, 3), keepdim=True).clamp(min=1e-3)
        away = _distance(numbers[:, :2], gain.shape[-1])
        ahead = residual(torch.relu(self.plan(torch.cat([x, gain, away], dim=1))), self.ahead)
        logits = self.log_scale.exp() * (gain - self.travel * away) + self.free(ahead)
        # Nor does the critic change what the policy computes.
        value = self.value(pooled(ahead.detach(), numbers))
        return logits.flatten(1), value, belief[:, 0]

    def decide(self, observation: Mapping[str, Tensor]) -> Tensor:
        """The choice with the largest mean logit over the symmetries of the square, (B,) int64."""
        maps, numbers = observation["maps"], observation["numbers"]
        places, rest = numbers[:, :2], numbers[:, 2:]
        seen = {
            "maps": torch.cat([_turned(maps, *one) for one in SYMMETRIES]),
            "numbers": torch.cat(
                [torch.cat([_turned_place(places, *one), rest], dim=1) for one in SYMMETRIES]
            ),
        }
        logits = self(seen)[0].unflatten(1, (self.levels, maps.shape[-1] // 2, -1))
        each = zip(logits.chunk(len(SYMMETRIES)), SYMMETRIES, strict=True)
        # A mirrored turn is its own inverse.
        back = [_turned(one, turns if flip else -turns, flip) for one, (turns, flip) in each]
        return torch.stack(back).mean(dim=0).flatten(1).argmax(dim=1)

    def _covered(self, maps: Tensor) -> Tensor:
        """Values of the map of what has been seen, (B, 1, 2g, 2g), from the observed maps."""
        place, channel = self.declared.index(self.coverage), self.declared[self.coverage]
        return maps[:, place : place + 1] * channel.scale + channel.centre

    def critic_features(self, observation: Mapping[str, Tensor]) -> Tensor:
        """How much structure there is, and what the maps show of it.

        Returns:
            (B, 3 + channels): all structure, that not covered yet, the most of that in one
            exposure, and the mean of each map over the structure.
        """
        structure, maps = observation[TARGET], observation["maps"]
        rest = structure * (1.0 - self._covered(maps)[:, 0])
        patches = nn.functional.avg_pool2d(rest[:, None], round(self.footprint), stride=2)
        amount = structure.mean(dim=(1, 2))
        sizes = [amount, rest.mean(dim=(1, 2)), patches.amax(dim=(1, 2, 3))]
        shown = (maps * structure[:, None]).mean(dim=(2, 3)) / amount.clamp(min=1e-3)[:, None]
        return torch.cat([torch.stack(sizes, dim=1), shown], dim=1)


def _turned(planes: Tensor, turns: int, mirrored: bool) -> Tensor:
    """Planes (..., g, g), mirrored from left to right or not, then turned by quarters."""
    return torch.rot90(planes.flip(-1) if mirrored else planes, turns, (-2, -1))


def _turned_place(places: Tensor, turns: int, mirrored: bool) -> Tensor:
    """Places (B, 2), (y, x) from the centre, where `_turned` brings them."""
    y, x = places.unbind(dim=1)
    x = -x if mirrored else x
    for _ in range(turns):
        y, x = -x, y
    return torch.stack([y, x], dim=1)


def _sides(parts: int) -> Tensor:
    """Slopes (y, x) of the logits of each agent at first, (parts, 2): evenly around; 0 for one.

    A slope of 2 from the centre to the rim is a design choice.
    """
    angle = torch.arange(parts) * (2.0 * torch.pi / parts)
    return 2.0 * (parts > 1) * torch.stack([-torch.sin(angle), -torch.cos(angle)], dim=1)


def _disk(width: float, edge: int) -> Tensor:
    """Disk of a width in cells with a rim of one cell, (edge, edge), of sum one."""
    at = torch.arange(edge) - 0.5 * (edge - 1)
    radius = torch.hypot(at[:, None], at[None, :])
    disk = (0.5 * width + 0.5 - radius).clamp(0.0, 1.0)
    return disk / disk.sum()


def _distance(places: Tensor, cells: int) -> Tensor:
    """Distances (B, 1, cells, cells) of the cells of a grid from places (B, 2), both in [-1, 1]."""
    line = (torch.arange(cells) + 0.5) * (2.0 / cells) - 1.0
    y, x = (place[:, None] - line for place in places.unbind(dim=1))
    return torch.hypot(y[:, None, :, None], x[:, None, None, :])
