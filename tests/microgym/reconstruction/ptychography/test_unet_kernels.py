"""The network as compiled code: the same as in PyTorch, and the same bits however it is run."""

import numpy as np
import pytest
import torch

from microgym.numerics.threads import parallel_rows
from microgym.reconstruction.ptychography.neural import NeuralImage
from microgym.reconstruction.ptychography.observation_models import RunningScan
from microgym.reconstruction.ptychography.unet_kernels import LEAST_FLUENCE
from tests.microgym.reconstruction.ptychography.networks import (
    make_network,
    make_scene,
    make_weights,
)

PROBE = np.ones((1, 8, 8), np.complex64)
TOP = 20


def view_of(count, region, weights, top=TOP):
    return NeuralImage(count, region + 2 * top, PROBE, (top, region), weights)


def shown_by_torch(net, estimate, fluence, top, region):
    """Image and standard deviation inside the region."""
    inside = (slice(None), slice(top, top + region), slice(top, top + region))
    light = 0.5 * np.log10(np.float32(LEAST_FLUENCE) + fluence[inside]) + 0.5
    seen = np.stack([estimate[0][inside] - 1.0, estimate[1][inside], light], axis=1)
    with torch.inference_mode():
        contrast, doubt = net(torch.from_numpy(seen.astype(np.float32)))
    re, im = (contrast[:, i].numpy() for i in range(2))
    return 1.0 + re, im, np.exp(doubt.clamp(-7.0, 1.0).numpy())


@pytest.mark.parametrize("region", [64, 128])
def test_kernels_compute_what_pytorch_does(region):
    trust = 1.7
    estimate, fluence = make_scene(1, 2, region + 2 * TOP)
    expected = shown_by_torch(make_network(), estimate, fluence, TOP, region)
    found = view_of(2, region, make_weights(trust=trust)).estimate(
        np.arange(2), RunningScan(*estimate, fluence)
    )
    inside = slice(TOP, TOP + region)
    for ours, theirs, scale in zip(found, expected, (1.0, 1.0, trust), strict=True):
        assert theirs.std() > 0.02, "the comparison is empty"
        assert ours[:, inside, inside] == pytest.approx(scale * theirs, abs=1e-5, rel=1e-5)


def test_the_network_looks_far_but_not_outside_its_region():
    estimate, fluence = make_scene(2, 1, 64 + 2 * TOP)
    weights = make_weights()
    before = [
        a.copy()
        for a in view_of(1, 64, weights).estimate(np.arange(1), RunningScan(*estimate, fluence))
    ]
    outside = np.ones(estimate[0].shape, np.bool_)
    outside[:, TOP:-TOP, TOP:-TOP] = False
    for plane in (*estimate, fluence):
        plane[outside] = 7.0
    view = view_of(1, 64, weights)
    after = view.estimate(np.arange(1), RunningScan(*estimate, fluence))
    for old, new, rest in zip(before, after, (1.0, 0.0, 1.0), strict=True):
        assert old.tobytes() == new.tobytes()
        assert np.all(new[outside] == rest), "something was written outside the region"
    estimate[0][0, TOP + 32, TOP + 32] += 1.0
    moved = view.estimate(np.arange(1), RunningScan(*estimate, fluence))[0] != before[0]
    assert moved[0, TOP + 44, TOP + 32]
    assert moved.mean() < 0.6


@pytest.mark.parametrize("threads", [1, 2])
def test_bits_do_not_depend_on_batch_or_threads(threads):
    weights, count = make_weights(), 8
    estimate, fluence = make_scene(3, count, 64 + 2 * TOP)
    together = view_of(count, 64, weights)
    rows = np.arange(count)
    parallel_rows(
        lambda start, stop: together.estimate(rows[start:stop], RunningScan(*estimate, fluence)),
        count,
        threads,
    )
    shown = together.estimate(rows[:0], RunningScan(*estimate, fluence))
    for row in range(count):
        alone = view_of(1, 64, weights).estimate(
            np.arange(1),
            RunningScan(*(plane[row : row + 1].copy() for plane in (*estimate, fluence))),
        )
        for many, one in zip(shown, alone, strict=True):
            assert many[row].tobytes() == one[0].tobytes()


def test_rows_that_are_not_listed_stay():
    weights = make_weights()
    estimate, fluence = make_scene(4, 3, 64 + 2 * TOP)
    view = view_of(3, 64, weights)
    first = [plane.copy() for plane in view.estimate(np.arange(3), RunningScan(*estimate, fluence))]
    for plane in (*estimate, fluence):
        plane *= 1.5
    second = view.estimate(np.array([2, 0]), RunningScan(*estimate, fluence))
    for old, new in zip(first, second, strict=True):
        assert old[1].tobytes() == new[1].tobytes()
        assert not np.array_equal(old[0], new[0])
        assert not np.array_equal(old[2], new[2])


def test_extreme_uncertainties_are_bounded():
    """An uncertainty of nothing, or of everything, is cut off as in training."""
    estimate, fluence = make_scene(5, 1, 64 + 2 * TOP)
    inside = slice(TOP, TOP + 64)
    for bias, bound in ((-50.0, np.exp(-7.0)), (50.0, np.exp(1.0))):
        weights = make_weights(trust=2.0)
        start = weights.table[-1, 3]
        weights.values[start + 48 : start + 64] = bias
        sigma = view_of(1, 64, weights).estimate(np.arange(1), RunningScan(*estimate, fluence))[2]
        assert sigma[:, inside, inside] == pytest.approx(2.0 * bound, rel=1e-5)
