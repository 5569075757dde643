"""Callbacks of a training run: progress, learning curve, logs, videos and checkpoints."""

import signal
import threading
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, cast

import gymnasium as gym
import numpy as np
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback

from microgym.agents.core.network import Network
from microgym.agents.core.trained_agent import PolicyAgent
from microgym.agents.training.checkpoint import Arrays, Checkpoint, CheckpointStore
from microgym.agents.training.learner_state import capture
from microgym.agents.training.video import animation
from microgym.atomic_io import write_atomically

VIDEO = "validation/episode"
"""Name of the videos in logs."""


class GracefulInterrupt:
    """Request to end a run at the next checkpoint, from Ctrl-C or from the report of progress.

    Args:
        progress: receives the number of further steps; may raise `KeyboardInterrupt`.

    Attributes:
        requested: whether there is one.
    """

    def __init__(self, progress: Callable[[int], None] | None) -> None:
        self.requested = False
        self._progress = progress

    def advance(self, steps: int) -> None:
        """Report further steps; a second `KeyboardInterrupt` passes."""
        if self._progress is None:
            return
        try:
            self._progress(steps)
        except KeyboardInterrupt:
            if self.requested:
                raise
            self.requested = True
            self._progress = None

    @contextmanager
    def handling_sigint(self) -> Generator[None]:
        """Context in which the first Ctrl-C makes the request, and the second one interrupts.

        Outside the main thread, and where another handler is installed, nothing changes.
        """
        main = threading.current_thread() is threading.main_thread()
        if not main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
            yield
            return

        def handle(number: int, frame: FrameType | None) -> None:
            if self.requested:
                signal.default_int_handler(number, frame)
            self.requested = True

        before = signal.signal(signal.SIGINT, handle)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)


class RunState:
    """Progress of a run besides its learner, kept in checkpoints.

    Args:
        store: of the checkpoints.
        run: `Checkpoint.run` of this run; like `last` an attribute.
        last: checkpoint to resume from, if any.

    Attributes:
        curve: (step, mean return of the last hundred training episodes) for each rollout.
        resumed: number of resumptions from a checkpoint.
    """

    def __init__(
        self, store: CheckpointStore, run: Mapping[str, Any], last: Checkpoint | None
    ) -> None:
        self.run, self.last, self._store = run, last, store
        facts: Mapping[str, Any] = {} if last is None else last.facts
        ended = last is not None and last.finished
        self.curve = [(int(step), float(value)) for step, value in facts.get("curve", ())]
        self.resumed = int(facts.get("resumed", 0)) + (last is not None and not ended)
        self._before_s = float(facts.get("duration_s", 0.0))
        self._start_s = float("inf") if ended else time.monotonic()

    def duration_s(self) -> float:
        """Wall time of the run, s, including the sessions before it was resumed."""
        return self._before_s + max(0.0, time.monotonic() - self._start_s)

    def save(self, step: int, learner: Mapping[str, Any], arrays: Arrays) -> None:
        """Write a checkpoint with the state of the learner."""
        facts = self._facts() | {"learner": learner}
        self._store.write(Checkpoint(step, self.run, False, facts, arrays))

    def finish(self, step: int) -> None:
        """Mark the run as finished; its policy must have been saved before."""
        self._before_s, self._start_s = self.duration_s(), float("inf")
        self._store.write(Checkpoint(step, self.run, True, self._facts()))

    def _facts(self) -> dict[str, Any]:
        return {"curve": self.curve, "resumed": self.resumed, "duration_s": self.duration_s()}


def record_episode(env_id: str, env_kwargs: Mapping[str, Any], net: Network, path: Path) -> Path:
    """Play one episode of a validation specimen with a network's most probable actions, as a GIF.

    Nothing is drawn from the random generators that training uses.

    Returns:
        The path of the video, with a frame of the initial state and one after each decision.
    """
    keywords: Any = {"split": "validation", "render_mode": "rgb_array", **env_kwargs}
    # The agent translates into the default actions, whichever the network was trained on.
    keywords.pop("action", None)
    agent = PolicyAgent(net, env_id, "recorded")
    made: Any = gym.make_vec(env_id, 1, autoreset_mode="Disabled", **keywords)
    with closing(made) as env:
        observation, info = env.reset(seed=0)
        agent.reset(1, [0])
        frames = [env.render()[0]]
        done = False
        while not done:
            action = agent.act(observation, info)
            observation, _, terminated, truncated, info = env.step(action)
            frames.append(env.render()[0])
            done = bool(terminated[0] | truncated[0])
        return write_atomically(path, animation(frames, int(env.metadata["render_fps"]), "GIF"))


class TrainingCallback(BaseCallback):
    """Callback that reports progress and writes the learning curve, the logs and checkpoints.

    Logs and checkpoints are written when a rollout starts, after all callbacks that learn at that
    moment and precede this one.

    Args:
        state: of the run; receives the curve and writes the checkpoints.
        optimizers: as for `capture`.
        interrupt: receives the steps, and may hold a request to end the run.
        record: records a video of the policy at a step, for runs that log anything.
        settings: "checkpoint_s", least time between checkpoints, s, and "record_every", steps
            between videos, 0 for none.
    """

    def __init__(
        self,
        state: RunState,
        optimizers: Mapping[str, torch.optim.Optimizer],
        interrupt: GracefulInterrupt,
        record: Callable[[int], Path],
        settings: Mapping[str, Any],
    ) -> None:
        super().__init__()
        self._state, self._optimizers, self._interrupt = state, optimizers, interrupt
        self._record, self._settings = record, settings
        # A new run writes its first checkpoint at once: a full disk shows before the work.
        self._logged_step, self._saved_step, self._saved_s = 0, -1, -float("inf")
        if state.last is not None:
            self._logged_step = self._saved_step = state.last.step
            self._saved_s = time.monotonic()

    def _on_step(self) -> bool:
        self._interrupt.advance(self.training_env.num_envs)
        return True

    def _on_rollout_end(self) -> None:
        recent = [float(episode["r"]) for episode in self.model.ep_info_buffer or ()]
        if recent:
            self._state.curve.append((int(self.num_timesteps), float(np.mean(recent))))

    def _on_rollout_start(self) -> None:
        self._log()
        step = self.model.num_timesteps
        due = time.monotonic() - self._saved_s >= self._settings["checkpoint_s"]
        if step > self._saved_step and (due or self._interrupt.requested):
            self._state.save(step, *capture(cast("PPO", self.model), self._optimizers))
            self._saved_step, self._saved_s = step, time.monotonic()
        if self._interrupt.requested:
            raise KeyboardInterrupt

    def _on_training_end(self) -> None:
        self._log()

    def _log(self) -> None:
        """Write a row on the last rollout and the update on it, with a video if one is due."""
        step, before = self.model.num_timesteps, self._logged_step
        every = self._settings["record_every"]
        if step <= before:
            return
        if self.logger.output_formats and every and step // every > before // every:
            self.logger.record(VIDEO, self._record(step), exclude="csv")
        cast("PPO", self.model).dump_logs()
        self._logged_step = step
