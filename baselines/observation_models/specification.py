"""Declarations of the neural observation models, found in the sub-packages of this package."""

import importlib
import pkgutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from microgym.baselines import observation_models
from microgym.baselines.evaluation.records import RESULTS
from microgym.reconstruction.nn.network import Network, Weights

Rows = list[tuple[str, str]]
Record = Mapping[str, Any]


@dataclass(frozen=True)
class EvaluationBudget:
    """Numbers of specimens and conditions that an evaluation uses, at least one of each.

    Subclasses declare them; the first is the number of test specimens under each set of conditions.
    """

    def __post_init__(self) -> None:
        """Check every number."""
        for name, value in asdict(self).items():
            if value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}")


@dataclass(frozen=True)
class ObservationModelSpec:
    """Training, evaluation and description of the neural observation model of an environment.

    Attributes:
        network: layer table.
        task: "module:class" of its `microgym.baselines.observation_models.train.TrainingTask`.
        groups, steps, validation: of the training of the shipped network: sets of random
            conditions, steps, and sets of conditions for the calibration.
        scores: meaning of the validation scores, and their unit.
        budget: class of the numbers of an evaluation.
        measure: results of an evaluation; takes the network, the budget and the seed, and if
            `recorded` the path of a recording or None.
        summary: of a record, as text.
        failed_claims: claims that a record does not support, as sentences.
        name: of page, picture and record, without their endings.
        draw: picture of the page from the network and a record, PNG.
        limits: items of the list of limits.
        inputs, outputs: of the network, in a line.
        data: in words, the random conditions, and specimens of a family under each set of them.
        learnt, held_out: families of the training, and those that it does not see.
        cost: time of an estimate in a line, from the record.
        template: of the page, in the folder of this package.
        values: of the template, from the record.
        metrics: rows of the card about the record.
        more: further rows of the table of facts.
        recorded: whether there is a recorded experiment.
        results: folder of the record.
    """

    network: Network
    task: str
    groups: int
    steps: int
    validation: int
    scores: tuple[str, str]
    budget: Callable[..., Any]
    measure: Callable[..., dict[str, Any]]
    summary: Callable[[Record], str]
    failed_claims: Callable[[Record], Sequence[str]]
    name: str
    draw: Callable[[Weights, Record], bytes]
    limits: tuple[str, ...]
    inputs: str
    outputs: str
    data: str
    learnt: Sequence[str]
    held_out: Sequence[str]
    cost: Callable[[Record], str]
    template: str
    values: Callable[[Record], Mapping[str, Any]]
    metrics: Callable[[Record], Rows]
    more: Callable[[], Rows] = list
    recorded: bool = False
    results: Path = RESULTS

    @property
    def env_id(self) -> str:
        """Environment that shows the estimates."""
        return self.network.env_id

    @property
    def record(self) -> Path:
        """File of the record."""
        return self.results / f"{self.name}.json"

    @property
    def card_file(self) -> Path:
        """Path of the card beside the network's file, from the root of a checkout."""
        return Path("microgym/reconstruction/weights") / f"{self.env_id}.md"


def specifications() -> list[ObservationModelSpec]:
    """All declarations, in the order of their packages' names."""
    prefix = f"{observation_models.__name__}."
    return [
        importlib.import_module(found.name).SPEC
        for found in pkgutil.iter_modules(observation_models.__path__, prefix)
        if found.ispkg
    ]


def specification(env_id: str) -> ObservationModelSpec:
    """Declaration of an environment's neural observation model.

    Raises:
        ValueError: there is none.
    """
    found = {one.env_id: one for one in specifications()}
    if env_id not in found:
        known = ", ".join(found)
        raise ValueError(f"{env_id} has no neural observation model; there are {known}")
    return found[env_id]
