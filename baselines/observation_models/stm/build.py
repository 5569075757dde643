"""From a seed to a network on disk: lessons, training, calibration, safetensors."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from microgym.baselines.observation_models.stm.classical import logistic_fit
from microgym.baselines.observation_models.stm.dataset import Images, lessons
from microgym.baselines.observation_models.stm.scores import GEOMETRY, Found, at_least, judge
from microgym.baselines.observation_models.weights_io import (
    BuildResult,
    begin,
    origin_of,
    tensors_of,
    write_network,
)
from microgym.reconstruction.adatoms.observation_model import (
    NETWORK,
    NeuralDetector,
)
from microgym.reconstruction.nn.network import Weights

GROUPS = 384
"""Sets of conditions that the shipped network learnt from, 32 images each."""
STEPS = 4500
"""Steps of its training."""
VALIDATION = 48
"""Sets of conditions of the validation split that it was calibrated on."""
THRESHOLDS = tuple(round(0.2 + 0.02 * k, 2) for k in range(31))
"""Least probabilities that are tried."""


STATED = (0.5, 0.6827, 0.9, 0.95)
"""Parts of errors whose bounds are looked at."""


def make_detector(
    output: Path,
    *,
    seed: int,
    groups: int = GROUPS,
    steps: int = STEPS,
    validation: int = VALIDATION,
    progress: Callable[[int], None] | None = None,
) -> BuildResult:
    """Make lessons, train, calibrate and write.

    Args:
        output: folder for the network.
        seed: of everything random.
        groups: sets of conditions to learn from.
        steps: of training.
        validation: sets of conditions to calibrate on.
        progress: is told of every step.

    Returns:
        Where it is and how it went.

    Raises:
        ValueError: a number out of range.
    """
    made = begin("STM-v0", seed=seed, groups=groups, steps=steps, validation=validation)
    from microgym.baselines.observation_models.stm.train import train_detector

    trained = train_detector(
        lessons(seed, groups, "train"), seed=seed, steps=steps, progress=progress
    )
    tensors = tensors_of(trained.net)
    check = lessons(seed, validation, "validation")
    tensors["calibration"] = calibration(tensors, check)
    found = find(NETWORK.pack(tensors), check)
    path = output / NETWORK.file
    write_network(path, NETWORK.format, tensors, made)
    return BuildResult(path, trained.losses, scores_of(found))


def find(weights: Weights, images: Images) -> Found:
    """What the network finds."""
    return judge(NeuralDetector(len(images), *GEOMETRY, weights), images)


def scores_of(found: Found) -> dict[str, float]:
    """Mean F1 score of images, precision, recall, and mean error of places, pm."""
    error = float(np.nanmean(found.errors)) if found.hit.any() else float("nan")
    return {
        "f1": float(found.f1.mean()),
        "precision": found.precision,
        "recall": found.recall,
        "error_pm": 1e3 * error,
    }


def calibration(tensors: Mapping[str, NDArray[np.float32]], images: Images) -> NDArray[np.float32]:
    """Fit a network's probabilities, places and uncertainties to the truth.

    See `microgym.reconstruction.adatoms.observation_model.CALIBRATION`.

    Args:
        tensors: of the network's layers.
        images: of validation specimens.

    Returns:
        (4,) float32.
    """
    nothing = np.array([0.0, 1.0, 1.0, 0.0], np.float32)
    plain = find(NETWORK.pack({**tensors, "calibration": nothing}), images)
    if not plain.hit.any():
        return nothing
    chance = plain.spots[plain.told][:, 2]
    slope, place = logistic_fit(np.log(chance / (1.0 - chance)), plain.hit[plain.told])
    trust = float(np.quantile(plain.relative, STATED[1]))
    fit = np.array([0.0, trust, slope, place], np.float32)
    found = find(NETWORK.pack({**tensors, "calibration": fit}), images)
    scores = [float(at_least(found, least, images).f1.mean()) for least in THRESHOLDS]
    fit[0] = THRESHOLDS[int(np.argmax(scores))]
    return fit


def made_from(path: Path) -> dict[str, Any]:
    """What a network's file says about how it was made.

    Args:
        path: of the file.

    Returns:
        "sha256" of its tensors and, as `make_detector` wrote them, "seed", "groups", "steps" and
        so on.
    """
    NETWORK.load(path)
    return origin_of(path)
