"""Reproducible results: records of trainings and evaluations, and checks against them.

A record holds the training (steps, seeds, curves, mean return of each run), the evaluation (every
policy on the same episodes), and its provenance (command, commit, machine, package versions).
Training is chaotic: the same seed on another processor gives another agent. So a retrained agent is
compared with the interval in which one further run is expected 99 times in 100. A policy that is
only evaluated must reproduce the returns of the first episodes one by one, and its mean must lie in
the interval of the mean. A record has no training where no agent learns, or if none was asked for.

A record of another kind compares agents trained with different observation models.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from microgym.agents.core.agent import Agent
from microgym.baselines.cli.console import progress_bar
from microgym.baselines.cli.train import Run, trained_runs
from microgym.baselines.evaluation.comparison import (
    FRESH,
    SHIPPED,
    Comparison,
    PairedDifference,
    compare_case,
)
from microgym.baselines.evaluation.env_config import EnvironmentConfig, all_agents, find_agent
from microgym.baselines.evaluation.evaluate import run_returns
from microgym.baselines.evaluation.protocols import (
    COMPARED,
    EvaluationProtocol,
    evaluation_cases,
    evaluation_table,
    find_recording,
    record_protocol,
)
from microgym.baselines.evaluation.records import (
    RESULTS,
    check_writable,
    origin,
    read_record,
    write_json,
)
from microgym.baselines.evaluation.statistics import (
    bootstrap,
    paired_difference,
    prediction_interval,
)

ARGUMENT = "reconstructor"
"""Argument of an environment that selects its observation model."""
FLOOR = ("random",)
"""Policies that a small agent is compared with."""
CLOSE = 1e-4
"""Tolerance of the return of an episode of a network: another processor rounds single precision
differently (design choice). The returns of reference policies must be equal to the bit."""


@dataclass(frozen=True)
class Check:
    """Comparison of one number with a record.

    Attributes:
        name: of the number.
        value: as found now.
        low: lower end of the range that the record allows.
        high: upper end.
    """

    name: str
    value: float
    low: float
    high: float

    @property
    def passed(self) -> bool:
        """Whether the value lies in the range."""
        return self.low <= self.value <= self.high

    def __str__(self) -> str:
        word = "ok  " if self.passed else "FAIL"
        return f"{word} {self.name}: {self.value:.4g}, recorded {self.low:.4g} to {self.high:.4g}"


def record_path(env_id: str, kind: str, folder: Path = RESULTS) -> Path:
    """Path of an environment's record: "full", "small" or "observation models"."""
    suffix = "" if kind == "full" else f".{kind.replace(' ', '-')}"
    return folder / f"{env_id}{suffix}.json"


def write_record(
    setting: EnvironmentConfig,
    *,
    small: bool,
    runs: Path,
    jobs: int | None = 1,
    protocol: EvaluationProtocol | None = None,
    train: bool = True,
    folder: Path = RESULTS,
    reuse: bool = False,
) -> Path:
    """Train if an agent learns there, evaluate, write the record, and return its path.

    Args:
        setting: the environment.
        small: train the small agent, several times, for the interval of its return.
        runs: folder of the training runs.
        jobs: training processes side by side; None for one a core.
        protocol: instead of the environment's.
        train: train anew; otherwise the record has the shipped agent and the reference policies.
        folder: of the records.
        reuse: take the finished runs in `runs` instead of training again.

    Raises:
        ValueError: `small` for an environment in which no agent learns.
        KeyboardInterrupt: interrupted; the old record stays, and policies are in `runs`.
    """
    kind = "small" if small else "full"
    path = check_writable(record_path(setting.env_id, kind, folder))
    setting.check()
    chosen = protocol or record_protocol(setting.env_id, small)
    chosen = chosen if train else replace(chosen, seeds=())
    trained = trained_runs(setting.env_id, chosen, runs, jobs=jobs, reuse=reuse)
    cases = evaluation_cases(setting, chosen, find_recording(setting.env_id))
    comparisons = [
        compare_case(case, _agents(case.setting, trained, small), whole=True)
        for case in (cases[:1] if small else cases)
    ]
    record = {
        **origin(setting.env_id),
        "kind": kind,
        "training": _training(trained, comparisons[0]) if trained else None,
        "comparisons": [asdict(one) for one in comparisons],
    }
    return write_json(path, record)


def write_comparison(
    setting: EnvironmentConfig,
    *,
    runs: Path,
    jobs: int | None = 1,
    protocol: EvaluationProtocol = COMPARED,
    folder: Path = RESULTS,
    reuse: bool = False,
) -> Path:
    """Train with each observation model, compare, and write the record.

    The reward does not depend on the observation model, so returns can be compared directly. The
    arguments are those of `write_record`; `runs` gets a folder for each model, named after it.

    Raises:
        ValueError: the environment has no choice of observation models.
        KeyboardInterrupt: as for `write_record`.
    """
    models = evaluation_table(setting.env_id).observation_models
    if not models:
        raise ValueError(f"{setting.env_id} has no choice of observation models to compare")
    path = check_writable(record_path(setting.env_id, "observation models", folder))
    trained = {
        name: trained_runs(
            setting.env_id, protocol, runs / name, jobs=jobs, reuse=reuse, config={ARGUMENT: name}
        )
        for name in models
    }
    returns: dict[str, NDArray[np.float64]] = {}
    for name, group in trained.items():
        shown = replace(setting, arguments={**setting.arguments, ARGUMENT: name})
        with progress_bar(protocol.episodes * len(group), name, "episode") as progress:
            returns[name] = run_returns(shown, group, protocol.episodes, progress)
    record = {
        **origin(setting.env_id),
        "kind": "observation models",
        "steps": trained[models[0]][0].steps,
        "seeds": protocol.seeds,
        "episodes": protocol.episodes,
        "split": setting.split,
        "models": {
            name: {"returns": asdict(bootstrap(table)), "run_means": table.mean(axis=1)}
            for name, table in returns.items()
        },
        "differences": differences(returns),
    }
    return write_json(path, record)


def differences(returns: Mapping[str, NDArray[np.float64]]) -> list[dict[str, Any]]:
    """Records of `PairedDifference` between the first observation model and each other.

    Args:
        returns: model to [runs, episodes], of the same seeds and episodes.
    """
    first, *others = returns
    return [
        asdict(PairedDifference(first, other, paired_difference(returns[first], returns[other])))
        for other in others
    ]


def check_record(
    setting: EnvironmentConfig,
    *,
    small: bool,
    train: bool,
    runs: Path,
    jobs: int | None = 1,
    folder: Path = RESULTS,
    brief: bool = False,
) -> list[Check]:
    """Repeat the training and evaluation of a record; the checks, whether passed or not.

    Further arguments are those of `write_record`.

    Args:
        setting: the environment.
        small: the small agent's record; one run is retrained, not all.
        train: retrain, if an agent learns there; otherwise only evaluate the shipped agent and the
            reference policies.
        brief: play only the episodes of which the record keeps every return.

    Raises:
        FileNotFoundError: there is no record.
        ValueError: a bad record.
        KeyboardInterrupt: interrupted before the end.
    """
    record = read_record(record_path(setting.env_id, "small" if small else "full", folder))
    try:
        training: Mapping[str, Any] = record["training"] or {"seeds": [], "steps": 0}
        before = Comparison.from_record(record["comparisons"][0])
        seeds, steps = list(training["seeds"]), int(training["steps"])
        accepted = training.get("accepted")
    except (KeyError, IndexError, TypeError) as error:
        raise ValueError(f"the record of {setting.env_id} lacks {error}") from error
    wanted = (seeds[:1] if small else seeds) if train else []
    protocol = EvaluationProtocol(steps, tuple(wanted))
    trained = trained_runs(setting.env_id, protocol, runs, jobs=jobs)
    setting = replace(setting, split=before.split, specimen=before.specimen)
    kept = max(len(one.kept) for one in before.scores)
    if brief and not kept:
        raise ValueError(f"the record of {setting.env_id} keeps no returns of single episodes")
    case = replace(
        evaluation_cases(setting, protocol)[0],
        episodes=kept if brief else before.episodes,
        kept=kept,
    )
    agents = _agents(setting, trained, small)
    after = compare_case(case, agents, seed=before.seed, whole=True)
    return _checks(before, after, wanted, accepted)


def _training(trained: Sequence[Run], measured: Comparison) -> dict[str, Any]:
    score = measured.score(FRESH)
    means = list(score.run_means) if score else []
    return {
        "steps": trained[0].steps,
        "seeds": [run.seed for run in trained],
        "returns": means,
        "accepted": prediction_interval(means) if len(means) > 1 else None,
        "duration_s": [round(run.duration_s, 1) for run in trained],
        "curves": {str(run.seed): run.curve for run in trained},
    }


def _checks(
    before: Comparison, after: Comparison, seeds: Sequence[int], accepted: Sequence[float] | None
) -> list[Check]:
    checks: list[Check] = []
    for old in before.scores:
        new = after.score(old.agent)
        if old.agent == FRESH or new is None:
            continue
        if after.episodes == before.episodes:
            checks.append(
                Check(f"{old.agent} reproduced", new.returns.value, *old.returns.interval)
            )
        if old.kept:
            off = CLOSE if old.agent == SHIPPED else 0.0
            pairs = zip(new.kept, old.kept, strict=True)
            equal = sum(abs(one - other) <= off for one, other in pairs)
            count = len(old.kept)
            checks.append(Check(f"{old.agent}, episodes reproduced", equal, count, count))
    fresh, floor = after.score(FRESH), after.score("random")
    for seed, value in zip(seeds, fresh.run_means if fresh else (), strict=True):
        if accepted is not None:
            checks.append(Check(f"retrained, seed {seed}", value, *accepted))
        if floor is not None:
            name = f"retrained, seed {seed}, above random"
            checks.append(Check(name, value, floor.returns.high, float("inf")))
    return checks


def _agents(
    setting: EnvironmentConfig, trained: Sequence[Run], small: bool
) -> dict[str, list[Agent]]:
    """The agents of the package, of which a small one needs few beside it, and those trained."""
    agents, _ = all_agents(setting)
    agents = {name: group for name, group in agents.items() if not small or name in FLOOR}
    if trained:
        agents[FRESH] = [find_agent(setting, str(run.path)) for run in trained]
    return agents
