"""Amount of training and evaluation for each purpose, and the specimens of an evaluation."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from microgym.agents.core.config import find_tables
from microgym.baselines.evaluation.env_config import EnvironmentConfig
from microgym.baselines.evaluation.records import from_plain

PLACES = (Path("data"), Path("../shared/data"))
"""Folders in which a recorded scan is looked for, from the current folder."""


@dataclass(frozen=True)
class EvaluationProtocol:
    """A training and its evaluation.

    Attributes:
        steps: training steps; None for those of the agent's configuration.
        seeds: of the training runs.
        episodes: evaluated on the default specimens; 200 resolve a fifth of the spread between
            specimens (design choice).
        other_episodes: evaluated on the second family and on a recorded scan.
        kept: number of first episodes of which a record keeps every return; the tests repeat these.
    """

    steps: int | None
    seeds: tuple[int, ...]
    episodes: int = 200
    other_episodes: int = 64
    kept: int = 48


REPORT = EvaluationProtocol(steps=40_000, seeds=(0, 1, 2))
"""`microgym report --train`: minutes on two cores (design choice)."""

SMALL = EvaluationProtocol(steps=20_000, seeds=(0, 1, 2, 3, 4), episodes=64, kept=0)
"""`microgym reproduce --small`: the training that the tests repeat (design choice)."""

FULL = EvaluationProtocol(steps=None, seeds=(0, 1, 2))
"""`microgym train` and `microgym reproduce`: the training of the shipped agent (design choice)."""

COMPARED = EvaluationProtocol(steps=None, seeds=(0, 1))
"""Training with each observation model (design choice: two runs each take as long as all else)."""


@dataclass(frozen=True)
class OutOfDistribution:
    """Evaluation besides the default specimens.

    Attributes:
        specimen: a family on which adaptivity should not pay.
        text: the reason.
        recording: file name of a public recorded scan that is used if it is found.
        fixed_action: component of the action and its value on the recorded scan, so that every
            policy spends the same.
        arguments: of the environment on the recorded scan.
    """

    specimen: str
    text: str
    recording: str
    fixed_action: Mapping[int, float]
    arguments: Mapping[str, Any]


@dataclass(frozen=True)
class EvaluationTable:
    """Table "evaluation" of `agents/<env>/<id>.toml`.

    Attributes:
        episodes: of the record.
        kept: as in `EvaluationProtocol`, of the record.
        small_steps: training steps of the small record.
        observation_models: those to compare, the first one with each other.
        out_of_distribution: further evaluation.
    """

    episodes: int = FULL.episodes
    kept: int = FULL.kept
    small_steps: int | None = SMALL.steps
    observation_models: tuple[str, ...] = ()
    out_of_distribution: OutOfDistribution | None = None


def evaluation_table(env_id: str) -> EvaluationTable:
    """Settings of the evaluation of one environment."""
    return from_plain(EvaluationTable, find_tables(env_id).get("evaluation", {}))


def record_protocol(env_id: str, small: bool) -> EvaluationProtocol:
    """Protocol of a record of an environment, without training if no agent learns there."""
    table = evaluation_table(env_id)
    if small:
        return replace(SMALL, steps=table.small_steps)
    seeds = FULL.seeds if "training" in find_tables(env_id) else ()
    return replace(FULL, seeds=seeds, episodes=table.episodes, kept=table.kept)


def find_recording(env_id: str, given: Path | None = None) -> Path | None:
    """The recorded scan to compare on.

    Args:
        env_id: the environment.
        given: named by the user.

    Returns:
        Its path, or None if none was named and none is in the usual places.

    Raises:
        FileNotFoundError: the named file does not exist.
    """
    if given is not None:
        if not given.is_file():
            raise FileNotFoundError(f"no recorded scan at {given}")
        return given
    beyond = evaluation_table(env_id).out_of_distribution
    usual = (place / beyond.recording for place in PLACES) if beyond else ()
    return next((path for path in usual if path.is_file()), None)


@dataclass(frozen=True)
class EvaluationCase:
    """Specimens on which policies are compared.

    Attributes:
        setting: the environment.
        name: for the progress bar.
        title: heading in a report.
        text: description in a report.
        episodes: number for each policy.
        kept: number of first episodes of which every return is kept.
        specimen: name in the record, where it is not the setting's.
    """

    setting: EnvironmentConfig
    name: str
    title: str
    text: str
    episodes: int
    kept: int = 0
    specimen: str | None = None


def evaluation_cases(
    setting: EnvironmentConfig, protocol: EvaluationProtocol, recording: Path | None = None
) -> list[EvaluationCase]:
    """Cases of an evaluation: the default specimens first, then those out of distribution.

    Args:
        setting: the environment.
        protocol: number of episodes.
        recording: a recorded scan, which makes the last case; as from `find_recording`.
    """
    name = f"specimens {setting.specimen_name}" if setting.specimen_name else "specimens"
    text = "Every policy on specimens that no agent was trained on and no rule was tuned on."
    cases = [EvaluationCase(setting, name, "Scores", text, protocol.episodes, protocol.kept)]
    beyond = evaluation_table(setting.env_id).out_of_distribution
    if beyond is None:
        return cases
    other, family = replace(setting, specimen=beyond.specimen), beyond.specimen
    title = f"Where adaptivity should not pay: {family}"
    episodes = protocol.other_episodes
    cases.append(EvaluationCase(other, f"specimens {family}", title, beyond.text, episodes))
    if recording is not None:
        arguments = {**setting.arguments, **beyond.arguments, "recording": str(recording)}
        cases.append(
            EvaluationCase(
                replace(setting, arguments=arguments, fixed_action=beyond.fixed_action),
                "recorded scan",
                "A recorded scan",
                "The instrument is replaced by a recorded scan: the nearest recorded exposure is "
                "replayed, thinned to the dose asked for. Every policy has equally many exposures "
                "of equal length. The specimen is always the same one, so the intervals show noise "
                "and the randomness of a policy, not specimens; a deterministic policy on counts "
                "that need no thinning always ends alike, and its interval has no width.",
                episodes,
                specimen=recording.name,
            )
        )
    return cases
