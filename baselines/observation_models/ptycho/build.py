"""From a seed to a network on disk: lessons, training, calibration, safetensors."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from microgym.baselines.observation_models.ptycho.dataset import INSIDE, Lessons, make_lessons
from microgym.baselines.observation_models.ptycho.inputs import estimate_in, lit_in
from microgym.baselines.observation_models.weights_io import (
    BuildResult,
    begin,
    origin_of,
    tensors_of,
    write_network,
)
from microgym.metrics import complex_error
from microgym.reconstruction.nn.network import STATED
from microgym.reconstruction.ptychography.neural import NETWORK

GROUPS = 400
"""Sets of conditions that the shipped network learnt from, eight specimens each."""
STEPS = 8000
"""Steps of its training."""
VALIDATION = 40
"""Sets of conditions of the validation split that it was calibrated on."""


def make_eye(
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
    made = begin("Ptycho-v0", seed=seed, groups=groups, steps=steps, validation=validation)
    from microgym.baselines.observation_models.ptycho.train import restore, train_eye

    trained = train_eye(
        make_lessons(seed, groups, "train"), seed=seed, steps=steps, progress=progress
    )
    check = make_lessons(seed, validation, "validation")
    images, sigmas = restore(trained.net, check.seen)
    lit = lit_in(check.seen)
    radii = _radii((_errors(check, images) / sigmas)[lit])
    trust = radii[STATED.index(0.68)]
    tensors = tensors_of(trained.net)
    tensors["trust"] = np.array(trust, np.float32)
    tensors["radii"] = (radii / trust).astype(np.float32)
    path = output / NETWORK.file
    write_network(path, NETWORK.format, tensors, made)
    return BuildResult(path, trained.losses, _scores(check, images, lit))


def _of_region(truth: NDArray[np.complex64]) -> NDArray[np.complex64]:
    return truth[..., INSIDE, INSIDE]


def made_from(path: Path) -> dict[str, Any]:
    """What a network's file says about how it was made.

    Args:
        path: of the file.

    Returns:
        "sha256" of its tensors and, as `make_eye` wrote them, "seed", "groups", "steps" and so on.
    """
    NETWORK.load(path)
    return origin_of(path)


def _errors(check: Lessons, images: NDArray[np.complex64]) -> NDArray[np.float32]:
    """Absolute complex error of every pixel after the best factor on lit pixels."""
    lit = lit_in(check.seen)
    errors = np.empty(images.shape, np.float32)
    for i, image in enumerate(images):
        truth = _of_region(check.truth[check.specimen[i]])
        errors[i] = aligned_error(image, truth, lit[i])
    return errors


def aligned_error(
    image: NDArray[np.complex64], truth: NDArray[np.complex64], mask: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """Absolute complex error of every pixel, after the complex factor that fits best in a mask.

    Args:
        image: (H, W).
        truth: (H, W).
        mask: (H, W).

    Returns:
        (H, W) float32.
    """
    chosen = image[mask]
    power = float(np.sum(np.abs(chosen) ** 2))
    factor = np.vdot(chosen, truth[mask]) / power if power > 0.0 else 1.0
    return np.abs(factor * image - truth).astype(np.float32)


def _radii(relative: NDArray[np.floating]) -> NDArray[np.float64]:
    """Errors over standard deviations that the stated parts of all pixels stay below."""
    return np.quantile(relative.astype(np.float64), STATED)


def _scores(
    check: Lessons, images: NDArray[np.complex64], lit: NDArray[np.bool_]
) -> dict[str, float]:
    classical = estimate_in(check.seen.astype(np.float32))
    truth = _of_region(check.truth)[check.specimen]
    some = lit.any(axis=(1, 2))
    return {
        name: float(np.mean(complex_error(image[some], truth[some], lit[some])))
        for name, image in (("classical", classical), ("neural", images))
    }
