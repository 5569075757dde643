"""Training of Stable-Baselines3 agents, from scratch, on the native vector environment.

PPO decides and is judged as ever; which network it trains, and what that learns besides, is the
learner's (`microgym.agents.learners`). The policy that comes out sees observations only.

A run keeps checkpoints in its folder. Killed at any moment, it goes on from the last one as if
nothing had happened: weights, losses and whatever follows are the same to the bit, on the same kind
of processor and with the same versions of PyTorch and NumPy.
"""

import os
import signal
import threading
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from microgym.agents.core.learner_kinds import make_learner
from stable_baselines3 import PPO
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.vec_env import VecMonitor

import microgym
from microgym.agents.core.learner import Learner
from microgym.agents.core.network import Network
from microgym.agents.core.trained_agent import POLICY_FILE, save_policy
from microgym.agents.training.callbacks import (
    CheckpointCallback,
    Film,
    GracefulInterrupt,
    ProgressCallback,
    RunState,
)
from microgym.agents.training.checkpoint import Checkpoint, CheckpointStore, check_same_run, claimed
from microgym.agents.training.config import load_config
from microgym.agents.training.learner_state import reinstate
from microgym.agents.training.logbooks.logbook import open_logbook
from microgym.agents.training.logbooks.sb3 import LogbookWriter
from microgym.agents.training.sb3_vec_env import SB3VecEnv

OUTSIDE = ("checkpoint_s", "record_every")
"""Settings that change nothing about what is learnt; a run may go on with others."""


@dataclass(frozen=True)
class TrainingResult:
    """What a training run leaves.

    Attributes:
        path: folder of the policy, as `make_agent` takes it.
        curve: (steps, mean return of the last hundred training episodes).
        complete: False if it was interrupted; the policy is then the latest one.
        resumed: how often the run was taken up from a checkpoint.
        duration_s: wall time, without what was lost when the run was killed.
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
    """Train PPO from scratch, or go on with it, and save the policy without pickle.

    The first Ctrl-C (or `KeyboardInterrupt` from `progress`) ends the run at the next checkpoint,
    after the update on the rollout that is under way; a second Ctrl-C ends it at once.

    Args:
        env_id: such as "Ptycho-v0".
        seed: of the initial weights, the specimens and the exploration; at least 0.
        output: folder for the policy and the checkpoints; made if it does not exist.
        total_timesteps: decisions to learn from; None for the configuration's.
        progress: is told of every further step; of those done before, in one sum, after a resume.
        config: changes to the "training" table of the environment's configuration.
        resume: go on from the last checkpoint in the folder. A run that is finished is left as it
            is, and where there is none, one is begun.
        log: where to log to, as for `open_logbook`.

    Returns:
        Where the policy is, and how learning went. After Ctrl-C it holds what was learnt so far.

    Raises:
        ValueError: an unknown environment or setting, or a value out of range; the folder holds an
            unfinished run and `resume` is False, or a run with other settings and it is True; its
            checkpoints are damaged; another process is training there.
        OSError: the folder cannot be written.
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
        last = _last(store, folder, run, resume)
        name = f"{env_id}, seed {seed}"
        logbook = open_logbook(folder, log, name=name, config=run, resume=last is not None)
        with logbook:
            account = RunState(store, logbook, run, last)
            if last is not None and last.finished:
                if progress is not None:
                    progress(last.step)
                return _result(folder, account, True)
            return _learn(folder, account, tables, total, progress)


def _last(
    store: CheckpointStore, folder: Path, run: Mapping[str, Any], resume: bool
) -> Checkpoint | None:
    """The checkpoint to go on from, if that is what is wanted."""
    last = store.newest()
    if resume:
        if last is not None:
            check_same_run(last.run, run, folder)
        return last
    if last is not None and not last.finished:
        raise ValueError(
            f"{folder} holds an unfinished training ({last.step} of "
            f"{last.run['total_timesteps']} steps): "
            "go on with it (resume=True, --resume) or choose another folder"
        )
    return None


def _learn(
    folder: Path,
    account: RunState,
    tables: Mapping[str, Mapping[str, Any]],
    total: int,
    progress: Callable[[int], None] | None,
) -> TrainingResult:
    chosen, env_id, seed = tables["training"], str(account.run["env"]), int(account.run["seed"])
    torch.set_num_threads(1)
    learner = make_learner(chosen)
    native = learner.environment(env_id, {"split": "train", **tables["environment"]})
    env = VecMonitor(SB3VecEnv(native, infos="final"))
    try:
        model = _model(env, learner, seed)
        model.set_logger(Logger(None, [LogbookWriter(account.logbook)]))
        policy: Any = model.policy
        net: Network = policy.network()
        lessons, others = learner.lessons(net)
        optimizers = {"adam": policy.optimizer, **others}
        stop = GracefulInterrupt(progress)
        if account.last is not None:
            reinstate(model, optimizers, account.last.facts["learner"], account.last.arrays)
            stop.advance(model.num_timesteps)
        film = Film(env_id, tables["environment"], net, chosen["record_every"])
        keeper = CheckpointCallback(account, optimizers, stop, film, chosen["checkpoint_s"])
        complete = True
        try:
            with _stopped_by_ctrl_c(stop):
                model.learn(
                    total - model.num_timesteps,
                    callback=[ProgressCallback(account, stop), *lessons, keeper],
                    log_interval=total + 1,  # never: the keeper writes the log
                    reset_num_timesteps=account.last is None,
                )
        except KeyboardInterrupt:
            complete = False
    finally:
        env.close()
    save_policy(folder / POLICY_FILE, net, env_id, seed, min(model.num_timesteps, total))
    if complete:
        account.finish(model.num_timesteps)
    return _result(folder, account, complete)


def _model(env: VecMonitor, learner: Learner, seed: int) -> PPO:
    chosen = learner.chosen
    rate = float(chosen["learning_rate"])
    return PPO(
        learner.policy,
        env,
        n_steps=chosen["n_steps"],
        batch_size=chosen["batch_size"],
        n_epochs=chosen["n_epochs"],
        learning_rate=lambda left: rate * (0.1 + 0.9 * left),
        gamma=chosen["gamma"],
        gae_lambda=chosen["gae_lambda"],
        ent_coef=chosen["ent_coef"],
        vf_coef=chosen["vf_coef"],
        clip_range=chosen["clip_range"],
        max_grad_norm=chosen["max_grad_norm"],
        target_kl=chosen["target_kl"],
        policy_kwargs=learner.policy_arguments(),
        seed=seed,
        device="cpu",
    )


def _result(folder: Path, account: RunState, complete: bool) -> TrainingResult:
    return TrainingResult(folder, account.curve, complete, account.resumed, account.duration_s())


@contextmanager
def _stopped_by_ctrl_c(stop: GracefulInterrupt) -> Generator[None]:
    """Let the first Ctrl-C ask for an end, and the second one make it."""
    main = threading.current_thread() is threading.main_thread()
    if not main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return

    def hear(number: int, frame: FrameType | None) -> None:
        if stop.asked:
            signal.default_int_handler(number, frame)
        stop.asked = True

    before = signal.signal(signal.SIGINT, hear)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
