"""What `microgym reconstructor` does, the same for every observation model that is trained."""

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from microgym.agents.training.atomic_io import write_atomically
from microgym.baselines.cli.console import progress_bar
from microgym.baselines.evaluation.protocols import find_recording
from microgym.baselines.evaluation.records import check_writable, to_json
from microgym.baselines.observation_models.weights_io import BuildResult


@dataclass(frozen=True)
class ObservationModelSpec:
    """Where the network of one environment is made and judged.

    Attributes:
        env_id: of the environment that shows what the network says.
        groups, steps: sets of conditions and steps of training that made the shipped one.
        make: trains one; arguments as
        `microgym.baselines.observation_models.ptycho.build.make_eye`.
        scores: what the numbers of `BuildResult.validation` are, and their unit.
        shipped: path of the shipped one.
        record: of the results.
        effort: how much to measure with so many test specimens a row; as the record does for None.
        assess: measures; takes the file, `effort`, `seed` and, if `recorded`, a `recording`.
        told: the results, in lines.
        missed: what they were meant to show and do not.
        draw: the picture of the page, PNG.
        recorded: there is a recorded experiment to try it on.
    """

    env_id: str
    groups: int
    steps: int
    make: Callable[..., BuildResult]
    scores: tuple[str, str]
    shipped: Callable[[], Path]
    record: Path
    effort: Callable[[int | None], Any]
    assess: Callable[..., dict[str, Any]]
    told: Callable[[Mapping[str, Any]], str]
    missed: Callable[[Mapping[str, Any]], Sequence[str]]
    draw: Callable[[Path, Mapping[str, Any]], bytes]
    recorded: bool = False


def train(shop: ObservationModelSpec, arguments: argparse.Namespace) -> int:
    """Train a network."""
    check_writable(arguments.output / shop.shipped().name)
    groups = shop.groups if arguments.groups is None else arguments.groups
    steps = shop.steps if arguments.steps is None else arguments.steps
    with progress_bar(max(steps, 0), "training the network", "step") as progress:
        made = shop.make(
            arguments.output, seed=arguments.seed, groups=groups, steps=steps, progress=progress
        )
    meaning, unit = shop.scores
    scores = ", ".join(f"{name} {score:.3f}{unit}" for name, score in made.validation.items())
    print(f"{made.path}: {meaning} {scores}")
    print(f"next: microgym reconstructor assess {shop.env_id} --weights {made.path}")
    return 0


def assess(shop: ObservationModelSpec, arguments: argparse.Namespace) -> int:
    """Judge a network."""
    if arguments.write and arguments.weights is not None:
        raise ValueError("--write is for the shipped network: leave --weights out")
    more: dict[str, Any] = {}
    if shop.recorded:
        more["recording"] = find_recording(shop.env_id, arguments.recording)
    elif arguments.recording is not None:
        raise ValueError(
            f"--recording={arguments.recording}: there is no recorded experiment of {shop.env_id}"
        )
    for path in (shop.record if arguments.write else None, arguments.figure):
        if path is not None:
            check_writable(path)
    weights = arguments.weights or shop.shipped()
    effort = shop.effort(arguments.specimens)
    record = shop.assess(weights, effort=effort, seed=arguments.seed, **more)
    print(shop.told(record))
    if arguments.write:
        print(write_atomically(shop.record, to_json(record, indent=1) + "\n"))
    if arguments.figure is not None:
        print(write_atomically(arguments.figure, shop.draw(weights, record)))
    for one in shop.missed(record):
        print(f"does not hold: {one}")
    return 0
