"""From a seed to a network on disk: scans, training, calibration, safetensors."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from microgym.baselines.observation_models.afm.dataset import random_frames
from microgym.baselines.observation_models.afm.inputs import looks_at
from microgym.baselines.observation_models.weights_io import (
    BuildResult,
    begin,
    origin_of,
    tensors_of,
    write_network,
)
from microgym.reconstruction.nn.network import STATED
from microgym.reconstruction.topography.observation_model import NETWORK

GROUPS = 512
"""Sets of conditions that the shipped network learnt from, four frames each."""
STEPS = 7000
"""Steps of its training."""
VALIDATION = 32
"""Sets of conditions of the validation split that it was calibrated on."""


def make_network(
    output: Path,
    *,
    seed: int,
    groups: int = GROUPS,
    steps: int = STEPS,
    validation: int = VALIDATION,
    progress: Callable[[int], None] | None = None,
) -> BuildResult:
    """Scan, train, calibrate and write.

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
    made = begin("AFM-v0", seed=seed, groups=groups, steps=steps, validation=validation)
    from microgym.baselines.observation_models.afm.train import restore, train_lines

    trained = train_lines(seed=seed, groups=groups, steps=steps, progress=progress)
    check = looks_at(random_frames(seed, validation, "validation"))
    heights, sigmas = restore(trained.net, check)
    errors = np.abs(heights - check.truth).astype(np.float64)
    radii = np.quantile(errors / sigmas, STATED)
    trust = radii[STATED.index(0.68)]
    tensors = tensors_of(trained.net)
    tensors["trust"] = np.array(trust, np.float32)
    tensors["radii"] = (radii / trust).astype(np.float32)
    path = output / NETWORK.file
    write_network(path, NETWORK.format, tensors, made)
    trace = check.signals[check.place[:, 0], 0]
    plain = trace - trace.mean(axis=-1, keepdims=True) - check.truth
    scores = {
        name: float(np.median(np.sqrt(np.mean(np.square(one, dtype=np.float64), axis=-1))))
        for name, one in (("trace", plain), ("neural", errors))
    }
    return BuildResult(path, trained.losses, scores)


def made_from(path: Path) -> dict[str, Any]:
    """What a network's file says about how it was made.

    Args:
        path: of the file.

    Returns:
        "sha256" of its tensors and, as `make_network` wrote them, "seed", "groups", "steps" and so
        on.
    """
    NETWORK.load(path)
    return origin_of(path)
