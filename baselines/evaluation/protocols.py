"""How long to train and how much to evaluate, for each purpose."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from microgym.agents.training.config import is_trained


@dataclass(frozen=True)
class EvaluationProtocol:
    """A training and its evaluation.

    Attributes:
        steps: decisions an agent learns from; None for its configuration's.
        seeds: of the training runs.
        episodes: evaluated on the default specimens.
        other_episodes: evaluated on the second family and on a recorded scan.
        kept: of how many of the first episodes a record keeps every return; the tests play these
            again.
    """

    steps: int | None
    seeds: tuple[int, ...]
    episodes: int = 200
    other_episodes: int = 64
    kept: int = 48


REPORT = EvaluationProtocol(steps=40_000, seeds=(0, 1, 2))
"""`microgym report --train`: minutes on two cores (design choice)."""

SMALL = EvaluationProtocol(steps=20_000, seeds=(0,), episodes=64, kept=0)
"""`microgym reproduce --small`: what the tests retrain (design choice)."""

SMALL_SEEDS = (0, 1, 2, 3, 4)
"""Runs from which the small recipe's interval is made."""

SMALL_STEPS: Mapping[str, int] = {"PFM-v0": 6_000}
"""Decisions of the small recipe where they are costly, as with pulses tried on copies (design
choice)."""


def reduced(env_id: str) -> EvaluationProtocol:
    """What the small record of an environment is made with.

    Args:
        env_id: such as "Ptycho-v0".
    """
    return replace(SMALL, steps=SMALL_STEPS.get(env_id, SMALL.steps), seeds=SMALL_SEEDS)


FULL = EvaluationProtocol(steps=None, seeds=(0, 1, 2))
"""`microgym train` and `microgym reproduce`: what the shipped agent came from (design choice)."""


OTHERWISE: Mapping[str, Mapping[str, Any]] = {
    "AFM-v0": {"episodes": 400},
    "STM-v0": {"episodes": 1000},
    "STMBuild-v0": {"episodes": 800},
    "PFM-v0": {"episodes": 400},
    "PFMLoop-v0": {"kept": 16},
}
"""Environments of which 200 episodes are too few for a claim, or 48 too long for the tests (design
choices)."""


def full(env_id: str) -> EvaluationProtocol:
    """What the record of an environment is made with; without training if nothing learns there.

    Args:
        env_id: such as "Ptycho-v0".
    """
    seeds = FULL.seeds if is_trained(env_id) else ()
    return replace(FULL, seeds=seeds, **OTHERWISE.get(env_id, {}))


@dataclass(frozen=True)
class OutOfDistributionProtocol:
    """What a report shows besides the default specimens.

    Attributes:
        specimen: a family on which adaptivity should not pay.
        text: why not.
        recording: file name of a public recorded scan that is used if it is found.
        held: component of the action and its value, so that all spend the same on a recorded scan.
        arguments: of the environment on the recorded scan.
    """

    specimen: str
    text: str
    recording: str
    held: Mapping[int, float]
    arguments: Mapping[str, Any]

    def replayed(self, recording: Path) -> dict[str, Any]:
        """Arguments of the environment for a recorded scan."""
        return {**self.arguments, "recording": str(recording)}


BEYOND: Mapping[str, OutOfDistributionProtocol] = {
    "Ptycho-v0": OutOfDistributionProtocol(
        specimen="grf",
        text="Random fields have structure everywhere: no place is worth more than another, so "
        "choosing places should not pay, and an even pattern is hard to beat.",
        recording="siemens-star-small.npz.bz2",
        held={2: 0.0},  # log10 of the exposure time in seconds
        # The recorded field is three times as wide: nobody's scan shall end on the way.
        arguments={"time_budget_s": 1000.0},
    ),
}
"""By environment."""

VIEWS: Mapping[str, tuple[str, ...]] = {"Ptycho-v0": ("neural", "classical")}
"""Observation models to compare, by environment; the first is held against the others."""

COMPARED = EvaluationProtocol(steps=None, seeds=(0, 1))
"""Training with each of these (two runs each, a design choice: they take as long as all else)."""
