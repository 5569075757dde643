"""A small recorded scan, measured on the computer: written once, replayed in many tests."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from microgym.instruments.recorded.recording import Recording
from tests.microgym import ptychography_reference as reference
from tests.microgym.reconstruction.ptychography.scenes import make_probe, smooth

N = 32
PHOTONS = 2e5
OFFSET = np.array([400.0, -250.0])
"""Stages count from anywhere."""


def scene() -> tuple[NDArray[np.complex128], NDArray[np.complex128], NDArray[np.float64]]:
    """Specimen (two absorbing bars and a spot in vacuum), probe (1, n, n), positions on it."""
    side = 96
    bars = np.zeros((side, side))
    bars[30:66, 38:44] = 1.0
    bars[44:50, 52:70] = 1.0
    bars[58:68, 58:68] = 1.0
    soft = smooth(bars, 1.0)
    specimen = ((1.0 - 0.5 * soft) * np.exp(0.6j * soft)).astype(np.complex128)
    probe = make_probe(N, 4.0, 0.05)
    steps = np.arange(9) * 6.0 - 24.0
    rng = np.random.default_rng(7)
    places = np.stack(np.meshgrid(steps, steps, indexing="ij"), -1).reshape(-1, 2)
    return specimen, probe, np.round(places + rng.uniform(-1.5, 1.5, places.shape)) + side / 2


def make_recording() -> Recording:
    """The scan of `scene`, with shot noise."""
    specimen, probe, places = scene()
    rng = np.random.default_rng(8)
    patterns = [
        rng.poisson(reference.expected_counts(specimen, probe, int(y) - 16, int(x) - 16, PHOTONS))
        for y, x in places
    ]
    return Recording(
        patterns=np.asarray(patterns, np.float32),
        positions=places + OFFSET,
        probe=probe.astype(np.complex64),
        object_pixel_m=2e-8,
    )


def save(path: Path, recording: Recording) -> None:
    """Write a recording as npz."""
    stored = {name: value for name, value in vars(recording).items() if value is not None}
    np.savez_compressed(path, order="fft", **stored)


def write(folder: Path) -> Path:
    """Write the scan into a folder."""
    path = folder / "scan.npz"
    save(path, make_recording())
    return path
