"""The network that judges the pulses that an operator proposes by what surrounds each of them."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from microgym.agents.core.grid_network import turned
from microgym.agents.core.network import Network
from microgym.agents.core.policy_adapter import PolicyAdapter
from microgym.agents.pfm.candidates import (  # fmt: skip
    BRUSH,
    COUNT,
    MAPS,
    NUMBERS_SEEN,
    PLACES,
    SEEN,
    TRIES,
    PulseProposals,
)
from microgym.agents.pfm.domain_model import CELLS, EDGE, domain_radius
from microgym.envs.pfm.observation import NUMBERS
from microgym.instruments.pfm.state import SIZE

REACH = 4
"""Cells of the maps around a place that are looked at, in each direction: 8 cells of the film."""

CELLS_OUT = 20.0
"""Cells of the film that the judge's outputs are in units of (design choice)."""

_PATCH = 2 * REACH + 1
_WANTED, _UP = SEEN.index("wanted"), SEEN.index("up")
_AGE = NUMBERS.index("age")
_PADDED = CELLS + 2 * REACH


class CandidatePolicyNet(Network):
    """How many cells each proposed pulse would put right and wrong, and what that is worth.

    A small network that all proposals share reads the maps around the place, and corrects what a
    calibrated disk would do there. The worth of a pulse is the change of the agreement that follows
    from the cells, less the damage. The policy prefers what is worth more; one number more, from
    the whole of the film, speaks for an image afterwards.

    Args:
        width: units of the inner layers.

    Attributes:
        sharpness: how sharply the policy prefers the better pulses.
    """

    kind = "pulses"
    reads = (MAPS, NUMBERS_SEEN, PLACES)
    value_features = 64
    _offsets: Tensor
    _disks: Tensor
    _raises: Tensor
    _biases: Tensor

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self._width = width
        biases = len(BRUSH.volts) + 1
        self.look_at = nn.Linear(len(SEEN) * _PATCH**2, width)
        self.told = nn.Linear(biases + 4, width)
        self.inner = nn.Linear(width, width)
        self.cells = nn.Linear(width, 2)
        self.sharpness = nn.Parameter(torch.tensor(3.0))
        summary = len(NUMBERS) + 6
        self.value = nn.Sequential(nn.Linear(summary, 64), nn.Tanh())
        self.looks = nn.Sequential(nn.Linear(summary, 32), nn.Tanh())
        self.look = nn.Linear(32, 1)
        # About half of the time after seven pulses, as a skilled operator looks.
        self.eager = nn.Parameter(torch.tensor([60.0, -6.5]) / 20.0)
        with torch.no_grad():
            for parameter in (*self.cells.parameters(), *self.look.parameters()):
                parameter.zero_()
        number = torch.arange(COUNT) // TRIES
        around = torch.arange(_PATCH)
        offsets = (around[:, None] * _PADDED + around[None, :]).flatten()
        disks = torch.zeros(biases, _PATCH**2)
        for index, volts in enumerate(BRUSH.volts):
            radius = domain_radius(volts, BRUSH.coercive, BRUSH.tip_cells) / EDGE
            at = around - REACH
            r = torch.hypot(at[:, None].float(), at[None, :].float())
            disks[index] = (radius + 0.5 - r).clamp(0.0, 1.0).flatten() * EDGE**2
        signs = torch.tensor([1.0 if volts > 0.0 else -1.0 for volts in BRUSH.volts] + [0.0])
        constants = {
            "_offsets": offsets, "_disks": disks[number], "_raises": (signs[number] > 0).float(),
            "_biases": nn.functional.one_hot(number, biases).float(),
        }  # fmt: skip
        for name, constant in constants.items():
            self.register_buffer(name, constant, persistent=False)

    def sizes(self) -> dict[str, Any]:
        """Arguments of this network."""
        return {"width": self._width}

    def interpreter(self, env_id: str) -> PolicyAdapter:
        """The operator whose proposals it judges."""
        del env_id
        return PulseProposals()

    def forward(self, observation: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Judge every proposal.

        Args:
            observation: what `microgym.agents.pfm.candidates.PulseProposals.see` gives.

        Returns:
            Logits of the choice (B, 2 * COUNT), without an image first; value features (B, 64).
        """
        maps, numbers = observation[MAPS], observation[NUMBERS_SEEN]
        hit, spilt = self.foresee(maps, observation[PLACES]).unbind(-1)
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

    def decide(self, observation: Mapping[str, Tensor]) -> Tensor:
        """The most probable choice, (B,) int64."""
        return self(observation)[0].argmax(dim=1)

    def foresee(
        self, maps: Tensor, places: Tensor, turns: int = 0, mirrored: bool = False
    ) -> Tensor:
        """Cells of the film that each proposal would write in the pattern and beside it.

        Args:
            maps: (B, len(SEEN), CELLS, CELLS).
            places: (B, COUNT) cells of the maps.
            turns, mirrored: how the surroundings are turned and mirrored before they are looked at.

        Returns:
            (B, COUNT, 2) cells of the film; negative where a domain is taken away.
        """
        around = turned(self._around(maps, places), turns, mirrored).flatten(3)
        wanted, up = around[:, :, _WANTED].clamp(0.0, 1.0), around[:, :, _UP]
        raises = self._raises[:, None]
        change = self._disks * (raises * (1.0 - up) - (1.0 - raises) * up)
        reckoned = torch.stack([(change * wanted).sum(-1), (change * (1 - wanted)).sum(-1)], -1)
        biases = self._biases.expand(*reckoned.shape[:2], -1)
        told = torch.cat([biases, reckoned / CELLS_OUT, (reckoned / CELLS_OUT).abs()], dim=-1)
        x = torch.relu(self.look_at(around.flatten(2)) + self.told(told))
        x = torch.relu(x + self.inner(x))
        return reckoned + CELLS_OUT * self.cells(x)

    def judging(self) -> list[nn.Parameter]:
        """Weights of what is foreseen."""
        parts = (self.look_at, self.told, self.inner, self.cells)
        return [weight for part in parts for weight in part.parameters()]

    def _around(self, maps: Tensor, places: Tensor) -> Tensor:
        """(B, COUNT, len(SEEN), patch, patch) surroundings; nothing lies outside of the film."""
        places = places.long()
        padded = nn.functional.pad(maps, (REACH,) * 4).flatten(2)
        corner = places // CELLS * _PADDED + places % CELLS
        index = (corner[:, :, None] + self._offsets).flatten(1)
        index = index[:, None].expand(-1, maps.shape[1], -1)
        found = padded.gather(2, index).unflatten(2, (COUNT, _PATCH, _PATCH))
        return found.transpose(1, 2)
