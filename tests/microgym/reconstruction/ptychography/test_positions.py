"""Refinement of positions."""

import numpy as np
import pytest

from microgym.reconstruction.ptychography.positions import apply_moves, patch_corner
from microgym.reconstruction.ptychography.solver import PIESettings, PIESolver
from tests.microgym.reconstruction.ptychography.scenes import (
    grid,
    make_probe,
    make_specimen,
    measure,
)


@pytest.mark.parametrize(
    ("position", "corner"), [(32.0, 0), (32.49, 0), (32.5, 1), (31.5, 0), (40.2, 8)]
)
def test_corner_of_the_patch(position, corner):
    assert patch_corner(position, 64) == corner


def test_moves_lose_their_mean_and_stay_in_the_field():
    positions = np.array([[16.0, 16.0], [30.0, 48.0], [20.0, 20.0]])
    moves = np.array([[-0.2, 0.1], [0.4, 0.4]])
    apply_moves(positions, moves, np.array([0, 1]), 0.5, 32, (64, 64))
    assert np.allclose(positions, [[16.0, 16.0], [30.15, 48.0], [20.0, 20.0]])


@pytest.mark.parametrize("probe_step", [0.0, 0.2])
def test_finds_positions_that_are_wrong_by_one_to_two_pixels(probe_step):
    rng = np.random.default_rng(1)
    truth = grid(34, 94, 6.0, 1.0, 1)
    experiment = measure(make_specimen(1, 128), make_probe(64, 6.5, 0.03), truth, 1e6, 1)
    angle, length = rng.uniform(0, 2 * np.pi, len(truth)), rng.uniform(1, 2, len(truth))
    given = truth + length[:, None] * np.stack([np.sin(angle), np.cos(angle)], axis=1)
    given = np.clip(given, 32, 96)
    settings = PIESettings(
        alpha=0.3, position_step=1.0, decay=np.inf, probe_step=probe_step, probe_after=60
    )
    solver = PIESolver(experiment.probe, (128, 128), capacity=len(truth), settings=settings)
    solver.add([0], experiment.counts[None], given[None], experiment.photons)
    solver.flat_start()
    solver.sweep(count=120)

    def rms(places):
        off = places - truth
        return np.sqrt(((off - off.mean(axis=0)) ** 2).sum(axis=1).mean())

    print(f"rms error {rms(given):.3f} px, refined {rms(solver.positions()):.3f} px")
    assert rms(given) > 1.2
    assert rms(solver.positions()) < 0.2
    # The common displacement is nobody's to choose, and stays.
    assert np.allclose(solver.positions().mean(axis=0), given.mean(axis=0), atol=0.05)


def test_right_positions_stay():
    truth = grid(34, 94, 8.0, 1.0, 2)
    experiment = measure(make_specimen(2, 128), make_probe(64, 6.5, 0.03), truth, 1e7, 2)
    settings = PIESettings(position_step=0.5, position_after=20)
    solver = PIESolver(experiment.probe, (128, 128), capacity=len(truth), settings=settings)
    solver.add([0], experiment.counts[None], truth[None], experiment.photons)
    solver.flat_start()
    solver.sweep(count=50)
    off = np.sqrt(((solver.positions() - truth) ** 2).sum(axis=1).mean())
    assert off < 0.08
