"""The network that looks at a film's maps and says how good each next pulse would be."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from microgym.agents.networks.grid import GridNet
from microgym.agents.references.pfm import Brush, domain_radius
from microgym.envs.pfm.arguments import GRID_VOLTS
from microgym.envs.pfm.maps import CHANNELS, NUMBERS

_RESPONSE, _WANTED, _FRESH = (CHANNELS.index(name) for name in ("response", "wanted", "fresh"))
_AGE = NUMBERS.index("age")

_SIGHT, _FORESIGHT = 0.3, 100.0
"""Weights of the auxiliary tasks, of losses near 0.1 and near 0.001 (design choice)."""

_LOOK_GAIN = 10.0
"""Makes up for the small steps of the optimiser, for what begins as weights far from zero."""

READS = 2
"""Levels of each bias: without and with a look afterwards."""


class DomainNet(GridNet):
    """What points where, and what a pulse would put right: one logit a cell, bias and look.

    A small convolutional network corrects the last image by what was done since: a belief of what
    points up. From it and from what is wanted follow what is to be raised and to be lowered; a
    convolution that begins as the disk that each bias switches adds that up around every place. A
    second, free term is added, and one number for looking. The numbers of the observation are added
    to what is seen everywhere.

    Args:
        channels: maps of the observation.
        numbers: numbers of the observation.
        levels: biases to choose from, times `READS`.
        width: feature maps inside.
        dilations: reach of each inner layer, cells of the grid.

    Attributes:
        sharpness: how sharply the policy prefers the better places.
    """

    kind = "domains"
    truth_features = 2
    value_features = 64

    def __init__(
        self,
        channels: int = len(CHANNELS),
        numbers: int = len(NUMBERS),
        levels: int = READS * len(GRID_VOLTS),
        width: int = 16,
        dilations: tuple[int, ...] = (1, 2, 4),
    ) -> None:
        super().__init__(channels, numbers, levels, width)
        self.stem = nn.Conv2d(channels, width, 4, stride=2, padding=1)
        self.told = nn.Linear(numbers, width)
        self.body = nn.ModuleList(
            nn.Conv2d(width, width, 3, padding=reach, dilation=reach) for reach in dilations
        )
        biases = levels // READS
        self.belief = nn.Conv2d(width, 4, 1)
        self.free = nn.Conv2d(width, biases, 1)
        self.brush = nn.Conv2d(4, biases, 8, stride=2, padding=3)
        self.look = nn.Linear(2 * width + numbers, 1)
        self.known = nn.Parameter(torch.tensor([4.0, 60.0, 0.0]))
        self.sharpness = nn.Parameter(torch.tensor(20.0))
        self.expected = nn.Linear(64, 1)
        self.worth = nn.Parameter(torch.tensor([0.5, -2.0]))
        self.value = nn.Sequential(nn.Linear(2 * width + numbers, 64), nn.ReLU())
        with torch.no_grad():
            layers = (self.belief, self.free, self.brush, self.look)
            for parameter in (p for layer in layers for p in layer.parameters()):
                parameter.zero_()
            # About half of the time after five pulses, as a skilled operator looks.
            self.look.weight[0, 2 * width + _AGE] = 60.0 / _LOOK_GAIN
            self.look.bias.fill_(-4.5 / _LOOK_GAIN)
            for index, volts in enumerate(GRID_VOLTS[:biases]):
                self.brush.weight[index] = _stroke(volts, 8)

    def forward(self, observation: Mapping[str, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """Judge every possible next pulse.

        Args:
            observation: "maps" (B, channels, 2g, 2g) and "numbers" (B, numbers), float32.

        Returns:
            Logits of the action (B, levels*g*g), levels outermost; value features (B, 64); logits
            of each cell's pointing up (B, 2g, 2g).
        """
        maps, numbers = observation["maps"], observation["numbers"]
        x = torch.relu(self.stem(maps) + self.told(numbers)[:, :, None, None])
        for layer in self.body:
            x = x + torch.relu(layer(x))
        image, done, constant = self.known
        belief = nn.functional.pixel_shuffle(self.belief(x), 2)
        fresh = maps[:, _FRESH : _FRESH + 1]
        belief = belief + image * maps[:, _RESPONSE : _RESPONSE + 1] + constant
        belief = belief + done * torch.sign(fresh) * (fresh.abs() - _SWITCHES).clamp(min=0.0)
        up, wanted = torch.sigmoid(belief), maps[:, _WANTED : _WANTED + 1].clamp(0.0, 1.0)
        parts = [(1 - up) * wanted, (1 - up) * (1 - wanted), up * (1 - wanted), up * wanted]
        judged = self.sharpness * self.brush(torch.cat(parts, dim=1)) + self.free(x)
        pooled = torch.cat([x.mean(dim=(2, 3)), x.amax(dim=(2, 3)), numbers], dim=1)
        looks = _LOOK_GAIN * self.look(pooled)[:, :, None, None]
        logits = torch.stack([judged, judged + looks], dim=2)
        return logits.flatten(1), self.value(pooled), belief[:, 0]

    def seeing(self) -> list[nn.Parameter]:
        """Weights that the lesson depends on."""
        parts = [self.stem, self.told, self.body, self.belief, self.brush, self.free, self.value]
        parts.append(self.expected)
        single = [self.known, self.sharpness, self.worth]
        return [*(weight for part in parts for weight in part.parameters()), *single]

    def lesson(
        self, seen: Mapping[str, Tensor], truth: Tensor, chosen: Tensor, reward: Tensor
    ) -> Tensor:
        """Loss of the auxiliary tasks: to see what points up, and to foresee what a pulse is worth.

        A reward is foreseen as the judgement of the pulse, relative to the size of the pattern, and
        a part that does not depend on it.

        Args:
            seen: observations.
            truth: (B, 2g, 2g) part of each cell that points up.
            chosen: (B, levels, g, g), 1 at the pulse that was given.
            reward: (B,) what it earned.
        """
        logits, value, belief = self(seen)
        judged = logits.view_as(chosen)
        looked = chosen[:, 1::READS].sum(dim=(1, 2, 3))
        looks = (judged[:, 1] - judged[:, 0])[:, 0, 0]
        own = (judged * chosen).sum(dim=(1, 2, 3)) - looked * looks
        size = seen["maps"][:, _WANTED].mean(dim=(1, 2)).clamp(min=0.03)
        rest = 0.01 * self.expected(value)[:, 0]
        foreseen = 0.001 * self.worth[0] / size * own + rest + 0.01 * self.worth[1] * looked
        error = (reward - foreseen).square().mean()
        sight = nn.functional.binary_cross_entropy_with_logits(belief, truth)
        return _SIGHT * sight + _FORESIGHT * error

    @staticmethod
    def hints(maps: Tensor, truth: Tensor) -> Tensor:
        """What the truth says of the rest of the episode, (B, 2): what is missing, what is spilt.

        Args:
            maps: (B, channels, 2g, 2g).
            truth: (B, 2g, 2g) part of each cell that points up.
        """
        wanted = maps[:, _WANTED].clamp(0.0, 1.0)
        missing, spilt = (1 - truth) * wanted, truth * (1 - wanted)
        return torch.stack([missing.mean(dim=(1, 2)), spilt.mean(dim=(1, 2))], dim=1)


_SWITCHES = Brush().coercive


def _stroke(volts: float, edge: int) -> Tensor:
    """What a pulse does to (missing, empty, spilt, written) around it, (4, edge, edge)."""
    brush = Brush()
    radius = 0.5 * domain_radius(volts, brush.coercive, brush.tip_cells)
    at = torch.arange(edge) - 0.5 * (edge - 1)
    disk = (radius + 0.5 - torch.hypot(at[:, None], at[None, :])).clamp(0.0, 1.0) / 16.0
    care = -brush.care
    signs = (1.0, care, 0.0, 0.0) if volts > 0.0 else (0.0, 0.0, 1.0, care)
    return torch.stack([sign * disk for sign in signs])
