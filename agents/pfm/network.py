"""Candidate-ranking policy of PFM-v0: pulses that a search on the believed film finds, and scores.

In privileged training, candidates are simulated on copies of the true films.
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
from microgym.agents.pfm.domain_model import CELLS, EDGE, SHAPES, to_action
from microgym.agents.pfm.film import DAMAGE, FilmBelief, FilmSimulator, refined
from microgym.agents.pfm.film_network import ImageReader
from microgym.agents.pfm.references import pulsed, written
from microgym.envs.pfm.config import HIGHEST_V, PFMConfig
from microgym.envs.pfm.observation import MAPS as CHANNELS
from microgym.envs.pfm.observation import NUMBERS
from microgym.metrics.incremental import block_means
from microgym.state import Float32, Float64, Shape

MAPS, STATUS, PULSES = "maps", "numbers", "pulses"
"""Parts of the network's observation."""
COUNT = 16
"""Candidates of a decision, with the highest values in the simulation (design choice)."""
FIRST_LOOK = 4
"""Pulses before the first image, which a fresh network takes, and no other one."""

BELIEFS = ("wanted", "up", "image", "surprise", "raised", "lowered")
"""Maps of the network's observation: the pattern, which of the film is believed to point up, the
last image and what it showed less what was expected, and the pulses so far."""
PULSE = ("place", "volts", "hit", "spilt")
"""Numbers of a candidate: cell of the maps, flat index; bias, over 10 V; cells of the film that it
is expected to write in the pattern and beside it."""

_WANTED, _UP = BELIEFS.index("wanted"), BELIEFS.index("up")


class ProposalState(NamedTuple):
    """Beliefs of N films, and the present candidates: places, cells of the film, and biases, V."""

    belief: FilmBelief
    places: Annotated[Float64, Shape(COUNT, 2, unit="cells")]
    volts: Annotated[Float64, Shape(COUNT, unit="V")]


class PulseProposals(PolicyAdapter):
    """Beliefs of N films and the pulses proposed for them.

    The choice is the number of a candidate, plus their count where an image is to follow.

    Args:
        reader: of images.

    Attributes:
        state: beliefs and candidates.
    """

    State = ProposalState

    def __init__(self, reader: ImageReader | None = None) -> None:
        super().__init__(SHAPES)
        self._reader, self._simulator = reader or ImageReader(), FilmSimulator()
        bounds = {
            MAPS: (len(BELIEFS), CELLS, CELLS),
            STATUS: (len(NUMBERS) + 1,),
            PULSES: (COUNT, len(PULSE)),
        }
        boxes: dict[str, spaces.Space[Any]] = {
            n: spaces.Box(-np.inf, np.inf, one, np.float32) for n, one in bounds.items()
        }
        self.observation_space = spaces.Dict(boxes)
        self.action_space = spaces.Discrete(2 * COUNT)

    def adapt_observation(self, observation: Any) -> dict[str, NDArray[Any]]:
        """Update the beliefs, and propose."""
        maps = CHANNELS.unpack(observation["maps"].astype(np.float64))
        told = NUMBERS.unpack(observation["numbers"].astype(np.float64))
        belief, places, volts = self.state
        self._reader.enter(belief, maps, self._simulator.update(belief, told))
        target = refined(maps["wanted"]) > 0.5
        found = self._simulator.propose(belief, target, COUNT)
        places[:], volts[:] = found.places, found.volts
        effects = found.written - written(belief.p, target)
        known = {**maps, **belief._asdict()}
        known["up"] = block_means((belief.p > 0.0).astype(np.float32), CELLS)
        cells = np.floor((places + 0.5) / EDGE) @ np.array([CELLS, 1.0])
        pulses = [cells[..., None], volts[..., None] / HIGHEST_V, effects]
        status = [*told.values(), belief.images]
        return {
            MAPS: np.stack([known[name] for name in BELIEFS], axis=1).astype(np.float32),
            STATUS: np.stack(status, axis=1).astype(np.float32),
            PULSES: np.concatenate(pulses, axis=-1).astype(np.float32),
        }

    def adapt_action(self, choice: NDArray[Any]) -> Float32:
        """Actions of the default environment for choices, (N,)."""
        _, places, volts = self.state
        number, rows = choice % COUNT, np.arange(len(choice))
        return to_action(places[rows, number], volts[rows, number], choice >= COUNT)


class PulsePolicyNet(RankingPolicyNet):
    """Predicted change of the film by each candidate, and the change of the agreement from that.

    The model is the simulation. The logit of a candidate is proportional to the change of the
    agreement less the damage; another output over all of the film is added where an image follows.

    Args:
        width: units of the hidden layers.

    Attributes:
        sharpness: inverse temperature of the policy.
        looks, look: layers of the logit of an image.
    """

    kind = "pulses"
    settings = ("width",)
    adapter_class = PulseProposals
    value_features = 64
    privileged_features = 2
    reach = 4  # cells around a place that are read, 8 cells of the film
    unit = 20.0  # of the corrections, cells of the film (design choice)

    def __init__(self, width: int = 64) -> None:
        super().__init__(len(BELIEFS), 1, 2, width)
        self.width = width
        self.sharpness = nn.Parameter(torch.tensor(3.0))
        summary = len(NUMBERS) + 7
        self.value = nn.Sequential(nn.Linear(summary, 64), nn.Tanh())
        self.looks = nn.Sequential(nn.Linear(summary, 32), nn.Tanh())
        self.look = nn.Linear(32, 1)
        with torch.no_grad():
            for parameter in self.look.parameters():
                parameter.zero_()

    def forward(self, observation: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Score every candidate.

        Args:
            observation: that of `PulseProposals`.

        Returns:
            Logits of the choice (B, 2 * COUNT), without an image first; value features (B, 64).
        """
        maps, numbers = observation[MAPS], observation[STATUS]
        hit, spilt = self.effects(observation).unbind(-1)
        wanted, up = maps[:, _WANTED].clamp(0.0, 1.0), maps[:, _UP]
        area = float(EDGE**2)
        size = area * wanted.sum(dim=(1, 2))[:, None].clamp(min=1.0)
        done = area * (up * wanted).sum(dim=(1, 2))[:, None]
        waste = area * (up * (1.0 - wanted)).sum(dim=(1, 2))[:, None]
        agreement = done / (size + waste)
        after = (done + hit) / (size + (waste + spilt).clamp(min=0.0))
        worth = after - agreement - DAMAGE * spilt / size
        best = worth.amax(dim=1, keepdim=True)
        told = [size / 500.0, done / size, waste / size, agreement]
        told += [10.0 * best, 10.0 * worth.mean(dim=1, keepdim=True)]
        summary = torch.cat([numbers, *told], dim=1)
        left, images = numbers[:, NUMBERS.index("pulses_left"), None], numbers[:, -1:]
        # A fresh network looks once, with the pulse after which a quarter of them is used.
        due = (images < 0.5) & (left < 1.0 - (FIRST_LOOK - 0.5) / 16.0)
        looks = 8.0 * due.float() - 4.0 + 2.0 * self.look(self.looks(summary))
        logits = 100.0 * self.sharpness * worth
        return torch.cat([logits, logits + looks], dim=1), self.value(summary)

    def effects(self, observation: Mapping[str, Tensor], symmetry: Any = None) -> Tensor:
        """Cells that each candidate writes in the pattern and beside it, (B, COUNT, 2).

        Args:
            observation: that of `PulseProposals`.
            symmetry: of the square, applied to the surroundings of each place.
        """
        place, volts, expected = observation[PULSES].split((1, 1, 2), dim=-1)
        return self.predict(observation[MAPS], place[..., 0], volts, expected, symmetry)


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
        places = self.adapter.state.places[rows] + first["drift_cells"][:, None]
        config = PFMConfig.parse(self.env_kwargs, "PFM-v0")
        after = pulsed(config, first, places, self.adapter.state.volts[rows]).state.p
        change = written(after, first["target"]) - written(first["p"], first["target"])
        target = np.zeros((len(info["latent"]["p"]), COUNT, 3), np.float32)
        target[rows, :, :2], target[rows, :, 2] = change, 1.0
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
        """Mean squared error of the differences between the candidates of a decision.

        What all of them have in common does not change the choice. A random symmetry of the square
        augments the data.
        """
        error = net.effects(batch, random_symmetry()) - batch[TARGET][..., :2]
        return ((error - error.mean(dim=1, keepdim=True)) / net.unit).square().mean()
