"""Proximal policy optimisation in one file, straight on a native vector environment.

In the manner of CleanRL: no framework, everything in sight. It shows (and tests) that a loop
somebody writes themselves works with Gymnasium's default autoreset mode, NEXT_STEP: the step after
an end is no transition of either episode and is left out of the loss.
Schulman et al., "Proximal policy optimization algorithms", arXiv:1707.06347.
"""

from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.distributions import Categorical, Independent, Normal


@dataclass(frozen=True)
class Settings:
    """Hyperparameters; sizes are for tests."""

    num_envs: int = 4
    rollout: int = 16
    updates: int = 4
    epochs: int = 2
    rate: float = 3e-3
    discount: float = 0.99
    trace: float = 0.95
    clip: float = 0.2
    entropy: float = 0.01
    value_weight: float = 0.5
    seed: int = 1


class Policy(nn.Module):
    """Two small networks: what to do, and what it is worth."""

    def __init__(self, inputs: int, space: gym.Space[Any]) -> None:
        super().__init__()
        # Alternatives of each choice; several choices have the same number of them.
        self.choices: tuple[int, ...] = ()
        if isinstance(space, gym.spaces.Discrete):
            self.choices = (int(space.n),)
        elif isinstance(space, gym.spaces.MultiDiscrete):
            self.choices = (len(space.nvec), int(space.nvec[0]))
        outputs = int(np.prod(self.choices or space.shape or ()))
        self.actor = nn.Sequential(nn.Linear(inputs, 64), nn.Tanh(), nn.Linear(64, outputs))
        self.critic = nn.Sequential(nn.Linear(inputs, 64), nn.Tanh(), nn.Linear(64, 1))
        self.log_std = nn.Parameter(torch.full((outputs,), -0.5))

    def forward(self, seen: Tensor) -> tuple[Any, Tensor]:
        """Distribution over actions, and value."""
        mean = self.actor(seen)
        if self.choices:
            each = Categorical(logits=mean.unflatten(-1, self.choices))
            return Independent(each, len(self.choices) - 1), self.critic(seen)[..., 0]
        return Independent(Normal(mean, self.log_std.exp()), 1), self.critic(seen)[..., 0]


def flat(observation: Any) -> Tensor:
    """Batched observations as [N, features], float32."""
    parts = observation.values() if isinstance(observation, dict) else [observation]
    rows = [np.asarray(part, np.float32).reshape(len(part), -1) for part in parts]
    return torch.from_numpy(np.concatenate(rows, 1))


def legal(space: gym.Space[Any], actions: Tensor) -> NDArray[Any]:
    """What the environment may be given: Gaussian samples in its shape, clipped to its bounds."""
    chosen = actions.numpy()
    if not isinstance(space, gym.spaces.Box):
        return chosen
    return np.clip(chosen.reshape(-1, *space.shape), space.low, space.high)


def train(envs: gym.vector.VectorEnv[Any, Any, Any], settings: Settings) -> dict[str, list[float]]:
    """Train, and tell of every update its loss, mean reward and how far the policy moved."""
    torch.manual_seed(settings.seed)
    observation, _ = envs.reset(seed=settings.seed)
    seen = flat(observation)
    policy = Policy(seen.shape[1], envs.single_action_space)
    optimiser = torch.optim.Adam(policy.parameters(), settings.rate)
    ended = torch.zeros(envs.num_envs)
    log: dict[str, list[float]] = {"loss": [], "reward": [], "moved": []}
    for _ in range(settings.updates):
        steps: list[tuple[Tensor, ...]] = []
        for _ in range(settings.rollout):
            with torch.no_grad():
                choice, value = policy(seen)
                action = choice.sample()
                chance = choice.log_prob(action)
            observation, reward, terminated, truncated, _ = envs.step(
                legal(envs.single_action_space, action)
            )
            stop = torch.from_numpy(terminated | truncated).float()
            gain = torch.from_numpy(reward).float()
            steps.append((seen, action, chance, value, gain, stop, 1 - ended))
            seen, ended = flat(observation), stop
        seens, actions, chances, values, gains, stops, real = map(
            torch.stack, zip(*steps, strict=True)
        )
        with torch.no_grad():
            ahead = torch.cat([values[1:], policy(seen)[1][None]])
        advantage, carried = torch.zeros_like(gains), torch.zeros(envs.num_envs)
        for t in reversed(range(settings.rollout)):
            surprise = gains[t] + settings.discount * ahead[t] * (1 - stops[t]) - values[t]
            carried = surprise + settings.discount * settings.trace * (1 - stops[t]) * carried
            carried = carried * real[t]
            advantage[t] = carried
        target = advantage + values
        advantage = (advantage - advantage.mean()) / (advantage.std() + 1e-8)
        before = torch.cat([part.detach().reshape(-1) for part in policy.parameters()])
        loss = torch.zeros(())
        for _ in range(settings.epochs):
            choice, value = policy(seens)
            ratio = (choice.log_prob(actions) - chances).exp()
            clipped = ratio.clamp(1 - settings.clip, 1 + settings.clip)
            gain_loss = -torch.minimum(ratio * advantage, clipped * advantage)
            each = gain_loss + settings.value_weight * (value - target).square()
            loss = ((each - settings.entropy * choice.entropy()) * real).sum() / real.sum()
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(policy.parameters(), 0.5)
            optimiser.step()
        after = torch.cat([part.detach().reshape(-1) for part in policy.parameters()])
        log["loss"].append(float(loss.detach()))
        log["reward"].append(float((gains * real).sum() / real.sum()))
        log["moved"].append(float((after - before).norm()))
    return log
