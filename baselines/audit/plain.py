"""Stock algorithms through the public interface: what an ordinary researcher gets."""

import math
import multiprocessing
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import numpy as np

from microgym.baselines.audit import stamps
from microgym.baselines.audit.blind import searched
from microgym.baselines.audit.check import Check, Findings, judge, text
from microgym.baselines.audit.context import Audit
from microgym.baselines.audit.play import Array, play_sequence
from microgym.baselines.cli.workers import end_with_parent
from microgym.baselines.evaluation.env_config import EnvironmentConfig
from microgym.baselines.evaluation.statistics import bootstrap, paired_difference

Run = Mapping[str, Any]

SEEDS = (0, 1, 2)


def plain(audit: Audit) -> Findings:
    """Returns and curves of the declared stock algorithms, three seeds each, on each difficulty.

    A training ends when it has reached what is wanted with a margin on validation specimens, at
    latest after the declared time.
    """
    from microgym.baselines.audit.learners import MINUTES, environment_for, plain_tables
    from microgym.baselines.audit.training import EPISODES, Task

    tables = plain_tables(audit)
    declared = {
        (name, level): float(table.get("minutes", {}).get(level, MINUTES[level]))
        for name, table in tables.items()
        for level in audit.difficulties
    }
    available = audit.jobs * audit.seconds("plain") / 60.0 / len(SEEDS)
    most = math.inf if audit.whole else round(available / len(declared), 3)
    levels = {level: _levels(audit, level, EPISODES) for level in audit.difficulties}
    stamp = {
        (name, level): stamps.of_training(
            audit.env_id, environment_for(audit, tables[name], level).arguments, tables[name]
        )
        for name, level in declared
    }
    todo = [
        Task(
            audit.env_id,
            str(audit.folder),
            audit.minutes,
            audit.seed,
            name,
            tables[name],
            level,
            seed,
            min(minutes, most),
            levels[level],
            stamp[name, level],
        )
        for seed in SEEDS
        for (name, level), minutes in declared.items()
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


def _levels(audit: Audit, level: str, episodes: int) -> dict[str, Array]:
    """Returns of the policies that a stock algorithm is to reach, on validation episodes."""
    goal = "oracle" if level == "easy" else "expert"
    setting = audit.setting("validation", **audit.difficulties[level])
    without = _blind(audit, setting, level, episodes)
    found = {"blind": max(without.values(), key=np.mean)}
    if goal in audit.names:
        found[goal] = audit.evaluate(setting, goal, episodes).returns
    return found


def _trained(audit: Audit, todo: Sequence[Any]) -> dict[tuple[str, str, int], dict[str, Any]]:
    """Results of all runs; what is kept is not trained again, and each is kept when it ends."""
    from microgym.baselines.audit.training import EPISODES, Task, reached, train

    found: dict[tuple[str, str, int], dict[str, Any]] = {}
    left: list[Task] = []
    for task in todo:
        known = audit.kept(task.key, task.stamp)
        if known and (
            (known["reason"] == "time" and known["minutes"] >= task.minutes)
            or (known["reason"] == "reached" and reached(known["validation"], task.levels))
        ):
            found[task.name, task.difficulty, task.run] = known
        else:
            left.append(task)
    if audit.jobs > 1 and len(left) > 1:
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(audit.jobs, context, initializer=end_with_parent) as pool:
            results = pool.map(train, left)
            for task, result in zip(left, results, strict=True):
                found[task.name, task.difficulty, task.run] = result
                audit.progress(EPISODES)
    else:
        for task in left:
            found[task.name, task.difficulty, task.run] = train(task)
            audit.progress(EPISODES)
    return found


def _row(table: Mapping[str, Any], runs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Numbers of one algorithm."""
    returns = np.array([one["returns"] for one in runs])
    found = bootstrap(returns)
    return {
        "declared": table,
        "return": [found.value, found.low, found.high],
        "runs": returns.mean(axis=1).tolist(),
        "steps": [one["steps"] for one in runs],
        "minutes": [one["ended"] for one in runs],
        "reasons": [one["reason"] for one in runs],
        "looks": [one["looks"] for one in runs],
        "curves": [one["curve"] for one in runs],
        "metrics": [one["metrics"] for one in runs],
    }


def _judged(
    audit: Audit, level: str, runs: Mapping[str, Sequence[Run]], *, decided: bool
) -> list[Check]:
    """Verdicts: how far the best algorithm comes from blind policies to the oracle.

    A training shorter than declared decides only what it reaches.
    """
    from microgym.baselines.audit.training import EPISODES, WANTED

    setting = audit.setting(**audit.difficulties[level])
    table = {name: np.array([one["returns"] for one in some]) for name, some in runs.items()}
    best = max(table, key=lambda name: table[name].mean())
    returns = table[best]
    minutes = "/".join(f"{one['ended']:.3g}" for one in runs[best])
    without = _blind(audit, setting, level, EPISODES)
    top = max(without, key=lambda name: without[name].mean())
    over = paired_difference(returns, without[top])
    figure = f"{best} {returns.mean():.3f} after {minutes} min, less {top} {text(over)}"
    if "expert" in audit.names:
        expert = audit.evaluate(setting, "expert", EPISODES).returns
        figure += f", less expert {text(paired_difference(returns, expert))}"
    want = "above every blind policy by interval"
    checks = [judge(f"plain {level}", over.above_zero, figure, want)]
    if level == "easy" and "oracle" in audit.names:
        oracle = audit.evaluate(setting, "oracle", EPISODES).returns
        low, high = without[top].mean(), oracle.mean()
        parts = (returns.mean(axis=1) - low) / max(high - low, 1e-9)
        figure = f"{best} after {minutes} min: " + ", ".join(f"{one:.2f}" for one in parts)
        figure += f" of the way from {top} to oracle"
        want = f"at least {WANTED:g} for each seed"
        checks.append(judge("plain halfway", bool((parts >= WANTED).all()), figure, want))
    return [one for one in checks if decided or one.passed]


def _blind(audit: Audit, setting: EnvironmentConfig, level: str, episodes: int) -> dict[str, Array]:
    """Returns of the policies that look at nothing, by name."""
    named = [name for name in ("idle",) if name in audit.names]
    found = {name: audit.evaluate(setting, name, episodes).returns for name in named}
    known, seeds = searched(audit, level), range(audit.seed, audit.seed + episodes)
    for name in ("constant", "blind"):
        found[name] = play_sequence(setting, known[name], seeds).returns[0]
    return found
