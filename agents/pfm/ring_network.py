"""Policy of PFMLoop-v0: a convolution around the ring of pulses about the point.

In privileged training, the auxiliary loss is on the true error of the imprint, and the critic sees
it.
"""

from collections.abc import Mapping
from typing import Annotated, Any, NamedTuple

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from torch import Tensor, nn

from microgym.agents.core.network import TARGET, ChoiceNet, PolicyAdapter
from microgym.agents.core.privileged_observation import PrivilegedTeacher
from microgym.agents.pfm.domain_model import EDGE, SHAPES, to_action
from microgym.agents.pfm.references import MIDDLE
from microgym.envs.pfm.config import HIGHEST_V
from microgym.envs.pfm.observation import LOOP_NUMBERS
from microgym.envs.pfm.task import IMPRINT_SCALE_V
from microgym.state import Float32, Float64, Shape

PLACES, RADIUS = 12, 8.0
"""Places of pulses on a ring about the point, and its radius, cells of the film."""
VOLTS = (-8.0, -6.0, -4.5, 4.5, 6.0, 8.0)
"""Biases at each place, V (design choices: a finer choice than the action "ring" offers)."""
SEEN_CELLS = (4.0, 8.0, 12.0)
"""Distances from the point at which the first image is read, cells of the film."""
LOOPS = 4
"""Loops that are remembered (design choice)."""

AROUND, NUMBERS = "around", "numbers"
"""Parts of the network's observation: features of each place of the ring, and numbers."""
_FEATURES = len(SEEN_CELLS) + 4
_NUMBERS = len(LOOP_NUMBERS) + LOOPS + 2


class RingState(NamedTuple):
    """Memory of an episode.

    Errors of the imprint by the last loops, the latest first, V; bias of the last pulse and of the
    one before at each place, over 10 V; loops so far.
    """

    excess: Annotated[Float64, Shape(LOOPS)]
    pulses: Annotated[Float64, Shape(2, PLACES)]
    loops: Annotated[Float64, Shape()]


class RingFeatures(PolicyAdapter):
    """Features of the places of a ring, and the pulses there, each followed by a loop.

    The choice is a place, plus `PLACES` for each step in `VOLTS`; the last one waits.
    """

    State = RingState

    def __init__(self) -> None:
        super().__init__({"maps": SHAPES["maps"], "numbers": (len(LOOP_NUMBERS),)})
        self.observation_space = spaces.Dict(
            {
                AROUND: spaces.Box(-np.inf, np.inf, (_FEATURES, PLACES), np.float32),
                NUMBERS: spaces.Box(-np.inf, np.inf, (_NUMBERS,), np.float32),
            }
        )
        self.action_space = spaces.Discrete(PLACES * len(VOLTS) + 1)
        angle = 2.0 * np.pi * np.arange(PLACES) / PLACES
        self._ring = np.stack([-np.cos(angle), np.sin(angle)], axis=1)
        cells = [MIDDLE + radius * self._ring for radius in (*SEEN_CELLS, RADIUS)]
        self._cells = (np.stack(cells) / EDGE).astype(np.int64)

    def adapt_observation(self, observation: Any) -> dict[str, NDArray[Any]]:
        """Remember the last loop, and read the maps at the places."""
        maps, numbers = observation["maps"], np.asarray(observation["numbers"], np.float32)
        memory, told = self.state, LOOP_NUMBERS.unpack(numbers.astype(np.float64))
        memory.excess[:, 1:] = memory.excess[:, :-1].copy()
        memory.excess[:, 0] = told["excess"]
        image, _, _, raised, lowered = np.moveaxis(maps, 1, 0)
        *seen, at = self._cells
        around = [image[:, one[:, 0], one[:, 1]] for one in seen]
        around += [field[:, at[:, 0], at[:, 1]] for field in (raised, lowered)]
        around += [memory.pulses[:, 0], memory.pulses[:, 1]]
        centre = image[:, image.shape[1] // 2, image.shape[2] // 2]
        known = [numbers, memory.excess / 0.3, memory.loops[:, None] > 0.0, centre[:, None]]
        return {
            AROUND: np.stack(around, axis=1).astype(np.float32),
            NUMBERS: np.concatenate(known, axis=1).astype(np.float32),
        }

    def adapt_action(self, choice: NDArray[Any]) -> Float32:
        """Actions of the default environment for choices, (N,)."""
        level, place = np.divmod(choice, PLACES)
        volts = np.append(VOLTS, 0.0)[level]
        pulses, rows = self.state.pulses, np.arange(len(choice))
        pulses[:, 1] = pulses[:, 0]
        pulses[:, 0] = 0.0
        pulses[rows, 0, place] = volts / HIGHEST_V
        self.state.loops[:] += 1.0
        where = MIDDLE + RADIUS * self._ring[place]
        return to_action(where, volts, np.ones(len(choice), np.bool_))


class RingPolicyNet(ChoiceNet):
    """Circular convolutions over the places of the ring; one logit for each place and bias.

    A turn of the film turns the policy with it, as the weights are the same for all places.

    Args:
        width: channels of the hidden layers.

    Attributes:
        stem, told, body: layers over the places, over the numbers, and over both.
        logits, wait: outputs for the pulses, and for none.
        error: output for the true error of the imprint, V over `IMPRINT_SCALE_V`.
    """

    kind = "ring"
    settings = ("width",)
    adapter_class = RingFeatures
    value_features = 64
    privileged_features = 6
    auxiliary_layers = ("stem", "told", "body", "error")

    def __init__(self, width: int = 48) -> None:
        super().__init__()
        self.width = width
        self.stem = _circular(_FEATURES, width)
        self.told = nn.Linear(_NUMBERS, width)
        self.body = nn.ModuleList(_circular(width, width) for _ in range(2))
        self.inner = nn.Linear(_NUMBERS, width)
        self.logits = nn.Conv1d(width, len(VOLTS), 1)
        self.wait = nn.Linear(2 * width, 1)
        self.error = nn.Linear(2 * width, 1)
        self.value = nn.Sequential(nn.Linear(2 * width + _NUMBERS, 64), nn.Tanh())
        with torch.no_grad():
            for layer in (self.logits, self.wait):
                for parameter in layer.parameters():
                    parameter.mul_(0.1)

    def forward(self, observation: Mapping[str, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """Score the pulses.

        Args:
            observation: that of `RingFeatures`.

        Returns:
            Logits of the choices (B, choices); value features (B, 64); true error (B, 1).
        """
        numbers = observation[NUMBERS]
        x = torch.relu(self.stem(observation[AROUND]) + self.told(numbers)[..., None])
        for layer in self.body:
            x = x + torch.relu(layer(x) + self.inner(numbers)[..., None])
        whole = torch.cat([x.mean(dim=2), x.amax(dim=2)], dim=1)
        logits = torch.cat([self.logits(x).flatten(1), self.wait(whole)], dim=1)
        return logits, self.value(torch.cat([whole, numbers], dim=1)), self.error(whole)


class RingTeacher(PrivilegedTeacher):
    """The target is the true error of the imprint; the critic sees it, film and tip.

    The critic's features are the error, its size, the imprint, the wear of the tip, and the mean
    random field and polarisation about the point.
    """

    target_shape = (1,)
    critic_size = 6

    def target(self, observation: Any, info: Mapping[str, Any]) -> Float32:
        """Imprint less the one asked for, over `IMPRINT_SCALE_V`, (N, 1)."""
        latent = info["latent"]
        error = (latent["imprint_v"] - latent["asked_v"]) / IMPRINT_SCALE_V
        return error[:, None].astype(np.float32)

    def critic_features(self, observation: Any, info: Mapping[str, Any]) -> Float32:
        """What the true state of film and tip says of the return, (N, 6)."""
        latent, error = info["latent"], self.target(observation, info)
        near = slice(int(MIDDLE - RADIUS), int(MIDDLE + RADIUS) + 2)
        field, p = (latent[name][:, near, near].mean(axis=(1, 2)) for name in ("imprint", "p"))
        parts = [latent["imprint_v"], latent["wear"], 10.0 * field, p]
        parts = [one[:, None] for one in parts]
        return np.concatenate([error, np.abs(error), *parts], axis=1).astype(np.float32)

    def loss(self, net: Any, batch: Mapping[str, Tensor]) -> Tensor:
        """Mean squared error of the error of the imprint."""
        return (net(batch)[2] - batch[TARGET]).square().mean()


def _circular(inputs: int, outputs: int) -> nn.Conv1d:
    """Convolution over three neighbouring places of the ring."""
    return nn.Conv1d(inputs, outputs, 3, padding=1, padding_mode="circular")
