"""The network of lines as compiled code: as in PyTorch, and the same bits however it is run."""

import numpy as np
import pytest
import torch

from microgym.numerics.threads import parallel_rows
from microgym.reconstruction.topography.convnet_kernels import MOST_LOG_SIGMA, OUTPUTS
from microgym.reconstruction.topography.observation_model import (
    PITCH_NM,
    PIXEL_NM,
    NeuralTopography,
    Raster,
    ScanLine,
)
from microgym.state import arrays
from tests.microgym.reconstruction.topography.networks import make_line, make_network, make_weights


def scanned(count, lines, weights, raster=None, seed=0, engaged=None):
    """A view after some lines."""
    view = NeuralTopography(count, Raster() if raster is None else raster, weights)
    rows = np.arange(count)
    engaged = np.ones(count, np.bool_) if engaged is None else engaged
    for n in range(lines):
        view.estimate(rows, ScanLine(*make_line(seed + n, count), engaged))
    return view


@pytest.mark.parametrize("lines", [1, 2, 4])
@pytest.mark.parametrize("raster", [Raster(), Raster(pixel_nm=2.0, pitch_nm=20.0)])
def test_kernels_compute_what_pytorch_does(lines, raster):
    trust = 1.7
    view = scanned(3, lines, make_weights(trust=trust), raster)
    size = np.log([raster.pixel_nm / PIXEL_NM, raster.pitch_nm / PITCH_NM])
    settings = np.concatenate([view.state.settings.reshape(3, -1), np.tile(size, (3, 1))], axis=1)
    with torch.inference_mode():
        heights, doubt = make_network()(
            torch.from_numpy(view.state.lines),
            torch.from_numpy(settings.astype(np.float32)),
            torch.from_numpy(view.state.lag_px),
        )
    heights = (heights - heights.mean(dim=-1, keepdim=True)).numpy()
    sigma = trust * np.exp(doubt.numpy())
    assert heights.std() > 1.0, "the comparison is empty"
    assert np.ptp(np.log(sigma)) > 1.0, "the comparison is empty"
    assert view.state.estimate.heights == pytest.approx(heights, abs=1e-4)
    assert view.state.estimate.sigma == pytest.approx(sigma, rel=1e-4)


def test_the_last_three_lines_matter_and_none_before_them():
    def shown(*seeds, faster=1.0):
        view = NeuralTopography(1, Raster(), make_weights())
        for seed in seeds:
            images, dials = make_line(seed, 1)
            view.estimate(np.arange(1), ScanLine(images, faster * dials, np.ones(1, np.bool_)))
        return view.state.estimate.heights.tobytes()

    usual = shown(0, 1, 2, 3)
    assert shown(50, 1, 2, 3) == usual
    assert shown(0, 51, 2, 3) != usual
    assert shown(0, 1, 52, 3) != usual
    assert shown(3) != usual
    assert shown(3, faster=1.5) != shown(3)


@pytest.mark.parametrize("threads", [1, 2])
def test_bits_do_not_depend_on_batch_or_threads(threads):
    weights, count = make_weights(), 8
    together = NeuralTopography(count, Raster(), weights)
    rows, engaged = np.arange(count), np.ones(count, np.bool_)
    scans = [make_line(seed, count) for seed in range(3)]
    for images, dials in scans:
        parallel_rows(
            lambda low, high, images=images, dials=dials: together.estimate(
                rows[low:high], ScanLine(images, dials, engaged)
            ),
            count,
            threads,
        )
    for row in range(count):
        alone = NeuralTopography(1, Raster(), weights)
        for images, dials in scans:
            one = tuple(image[row : row + 1].copy() for image in images)
            alone.estimate(np.arange(1), ScanLine(one, dials[row : row + 1].copy(), engaged[:1]))
        assert (
            together.state.estimate.heights[row].tobytes()
            == alone.state.estimate.heights[0].tobytes()
        )
        assert (
            together.state.estimate.sigma[row].tobytes() == alone.state.estimate.sigma[0].tobytes()
        )


def test_rows_that_are_not_listed_stay():
    view = scanned(3, 2, make_weights())
    before = {name: one.copy() for name, one in dict(arrays(view.state)).items()}
    view.estimate(np.array([2, 0]), ScanLine(*make_line(9, 3), np.ones(3, np.bool_)))
    for name, one in dict(arrays(view.state)).items():
        assert one[1].tobytes() == before[name][1].tobytes()
        assert not np.array_equal(one[0], before[name][0])
        assert not np.array_equal(one[2], before[name][2])


def test_extreme_uncertainties_are_bounded():
    """An uncertainty of nothing, or of everything, is cut off as in training."""
    usual = scanned(1, 1, make_weights()).state.estimate.sigma
    for bias, bound in ((-99.0, -MOST_LOG_SIGMA), (99.0, MOST_LOG_SIGMA)):
        weights = make_weights()
        start = weights.table[-1, 3]
        weights.values[start + OUTPUTS - 4 : start + OUTPUTS] = bias
        sigma = scanned(1, 1, weights).state.estimate.sigma
        units = sigma / np.exp(bound)
        assert np.ptp(units.reshape(-1, 4), axis=1) == pytest.approx(0.0, abs=1e-4)
        assert np.isfinite(sigma).all()
        assert not np.array_equal(sigma, usual)
