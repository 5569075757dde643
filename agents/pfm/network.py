"""Candidate-ranking policy of PFM-v0: pulses that the expert's model proposes, and their scores.

In privileged training, candidates are simulated on copies of the films.
"""

from collections.abc import Mapping
from typing import Annotated, Any, NamedTuple

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from torch import Tensor, nn

from microgym.agents.core.network import TARGET, PolicyAdapter
from microgym.agents.core.privileged_observation import PrivilegedTeacher, random_symmetry
from microgym.agents.core.ranking_policy import RankingPolicyNet
from microgym.agents.pfm.domain_model import (
    CELLS,
    EDGE,
    SHAPES,
    DomainBelief,
    DomainModel,
    coordinates,
    to_action,
)
from microgym.agents.pfm.references import pulsed, written
from microgym.envs.pfm.config import PFMConfig
from microgym.envs.pfm.observation import MAPS as CHANNELS
from microgym.envs.pfm.observation import NUMBERS
from microgym.instruments.pfm.state import SIZE
from microgym.state import Float32, Int64, Shape

MAPS, STATUS, PLACES = "maps", "numbers", "places"
"""Parts of the network's observation."""
MODEL = DomainModel()
"""Model of the domains, with the biases that are proposed."""
TRIES = 4
"""Places for each bias (design choice)."""
COUNT = TRIES * len(MODEL.volts) + 1
"""Candidates of a decision; the last one is to wait."""

BELIEFS = ("wanted", "up", "image", "surprise", "fresh", "raised", "lowered")
"""Maps of the network's observation: the pattern, the belief, the last image, the sum of images
less beliefs, and the environment's maps of the pulses so far."""

_WANTED, _UP = BELIEFS.index("wanted"), BELIEFS.index("up")


class ProposalState(NamedTuple):
    """Beliefs of N films, and the cells of the maps, flat index, of the present candidates."""

    belief: DomainBelief
    places: Annotated[Int64, Shape(COUNT)]


class PulseProposals(PolicyAdapter):
    """Beliefs of N films and the pulses proposed for them.

    The choice is the number of a candidate, plus their count where an image is to follow.

    Attributes:
        state: beliefs and candidates.
        volts: (COUNT,) float64, biases of the candidates, V.
    """

    State = ProposalState

    def __init__(self) -> None:
        super().__init__(SHAPES)
        maps = (len(BELIEFS), CELLS, CELLS)
        self.observation_space = spaces.Dict(
            {
                MAPS: spaces.Box(-1.0, 1.0, maps, np.float32),
                STATUS: spaces.Box(-1.0, 1.0, (len(NUMBERS),), np.float32),
                PLACES: spaces.Box(0, CELLS * CELLS - 1, (COUNT,), np.int64),
            }
        )
        self.action_space = spaces.Discrete(2 * COUNT)
        self.volts = np.append(np.repeat(MODEL.volts, TRIES), 0.0)

    def adapt_observation(self, observation: Any) -> dict[str, NDArray[Any]]:
        """Update the beliefs, and propose."""
        maps, numbers = observation["maps"], observation["numbers"]
        belief, places = self.state
        MODEL.update(belief, maps, numbers)
        known = CHANNELS.unpack(maps.astype(np.float64)) | belief._asdict()
        places[:] = MODEL.propose(belief.up, np.clip(known["wanted"], 0.0, 1.0), TRIES)
        return {
            MAPS: np.stack([known[name] for name in BELIEFS], axis=1).astype(np.float32),
            STATUS: np.stack(list(NUMBERS.unpack(numbers).values()), axis=1).astype(np.float32),
            PLACES: places.copy(),
        }

    def adapt_action(self, choice: NDArray[Any]) -> Float32:
        """Actions of the default environment for choices, (N,)."""
        number, read = choice % COUNT, choice >= COUNT
        rows = np.arange(len(number))
        return to_action(coordinates(self.state.places[rows, number]), self.volts[number], read)


class PulsePolicyNet(RankingPolicyNet):
    """Predicted change of the film by each candidate, and the change of the agreement from that.

    The model is a disk. The logit of a candidate is proportional to the change of the agreement
    less the damage; a further output over all of the film is added to the logits with an image.

    Args:
        width: units of the hidden layers.

    Attributes:
        sharpness: inverse temperature of the policy.
        looks, look: layers of the logit of an image; `eager` is its slope and offset over the
            number of pulses since the last image.
    """

    kind = "pulses"
    settings = ("width",)
    adapter_class = PulseProposals
    value_features = 64
    privileged_features = 2
    reach = 4  # cells around a place that are read, 8 cells of the film
    unit = 20.0  # of the corrections, cells of the film (design choice)
    _disks: Tensor
    _raises: Tensor

    def __init__(self, width: int = 64) -> None:
        kinds = torch.arange(COUNT) // TRIES
        super().__init__(len(BELIEFS), kinds.tolist(), 2, width)
        self.width = width
        self.sharpness = nn.Parameter(torch.tensor(3.0))
        summary = len(NUMBERS) + 6
        self.value = nn.Sequential(nn.Linear(summary, 64), nn.Tanh())
        self.looks = nn.Sequential(nn.Linear(summary, 32), nn.Tanh())
        self.look = nn.Linear(32, 1)
        # An image about every second time after seven pulses, as often as the expert's.
        self.eager = nn.Parameter(torch.tensor([60.0, -6.5]) / 20.0)
        with torch.no_grad():
            for parameter in self.look.parameters():
                parameter.zero_()
        at = torch.arange(-self.reach, self.reach + 1).float()
        radii = torch.tensor([*(MODEL.radius(v) / EDGE for v in MODEL.volts), -1.0])
        disks = radii[:, None, None] + 0.5 - torch.hypot(at[:, None], at[None, :])
        disks = disks.clamp(0.0, 1.0).flatten(1) * EDGE**2
        raises = (torch.tensor([*MODEL.volts, 0.0]) > 0.0).float()
        self.register_buffer("_disks", disks[kinds], persistent=False)
        self.register_buffer("_raises", raises[kinds, None], persistent=False)

    def forward(self, observation: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Score every candidate.

        Args:
            observation: that of `PulseProposals`.

        Returns:
            Logits of the choice (B, 2 * COUNT), without an image first; value features (B, 64).
        """
        maps, numbers = observation[MAPS], observation[STATUS]
        hit, spilt = self.predict(maps, observation[PLACES]).unbind(-1)
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
        age = numbers[:, NUMBERS.index("age"), None]
        looks = 20.0 * (self.eager[0] * age + self.eager[1]) + 2.0 * self.look(self.looks(summary))
        logits = 100.0 * self.sharpness * worth
        return torch.cat([logits, logits + looks], dim=1), self.value(summary)

    def model(self, around: Tensor) -> Tensor:
        """Cells of the film that disks would write in the pattern and beside it, (B, COUNT, 2).

        Args:
            around: (B, COUNT, len(BELIEFS), patch * patch), maps around each place.
        """
        wanted, up = around[:, :, _WANTED].clamp(0.0, 1.0), around[:, :, _UP]
        change = self._disks * (self._raises * (1.0 - up) - (1.0 - self._raises) * up)
        return torch.stack([(change * wanted).sum(-1), (change * (1 - wanted)).sum(-1)], -1)


class PulseTeacher(PrivilegedTeacher):
    """Targets are the cells that each candidate would write, in some of the environments.

    The setting `num_privileged_envs` is the number of the first environments in which candidates
    are simulated.
    """

    target_shape = (COUNT, 3)
    critic_size = 2
    final_learning_rate = 0.1
    adapter: PulseProposals

    def target(self, observation: Any, info: Mapping[str, Any]) -> Float32:
        """Cells that each candidate would write in the pattern and beside it, and 1 if simulated.

        Returns:
            (N, COUNT, 3), cells of the film; zeros where nothing was simulated.
        """
        rows = slice(0, self.settings["num_privileged_envs"])
        first = {name: array[rows] for name, array in info["latent"].items()}
        places = coordinates(self.adapter.state.places[rows]) + first["drift_cells"][:, None]
        volts = np.broadcast_to(self.adapter.volts, places.shape[:2])
        config = PFMConfig.parse(self.env_kwargs, "PFM-v0")
        after = written(pulsed(config, first, places, volts).state.p, first["target"])
        target = np.zeros((len(info["latent"]["p"]), COUNT, 3), np.float32)
        target[rows, :, :2] = after - written(first["p"], first["target"])
        target[rows, :, 2] = 1.0
        return target

    def target_mask(self, target: Tensor) -> Tensor:
        """The environments in which candidates were simulated."""
        return target[:, 0, 2] > 0.0

    def critic_features(self, observation: Any, info: Mapping[str, Any]) -> Float32:
        """Cells written in the pattern and beside it, over the size of the pattern, (N, 2)."""
        target = info["latent"]["target"]
        now = written(info["latent"]["p"], target)[:, 0]
        return (now / np.count_nonzero(target > 0, axis=(1, 2))[:, None]).astype(np.float32)

    def loss(self, net: Any, batch: Mapping[str, Tensor]) -> Tensor:
        """Mean squared error of the predicted cells, under a random symmetry of the square."""
        found = net.predict(batch[MAPS], batch[PLACES], random_symmetry())
        return ((found - batch[TARGET][..., :2]) / net.unit).square().mean()
