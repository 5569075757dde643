"""Candidate-ranking policy of PFM-v0: a network that scores proposed pulses."""

from collections.abc import Callable, Mapping
from typing import Any, Self

import torch
from gymnasium import spaces
from torch import Tensor, nn

from microgym.agents.core.network import ChoiceNet
from microgym.agents.pfm.candidates import (
    BELIEFS,
    COUNT,
    MAPS,
    MODEL,
    PLACES,
    STATUS,
    TRIES,
    PulseProposals,
)
from microgym.agents.pfm.domain_model import CELLS, EDGE
from microgym.envs.pfm.observation import NUMBERS
from microgym.instruments.pfm.state import SIZE

REACH = 4
"""Cells of the maps around a place that are read, in each direction: 8 cells of the film."""

CELLS_OUT = 20.0
"""Unit of the network's prediction, cells of the film (design choice)."""

_PATCH = 2 * REACH + 1
_WANTED, _UP = BELIEFS.index("wanted"), BELIEFS.index("up")
_AGE = NUMBERS.index("age")
_PADDED = CELLS + 2 * REACH


class PulsePolicyNet(ChoiceNet):
    """Predicted change of the film by each candidate, and the change of the agreement from that.

    Fully connected layers, shared by all candidates, read the maps around the place and correct
    the change that the disk of the domain model predicts. The logit of a candidate is proportional
    to the change of the agreement less the damage; a further output over all of the film is added
    to the logits with an image.

    Args:
        width: units of the hidden layers.

    Attributes:
        sharpness: inverse temperature of the policy.
        look_at, told: first layer, over the maps and over the domain model's prediction.
        looks, look: layers of the logit of an image; `eager` is its slope and offset over the
            number of pulses since the last image.
    """

    kind = "pulses"
    settings = ("width",)
    value_features = 64
    privileged_features = 2
    _offsets: Tensor
    _disks: Tensor
    _raises: Tensor
    _biases: Tensor

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self._width = width
        biases = len(MODEL.volts) + 1
        self.look_at = nn.Linear(len(BELIEFS) * _PATCH**2, width)
        self.told = nn.Linear(biases + 4, width)
        self.inner = nn.Linear(width, width)
        self.cells = nn.Linear(width, 2)
        self.sharpness = nn.Parameter(torch.tensor(3.0))
        summary = len(NUMBERS) + 6
        self.value = nn.Sequential(nn.Linear(summary, 64), nn.Tanh())
        self.looks = nn.Sequential(nn.Linear(summary, 32), nn.Tanh())
        self.look = nn.Linear(32, 1)
        # An image about every second time after seven pulses, as often as the expert's.
        self.eager = nn.Parameter(torch.tensor([60.0, -6.5]) / 20.0)
        with torch.no_grad():
            for parameter in (*self.cells.parameters(), *self.look.parameters()):
                parameter.zero_()
        number = torch.arange(COUNT) // TRIES
        around = torch.arange(_PATCH)
        offsets = (around[:, None] * _PADDED + around[None, :]).flatten()
        disks = torch.zeros(biases, _PATCH**2)
        for index, volts in enumerate(MODEL.volts):
            radius = MODEL.radius(volts) / EDGE
            at = around - REACH
            r = torch.hypot(at[:, None].float(), at[None, :].float())
            disks[index] = (radius + 0.5 - r).clamp(0.0, 1.0).flatten() * EDGE**2
        signs = torch.tensor([1.0 if volts > 0.0 else -1.0 for volts in MODEL.volts] + [0.0])
        constants = {
            "_offsets": offsets, "_disks": disks[number], "_raises": (signs[number] > 0).float(),
            "_biases": nn.functional.one_hot(number, biases).float(),
        }  # fmt: skip
        for name, constant in constants.items():
            self.register_buffer(name, constant, persistent=False)

    @classmethod
    def from_spaces(
        cls, observation_space: spaces.Dict, action_space: spaces.Space[Any], **settings: Any
    ) -> Self:
        """A network for the spaces of `PulseProposals`."""
        del observation_space, action_space
        return cls(**settings)

    def sizes(self) -> dict[str, Any]:
        """Arguments of this network."""
        return {"width": self._width}

    def adapter(self, env_id: str) -> PulseProposals:
        """The proposals that it scores."""
        del env_id
        return PulseProposals()

    @classmethod
    def training_adapter(
        cls, env_id: str, env_kwargs: Mapping[str, Any], settings: Mapping[str, Any]
    ) -> PulseProposals:
        """The same proposals."""
        del env_id, env_kwargs, settings
        return PulseProposals()

    def forward(self, observation: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Score every candidate.

        Args:
            observation: parts of `PulseProposals.adapt_observation`.

        Returns:
            Logits of the choice (B, 2 * COUNT), without an image first; value features (B, 64).
        """
        maps, numbers = observation[MAPS], observation[STATUS]
        hit, spilt = self.predict_domain_change(maps, observation[PLACES]).unbind(-1)
        wanted, up = maps[:, _WANTED].clamp(0.0, 1.0), maps[:, _UP]
        area = float(EDGE**2)
        size = area * wanted.sum(dim=(1, 2))[:, None]
        done = area * (up * wanted).sum(dim=(1, 2))[:, None]
        waste = area * (up * (1.0 - wanted)).sum(dim=(1, 2))[:, None]
        agreement = done / (size + waste)
        after = (done + hit) / (size + (waste + spilt).clamp(min=0.0)).clamp(min=1.0)
        worth = after - agreement - spilt / (SIZE * SIZE - size)
        best = worth.amax(dim=1, keepdim=True)
        told = [size / 500.0, done / size.clamp(min=1.0), waste / size.clamp(min=1.0), agreement]
        told += [10.0 * best, 10.0 * worth.mean(dim=1, keepdim=True)]
        summary = torch.cat([numbers, *told], dim=1)
        age = numbers[:, _AGE : _AGE + 1]
        looks = 20.0 * (self.eager[0] * age + self.eager[1]) + 2.0 * self.look(self.looks(summary))
        logits = 100.0 * self.sharpness * worth
        return torch.cat([logits, logits + looks], dim=1), self.value(summary)

    def predict_domain_change(
        self, maps: Tensor, places: Tensor, symmetry: Callable[[Tensor], Tensor] | None = None
    ) -> Tensor:
        """Cells of the film that each candidate would write in the pattern and beside it.

        Args:
            maps: (B, len(BELIEFS), CELLS, CELLS).
            places: (B, COUNT) cells of the maps.
            symmetry: of the square, applied to the surroundings of each place.

        Returns:
            (B, COUNT, 2) cells of the film; negative where a domain is erased.
        """
        patches = self._around(maps, places)
        around = (patches if symmetry is None else symmetry(patches)).flatten(3)
        wanted, up = around[:, :, _WANTED].clamp(0.0, 1.0), around[:, :, _UP]
        raises = self._raises[:, None]
        change = self._disks * (raises * (1.0 - up) - (1.0 - raises) * up)
        reckoned = torch.stack([(change * wanted).sum(-1), (change * (1 - wanted)).sum(-1)], -1)
        biases = self._biases.expand(*reckoned.shape[:2], -1)
        told = torch.cat([biases, reckoned / CELLS_OUT, (reckoned / CELLS_OUT).abs()], dim=-1)
        x = torch.relu(self.look_at(around.flatten(2)) + self.told(told))
        x = torch.relu(x + self.inner(x))
        return reckoned + CELLS_OUT * self.cells(x)

    def auxiliary_parameters(self) -> list[nn.Parameter]:
        """Weights that the prediction depends on."""
        parts = (self.look_at, self.told, self.inner, self.cells)
        return [weight for part in parts for weight in part.parameters()]

    def _around(self, maps: Tensor, places: Tensor) -> Tensor:
        """(B, COUNT, len(BELIEFS), patch, patch) surroundings; zeros outside of the film."""
        places = places.long()
        padded = nn.functional.pad(maps, (REACH,) * 4).flatten(2)
        corner = places // CELLS * _PADDED + places % CELLS
        index = (corner[:, :, None] + self._offsets).flatten(1)
        index = index[:, None].expand(-1, maps.shape[1], -1)
        found = padded.gather(2, index).unflatten(2, (COUNT, _PATCH, _PATCH))
        return found.transpose(1, 2)
