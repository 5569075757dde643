"""Hyperparameter search with Optuna: a study in a journal file that survives being killed.

Each trial trains from scratch and is scored on validation specimens, all trials on the same
episodes. No trial is pruned: the learning rate decays over the whole run, so that learning curves
cross late, and training returns are those of an exploring policy on other specimens.

The settings of a trial depend on the seed of the search, the number of earlier trials and their
results alone. A search that is killed and started again therefore ends as one that was not: the
trial that ran then is marked as failed, and the next one draws its settings again and continues
its training from the last checkpoint. A kill while Optuna holds the lock of the journal delays the
next start by the lock's grace period, 30 s.
"""

import csv
import io
import json
import math
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from microgym.agents.core import registry
from microgym.agents.core.config import load_config
from microgym.agents.core.extras import extra_named
from microgym.agents.training.checkpoint import claimed
from microgym.atomic_io import write_atomically
from microgym.baselines.cli.console import Progress, no_progress
from microgym.baselines.cli.search_space import Space, Value, search_space
from microgym.baselines.cli.train import all_complete, check_seeds, train_runs
from microgym.baselines.evaluation.env_config import EnvironmentConfig, find_agent
from microgym.baselines.evaluation.evaluate import evaluate_all, run_returns
from microgym.baselines.evaluation.records import provenance, to_json, write_json
from microgym.baselines.evaluation.statistics import bootstrap, normalised_score

RECORD, TABLE, BEST, JOURNAL = "search.json", "trials.csv", "best.toml", "journal.log"
"""Files in the search's folder: whole record, one row a trial, best settings, Optuna's journal."""

_STUDY, _ABOUT, _RESULT = "microgym", "about", "result"


@dataclass(frozen=True)
class Plan:
    """Environment and budget of a search.

    Attributes:
        setting: the environment; trials are scored on its split.
        output: folder of the search.
        trials: number of settings to try, including those of an earlier start of the search.
        steps: decisions to learn from, in each training run.
        seeds: of the training runs of a trial.
        episodes: on which a trial is scored.
        seed: of the search.
        jobs: parallel training runs of a trial, without influence on the results; None for one a
            core.
    """

    setting: EnvironmentConfig
    output: Path
    trials: int
    steps: int
    seeds: tuple[int, ...]
    episodes: int
    seed: int = 0
    jobs: int | None = 1

    def __post_init__(self) -> None:
        check_seeds(self.seeds)
        least = {"trials": 1, "steps": 1, "episodes": 1, "jobs": 1, "seed": 0}
        for name, low in least.items():
            value = getattr(self, name)
            if value is not None and value < low:
                raise ValueError(f"{name} must be at least {low}, got {value}")


def search(plan: Plan, progress: Progress = no_progress) -> dict[str, Any]:
    """Begin or continue a search; its files are written anew after every trial.

    Args:
        plan: environment and budget. The same plan continues a search that was killed; one with
            more trials extends it.
        progress: receives the number of further training steps, finished trials included.

    Returns:
        The record: the plan, "trials", "best" (None if all failed), and the provenance.

    Raises:
        ValueError: an empty search space, another search in the folder, or configured settings,
            which are the first trial, with which training fails.
        ImportError: Optuna is not installed.
        OSError: the folder cannot be written, or another process searches there, or trains in the
            folder of the present trial, which the next start then tries again.
        KeyboardInterrupt: interrupted; the finished trials are in the folder.
    """
    _optuna()  # a missing package is said before the folder is made
    plan.output.mkdir(parents=True, exist_ok=True)
    with claimed(plan.output, "searching"):
        return _search(plan, progress)


def _search(plan: Plan, progress: Progress) -> dict[str, Any]:
    space = search_space(plan.setting.env_id)
    about = _about(plan, space)
    study = _open_study(plan.output, about)
    for trial in study.get_trials(states=[_optuna().trial.TrialState.RUNNING]):  # killed
        _tell(study, trial)
    references = _references(plan)
    about |= provenance()
    progress(len(_ended(study)) * plan.steps * len(plan.seeds))
    while (place := len(_ended(study))) < plan.trials:
        trial = _ask(study, plan, place, space)
        start = time.monotonic()
        try:
            returns = _returns(plan, trial.params, place, progress)
            result = _scored(returns, references)
            result["duration_s"] = round(time.monotonic() - start, 1)
        except (ArithmeticError, RuntimeError, ValueError) as error:
            if not place:  # the configured settings work, so the mistake is elsewhere
                raise
            # Settings with which learning diverges are a result.
            result = {"why": f"{type(error).__name__}: {error}"}
        trial.set_user_attr(_RESULT, result)
        _tell(study, trial)
        _write(plan, about, _ended(study))
    return _write(plan, about, _ended(study))


def flags(settings: Mapping[str, Value]) -> str:
    """Settings as `microgym train` takes them: `--set name=value ...`."""
    return " ".join(f"--set {name}={json.dumps(value)}" for name, value in settings.items())


def toml(settings: Mapping[str, Value]) -> str:
    """Settings as lines of the table "training" of a configuration."""
    lines = [f"{name} = {json.dumps(value)}" for name, value in settings.items()]
    return "\n".join(["[training]", *lines]) + "\n"


def _optuna() -> Any:
    with extra_named():
        import optuna
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna


def _open_study(folder: Path, about: Mapping[str, Any]) -> Any:
    """Open the study in a folder, or create it."""
    optuna = _optuna()
    path = folder / JOURNAL
    if path.exists():
        _check_journal(path)
    elif any(folder.glob("trial-*")):
        raise ValueError(f"{folder} holds trials, but not their {JOURNAL}; choose another folder")
    backend = optuna.storages.journal.JournalFileBackend(str(path))
    storage = optuna.storages.JournalStorage(backend)
    names = [one.study_name for one in optuna.get_all_study_summaries(storage)]
    if names and _STUDY not in names:
        raise ValueError(f"{path} holds no search of this package, but studies {names}")
    if names:
        study = optuna.load_study(storage=storage, study_name=_STUDY)
    else:
        study = optuna.create_study(storage=storage, study_name=_STUDY, direction="maximize")
    if _ABOUT not in study.user_attrs:  # also where a start was killed before this step
        study.set_user_attr(_ABOUT, dict(about))
    held = study.user_attrs[_ABOUT]
    for name, value in about.items():
        if held.get(name) != value:
            raise ValueError(
                f"{folder} holds another search: its {name} is {held.get(name)!r}, wanted "
                f"{value!r}; choose another folder"
            )
    return study


def _check_journal(path: Path) -> None:
    """Refuse a file that is no journal, and cut off half a line at its end, left by a full disk."""
    content = path.read_bytes()
    try:
        if content and "op_code" not in json.loads(content.partition(b"\n")[0]):
            raise ValueError("not a journal of Optuna")
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path} holds no search of this package: {error}") from error
    os.truncate(path, content.rfind(b"\n") + 1)


def _ask(study: Any, plan: Plan, place: int, space: Space) -> Any:
    """Next trial: the configured settings, then draws of the tree-structured Parzen estimator.

    The seed of the draw is made of the seed of the search and the number of earlier trials.
    """
    optuna = _optuna()
    drawn = np.random.SeedSequence([plan.seed, place]).generate_state(1)
    study.sampler = optuna.samplers.TPESampler(seed=int(drawn[0]))
    if not place and not study.get_trials(states=[optuna.trial.TrialState.WAITING]):
        configured = load_config(plan.setting.env_id)["training"]
        study.enqueue_trial({n: configured[n] for n, v in space.items() if configured[n] in v})
    trial = study.ask()
    for name, values in space.items():
        values.suggest(trial, name)
    return trial


def _tell(study: Any, trial: Any) -> None:
    """End a trial: with the return of its result, or as failed where there is none."""
    states = _optuna().trial.TrialState
    value = trial.user_attrs.get(_RESULT, {}).get("return_mean")
    study.tell(trial.number, value, state=states.FAIL if value is None else states.COMPLETE)


def _ended(study: Any) -> list[dict[str, Any]]:
    """Records of the trials that were not killed: "trial", "state", "settings" and the result."""
    states = _optuna().trial.TrialState
    names = {states.COMPLETE: "complete", states.FAIL: "failed"}
    trials = study.get_trials(deepcopy=False, states=tuple(names))
    return [
        {
            "trial": place,
            "state": names[trial.state],
            "settings": dict(trial.params),
            **trial.user_attrs[_RESULT],
        }
        for place, trial in enumerate(one for one in trials if _RESULT in one.user_attrs)
    ]


def _about(plan: Plan, space: Space) -> dict[str, Any]:
    """Properties that identify a search, as JSON holds them."""
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


def _returns(
    plan: Plan, settings: Mapping[str, Value], place: int, progress: Progress
) -> NDArray[np.float64]:
    """Train and evaluate: the return of each run in each episode."""
    runs = train_runs(
        plan.setting.env_id,
        plan.seeds,
        steps=plan.steps,
        output=plan.output / f"trial-{place:04d}",
        jobs=plan.jobs,
        config=settings,
        progress=progress,
        resume=True,
    )
    if not all_complete(runs, plan.seeds):
        raise KeyboardInterrupt
    return run_returns(plan.setting, runs, plan.episodes)


def _references(plan: Plan) -> dict[str, NDArray[np.float64]]:
    """Returns of the policies that fix the scale of the score, in the same episodes."""
    known = registry.agent_names(plan.setting.env_id)
    names = [name for name in ("expert", "oracle") if name in known]
    agents = {name: find_agent(plan.setting, name) for name in names}
    found = evaluate_all(plan.setting, agents, episodes=plan.episodes, whole=True)
    return {name: one.returns for name, one in found.items()}


def _scored(
    returns: NDArray[np.float64], references: Mapping[str, NDArray[np.float64]]
) -> dict[str, Any]:
    mean = bootstrap(returns)
    result: dict[str, Any] = {"return_mean": mean.value, "return_interval": list(mean.interval)}
    if len(references) == 2:
        score = normalised_score(returns, references["expert"], references["oracle"])
        if not math.isnan(score.value):
            result |= {"score": score.value, "score_interval": list(score.interval)}
    return result


def _write(plan: Plan, about: Mapping[str, Any], trials: Sequence[Mapping[str, Any]]) -> Any:
    """Write and return the record."""
    finished = [one for one in trials if one["state"] == "complete"]
    best = max(finished, key=lambda one: one["return_mean"], default=None)
    record = {**about, "trials": list(trials), "best": best}
    write_json(plan.output / RECORD, record)
    text = io.StringIO()
    columns = ["trial", *about["space"], "state", "return_mean", "score", "duration_s"]
    table = csv.DictWriter(text, columns, extrasaction="ignore", lineterminator="\n")
    table.writeheader()
    table.writerows({**one, **one["settings"]} for one in trials)
    write_atomically(plan.output / TABLE, text.getvalue())
    if best is not None:
        write_atomically(plan.output / BEST, toml(best["settings"]))
    return record
