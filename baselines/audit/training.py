"""One training of a stock algorithm: its clock, its early end, and its result."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from stable_baselines3.common.callbacks import BaseCallback

from microgym.baselines.audit.context import Audit
from microgym.baselines.audit.learners import StockAgent, environment_for, learner_for
from microgym.baselines.audit.play import Array
from microgym.baselines.evaluation.evaluate import Evaluation, evaluate_all
from microgym.baselines.evaluation.statistics import normalised_score, paired_difference

EPISODES = 128
"""Validation episodes of each look, and test episodes of each run (design choice)."""
ENOUGH, WANTED = 0.6, 0.5
"""Way from the best blind policy to the oracle at which a training on easy ends, and that which the
audit wants; the latter must lie below the whole interval (design choice)."""
_LOOKS = 20
"""At most, in a training (design choice)."""


@dataclass(frozen=True)
class Task:
    """One training run.

    Attributes:
        env_id, folder, audit_minutes, seed: of the audit.
        name: class of the algorithm.
        table: its declaration.
        difficulty: of the task.
        run: seed of the training.
        minutes: of processor time, at most.
        levels: returns of other policies on the validation episodes, as for `reached`.
        stamp: of what the result depends on.
    """

    env_id: str
    folder: str
    audit_minutes: float
    seed: int
    name: str
    table: Mapping[str, Any]
    difficulty: str
    run: int
    minutes: float
    levels: Mapping[str, Array]
    stamp: str

    @property
    def key(self) -> str:
        """Name of its file."""
        return f"plain-{self.difficulty}-{self.name}-{self.run}"


def reached(returns: Array, levels: Mapping[str, Array]) -> bool:
    """Whether what is wanted of a stock algorithm is reached with a margin.

    It is above "blind" by interval; and, with "oracle", so far on the way from "blind" to it; with
    "expert", not below it by half the interval.

    Args:
        returns: of the algorithm on the validation episodes, [episodes].
        levels: of other policies on the same episodes, by name.
    """
    done = paired_difference(returns, levels["blind"]).above_zero
    if "oracle" in levels:
        way = normalised_score(returns, levels["blind"], levels["oracle"])
        done &= way.value >= ENOUGH and way.low >= WANTED
    if "expert" in levels:
        over = paired_difference(returns, levels["expert"])
        done &= over.value + over.low >= 0.0
    return bool(done)


class Clock(BaseCallback):
    """Ends a training by its processor time or when it has learnt enough, and records the curve.

    The time of looking does not count.

    Args:
        minutes: after which the training ends.
        report: receives the number of further steps.
        look: returns on validation episodes, of the model as it is.
        enough: whether such returns end the training.

    Attributes:
        curve: (steps, seconds, mean return of the last hundred training episodes).
        looks: (seconds, mean return on validation episodes).
        used: processor time of the training, s.
        reached: the training ended since it had learnt enough.
    """

    def __init__(
        self,
        minutes: float,
        report: Callable[[int], None],
        look: Callable[[], Array],
        enough: Callable[[Array], bool],
    ) -> None:
        super().__init__()
        self._limit, self._report, self._look, self._enough = 60.0 * minutes, report, look, enough
        self.curve: list[tuple[int, float, float]] = []
        self.looks: list[tuple[float, float]] = []
        self.used, self.reached = 0.0, False

    def _on_training_start(self) -> None:
        self._start, self._seen = time.process_time(), 0

    def _on_step(self) -> bool:
        self.used = time.process_time() - self._start
        if self.used - (self.curve[-1][1] if self.curve else 0.0) > self._limit / 40:
            recent = self.model.ep_info_buffer or ()
            if recent:
                mean = float(np.mean([one["r"] for one in recent]))
                self.curve.append((self.num_timesteps, self.used, mean))
            self._report(self.num_timesteps - self._seen)
            self._seen = self.num_timesteps
        if self.used >= self._limit:
            return False
        if self.used * _LOOKS >= self._limit * (1 + len(self.looks)):
            start = time.process_time()
            returns = self._look()
            self.looks.append((self.used, float(returns.mean())))
            self.reached = self._enough(returns)
            self._start += time.process_time() - start
        return not self.reached


def train(task: Task) -> dict[str, Any]:
    """Train one model, and evaluate it on test specimens; the result is kept."""
    audit = Audit(task.env_id, Path(task.folder), task.audit_minutes, seed=task.seed)
    model, env = learner_for(audit, task.name, task.table, task.difficulty, task.run)
    words = dict(environment_for(audit, task.table, task.difficulty).arguments)

    def played(split: str) -> Evaluation:
        setting, agent = audit.setting(split, **words), StockAgent(model, task.name)
        return evaluate_all(
            setting,
            {task.name: agent},
            episodes=EPISODES,
            seed=task.seed,
            num_envs=64,
            whole=True,
        )[task.name]

    last: list[Array] = []

    def look() -> Array:
        last[:] = [played("validation").returns]
        return last[0]

    clock = Clock(task.minutes, audit.progress, look, lambda found: reached(found, task.levels))
    start = time.monotonic()
    model.learn(10**12, callback=clock)
    env.close()
    wall, found = time.monotonic() - start, played("test")
    result = {
        "minutes": task.minutes,
        "ended": clock.used / 60.0,
        "reason": "reached" if clock.reached else "time",
        "steps": model.num_timesteps,
        "wall_s": wall,
        "environment_share": env.spent / max(clock.used, 1e-9),
        "curve": clock.curve,
        "looks": clock.looks,
        "validation": last[0].tolist() if last else None,
        "returns": found.returns.tolist(),
        "metrics": {n: float(np.mean(v)) for n, v in found.metrics.items()},
    }
    audit.keep(task.key, result, task.stamp)
    return result
