"""Training of agents with PPO of Stable-Baselines3 on the native vector environment.

A run that was killed at any instant resumes from the last checkpoint in its folder: weights, losses
and all that follows are the same to the bit as without the kill, on the same kind of processor and
with the same versions of PyTorch and NumPy.
"""

import inspect
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import Logger

import microgym
from microgym.agents.core.asymmetric_policy import AsymmetricPolicy
from microgym.agents.core.config import load_config
from microgym.agents.core.learner import Learner, ShapedMonitor
from microgym.agents.core.network import Network
from microgym.agents.core.trained_agent import POLICY_FILE, save_policy
from microgym.agents.training.callbacks import (
    VIDEO,
    GracefulInterrupt,
    RunState,
    TrainingCallback,
    record_episode,
)
from microgym.agents.training.checkpoint import CheckpointStore, check_same_run, claimed
from microgym.agents.training.learner_state import reinstate
from microgym.agents.training.loggers import open_logger, video_path
from microgym.agents.training.sb3_vec_env import SB3VecEnv

OUTSIDE = ("checkpoint_s", "record_every")
"""Settings without influence on what is learnt; a resumed run may change them."""


@dataclass(frozen=True)
class TrainingResult:
    """Result of a training run.

    Attributes:
        path: folder of the policy, as `make_agent` takes it.
        curve: (step, mean return of the last hundred training episodes).
        complete: False if the run was interrupted; the policy is then the latest one.
        resumed: number of resumptions from a checkpoint.
        duration_s: wall time, s, without the time lost by kills.
    """

    path: Path
    curve: list[tuple[int, float]]
    complete: bool
    resumed: int
    duration_s: float


def train(
    env_id: str,
    *,
    seed: int,
    output: str | os.PathLike[str],
    total_timesteps: int | None = None,
    progress: Callable[[int], None] | None = None,
    config: Mapping[str, Any] | None = None,
    resume: bool = False,
    log: Sequence[str] = (),
) -> TrainingResult:
    """Train PPO from scratch or from the last checkpoint, and save the policy without pickle.

    The first Ctrl-C (or `KeyboardInterrupt` from `progress`) ends the run at the next checkpoint,
    after the update on the present rollout; a second Ctrl-C ends it at once.

    Args:
        env_id: such as "Ptycho-v0".
        seed: of the initial weights, the specimens and the exploration; at least 0.
        output: folder of the policy and the checkpoints; created if it does not exist.
        total_timesteps: decisions to learn from; None for the configuration's.
        progress: receives the number of further steps; after a resume first the number of those
            done before.
        config: changes to the configuration, by name.
        resume: continue from the last checkpoint in the folder. A finished run is left as it is;
            a run that does not exist is begun.
        log: kinds of logs, as for `open_logger`.

    Returns:
        The run; after Ctrl-C with the policy learnt so far.

    Raises:
        ValueError: an unknown environment or setting; a value out of range; an unfinished run in
            the folder without `resume`, or one with other settings with it; damaged checkpoints.
        ImportError: the package for a kind of log is missing.
        OSError: the folder cannot be written, or another process is training there.
    """
    tables = load_config(env_id, config)
    chosen = tables["training"]
    total = int(chosen["total_timesteps"] if total_timesteps is None else total_timesteps)
    if total < 1 or seed < 0:
        raise ValueError(
            f"total_timesteps must be at least 1 and seed at least 0, got {total} and {seed}"
        )
    for setting in OUTSIDE:
        if not chosen[setting] >= 0:
            raise ValueError(f"{setting} must be at least 0, got {chosen[setting]}")
    run = {
        "env": env_id,
        "seed": seed,
        "version": microgym.__version__,
        "total_timesteps": total,
        "environment": tables["environment"],
        "training": {n: v for n, v in chosen.items() if n not in (*OUTSIDE, "total_timesteps")},
    }
    folder = Path(output)
    folder.mkdir(parents=True, exist_ok=True)
    with claimed(folder):
        store = CheckpointStore(folder)
        last = store.newest()
        if last is not None and resume:
            check_same_run(last.run, run, folder)
        elif last is not None and not last.finished:
            raise ValueError(
                f"{folder} holds an unfinished training ({last.step} of "
                f"{last.run['total_timesteps']} steps): continue it (resume=True, --resume) or "
                "choose another folder"
            )
        last = last if resume else None
        state = RunState(store, run, last)
        complete = last is not None and last.finished
        if not complete:
            name, last_step = f"{env_id}, seed {seed}", None if last is None else last.step
            logs = open_logger(folder, log, name=name, config=run, last_step=last_step)
            with closing(logs):
                net, step, complete = _learn(folder, state, chosen, progress, logs)
            save_policy(folder / POLICY_FILE, net, env_id, seed, min(step, total))
            if complete:
                state.finish(step)
        elif last is not None and progress is not None:
            progress(last.step)
        return TrainingResult(folder, state.curve, complete, state.resumed, state.duration_s())


def _learn(
    folder: Path,
    state: RunState,
    chosen: Mapping[str, Any],
    progress: Callable[[int], None] | None,
    logger: Logger,
) -> tuple[Network, int, bool]:
    """Learn until the end or an interruption; the network, the step, and whether it is the end."""
    env_id, total, env_kwargs = (
        state.run[name] for name in ("env", "total_timesteps", "environment")
    )
    torch.set_num_threads(1)
    learner = Learner(env_id, chosen)
    native = learner.environment({"split": "train", **env_kwargs})
    with closing(ShapedMonitor(SB3VecEnv(native, infos="final"))) as env:
        rate = float(chosen["learning_rate"])
        known = inspect.signature(PPO).parameters.keys() - {"learning_rate"}
        model = PPO(
            AsymmetricPolicy,
            env,
            learning_rate=lambda left: rate * (0.1 + 0.9 * left),
            policy_kwargs=learner.policy_kwargs(),
            seed=state.run["seed"],
            device="cpu",
            **{name: value for name, value in chosen.items() if name in known},
        )
        model.set_logger(logger)
        policy: Any = model.policy
        net: Network = policy.network()
        auxiliary = learner.auxiliary_loss(net)
        optimizers = {"adam": policy.optimizer}
        if auxiliary is not None:
            optimizers["auxiliary"] = auxiliary.optimizer
        interrupt = GracefulInterrupt(progress)
        if state.last is not None:
            reinstate(model, optimizers, state.last.facts["learner"], state.last.arrays)
            interrupt.advance(model.num_timesteps)

        def record(step: int) -> Path:
            path = video_path(folder, VIDEO, step)
            return record_episode(env_id, env_kwargs, net, path)

        callbacks: list[BaseCallback] = [] if auxiliary is None else [auxiliary]
        callbacks.append(TrainingCallback(state, optimizers, interrupt, record, chosen))
        complete = False
        with suppress(KeyboardInterrupt), interrupt.handling_sigint():
            model.learn(
                total - model.num_timesteps,
                callback=callbacks,
                log_interval=total + 1,  # never: TrainingCallback writes the logs
                reset_num_timesteps=state.last is None,
            )
            complete = True
        return net, model.num_timesteps, complete
