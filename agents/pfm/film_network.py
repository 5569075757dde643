"""Network that reads images of PFM-v0: the polarisation at every cell of the film.

It is fitted to the hidden state of training films, by images that were taken at random times. Its
weights are made anew by

    python -m microgym.agents.pfm.film_network
"""

from collections.abc import Mapping
from typing import Any, cast

import gymnasium as gym
import numpy as np
import torch
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray
from torch import Tensor, nn

from microgym.agents.core.config import agent_folder
from microgym.agents.core.grid_policy import dilated, residual
from microgym.agents.core.network import Network, by_row
from microgym.agents.core.privileged_observation import random_symmetry
from microgym.agents.core.trained_agent import load_policy, save_policy
from microgym.agents.pfm.domain_model import EDGE, to_action
from microgym.agents.pfm.film import RESTED_S, FilmBelief, FilmSimulator, refined, seen, sharpened
from microgym.envs.pfm.observation import MAPS, NUMBERS
from microgym.state import Float32, allocate

ENV_ID = "PFM-v0"
WEIGHTS = agent_folder(ENV_ID) / "weights" / "PFM-v0.film.safetensors"

FINE, COARSE = ("sharp", "p"), ("image", "residual", "raised", "lowered")
"""Maps that are read: at every cell of the film, and at the cells of the observation."""
_SCALES = {"image": 1.0, "residual": 0.5, "raised": 0.2, "lowered": 0.2, "sharp": 1.0, "p": 1.0}
"""Sizes of their signals."""
ROUNDS, FILMS, IMAGES = 20, 96, 3
"""Rounds of training films, films of a round, and images of a film (design choices)."""
STEPS, BATCH, LEARNING_RATE = 1200, 32, 2e-3
"""Of the fit by Adam, whose learning rate falls to zero along a cosine (design choices)."""


class FilmNet(Network):
    """Dilated convolutions from maps of an image to the polarisation.

    Args:
        width: channels of the hidden layers.

    Attributes:
        stem, body, out: layers; a fresh network answers with about the sharpened image.
    """

    kind = "film"
    settings = ("width",)

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.width = width
        inputs = len(COARSE) + len(FINE) * EDGE**2
        self.stem = nn.Conv2d(inputs, width, 5, padding=2)
        self.body = dilated(width, (1, 1, 2, 4, 1))
        self.out = nn.Conv2d(width, EDGE**2, 1)
        with torch.no_grad():
            self.out.weight.mul_(0.1)
            nn.init.zeros_(cast("Tensor", self.out.bias))

    def forward(self, observation: Mapping[str, Tensor]) -> Tensor:
        """Logits of pointing up, (B, SIZE, SIZE).

        Args:
            observation: maps of `image_maps`, by name.
        """
        fine = [nn.functional.pixel_unshuffle(observation[name][:, None], EDGE) for name in FINE]
        coarse = [observation[name][:, None] / _SCALES[name] for name in COARSE]
        x = torch.relu(self.stem(torch.cat([*coarse, *fine], dim=1)))
        found = nn.functional.pixel_shuffle(self.out(residual(x, self.body)), EDGE)
        return found[:, 0] + 2.0 * observation["sharp"]

    def decide(self, observation: Mapping[str, Tensor]) -> Tensor:
        """Expected polarisation, -1 to 1, (B, SIZE, SIZE)."""
        return 2.0 * torch.sigmoid(self(observation)) - 1.0


def image_maps(maps: Mapping[str, NDArray[Any]], p: Float32) -> dict[str, Float32]:
    """Maps that are read of N new images: themselves, what was expected, and the pulses so far.

    Args:
        maps: values of the maps of the observation.
        p: (N, SIZE, SIZE), polarisation that was expected.
    """
    image = maps["response"].astype(np.float32)
    found = {"image": image, "residual": image - seen(p), "sharp": sharpened(image, p)}
    pulses = {name: maps[name].astype(np.float32) for name in ("raised", "lowered")}
    return found | pulses | {"p": p.copy()}


class ImageReader:
    """Enters images into beliefs, one film at a time: rounding cannot depend on the batch.

    Args:
        net: the network; None for the one of the package.
    """

    def __init__(self, net: Network | None = None) -> None:
        self._net = load_policy(WEIGHTS, ENV_ID) if net is None else net

    def enter(
        self, belief: FilmBelief, maps: Mapping[str, NDArray[Any]], rows: NDArray[np.bool_]
    ) -> None:
        """Replace the belief of some films, (N,) bool, by what a new image tells.

        Args:
            belief: changed in place.
            maps: values of the maps of the observation.
        """
        for row in np.flatnonzero(rows):
            one = slice(row, row + 1)
            told = image_maps({name: part[one] for name, part in maps.items()}, belief.p[one])
            belief.surprise[row] = 0.5 * told["residual"][0]
            belief.image[row] = np.clip(0.5 * (told["image"][0] + 1.0), 0.0, 1.0)
            belief.p[row] = by_row(self._net.decide, told)[0]
            belief.rested_s[row] = RESTED_S
            belief.images[row] += 1


def gather(reader: ImageReader, first: int) -> dict[str, NDArray[np.float16]]:
    """Images of training films at random times of a greedy policy, and the polarisation.

    Args:
        reader: of images.
        first: seed of the first film.
    """
    rng, simulator = np.random.default_rng(first), FilmSimulator(rounds=0)
    belief, over = allocate(FilmBelief, FILMS), np.zeros(FILMS, np.bool_)
    env: Any = gym.make_vec(ENV_ID, FILMS, reveal=True, autoreset_mode=AutoresetMode.DISABLED)
    pulses = env.unwrapped.task.config.pulses
    looks = rng.random((FILMS, pulses)).argsort(axis=1) < IMAGES
    observation, info = env.reset(seed=list(range(first, first + FILMS)))
    kept: dict[str, list[NDArray[np.float16]]] = {}
    for step in range(pulses + 1):
        maps = MAPS.unpack(observation["maps"].astype(np.float64))
        told = NUMBERS.unpack(observation["numbers"].astype(np.float64))
        looked = simulator.update(belief, told) & ~over
        found = image_maps({name: part[looked] for name, part in maps.items()}, belief.p[looked])
        found["truth"] = info["latent"]["p"][looked]
        for name, part in found.items():
            kept.setdefault(name, []).append(part.astype(np.float16))
        reader.enter(belief, maps, looked)
        if step == pulses or over.all():
            break
        best = simulator.propose(belief, refined(maps["wanted"]) > 0.5, 1)
        action = to_action(best.places[:, 0], best.volts[:, 0], looks[:, step])
        observation, _, terminated, truncated, info = env.step(action)
        over |= terminated | truncated
    env.close()
    return {name: np.concatenate(parts) for name, parts in kept.items()}


def fit(net: FilmNet, data: Mapping[str, Tensor], steps: int = STEPS) -> float:
    """Fit a network to the polarisation; returns the mean loss of the last tenth.

    Cells that are dead, whose polarisation is 0, count as pointing down.
    """
    optimizer = torch.optim.Adam(net.parameters(), LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    losses: list[float] = []
    for _ in range(steps):
        chosen, symmetry = torch.randint(len(data["truth"]), (BATCH,)), random_symmetry()
        batch = {name: symmetry(part[chosen].float()) for name, part in data.items()}
        up = (batch["truth"] > 0.0).float()
        loss = nn.functional.binary_cross_entropy_with_logits(net(batch), up)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
    return float(np.mean(losses[-(steps // 10 + 1) :]))


def main() -> None:
    """Fit the network of the package, to films written by one that only sharpens images."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    net = FilmNet()
    parts = [gather(ImageReader(net.eval()), FILMS * number) for number in range(ROUNDS)]
    data = {n: torch.from_numpy(np.concatenate([one[n] for one in parts])) for n in parts[0]}
    loss = fit(net.train(), data)
    print(f"{len(data['truth'])} images, loss {loss:.4f}")
    save_policy(WEIGHTS, net, ENV_ID, 0, len(data["truth"]))


if __name__ == "__main__":
    main()
