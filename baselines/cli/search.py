"""Search for better settings of a training, with Optuna.

Each trial trains from scratch and is scored on validation specimens, all trials on the same
episodes. No trial is cut short for a poor beginning: the learning rate falls over the whole run, so
that runs cross late, and the returns while learning are those of an exploring policy on other
specimens.

What is drawn in a trial depends on the seed of the search, the trial's place and the results before
it alone. So a search that is killed and started again ends as one that was not; the trial that ran
when it was killed is marked as failed, its settings are lined up again, and their training goes on
from its last checkpoint.
"""

import csv
import io
import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from microgym.agents.core import registry
from microgym.agents.training.atomic_io import write_atomically
from microgym.agents.training.config import load_config
from microgym.agents.training.search_space import Choice, Space, Value, search_space
from microgym.baselines.cli import search_storage as storage
from microgym.baselines.cli.train import Trainer, train_runs
from microgym.baselines.evaluation.env_config import EnvironmentConfig
from microgym.baselines.evaluation.evaluate import evaluate_all
from microgym.baselines.evaluation.load_agent import find_agent
from microgym.baselines.evaluation.records import provenance, to_json
from microgym.baselines.evaluation.statistics import bootstrap, normalised_score

RECORD, TABLE, BEST = "search.json", "trials.csv", "best.toml"
"""Names of the files in the search's folder: everything; a line a trial; the best settings."""

REFERENCES = ("expert", "oracle")
"""Agents beside which a trial is scored."""


@dataclass(frozen=True)
class Plan:
    """What to search, and how hard.

    Attributes:
        setting: the environment; its split is what trials are scored on.
        output: folder of the search.
        trials: how many settings to try, those of an earlier start of the search included.
        steps: decisions to learn from, in each training run.
        seeds: of the training runs of a trial.
        episodes: that a trial is scored on.
        seed: of the search.
        jobs: training runs of a trial side by side; changes speed, not results.
    """

    setting: EnvironmentConfig
    output: Path
    trials: int
    steps: int
    seeds: tuple[int, ...]
    episodes: int
    seed: int = 0
    jobs: int = 1

    def __post_init__(self) -> None:
        for name in ("trials", "steps", "episodes", "jobs"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if not self.seeds or len(set(self.seeds)) < len(self.seeds) or min(self.seeds) < 0:
            raise ValueError(f"seeds must be distinct and not negative, got {list(self.seeds)}")
        if self.seed < 0:
            raise ValueError(f"seed must be at least 0, got {self.seed}")


def search(
    plan: Plan,
    *,
    progress: Callable[[int], None] | None = None,
    trainer: Trainer | None = None,
) -> dict[str, Any]:
    """Search, or go on with a search; its files are written anew after every trial.

    Args:
        plan: what to search. The same one again goes on where it was killed, with more trials
            beyond where it ended.
        progress: is told of every further step of training, finished trials included.
        trainer: instead of `microgym.agents.training.trainer.train`, in tests.

    Returns:
        The record: what was searched, "trials", "best" (None if all failed), and what it came from.

    Raises:
        ValueError: nothing to search, another search in the folder, or the usual settings, which
            are tried first, do not work.
        ImportError: Optuna is not installed.
        OSError: the folder cannot be written.
        KeyboardInterrupt: interrupted; what is finished is in the folder.
    """
    space = search_space(plan.setting.env_id)
    about = _about(plan, space)
    training = about["training"]
    usual = {name: training[name] for name, values in space.items() if training[name] in values}
    hear = progress or _unheard
    study = storage.open_study(plan.output, about, usual)
    storage.repair(study)
    references = _references(study, plan)
    source = provenance()
    hear(len(storage.tried(study)) * plan.steps * len(plan.seeds))
    while (place := len(storage.tried(study))) < plan.trials:
        trial = storage.ask(study, plan.seed, place)
        settings = {name: _suggested(trial, name, values) for name, values in space.items()}
        start = time.monotonic()
        try:
            returns = _returns(plan, settings, place, hear, trainer)
            result = _scored(returns, references)
        except (ArithmeticError, RuntimeError, ValueError) as error:
            if not place:  # the usual settings work, so the mistake is elsewhere
                raise
            # Settings with which learning diverges are an answer.
            storage.fail(study, trial, f"{type(error).__name__}: {error}")
        else:
            result["duration_s"] = round(time.monotonic() - start, 1)
            storage.finish(study, trial, result)
        _write(plan, about | source, storage.tried(study))
    return _write(plan, about | source, storage.tried(study))


def flags(settings: Mapping[str, Value]) -> str:
    """Settings as `microgym train` takes them: `--set name=value ...`."""
    return " ".join(f"--set {name}={json.dumps(value)}" for name, value in settings.items())


def toml(settings: Mapping[str, Value]) -> str:
    """Settings as lines of the table "training" of a configuration."""
    lines = [f"{name} = {json.dumps(value)}" for name, value in settings.items()]
    return "\n".join(["[training]", *lines]) + "\n"


def _unheard(more: int) -> None:
    del more


def _about(plan: Plan, space: Space) -> dict[str, Any]:
    """What makes two searches the same, as JSON holds it."""
    setting = plan.setting
    about = {
        "env": setting.env_id,
        "split": setting.split,
        "specimen": setting.specimen_name,
        "arguments": dict(setting.arguments),
        "steps": plan.steps,
        "seeds": plan.seeds,
        "episodes": plan.episodes,
        "seed": plan.seed,
        "space": {name: vars(values) for name, values in space.items()},
        "training": load_config(setting.env_id)["training"],
    }
    return json.loads(to_json(about))


def _suggested(trial: Any, name: str, values: Any) -> Value:
    if isinstance(values, Choice):
        return trial.suggest_categorical(name, values.values)
    suggest = trial.suggest_int if isinstance(values.low, int) else trial.suggest_float
    return suggest(name, values.low, values.high, log=values.log)


def _returns(
    plan: Plan,
    settings: Mapping[str, Value],
    place: int,
    progress: Callable[[int], None],
    trainer: Trainer | None,
) -> list[list[float]]:
    """Train and play: the return of each run in each episode."""
    runs = train_runs(
        plan.setting.env_id,
        plan.seeds,
        steps=plan.steps,
        output=plan.output / f"trial-{place:04d}",
        jobs=plan.jobs,
        config=settings,
        progress=progress,
        resume=True,
        trainer=trainer,
    )
    if len(runs) < len(plan.seeds) or not all(run.complete for run in runs):
        raise KeyboardInterrupt
    agents = {str(run.seed): find_agent(plan.setting, str(run.path)) for run in runs}
    found = evaluate_all(plan.setting, agents, episodes=plan.episodes)
    if not all(one.complete for one in found.values()):
        raise KeyboardInterrupt
    return [one.returns.tolist() for one in found.values()]


def _references(study: Any, plan: Plan) -> dict[str, list[float]]:
    """Returns of the reference agents in the same episodes; played once a search."""
    kept = study.user_attrs.get("references")
    if kept is None:
        names = [name for name in REFERENCES if name in registry.agent_names(plan.setting.env_id)]
        agents = {name: find_agent(plan.setting, name) for name in names}
        found = evaluate_all(plan.setting, agents, episodes=plan.episodes) if agents else {}
        if not all(one.complete for one in found.values()):
            raise KeyboardInterrupt
        kept = {name: one.returns.tolist() for name, one in found.items()}
        study.set_user_attr("references", kept)
    return kept


def _scored(
    returns: Sequence[Sequence[float]], references: Mapping[str, Sequence[float]]
) -> dict[str, Any]:
    mean = bootstrap(np.asarray(returns))
    result: dict[str, Any] = {"return_mean": mean.value, "return_interval": list(mean.interval)}
    if set(REFERENCES) <= set(references):
        score = normalised_score(np.asarray(returns), references["expert"], references["oracle"])
        if not math.isnan(score.value):
            result |= {"score": score.value, "score_interval": list(score.interval)}
    return result


def _write(plan: Plan, about: Mapping[str, Any], trials: Sequence[Mapping[str, Any]]) -> Any:
    """Write and return the record."""
    finished = [one for one in trials if one["state"] == "complete"]
    best = max(finished, key=lambda one: one["return_mean"], default=None)
    record = {**about, "trials": list(trials), "best": best}
    write_atomically(plan.output / RECORD, to_json(record, indent=1) + "\n")
    names = list(about["space"])
    results = ["state", "return_mean", "score", "duration_s"]
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["trial", *names, *results])
    for one in trials:
        settings = [one["settings"].get(name, "") for name in names]
        table.writerow([one["trial"], *settings, *(one.get(name, "") for name in results)])
    write_atomically(plan.output / TABLE, text.getvalue())
    if best is not None:
        write_atomically(plan.output / BEST, toml(best["settings"]))
    return record
