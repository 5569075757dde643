"""What is done for a training run while it goes on: progress, log rows, checkpoints, films."""

import time
from collections.abc import Callable, Mapping
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback

from microgym.agents.core.network import Network
from microgym.agents.core.trained_agent import PolicyAgent
from microgym.agents.training.checkpoint import Arrays, Checkpoint, CheckpointStore
from microgym.agents.training.learner_state import capture
from microgym.agents.training.logbooks.logbook import Logbook


class GracefulInterrupt:
    """Passes progress on, and keeps a wish to stop until that can be done.

    Args:
        progress: is told of every further step; it may raise `KeyboardInterrupt`.

    Attributes:
        asked: the run is to end at the next checkpoint.
    """

    def __init__(self, progress: Callable[[int], None] | None) -> None:
        self.asked = False
        self._progress = progress

    def advance(self, more: int) -> None:
        """Tell of so many further steps.

        Raises:
            KeyboardInterrupt: a second one.
        """
        if self._progress is None:
            return
        try:
            self._progress(more)
        except KeyboardInterrupt:
            if self.asked:
                raise
            self.asked = True
            self._progress = None


class RunState:
    """What a run leaves on disk besides its policy, and where it stands.

    A row of the log reaches its readers when a checkpoint that knows of it is on the disk; until
    then the checkpoint before it would lead to the same row again.

    Args:
        store: of the checkpoints.
        logbook: open.
        run: `Checkpoint.run` of this run.
        last: the checkpoint to go on from, if any.

    Attributes:
        run: as given.
        last: as given.
        logbook: as given.
        curve: (steps, mean return of the last hundred training episodes), a rollout each.
        resumed: how often this run was taken up from a checkpoint.
    """

    def __init__(
        self,
        store: CheckpointStore,
        logbook: Logbook,
        run: Mapping[str, Any],
        last: Checkpoint | None,
    ) -> None:
        self.run, self.last, self.logbook = run, last, logbook
        self.curve: list[tuple[int, float]] = []
        self.resumed = 0
        self._store = store
        self._start = time.monotonic()
        self._before_s = 0.0
        if last is None:
            return
        facts = last.facts
        self.curve = [(int(step), float(value)) for step, value in facts["curve"]]
        self.resumed = int(facts["resumed"]) + (not last.finished)
        self._before_s = float(facts["duration_s"])
        if last.finished:
            self._start = float("inf")
        logbook.restore(facts["rows"])
        logbook.commit()

    def duration_s(self) -> float:
        """Wall time of the run, s, with the parts before it was resumed."""
        return self._before_s + max(0.0, time.monotonic() - self._start)

    def keep(self, step: int, learner: Mapping[str, Any], arrays: Arrays) -> None:
        """Write a checkpoint, then let go of the rows it knows of."""
        self._write(Checkpoint(step, self.run, False, self._facts() | {"learner": learner}, arrays))

    def finish(self, step: int) -> None:
        """Mark the run as finished; its policy must have been saved before."""
        self._before_s, self._start = self.duration_s(), float("inf")
        self._write(Checkpoint(step, self.run, True, self._facts()))

    def _write(self, checkpoint: Checkpoint) -> None:
        self._store.write(checkpoint)
        self.logbook.commit()

    def _facts(self) -> dict[str, Any]:
        return {
            "curve": self.curve,
            "resumed": self.resumed,
            "duration_s": self.duration_s(),
            "rows": self.logbook.pending(),
        }


class ProgressCallback(BaseCallback):
    """Tells of progress and keeps the learning curve.

    Args:
        account: where the curve goes.
        stop: hears of the steps.
    """

    def __init__(self, account: RunState, stop: GracefulInterrupt) -> None:
        super().__init__()
        self._account = account
        self._stop = stop

    def _on_step(self) -> bool:
        self._stop.advance(self.training_env.num_envs)
        return True

    def _on_rollout_end(self) -> None:
        recent = [float(episode["r"]) for episode in self.model.ep_info_buffer or ()]
        if recent:
            self._account.curve.append((int(self.num_timesteps), float(np.mean(recent))))


class Film:
    """Plays a validation specimen with the policy of the moment, for whoever wants to see it.

    It draws nothing from the generators that training draws from.

    Args:
        env_id: the environment.
        arguments: of the environment.
        net: the network.
        every: steps between films; 0 for none.
    """

    def __init__(self, env_id: str, arguments: Mapping[str, Any], net: Network, every: int) -> None:
        self._env_id, self._arguments, self._net, self._every = env_id, arguments, net, every

    def due(self, step: int, before: int) -> bool:
        """Whether a film belongs to a step, the last chance being `before`."""
        return self._every > 0 and step // self._every > before // self._every

    def play(self) -> tuple[list[NDArray[np.uint8]], int]:
        """Play one episode, always of the same specimen, with the most probable actions.

        Returns:
            Pictures uint8 [height, width, 3], one a decision and one of the beginning; and how many
            to show a second.
        """
        words: Any = {"split": "validation", "render_mode": "rgb_array", **self._arguments}
        # The agent translates into the default actions, whichever the network was trained on.
        words.pop("action", None)
        agent = PolicyAgent(self._net, self._env_id, "film")
        env: Any = gym.make_vec(self._env_id, 1, autoreset_mode="Disabled", **words)
        try:
            observation, info = env.reset(seed=0)
            agent.reset(1, [0])
            frames = [env.render()[0]]
            done = False
            while not done:
                action = agent.act(observation, info)
                observation, _, terminated, truncated, info = env.step(action)
                frames.append(env.render()[0])
                done = bool(terminated[0] | truncated[0])
            return frames, int(env.metadata["render_fps"])
        finally:
            env.close()


class CheckpointCallback(BaseCallback):
    """Between an update and the next rollout: a row of the log, a checkpoint if it is time.

    It must come after all callbacks that learn when a rollout starts.

    Args:
        account: where rows and checkpoints go.
        optimizers: as for `capture`.
        stop: whether the run is to end.
        film: for logs that hold pictures.
        every_s: least time between checkpoints, s.
    """

    def __init__(
        self,
        account: RunState,
        optimizers: Mapping[str, torch.optim.Optimizer],
        stop: GracefulInterrupt,
        film: Film,
        every_s: float,
    ) -> None:
        super().__init__()
        self._account, self._optimizers, self._stop = account, optimizers, stop
        self._film, self._every_s = film, every_s
        self._row_at, self._row_s = 0, 0.0
        self._kept_at, self._kept_s = -1, -float("inf")

    def _on_training_start(self) -> None:
        now = time.monotonic()
        self._row_at, self._row_s = self.model.num_timesteps, now
        # A new run writes its first checkpoint at once: a full disk shows before the work.
        if self._account.last is not None:
            self._kept_at, self._kept_s = self.model.num_timesteps, now

    def _on_step(self) -> bool:
        return True

    def _on_rollout_start(self) -> None:
        self._log()
        step = self.model.num_timesteps
        late = time.monotonic() - self._kept_s >= self._every_s
        if step > self._kept_at and (late or self._stop.asked):
            model = self.model
            assert isinstance(model, PPO)
            self._account.keep(step, *capture(model, self._optimizers))
            self._kept_at, self._kept_s = step, time.monotonic()
        if self._stop.asked:
            raise KeyboardInterrupt

    def _on_training_end(self) -> None:
        self._log()

    def _log(self) -> None:
        """One row on the last rollout and what was learnt from it, and a film where one is due."""
        step, before, logbook = self.model.num_timesteps, self._row_at, self._account.logbook
        if step <= before:
            return
        now = time.monotonic()
        episodes = self.model.ep_info_buffer
        if episodes:
            self.logger.record("rollout/ep_rew_mean", self._account.curve[-1][1])
            self.logger.record("rollout/ep_len_mean", np.mean([one["l"] for one in episodes]))
        self.logger.record("time/steps_per_s", (step - before) / max(now - self._row_s, 1e-9))
        self.logger.dump(step)
        if logbook.wants_media and self._film.due(step, before):
            logbook.video(step, "validation/episode", *self._film.play())
        self._row_at, self._row_s = step, time.monotonic()
