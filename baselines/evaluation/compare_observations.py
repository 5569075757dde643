"""Comparison of agents trained with different observation models, on the same episodes."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from microgym.agents.training.atomic_io import write_atomically
from microgym.baselines.cli.console import progress_bar
from microgym.baselines.cli.train import Run, trained_runs
from microgym.baselines.evaluation.comparison import PairedDifference
from microgym.baselines.evaluation.env_config import EnvironmentConfig
from microgym.baselines.evaluation.evaluate import evaluate_all
from microgym.baselines.evaluation.load_agent import find_agent
from microgym.baselines.evaluation.protocols import (
    COMPARED,
    EvaluationProtocol,
    observation_models,
)
from microgym.baselines.evaluation.records import (
    RESULTS,
    check_writable,
    from_plain,
    provenance,
    to_json,
)
from microgym.baselines.evaluation.statistics import Estimate, bootstrap, paired_difference
from microgym.baselines.reporting.formatting import decimals, markdown, written

ARGUMENT = "reconstructor"
"""Argument of an environment that selects its observation model."""


def comparison_path(env_id: str, folder: Path = RESULTS) -> Path:
    """Path of the record that compares an environment's observation models."""
    return folder / f"{env_id}.observation-models.json"


def write_comparison(
    setting: EnvironmentConfig,
    *,
    runs: Path,
    jobs: int | None = 1,
    reuse: bool = False,
    protocol: EvaluationProtocol = COMPARED,
    folder: Path = RESULTS,
) -> Path:
    """Train with each observation model, compare, and write the record.

    The reward does not depend on the observation model, so returns can be compared directly.

    Args:
        setting: the environment.
        runs: folder with a folder of runs for each model, named after it.
        jobs: training processes side by side; None for one a core.
        reuse: take the finished runs instead of training again.
        protocol: steps, seeds and episodes.
        folder: of the records.

    Returns:
        The record's path.

    Raises:
        ValueError: the environment has no choice of observation models.
        KeyboardInterrupt: interrupted; policies are in `runs`.
    """
    models = observation_models(setting.env_id)
    if not models:
        raise ValueError(f"{setting.env_id} has no choice of observation models to compare")
    path = check_writable(comparison_path(setting.env_id, folder))
    trained = {
        name: trained_runs(
            setting.env_id, protocol, runs / name, jobs, reuse=reuse, config={ARGUMENT: name}
        )
        for name in models
    }
    returns = {name: _returns(setting, name, group, protocol) for name, group in trained.items()}
    record = {
        "env": setting.env_id,
        "kind": "observation models",
        **provenance(),
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
    return write_atomically(path, to_json(record, indent=1) + "\n")


def comparison_text(record: Mapping[str, Any]) -> str:
    """Record as Markdown.

    Args:
        record: as `write_comparison` wrote it.

    Raises:
        ValueError: something is missing.
    """
    try:
        means: dict[str, Estimate] = {
            name: from_plain(Estimate, one["returns"]) for name, one in record["models"].items()
        }
        gaps = [from_plain(PairedDifference, one) for one in record["differences"]]
        about = (
            f"PPO, {record['steps']:,} steps a run, {len(record['seeds'])} runs each, by "
            f"`{record['command']}`; {record['episodes']} episodes of split {record['split']}, the "
            "same for all; 95% intervals."
        )
    except (KeyError, TypeError) as error:
        raise ValueError(f"the record of observation models lacks {error}") from error
    digits = decimals([*means.values(), *(one.difference for one in gaps)])
    rows = [("observation model", "return", "")]
    rows += [(f"`{name}`", written(one, digits), "") for name, one in means.items()]
    rows += [
        (f"{one.better} - {one.worse}", written(one.difference, digits), one.verdict)
        for one in gaps
    ]
    return f"{markdown(rows)}\n\n{about}"


def differences(returns: Mapping[str, np.ndarray]) -> list[dict[str, Any]]:
    """Paired differences between the first observation model and each other.

    Args:
        returns: model to [runs, episodes], of the same seeds and episodes.

    Returns:
        Records of `PairedDifference`.
    """
    first, *others = returns
    return [
        asdict(PairedDifference(first, other, paired_difference(returns[first], returns[other])))
        for other in others
    ]


def _returns(
    setting: EnvironmentConfig, name: str, group: Sequence[Run], protocol: EvaluationProtocol
) -> np.ndarray:
    """Returns of every run with the observation model of its training, [runs, episodes]."""
    shown = replace(setting, arguments={**setting.arguments, ARGUMENT: name})
    agents = {str(run.seed): find_agent(shown, str(run.path)) for run in group}
    with progress_bar(protocol.episodes * len(group), name, "episode") as progress:
        found = evaluate_all(
            shown, agents, episodes=protocol.episodes, progress=progress, whole=True
        )
    return np.stack([one.returns for one in found.values()])
