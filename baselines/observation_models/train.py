"""Training of the networks of the observation models, from a seed to a file."""

import math
import pkgutil
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Self, cast

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import save
from torch import Tensor

from microgym.atomic_io import write_atomically
from microgym.baselines.evaluation.records import provenance, to_json
from microgym.baselines.observation_models.evaluate import tracked
from microgym.baselines.observation_models.network import TwinNetwork, tensors_of
from microgym.baselines.observation_models.specification import ObservationModelSpec
from microgym.reconstruction.nn.network import STATED, Network, Tensors

_WARM_UP = 100  # steps over which the learning rate rises


class TrainingTask(ABC):
    """Loss and calibration of a network.

    Attributes:
        learning_rate: highest one; it falls to a hundredth along a cosine.
        max_grad_norm: norm of the gradient is clipped to this.
        data: of training specimens.
    """

    learning_rate: ClassVar[float] = 2e-3
    max_grad_norm: ClassVar[float] = 1.0

    def __init__(self, data: Any) -> None:
        self.data = data

    @staticmethod
    @abstractmethod
    def net() -> TwinNetwork:
        """An untrained network."""

    @staticmethod
    @abstractmethod
    def dataset(seed: int, groups: int, split: str, /) -> Any:
        """Data under so many sets of random conditions, of specimens of a split."""

    @classmethod
    def prepare(cls, seed: int, groups: int) -> Self:
        """Make the task with its data."""
        return cls(cls.dataset(seed, groups, "train"))

    @abstractmethod
    def loss(
        self, net: TwinNetwork, generator: np.random.Generator, step: int, steps: int
    ) -> Tensor:
        """Loss of one batch, which is minimised.

        Args:
            net: the network.
            generator: source of the batch.
            step: number of the step, from 0.
            steps: of the whole training.
        """

    @abstractmethod
    def calibrate(self, net: TwinNetwork, data: Any) -> tuple[Tensors, dict[str, float]]:
        """Calibrate a trained network.

        Args:
            net: the network.
            data: of validation specimens.

        Returns:
            Tensors of the calibration, and validation scores, by name.
        """


def fit(task: TrainingTask, *, seed: int, steps: int) -> TwinNetwork:
    """Train from scratch by Adam, on one thread; the same arguments give the same network.

    Args:
        task: dataset and loss.
        seed: of the weights and the batches.
        steps: of training, shown by a progress bar.

    Returns:
        The network, for inference.
    """
    torch.manual_seed(seed)
    torch.set_num_threads(1)
    generator = np.random.default_rng(seed)
    net = task.net()
    if net.network.dimensions == 2:
        # Typed for tensors only, but modules take it too.
        cast("Any", net).to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(net.parameters(), task.learning_rate)
    for step in tracked(range(steps), "training the network", "step"):
        share = 0.5 * (1.0 + math.cos(math.pi * step / steps))
        warm = min(1.0, (step + 1) / _WARM_UP)
        optimizer.param_groups[0]["lr"] = task.learning_rate * warm * (0.01 + 0.99 * share)
        loss = task.loss(net, generator, step, steps)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), task.max_grad_norm)
        optimizer.step()
    return net.eval()


def train(
    spec: ObservationModelSpec, folder: Path, *, seed: int, groups: int, steps: int
) -> tuple[Path, dict[str, float]]:
    """Make a dataset, train, calibrate and write the network.

    Args:
        spec: the observation model.
        folder: for the network's file.
        seed: of everything random.
        groups: sets of random conditions to train on.
        steps: of training.

    Returns:
        Path of the network's file, and its scores on validation specimens by name.

    Raises:
        ValueError: a number out of range.
    """
    for name, value, least in (("groups", groups, 1), ("steps", steps, 1), ("seed", seed, 0)):
        if value < least:
            raise ValueError(f"{name} must be at least {least}, got {value}")
    # Before the work, which is done by the code that is there now; without the folder.
    words = (spec.env_id, "--seed", seed, "--groups", groups, "--steps", steps)
    origin = provenance(["observation-model", "train", *map(str, words)])
    kind: type[TrainingTask] = pkgutil.resolve_name(spec.task)
    task = kind.prepare(seed, groups)
    net = fit(task, seed=seed, steps=steps)
    calibration, scores = task.calibrate(net, kind.dataset(seed, spec.validation, "validation"))
    made = {"seed": seed, "groups": groups, "steps": steps, **origin}
    return write_network(folder, spec.network, tensors_of(net) | calibration, made), scores


def write_network(
    folder: Path, network: Network, tensors: Tensors, made: Mapping[str, Any]
) -> Path:
    """Write tensors by name and the provenance of their training, whole or not at all."""
    metadata = {"format": network.format, "made": to_json(made)}
    return write_atomically(folder / network.file, save(tensors, metadata))


def calibrate_uncertainty(relative: NDArray[np.floating]) -> Tensors:
    """Calibration of an uncertainty, see `microgym.reconstruction.nn.network.UNCERTAINTY`.

    Args:
        relative: absolute errors over their stated uncertainties.
    """
    radii = np.quantile(relative.astype(np.float64), STATED)
    trust = radii[STATED.index(0.68)]
    return {"trust": np.array(trust, np.float32), "radii": (radii / trust).astype(np.float32)}
