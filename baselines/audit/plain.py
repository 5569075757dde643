"""Stock algorithms through the public interface: what an ordinary researcher gets."""

import math
import multiprocessing
import os
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from microgym.baselines.audit import blind as searches
from microgym.baselines.audit.check import Check, Findings, judge, text
from microgym.baselines.audit.context import DEEP_MINUTES, Audit
from microgym.baselines.audit.play import Array, play_sequence
from microgym.baselines.evaluation.statistics import bootstrap, paired_difference

Run = Mapping[str, Any]

SEEDS = (0, 1, 2)
EPISODES = 128
"""Test episodes of each run (design choice)."""


@dataclass(frozen=True)
class Task:
    """One training run.

    Attributes:
        env_id, folder, audit_minutes, seed: of the audit.
        name: class of the algorithm.
        difficulty: of the task.
        run: seed of the training.
        minutes: of processor time.
    """

    env_id: str
    folder: str
    audit_minutes: float
    seed: int
    name: str
    difficulty: str
    run: int
    minutes: float

    @property
    def key(self) -> str:
        """Name of its file."""
        return f"plain-{self.difficulty}-{self.name}-{self.run}"


def plain(audit: Audit) -> Findings:
    """Returns and curves of the declared stock algorithms, three seeds each, on each difficulty."""
    from microgym.baselines.audit.learners import MINUTES, plain_tables

    tables = plain_tables(audit)
    declared = {
        (name, level): float(table.get("minutes", {}).get(level, MINUTES[level]))
        for name, table in tables.items()
        for level in audit.difficulties
    }
    whole = audit.minutes >= DEEP_MINUTES
    available = audit.jobs * audit.seconds("plain") / 60.0 / len(SEEDS)
    most = math.inf if whole else round(available / len(declared), 3)
    todo = [
        Task(audit.env_id, str(audit.folder), audit.minutes, audit.seed, name, level, seed, m)
        for seed in SEEDS
        for (name, level), minutes in declared.items()
        for m in [min(minutes, most)]
    ]
    runs = _trained(audit, todo)
    data: dict[str, Any] = {"seeds": len(SEEDS), "episodes": EPISODES, "minutes": most}
    checks: list[Check] = []
    for level in audit.difficulties:
        several = {n: [runs[n, level, s] for s in SEEDS] for n in tables}
        data[level] = {name: _row(tables[name], group) for name, group in several.items()}
        longest = max(minutes for (_, at), minutes in declared.items() if at == level)
        checks += _judged(audit, level, several, decided=most >= longest)
    return Findings(tuple(checks), data)


def _trained(audit: Audit, todo: Sequence[Task]) -> dict[tuple[str, str, int], dict[str, Any]]:
    """Results of all runs; what is kept is not trained again, and each is kept when it ends."""
    found: dict[tuple[str, str, int], dict[str, Any]] = {}
    left: list[Task] = []
    for task in todo:
        known = audit.kept(task.key)
        if known is not None and known["minutes"] >= task.minutes:
            found[task.name, task.difficulty, task.run] = known
        else:
            left.append(task)
    if audit.jobs > 1 and len(left) > 1:
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(audit.jobs, context, initializer=_follow) as pool:
            results = pool.map(train, left)
            for task, result in zip(left, results, strict=True):
                found[task.name, task.difficulty, task.run] = result
                audit.progress(EPISODES)
    else:
        for task in left:
            found[task.name, task.difficulty, task.run] = train(task)
            audit.progress(EPISODES)
    return found


def _follow() -> None:
    """End this worker when its parent ends, whatever ends that."""
    parent = multiprocessing.parent_process()

    def watch() -> None:
        if parent is not None:
            parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def train(task: Task) -> dict[str, Any]:
    """Train one model, and evaluate it on test specimens; the result is kept."""
    from microgym.baselines.audit.learners import (
        Clock,
        StockAgent,
        environment_for,
        learner_for,
        plain_tables,
    )
    from microgym.baselines.evaluation.evaluate import evaluate_all

    audit = Audit(task.env_id, Path(task.folder), task.audit_minutes, seed=task.seed)
    table = plain_tables(audit)[task.name]
    model, env = learner_for(audit, task.name, table, task.difficulty, task.run)
    clock, start = Clock(task.minutes, audit.progress), time.monotonic()
    model.learn(10**12, callback=clock)
    env.close()
    wall = time.monotonic() - start
    words = dict(environment_for(audit, table, task.difficulty).arguments)
    agent = StockAgent(model, task.name)
    found = evaluate_all(
        audit.setting(**words),
        {task.name: agent},
        episodes=EPISODES,
        seed=task.seed,
        num_envs=32,
        whole=True,
    )[task.name]
    result = {
        **asdict(task),
        "folder": None,
        "steps": model.num_timesteps,
        "wall_s": wall,
        "environment_share": env.spent / max(60.0 * task.minutes, 1e-9),
        "curve": clock.curve,
        "returns": found.returns.tolist(),
        "metrics": {n: float(np.mean(v)) for n, v in found.metrics.items()},
    }
    audit.keep(task.key, result)
    return result


def _row(table: Mapping[str, Any], runs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Numbers of one algorithm."""
    returns = np.array([one["returns"] for one in runs])
    found = bootstrap(returns)
    return {
        "declared": table,
        "return": [found.value, found.low, found.high],
        "runs": returns.mean(axis=1).tolist(),
        "steps": [one["steps"] for one in runs],
        "minutes": runs[0]["minutes"],
        "curves": [one["curve"] for one in runs],
        "metrics": [one["metrics"] for one in runs],
    }


def _judged(
    audit: Audit, level: str, runs: Mapping[str, Sequence[Run]], *, decided: bool
) -> list[Check]:
    """Verdicts: how far the best algorithm comes from blind policies to the oracle.

    A training shorter than declared decides only what it reaches.
    """
    setting = audit.setting(**audit.difficulties[level])
    table = {name: np.array([one["returns"] for one in some]) for name, some in runs.items()}
    best = max(table, key=lambda name: table[name].mean())
    returns, minutes = table[best], runs[best][0]["minutes"]
    without = _simple(audit, level)
    top = max(without, key=lambda name: without[name].mean())
    over = paired_difference(returns, without[top])
    figure = f"{best} {returns.mean():.3f} after {minutes:g} min, less {top} {text(over)}"
    if "expert" in audit.names:
        expert = audit.evaluate(setting, "expert", EPISODES).returns
        figure += f", less expert {text(paired_difference(returns, expert))}"
    want = "above every blind policy by interval"
    checks = [judge(f"plain {level}", over.above_zero, figure, want)]
    if level == "easy" and "oracle" in audit.names:
        oracle = audit.evaluate(setting, "oracle", EPISODES).returns
        low, high = without[top].mean(), oracle.mean()
        parts = (returns.mean(axis=1) - low) / max(high - low, 1e-9)
        figure = f"{best} after {minutes:g} min: " + ", ".join(f"{one:.2f}" for one in parts)
        figure += f" of the way from {top} to oracle"
        want = "at least 0.5 for each seed"
        checks.append(judge("plain halfway", bool((parts >= 0.5).all()), figure, want))
    return [one for one in checks if decided or one.passed]


def _simple(audit: Audit, level: str) -> dict[str, Array]:
    """Returns of policies without a model of the task, on the episodes of the plain rows."""
    setting = audit.setting(**audit.difficulties[level])
    named = [name for name in ("idle",) if name in audit.names]
    found = {name: audit.evaluate(setting, name, EPISODES).returns for name in named}
    known = audit.kept(f"blind-{level}")
    if known is None:
        seconds = audit.seconds("blind") / len(audit.difficulties)
        known = searches.search(audit, audit.setting("train", **audit.difficulties[level]), seconds)
        audit.keep(f"blind-{level}", known)
    test = range(audit.seed, audit.seed + EPISODES)
    for name in ("constant", "blind"):
        found[name] = play_sequence(setting, np.array(known[name]), test).returns[0]
    return found
