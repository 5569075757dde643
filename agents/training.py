"""Training of Stable-Baselines3 agents, from scratch, on the native vector environment.

PPO decides and is judged as ever. Beside it the network is taught to guess where structure is, on
the observations of each rollout and from the truth that training specimens have: an auxiliary task
(Jaderberg et al., arXiv 1611.05397) with a teacher who knows (Pinto et al., arXiv 1710.06542). The
policy that comes out sees observations only.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.vec_env import VecMonitor
from torch import Tensor

from microgym.agents.config import load_config
from microgym.agents.networks import ScanNet, turned
from microgym.agents.policy import ScanPolicy
from microgym.agents.privileged import TRUTH, make_privileged
from microgym.agents.ptycho import CELLS
from microgym.agents.sb3_adapter import SB3VecEnv
from microgym.agents.trained import POLICY_FILE, save_policy


@dataclass(frozen=True)
class TrainingResult:
    """What a training run leaves.

    Attributes:
        path: folder of the policy, as `make_agent` takes it.
        curve: (steps, mean return of the last hundred training episodes).
        complete: False if it was interrupted; the policy is then the latest one.
    """

    path: Path
    curve: list[tuple[int, float]]
    complete: bool


class _Watch(BaseCallback):
    """Tells of progress and keeps the learning curve."""

    def __init__(self, progress: Callable[[int], None] | None) -> None:
        super().__init__()
        self.curve: list[tuple[int, float]] = []
        self._progress = progress

    def _on_step(self) -> bool:
        if self._progress is not None:
            self._progress(self.training_env.num_envs)
        return True

    def _on_rollout_end(self) -> None:
        recent = [float(episode["r"]) for episode in self.model.ep_info_buffer or ()]
        if recent:
            self.curve.append((int(self.num_timesteps), float(np.mean(recent))))


class _Teacher(BaseCallback):
    """Teaches the network to see structure, between the policy's updates.

    Specimens look alike from all sides, so each part of a lesson is turned and mirrored at random.
    The lesson on a rollout follows the policy's own update on it, so that the policy that is
    updated is the one that acted.
    """

    def __init__(self, net: ScanNet, rate: float, batch: int) -> None:
        super().__init__()
        self._net = net
        self._batch = batch
        seeing = [net.stem, net.body, net.belief]
        self._optimizer = torch.optim.Adam(
            [weight for part in seeing for weight in part.parameters()], lr=rate
        )
        self._lesson: dict[str, Tensor] | None = None

    def _on_step(self) -> bool:
        return True

    def _on_rollout_end(self) -> None:
        buffer: Any = self.locals["rollout_buffer"]
        self._lesson = {
            name: torch.from_numpy(values.reshape(-1, *values.shape[2:]).copy())
            for name, values in buffer.observations.items()
        }

    def _on_rollout_start(self) -> None:
        lesson = self._lesson
        if lesson is None:
            return
        loss = torch.zeros(())
        for rows in torch.randperm(len(lesson[TRUTH])).split(self._batch):
            turns, mirrored = int(torch.randint(4, ())), bool(torch.randint(2, ()))
            seen = {
                "maps": turned(lesson["maps"][rows], turns, mirrored),
                "numbers": lesson["numbers"][rows],
            }
            truth = turned(lesson[TRUTH][rows], turns, mirrored)
            loss = torch.nn.functional.binary_cross_entropy_with_logits(self._net(seen)[2], truth)
            self._optimizer.zero_grad()
            loss.backward()
            self._optimizer.step()
        self.logger.record("train/belief_loss", loss.item())


def train(
    env_id: str,
    *,
    seed: int,
    output: str | os.PathLike[str],
    steps: int | None = None,
    progress: Callable[[int], None] | None = None,
    config: Mapping[str, Any] | None = None,
) -> TrainingResult:
    """Train PPO from scratch and save the policy without pickle.

    Args:
        env_id: such as "Ptycho-v0".
        seed: of the initial weights, the specimens and the exploration; at least 0.
        output: folder for the policy; made if it does not exist.
        steps: decisions to learn from; None for the configuration's.
        progress: is told of every further step.
        config: changes to the "training" table of the environment's configuration.

    Returns:
        Where the policy is, and how learning went. After Ctrl-C it holds what was learnt so far.

    Raises:
        ValueError: an unknown environment or setting, or a value out of range.
        OSError: the folder cannot be written.
    """
    tables = load_config(env_id, config)
    chosen = tables["training"]
    total = int(chosen["steps"] if steps is None else steps)
    if total < 1 or seed < 0:
        raise ValueError(f"steps must be at least 1 and seed at least 0, got {total} and {seed}")
    folder = Path(output)
    folder.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    native = make_privileged(
        env_id, chosen["num_envs"], CELLS, split="train", **tables["environment"]
    )
    env = VecMonitor(SB3VecEnv(native, infos="final"))
    rate = float(chosen["learning_rate"])
    model = PPO(
        ScanPolicy,
        env,
        n_steps=chosen["rollout"],
        batch_size=chosen["batch_size"],
        n_epochs=chosen["epochs"],
        learning_rate=lambda left: rate * (0.1 + 0.9 * left),
        gamma=chosen["discount"],
        gae_lambda=chosen["trace_decay"],
        ent_coef=chosen["entropy"],
        vf_coef=chosen["value_weight"],
        clip_range=chosen["clip"],
        max_grad_norm=chosen["max_gradient"],
        target_kl=chosen["target_kl"],
        policy_kwargs={"width": chosen["width"]},
        seed=seed,
        device="cpu",
    )
    watch = _Watch(progress)
    policy: Any = model.policy
    net: ScanNet = policy.features_extractor.net
    teacher = _Teacher(net, chosen["belief_rate"], chosen["belief_batch"])
    complete = True
    try:
        model.learn(total, callback=[watch, teacher])
    except KeyboardInterrupt:
        complete = False
    finally:
        env.close()
    save_policy(folder / POLICY_FILE, net, env_id, seed, total)
    return TrainingResult(folder, watch.curve, complete)
