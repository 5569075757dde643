"""Training of the networks of the observation models, from a seed to a file."""

import math
import pkgutil
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from microgym.baselines.evaluation.records import provenance
from microgym.baselines.observation_models.network import TwinNetwork, tensors_of
from microgym.baselines.observation_models.specification import ObservationModelSpec
from microgym.baselines.observation_models.weights_io import write_network
from microgym.reconstruction.nn.network import STATED
from microgym.reconstruction.nn.weights_io import Tensors

NetT = TypeVar("NetT", bound=TwinNetwork)
Progress = Callable[[int], object]
_WARM_UP = 100  # steps over which the learning rate rises
_REPORTED = 100  # steps whose mean loss is reported


class TrainingTask(ABC, Generic[NetT]):
    """Dataset, loss and calibration of a network.

    Attributes:
        learning_rate: highest one; it falls to a hundredth along a cosine.
        max_grad_norm: norm of the gradient is clipped to this.
    """

    learning_rate: ClassVar[float] = 2e-3
    max_grad_norm: ClassVar[float] = 1.0

    @classmethod
    @abstractmethod
    def prepare(cls, seed: int, groups: int) -> "TrainingTask[NetT]":
        """Make the dataset.

        Args:
            seed: of everything random.
            groups: sets of random conditions.
        """

    @abstractmethod
    def make_net(self) -> NetT:
        """An untrained network."""

    @abstractmethod
    def loss(
        self, net: NetT, generator: np.random.Generator, step: int, steps: int
    ) -> tuple[Tensor, Tensor]:
        """Loss of one batch.

        Args:
            net: the network.
            generator: source of the batch.
            step: number of the step, from 0.
            steps: of the whole training.

        Returns:
            The loss that is minimised, and the one that is reported.
        """

    @abstractmethod
    def calibrate(self, net: NetT, seed: int, groups: int) -> tuple[Tensors, dict[str, float]]:
        """Calibrate a trained network on validation specimens.

        Args:
            net: the network.
            seed: of everything random.
            groups: sets of random conditions.

        Returns:
            Tensors of the calibration, and validation scores, by name.
        """


@dataclass(frozen=True)
class TrainingResult(Generic[NetT]):
    """Result of a training.

    Attributes:
        net: the network, for inference.
        losses: mean reported loss of each hundred steps.
    """

    net: NetT
    losses: list[float]


@dataclass(frozen=True)
class BuildResult:
    """Result of a training with its calibration, on disk.

    Attributes:
        path: file of the network.
        losses: mean reported loss of each hundred steps.
        validation: scores on validation specimens by name.
    """

    path: Path
    losses: list[float]
    validation: dict[str, float]


def fit(
    task: TrainingTask[NetT],
    *,
    seed: int,
    steps: int,
    learning_rate: float | None = None,
    progress: Progress | None = None,
) -> TrainingResult[NetT]:
    """Train from scratch by Adam, on one thread; the same arguments give the same network.

    Args:
        task: dataset and loss.
        seed: of the weights and the batches.
        steps: of training.
        learning_rate: highest one; None for that of the task.
        progress: is called after every step.

    Returns:
        The network and its losses.
    """
    torch.manual_seed(seed)
    torch.set_num_threads(1)
    generator = np.random.default_rng(seed)
    net = task.make_net()
    if net.network.dimensions == 2:
        # Typed for tensors only, but modules take it too.
        cast("Any", net).to(memory_format=torch.channels_last)
    rate = task.learning_rate if learning_rate is None else learning_rate
    optimizer = torch.optim.Adam(net.parameters(), rate)
    recent: list[float] = []
    losses: list[float] = []
    for step in range(steps):
        share = 0.5 * (1.0 + math.cos(math.pi * step / steps))
        warm = min(1.0, (step + 1) / _WARM_UP)
        optimizer.param_groups[0]["lr"] = rate * warm * (0.01 + 0.99 * share)
        loss, reported = task.loss(net, generator, step, steps)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), task.max_grad_norm)
        optimizer.step()
        recent.append(float(reported.detach()))
        if len(recent) == _REPORTED:
            losses.append(float(np.mean(recent)))
            recent.clear()
        if progress is not None:
            progress(1)
    return TrainingResult(net.eval(), losses)


def train(
    spec: ObservationModelSpec,
    folder: Path,
    *,
    seed: int,
    groups: int,
    steps: int,
    validation: int | None = None,
    progress: Progress | None = None,
) -> BuildResult:
    """Make a dataset, train, calibrate and write the network.

    Args:
        spec: the observation model.
        folder: for the network's file.
        seed: of everything random.
        groups: sets of random conditions to train on.
        steps: of training.
        validation: sets of random conditions to calibrate on; None for those of `spec`.
        progress: is called after every step.

    Returns:
        The file, and how the training went.

    Raises:
        ValueError: a number out of range.
    """
    checked = spec.validation if validation is None else validation
    for name, value in (("groups", groups), ("steps", steps), ("validation", checked)):
        if value < 1:
            raise ValueError(f"{name} must be at least 1, got {value}")
    if seed < 0:
        raise ValueError(f"seed must be at least 0, got {seed}")
    # Before the work, which is done by the code that is there now; without the folder.
    words = (spec.env_id, "--seed", seed, "--groups", groups, "--steps", steps)
    origin = provenance(["observation-model", "train", *map(str, words)])
    task: TrainingTask[Any] = pkgutil.resolve_name(spec.task).prepare(seed, groups)
    trained = fit(task, seed=seed, steps=steps, progress=progress)
    calibration, scores = task.calibrate(trained.net, seed, checked)
    made = {"seed": seed, "groups": groups, "steps": steps, **origin}
    path = write_network(folder, spec.network, {**tensors_of(trained.net), **calibration}, made)
    return BuildResult(path, trained.losses, scores)


def calibrate_uncertainty(relative: NDArray[np.floating]) -> Tensors:
    """Calibration of an uncertainty, see `microgym.reconstruction.nn.network.UNCERTAINTY`.

    Args:
        relative: absolute errors over their stated uncertainties.
    """
    radii = np.quantile(relative.astype(np.float64), STATED)
    trust = radii[STATED.index(0.68)]
    return {"trust": np.array(trust, np.float32), "radii": (radii / trust).astype(np.float32)}
