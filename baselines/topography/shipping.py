"""From a seed to a network on disk: scans, training, calibration, safetensors."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save

from microgym.agents.files import write_atomically
from microgym.baselines.eye.shipping import origin_of
from microgym.baselines.records import provenance, to_json
from microgym.baselines.topography.looks import looks_at
from microgym.baselines.topography.scans import random_frames
from microgym.reconstruct.topography import FILE, FORMAT, STATED, load_weights

GROUPS = 512
"""Sets of conditions that the shipped network learnt from, four frames each."""
STEPS = 7000
"""Steps of its training."""
VALIDATION = 32
"""Sets of conditions of the validation split that it was calibrated on."""


@dataclass(frozen=True)
class Made:
    """A network that was made.

    Attributes:
        path: its file.
        losses: mean loss of each hundred steps.
        validation: root mean square error of lines of validation surfaces, nm, median over lines:
            "trace" and "neural".
    """

    path: Path
    losses: list[float]
    validation: dict[str, float]


def make_network(
    output: Path,
    *,
    seed: int,
    groups: int = GROUPS,
    steps: int = STEPS,
    validation: int = VALIDATION,
    progress: Callable[[int], None] | None = None,
) -> Made:
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
    for name, value in (("groups", groups), ("steps", steps), ("validation", validation)):
        if value < 1:
            raise ValueError(f"{name} must be at least 1, got {value}")
    if seed < 0:
        raise ValueError(f"seed must be at least 0, got {seed}")
    from microgym.baselines.topography.train import restore, train_lines

    # Taken before the work, which is done by the code that is there now; without the folder.
    words = ("AFM-v0", "--seed", seed, "--groups", groups, "--steps", steps)
    origin = provenance(["reconstructor", "train", *map(str, words)])
    trained = train_lines(seed=seed, groups=groups, steps=steps, progress=progress)
    check = looks_at(random_frames(seed, validation, "validation"))
    heights, sigmas = restore(trained.net, check)
    errors = np.abs(heights - check.truth).astype(np.float64)
    radii = np.quantile(errors / sigmas, STATED)
    trust = radii[STATED.index(0.68)]
    tensors = {name: t.detach().numpy().copy() for name, t in trained.net.state_dict().items()}
    tensors["trust"] = np.array(trust, np.float32)
    tensors["radii"] = (radii / trust).astype(np.float32)
    made = {"seed": seed, "groups": groups, "steps": steps, **origin}
    path = output / FILE
    write_atomically(path, save(tensors, {"format": FORMAT, "made": to_json(made)}))
    trace = check.signals[check.place[:, 0], 0]
    plain = trace - trace.mean(axis=-1, keepdims=True) - check.truth
    scores = {
        name: float(np.median(np.sqrt(np.mean(np.square(one, dtype=np.float64), axis=-1))))
        for name, one in (("trace", plain), ("neural", errors))
    }
    return Made(path, trained.losses, scores)


def made_from(path: Path) -> dict[str, Any]:
    """What a network's file says about how it was made.

    Args:
        path: of the file.

    Returns:
        "sha256" of its tensors and, as `make_network` wrote them, "seed", "groups", "steps" and so
        on.
    """
    load_weights(path)
    return origin_of(path)
