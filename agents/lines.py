"""A learnt operator of AFM-v0: a small network over the last line and the numbers.

    python -m microgym.agents.lines --seed 0 --output policy-folder

It learns in two parts. First as an apprentice: it looks at what an operator sees, and is told what
the oracle, who knows the surface and the loop, would do there (imitation on the apprentice's own
courses: Ross, Gordon and Bagnell, AISTATS 2011). Then PPO goes on from there, and what comes out is
kept where it does better on validation specimens. The policy sees observations only.
"""

import argparse
import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from stable_baselines3 import PPO
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from stable_baselines3.common.vec_env import VecMonitor
from torch import Tensor, nn

from microgym.agents.afm import OracleAgent
from microgym.agents.files import write_atomically
from microgym.agents.sb3_adapter import make_sb3
from microgym.envs.afm.arguments import PACES, RATES_HZ, AFMArguments
from microgym.envs.afm.features import NUMBERS, SIGNALS

ENV = "AFM-v0"
POLICY_FILE = "policy.safetensors"
FEATURES = 96
_FORMAT = "microgym-line-policy-1"
_KEYS = ("signals", "numbers")
_AT = {name: place for place, name in enumerate(NUMBERS)}

Float32 = NDArray[np.float32]
Weights = dict[str, Tensor]


class LineNet(nn.Module):
    """What a line looks like and the numbers beside it, as a few features.

    Args:
        signals: channels of the line.
        numbers: numbers of the observation.
        width: feature maps inside.
    """

    def __init__(
        self, signals: int = len(SIGNALS), numbers: int = len(NUMBERS), width: int = 24
    ) -> None:
        super().__init__()
        self.conv = nn.Sequential(
            nn.Conv1d(signals, width, 5, 2, 2),
            nn.ReLU(),
            nn.Conv1d(width, width, 5, 2, 2),
            nn.ReLU(),
            nn.Conv1d(width, width, 3, 2, 1),
            nn.ReLU(),
        )
        self.head = nn.Sequential(nn.Linear(2 * width + numbers, FEATURES), nn.Tanh())

    def forward(self, observation: Mapping[str, Tensor]) -> Tensor:
        """Features (B, 96) of "signals" (B, 5, 64) and "numbers" (B, 17)."""
        x = self.conv(observation["signals"])
        return self.head(torch.cat([x.mean(2), x.amax(2), observation["numbers"]], 1))


class LineActor(nn.Module):
    """The deterministic policy: the action "feedback" of AFM-v0, before it is clipped."""

    def __init__(self) -> None:
        super().__init__()
        self.net = LineNet()
        self.actor = nn.Sequential(nn.Linear(FEATURES, 64), nn.Tanh(), nn.Linear(64, 3))

    def forward(self, observation: Mapping[str, Tensor]) -> Tensor:
        """Actions (B, 3)."""
        return self.actor(self.net(observation))


class _Features(BaseFeaturesExtractor):
    """`LineNet` as Stable-Baselines3 takes it."""

    def __init__(self, observation_space: spaces.Dict) -> None:
        super().__init__(observation_space, FEATURES)
        self.net = LineNet()

    def forward(self, observations: Mapping[str, Tensor]) -> Tensor:
        return self.net(observations)


def even_pace(observation: Mapping[str, NDArray[Any]], arguments: AFMArguments) -> NDArray[Any]:
    """Lines a second at which the lines that are left use up the time that is left, (N,)."""
    numbers = observation["numbers"].astype(np.float64)
    lines = np.maximum(np.rint(numbers[:, _AT["lines_left"]] * arguments.lines), 1.0)
    return lines / np.maximum(numbers[:, _AT["time_left"]] * arguments.time_limit_s, 1e-3)


def _scaled(value: NDArray[Any], ends: tuple[float, float]) -> NDArray[Any]:
    low, high = ends
    return np.clip(2.0 * np.log(value / low) / np.log(high / low) - 1.0, -1.0, 1.0)


def _unscaled(level: NDArray[Any], ends: tuple[float, float]) -> NDArray[Any]:
    low, high = ends
    return low * (high / low) ** (0.5 * (level + 1.0))


def to_feedback(dials: Float32, pace: NDArray[Any]) -> Float32:
    """An action "dials" that scans, without proportional gain, as an action "feedback"."""
    rate = _unscaled(dials[:, 3].astype(np.float64), RATES_HZ)
    return np.stack([dials[:, 0], dials[:, 1], _scaled(rate / pace, PACES)], 1).astype(np.float32)


def to_dials(feedback: Float32, pace: NDArray[Any]) -> Float32:
    """An action "feedback" as an action "dials"."""
    action = np.full((len(feedback), 5), -1.0, np.float32)
    action[:, :2] = np.clip(feedback[:, :2], -1.0, 1.0)
    level = np.clip(feedback[:, 2].astype(np.float64), -1.0, 1.0)
    action[:, 3] = _scaled(_unscaled(level, PACES) * pace, RATES_HZ)
    return action


class LineAgent:
    """The learnt operator, for the action "dials".

    Args:
        path: of the policy's file, or of the folder that holds it.
        arguments: of the environment.
        name: what to call it.

    Raises:
        FileNotFoundError: no such file.
        ValueError: not a policy for AFM-v0.
    """

    needs_truth = False

    def __init__(
        self,
        path: str | os.PathLike[str],
        arguments: Mapping[str, Any] | None = None,
        name: str = "trained",
    ) -> None:
        self.name = name
        self._arguments = AFMArguments.parse(arguments or {})
        self._actor = LineActor()
        self._actor.load_state_dict(_load(Path(path)))
        self._actor.eval()

    def reset(self, num_envs: int, seeds: Sequence[int]) -> None:
        """Begin N episodes; nothing is drawn."""

    def act(self, observation: Any, info: Mapping[str, Any]) -> Float32:
        """Turn the dials; each microscope is judged alone, whatever the batch."""
        del info
        rows: list[Float32] = []
        with torch.inference_mode():
            for row in range(len(observation["numbers"])):
                one = {key: torch.from_numpy(observation[key][row : row + 1]) for key in _KEYS}
                rows.append(self._actor(one).numpy())
        return to_dials(np.concatenate(rows), even_pace(observation, self._arguments))


def _load(path: Path) -> Weights:
    file = path / POLICY_FILE if path.is_dir() else path
    if not file.is_file():
        raise FileNotFoundError(f"there is no policy at {file}")
    try:
        with safe_open(file, "pt") as content:
            metadata = content.metadata() or {}
            weights = {name: content.get_tensor(name) for name in list(content.keys())}
    except (SafetensorError, OSError) as error:
        raise ValueError(f"{file} is not a policy in safetensors format: {error}") from error
    if metadata.get("format") != _FORMAT or metadata.get("env") != ENV:
        raise ValueError(f"{file} holds no policy for {ENV} (format {_FORMAT!r})")
    expected = LineActor().state_dict()
    shapes = {name: tuple(value.shape) for name, value in weights.items()}
    if shapes != {name: tuple(value.shape) for name, value in expected.items()}:
        raise ValueError(f"{file} is damaged: its arrays are not those of the network")
    return weights


def _weights(policy: Any) -> Weights:
    """The deterministic part of a Stable-Baselines3 policy under the names of `LineActor`."""
    actor = LineActor()
    actor.net.load_state_dict(policy.features_extractor.net.state_dict())
    hidden, last = policy.mlp_extractor.policy_net[0], policy.action_net
    actor.actor[0].load_state_dict(hidden.state_dict())
    actor.actor[2].load_state_dict(last.state_dict())
    return {name: value.detach().clone() for name, value in actor.state_dict().items()}


def apprentice(policy: Any, seed: int, rounds: int, count: int) -> None:
    """Teach a policy what the oracle would do where the policy's own courses lead.

    Args:
        policy: of Stable-Baselines3, with `_Features`; changed.
        seed: of the specimens and of the order of the lessons.
        rounds: of episodes; the oracle itself steers in the first one.
        count: episodes in a round.
    """
    arguments = AFMArguments()
    envs: Any = gym.make_vec(ENV, count, split="train", action="feedback", reveal=True)
    oracle, rng = OracleAgent(), np.random.default_rng(seed)
    optimizer = torch.optim.Adam(policy.parameters(), lr=2e-3)
    seen: dict[str, list[NDArray[Any]]] = {key: [] for key in _KEYS}
    told: list[Float32] = []
    for number in range(rounds):
        start = 1_000_000 * (seed + 1) + number * count
        observation, info = envs.reset(seed=list(range(start, start + count)))
        running = np.ones(count, np.bool_)
        while running.any():
            advice = to_feedback(oracle.act(observation, info), even_pace(observation, arguments))
            for key in _KEYS:
                seen[key].append(observation[key][running].copy())
            told.append(advice[running])
            own = policy.predict({key: observation[key] for key in _KEYS}, deterministic=True)[0]
            chosen = advice if number == 0 else own
            noise = rng.normal(0.0, 0.05, chosen.shape)
            chosen = np.clip(chosen + noise, -1.0, 1.0).astype(np.float32)
            observation, _, ended, _, info = envs.step(chosen)
            running &= ~ended
        lesson = {key: torch.from_numpy(np.concatenate(parts)) for key, parts in seen.items()}
        target = torch.from_numpy(np.concatenate(told))
        for _ in range(12 if number < rounds - 1 else 30):
            for rows in torch.from_numpy(rng.permutation(len(target))).split(256):
                part = {key: values[rows] for key, values in lesson.items()}
                mean = policy.get_distribution(part).distribution.mean
                loss = ((mean - target[rows]) ** 2).mean()
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
    envs.close()


def _validate(weights: Weights, episodes: int) -> float:
    """Mean return on validation specimens."""
    actor = LineActor()
    actor.load_state_dict(weights)
    envs: Any = gym.make_vec(ENV, episodes, split="validation", action="feedback")
    observation, _ = envs.reset(seed=list(range(episodes)))
    returns, running = np.zeros(episodes), np.ones(episodes, np.bool_)
    while running.any():
        with torch.inference_mode():
            chosen = actor({key: torch.from_numpy(observation[key]) for key in _KEYS}).numpy()
        observation, reward, ended, _, _ = envs.step(np.clip(chosen, -1.0, 1.0))
        returns += np.where(running, reward, 0.0)
        running &= ~ended
    envs.close()
    return float(returns.mean())


def train(
    output: str | os.PathLike[str],
    *,
    seed: int,
    steps: int = 100_000,
    rounds: int = 6,
    episodes: int = 64,
    progress: Callable[[str], None] = print,
) -> Path:
    """Train an operator from scratch and save the policy without pickle.

    Args:
        output: folder for the policy; made if it does not exist.
        seed: of weights, specimens and exploration; at least 0.
        steps: decisions of PPO after the apprenticeship; 0 for none.
        rounds: of the apprenticeship.
        episodes: of one round, and validation specimens.
        progress: is told how it goes.

    Returns:
        Path of the policy's file.
    """
    if seed < 0 or steps < 0:
        raise ValueError(f"seed and steps must be at least 0, got {seed} and {steps}")
    torch.set_num_threads(1)
    env = VecMonitor(make_sb3(f"microgym:{ENV}", 32, infos="final", action="feedback"))
    model = PPO(
        "MultiInputPolicy",
        env,
        n_steps=128,
        batch_size=1024,
        n_epochs=6,
        learning_rate=lambda left: 3e-4 * (0.1 + 0.9 * left),
        gamma=0.995,
        gae_lambda=0.95,
        clip_range=0.2,
        target_kl=0.03,
        seed=seed,
        device="cpu",
        policy_kwargs={
            "features_extractor_class": _Features,
            "net_arch": [64],
            # More noise on the gain would make the loop ring in what is learnt from.
            "log_std_init": -3.0,
        },
    )
    policy: Any = model.policy
    apprentice(policy, seed, rounds, episodes)
    with torch.no_grad():
        policy.log_std.fill_(-3.0)
    best = _weights(policy)
    highest = _validate(best, episodes)
    progress(f"apprenticeship: {highest:.3f} on validation specimens")
    while model.num_timesteps < steps:
        chunk = min(32_768, steps - model.num_timesteps)
        model.learn(chunk, reset_num_timesteps=model.num_timesteps == 0)
        now = _weights(policy)
        value = _validate(now, episodes)
        progress(f"{model.num_timesteps} steps: {value:.3f}")
        if value > highest:
            best, highest = now, value
    env.close()
    path = Path(output) / POLICY_FILE
    metadata = {"format": _FORMAT, "env": ENV, "seed": str(seed), "steps": json.dumps(steps)}
    return write_atomically(path, save({n: t.contiguous() for n, t in best.items()}, metadata))


def main(arguments: Sequence[str] | None = None) -> int:
    """Train one operator."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=100_000)
    parser.add_argument("--output", type=Path, required=True)
    chosen = parser.parse_args(arguments)
    print(train(chosen.output, seed=chosen.seed, steps=chosen.steps))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
