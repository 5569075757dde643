"""Scans whose images, and so whose errors, are known beforehand."""

import numpy as np

from microgym.baselines.observation_models.ptycho.classical import INPUT_SWEEPS, CompletedScans
from microgym.baselines.observation_models.ptycho.dataset import REGION


def pattern(count):
    """Specimens of a checkered contrast, (count, REGION, REGION)."""
    checks = np.indices((REGION, REGION)).sum(axis=0) % 2 * 2.0 - 1.0
    return (1.0 + 0.2 * checks * np.ones((count, 1, 1))).astype(np.complex64)


def with_error(truth, error, seed=0):
    """The truth plus noise that makes E0 what is asked for, (N,)."""
    rng = np.random.default_rng(seed)
    wave = rng.normal(size=truth.shape) + 1j * rng.normal(size=truth.shape)
    # Orthogonal to the truth, so that no factor makes it better: E0 = |noise| / |truth + noise|.
    along = np.sum(wave * truth.conj(), axis=(1, 2), keepdims=True)
    wave -= along / np.sum(np.abs(truth) ** 2, axis=(1, 2), keepdims=True) * truth
    size = np.sqrt(np.sum(np.abs(truth) ** 2, axis=(1, 2)) / np.sum(np.abs(wave) ** 2, axis=(1, 2)))
    tangent = np.asarray(error) / np.sqrt(1.0 - np.asarray(error) ** 2)
    return (truth + (tangent * size)[:, None, None] * wave).astype(np.complex64)


def taken_with(count, running=0.3):
    """Scans of which only the images matter; all of the region is lit."""
    truth = pattern(count)
    image = with_error(truth, np.full(count, running))
    light = np.full(truth.shape, 1.5)
    inputs = np.stack([image.real - 1.0, image.imag, light], axis=1).astype(np.float32)
    return CompletedScans(
        counts=np.zeros((count, 4, 8, 8), np.float32),
        places=np.zeros((count, 4, 2)),
        photons=np.ones((count, 4)),
        probe=np.ones((8, 8), np.complex64),
        truth=truth,
        lit=np.ones(truth.shape, np.bool_),
        inputs=dict.fromkeys(INPUT_SWEEPS, inputs),
    )
