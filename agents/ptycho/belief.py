"""Belief policy of Ptycho-v0: a network's map of the structure, then greedy exposures.

A network is fitted to the structure of training specimens, by their maps on the way. The policy
exposes where most structure is believed to be unseen. Its weights are made anew by

    python -m microgym.agents.ptycho.belief
"""

from collections.abc import Mapping
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray
from torch import Tensor, nn

from microgym.agents.core.agent import BaseAgent
from microgym.agents.core.network import by_row
from microgym.agents.core.privileged_observation import random_symmetry
from microgym.agents.core.trained_agent import load_policy, save_policy
from microgym.agents.ptycho.network import BELIEF, ENV_ID, ScanPolicyNet
from microgym.agents.ptycho.references import (
    CELLS,
    ExpertAgent,
    ExposureModel,
    GreedyConfig,
    best_places,
    expose,
)
from microgym.envs.ptycho.observation import MAPS, NUMBERS
from microgym.state import Float32

EPISODES, ROUNDS, EPOCHS, BATCH = 256, 3, 6, 128
"""Training episodes of a round, rounds, and passes over all maps after each (design choices)."""
LEARNING_RATE = 2e-3
"""Of Adam, falling to zero along a cosine in each round (design choice)."""
GREEDY = GreedyConfig(saturation=5.0)
"""Of 2 to 20, by trial on validation specimens, 5 did best for the belief: it asks for overlap."""
ASTRAY = 0.15
"""Part of the training exposures that are anywhere (design choice)."""


class BeliefAgent(BaseAgent):
    """Greedy exposure of unseen structure, as the network believes it to be.

    Args:
        config: model of an exposure; None for `GREEDY`.
        net: the network, of which the belief is used; None for the one of the package.
    """

    name = "belief"
    Config = GreedyConfig
    observation_shapes: Mapping[str, tuple[int, ...]] = {
        "maps": (len(MAPS), CELLS, CELLS),
        "numbers": (len(NUMBERS),),
    }

    def __init__(self, config: GreedyConfig | None = None, net: nn.Module | None = None) -> None:
        super().__init__(config or GREEDY)
        self._model = ExposureModel(self.config)
        self._net = load_policy(BELIEF, ENV_ID) if net is None else net

    def belief(self, observation: Mapping[str, NDArray[Any]]) -> NDArray[np.float64]:
        """Probability of structure in each cell, (N, CELLS, CELLS)."""
        parts = {name: np.asarray(part, np.float32) for name, part in observation.items()}
        found = by_row(lambda one: torch.sigmoid(self._net(one)[2]), parts)
        return found.astype(np.float64)

    def _act(self, observation: Mapping[str, NDArray[Any]], info: Mapping[str, Any]) -> Float32:
        unknown = self._model.unknown(MAPS.unpack(observation["maps"]))
        places = best_places(self._model.sums(self.belief(observation) * unknown))
        return expose(self.num_envs, places, self.config.dwell_s)


def play(agent: BaseAgent, seeds: range, rng: np.random.Generator) -> dict[str, NDArray[Any]]:
    """Observations of training episodes, and the structure of each: the agent, at times astray."""
    env: Any = gym.make_vec(
        ENV_ID, len(seeds), reveal=True, final_sweeps=0, autoreset_mode=AutoresetMode.DISABLED
    )
    agent.reset(len(seeds))
    seen: dict[str, list[NDArray[Any]]] = {"maps": [], "numbers": [], "structure": []}
    observation, info = env.reset(seed=list(seeds))
    over = np.zeros(len(seeds), np.bool_)
    while not over.any():
        for name, part in (*observation.items(), ("structure", info["latent"]["structure"])):
            seen[name].append(np.asarray(part, np.float32))
        action = agent.act(observation, info)
        astray = rng.random(len(seeds)) < ASTRAY
        action[astray, :2] = rng.uniform(-1.0, 1.0, (int(astray.sum()), 2))
        observation, _, over, _, info = env.step(action)
    env.close()
    return {name: np.concatenate(parts) for name, parts in seen.items()}


def fit(net: nn.Module, data: Mapping[str, Tensor]) -> float:
    """Fit a network's belief to the structure; returns the mean loss of the last pass."""
    count = len(data["maps"])
    steps = EPOCHS * (count // BATCH)
    optimizer = torch.optim.Adam(net.parameters(), LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    loss, losses = nn.functional.binary_cross_entropy_with_logits, list[float]()
    for _ in range(EPOCHS):
        for chosen in torch.randperm(count).split(BATCH)[: count // BATCH]:
            symmetry = random_symmetry()
            batch = {"maps": symmetry(data["maps"][chosen]), "numbers": data["numbers"][chosen]}
            value = loss(net(batch)[2], symmetry(data["structure"][chosen]))
            optimizer.zero_grad()
            value.backward()
            optimizer.step()
            schedule.step()
            losses.append(value.item())
    return float(np.mean(losses[-(count // BATCH) :]))


def main() -> None:
    """Fit the network of the package: first to the expert's scans, then to the policy's own."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    rng, net, parts = np.random.default_rng(0), ScanPolicyNet(), list[dict[str, NDArray[Any]]]()
    for number in range(ROUNDS):
        agent = BeliefAgent(net=net.eval()) if number else ExpertAgent()
        parts.append(play(agent, range(number * EPISODES, (number + 1) * EPISODES), rng))
        data = {
            name: torch.from_numpy(np.concatenate([p[name] for p in parts])) for name in parts[0]
        }
        print(f"round {number + 1}: {len(data['maps'])} maps, loss {fit(net.train(), data):.4f}")
    save_policy(BELIEF, net, ENV_ID, 0, sum(len(part["maps"]) for part in parts))


if __name__ == "__main__":
    main()
