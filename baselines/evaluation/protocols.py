"""Amount of training and evaluation for each purpose, and what is evaluated.

The table "evaluation" of `agents/<env>/<id>.toml` changes the defaults for one environment.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from microgym.agents.core.config import find_tables, is_trained
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
        episodes: evaluated on the default specimens.
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

SMALL = EvaluationProtocol(steps=20_000, seeds=(0,), episodes=64, kept=0)
"""`microgym reproduce --small`: the training that the tests repeat (design choice)."""

SMALL_SEEDS = (0, 1, 2, 3, 4)
"""Runs from which the interval of the small agent's return is estimated."""

FULL = EvaluationProtocol(steps=None, seeds=(0, 1, 2))
"""`microgym train` and `microgym reproduce`: the training of the shipped agent (design choice)."""

COMPARED = EvaluationProtocol(steps=None, seeds=(0, 1))
"""Training with each observation model (design choice: two runs each take as long as all else)."""


def small_protocol(env_id: str) -> EvaluationProtocol:
    """Protocol of the small record of an environment; `small_steps` of the table are its steps."""
    steps = _table(env_id).get("small_steps", SMALL.steps)
    return replace(SMALL, steps=steps, seeds=SMALL_SEEDS)


def full_protocol(env_id: str) -> EvaluationProtocol:
    """Protocol of the record of an environment, without training if no agent learns there.

    `episodes` and `kept` of the table replace the defaults.
    """
    seeds = FULL.seeds if is_trained(env_id) else ()
    changes = {k: v for k, v in _table(env_id).items() if k in ("episodes", "kept")}
    return replace(FULL, seeds=seeds, **changes)


def observation_models(env_id: str) -> tuple[str, ...]:
    """Observation models to compare, `observation_models` of the table; none by default.

    The first one is compared with each other.
    """
    return tuple(_table(env_id).get("observation_models", ()))


@dataclass(frozen=True)
class OutOfDistributionProtocol:
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


def out_of_distribution(env_id: str) -> OutOfDistributionProtocol | None:
    """Table "evaluation.out_of_distribution" of an environment, if it has one."""
    found = _table(env_id).get("out_of_distribution")
    return None if found is None else from_plain(OutOfDistributionProtocol, found)


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
    beyond = out_of_distribution(env_id)
    usual = (place / beyond.recording for place in PLACES) if beyond else ()
    return next((path for path in usual if path.is_file()), None)


@dataclass(frozen=True)
class EvaluationCase:
    """Specimens on which policies are compared.

    Attributes:
        name: for the progress bar.
        title: heading in a report.
        text: description in a report.
        setting: the environment.
        fixed_action: component of the action and its value, for every policy.
        specimen: name in the record, where it is not the setting's.
    """

    name: str
    title: str
    text: str
    setting: EnvironmentConfig
    fixed_action: Mapping[int, float] = field(default_factory=dict)
    specimen: str | None = None


def evaluation_cases(
    setting: EnvironmentConfig, recording: Path | None = None
) -> list[EvaluationCase]:
    """Cases of an evaluation: the default specimens first, then those out of distribution.

    Args:
        setting: the environment.
        recording: a recorded scan, which makes the last case; as from `find_recording`.
    """
    cases = [
        EvaluationCase(
            f"specimens {setting.specimen_name}" if setting.specimen_name else "specimens",
            "Scores",
            "Every policy on specimens that no agent was trained on and no rule was tuned on.",
            setting,
        )
    ]
    beyond = out_of_distribution(setting.env_id)
    if beyond is None:
        return cases
    name = beyond.specimen
    title = f"Where adaptivity should not pay: {name}"
    other = replace(setting, specimen=name)
    cases.append(EvaluationCase(f"specimens {name}", title, beyond.text, other))
    if recording is not None:
        arguments = {**setting.arguments, **beyond.arguments, "recording": str(recording)}
        replayed = replace(setting, arguments=arguments)
        cases.append(
            EvaluationCase(
                "recorded scan",
                "A recorded scan",
                "The instrument is replaced by a recorded scan: the nearest recorded exposure is "
                "replayed, thinned to the dose asked for. Every policy has equally many exposures "
                "of equal length. The specimen is always the same one, so the intervals show noise "
                "and the randomness of a policy, not specimens; a deterministic policy on counts "
                "that need no thinning always ends alike, and its interval has no width.",
                replayed,
                beyond.fixed_action,
                recording.name,
            )
        )
    return cases


def _table(env_id: str) -> dict[str, Any]:
    return find_tables(env_id).get("evaluation", {})
