"""Reconstruction from a whole recorded scan: the reference for shorter scans of it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from microgym.instruments.recorded.recording import Recording
from microgym.reconstruction.ptychography.solver import PIESettings, PIESolver
from microgym.state import Bool, Float64

SWEEPS = 24
"""Sweeps through the whole scan (design choice: the cost of the Siemens star has settled)."""

CONTRAST = 0.5
"""Threshold of structure, as a part of the contrast between the dark and the bright tenth of the
recorded area (design choice)."""


@dataclass(frozen=True, eq=False)
class FullReconstruction:
    """Object and probe from all exposures at full dose.

    Attributes:
        image: (H, W) complex64, empty parts at 1 + 0i, 1 outside the recorded area.
        probe: (modes, n, n) complex64, power one.
        photons: incident photons of one recorded exposure.
        structure: (H, W) bool, the recorded area in which the image differs from its empty parts.
    """

    image: NDArray[np.complex64]
    probe: NDArray[np.complex64]
    photons: float
    structure: Bool


def full_reconstruction(recording: Recording, places: Float64, field_px: int) -> FullReconstruction:
    """Reconstruct a recorded scan from all of its exposures; takes some seconds.

    Args:
        recording: the scan.
        places: (K, 2) its positions on the field, px.
        field_px: edge of the field, px.

    Returns:
        Object, probe and the mask of the structure.
    """
    photons = float(recording.patterns.sum(axis=(1, 2), dtype=np.float64).mean())
    settings = PIESettings(alpha=0.1, probe_step=0.1, modes=2)
    solver = PIESolver(
        recording.probe,
        (field_px, field_px),
        capacity=len(recording.patterns),
        settings=settings,
        known=recording.valid,
    )
    solver.add(None, recording.patterns[None], places[None], photons)
    solver.sweep(count=SWEEPS)
    probe = solver.probe[0].astype(np.complex128)
    power = float(np.sum(np.abs(probe) ** 2))
    image = solver.object[0].astype(np.complex128)
    covered = _covered(np.sum(np.abs(probe) ** 2, axis=0), places, image.shape)
    image, structure, empty = _against_empty(image, covered)
    return FullReconstruction(
        image=np.where(covered, image, 1.0).astype(np.complex64),
        probe=(probe / np.sqrt(power)).astype(np.complex64),
        # The object was divided by the root of `empty`; the photons take it over.
        photons=photons * power * empty,
        structure=structure,
    )


def _covered(light: Float64, places: Float64, shape: tuple[int, ...]) -> Bool:
    """Pixels with at least a tenth of the median exposure of lit pixels."""
    total = np.zeros(shape)
    n = light.shape[0]
    for y, x in places:
        top, left = int(np.floor(y + 0.5)) - n // 2, int(np.floor(x + 0.5)) - n // 2
        total[top : top + n, left : left + n] += light
    return total > 0.1 * np.median(total[total > 0.01 * total.max()])


def _against_empty(
    image: NDArray[np.complex128], covered: Bool
) -> tuple[NDArray[np.complex128], Bool, float]:
    """Divide the image by the mean of its empty parts, and find its structure.

    Empty parts are the tenth of the covered pixels that transmit most.

    Returns:
        The image, the mask of the structure, and the intensity that the empty parts had.
    """
    inside = image[covered]
    bright = np.abs(inside) >= np.quantile(np.abs(inside), 0.9)
    empty = np.mean(inside[bright])
    image = image / empty
    contrast = np.abs(image - 1.0)
    low, high = np.quantile(contrast[covered], (0.1, 0.9))
    structure = covered & (contrast > low + CONTRAST * (high - low))
    return image, structure, float(np.abs(empty) ** 2)
