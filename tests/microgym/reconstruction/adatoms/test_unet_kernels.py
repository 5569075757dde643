"""The network that finds adatoms as compiled code: as in PyTorch, same bits however it is run."""

import numpy as np
import pytest
import torch

from microgym.baselines.observation_models.stm.dataset import levelled
from microgym.numerics.threads import parallel_rows
from microgym.reconstruction.adatoms.observation_model import NeuralDetector
from microgym.reconstruction.adatoms.peak_detection import (
    BACKGROUND,
    HEIGHT_NM,
    HIGHEST,
    LOWEST,
    MOST,
)
from tests.microgym.reconstruction.adatoms.networks import (
    CALIBRATION,
    EDGE,
    FIELD_NM,
    make_images,
    make_network,
    make_weights,
)


def scene(count, edge=EDGE, seed=1):
    rng = np.random.default_rng(seed)
    reach = 3.5 * edge / EDGE
    return make_images(rng.uniform(-reach, reach, (count, 6, 2)), edge, noise=0.01, seed=seed)


def peaks(chance, place, spread, calibration, scale):
    """What `gather_peaks` says of one image, written as one would in NumPy."""
    least, trust, slope, shift = calibration
    edge = chance.shape[0]
    padded = np.pad(chance, 1)
    found = []
    for i in range(edge):
        for j in range(edge):
            near = padded[i : i + 3, j : j + 3]
            if near[1, 1] < 0.02 or near.max() > near[1, 1]:
                continue
            rows, columns = np.nonzero(near)
            keep = [(i + p - 1, j + q - 1) for p, q in zip(rows, columns, strict=True)]
            weight = np.array([chance[at] for at in keep])
            x = sum(w * (q + 0.5 + place[0][p, q]) for w, (p, q) in zip(weight, keep, strict=True))
            y = sum(w * (p + 0.5 + place[1][p, q]) for w, (p, q) in zip(weight, keep, strict=True))
            sigma = sum(w * spread[at] for w, at in zip(weight, keep, strict=True))
            total = weight.sum()
            sure = min(total, 0.9999)
            odds = slope * np.log(sure / (1.0 - sure)) + shift
            probability = 1.0 / (1.0 + np.exp(-odds))
            if probability >= least:
                at = [scale * (v / total - 0.5 * edge) for v in (x, y)]
                found.append([*at, probability, scale * trust * sigma / total])
    return np.array(found)[:MOST]


@pytest.mark.parametrize("edge", [32, 64, 96])
def test_kernels_compute_what_pytorch_does(edge):
    images = scene(3, edge)
    detector = NeuralDetector(3, edge, FIELD_NM, make_weights())
    detector.estimate(np.arange(3), images)
    with torch.inference_mode():
        odds, place, doubt = make_network()(torch.from_numpy(levelled(images)))
    for row in range(3):
        maps = (odds[row].sigmoid(), place[row], doubt[row].exp())
        expected = peaks(*(one.double().numpy() for one in maps), CALIBRATION, FIELD_NM / edge)
        assert 4 <= len(expected) <= MOST, "the comparison is empty"
        assert detector.state.counts[row] == len(expected)
        found = detector.state.found[row, : len(expected)]
        assert found == pytest.approx(expected, abs=2e-4, rel=2e-4)
        assert expected[:, 3].std() > 1e-3


@pytest.mark.parametrize("threads", [1, 2])
def test_bits_do_not_depend_on_batch_or_threads(threads):
    weights, count = make_weights(), 8
    images = scene(count)
    together = NeuralDetector(count, EDGE, FIELD_NM, weights)
    rows = np.arange(count)
    parallel_rows(lambda start, stop: together.estimate(rows[start:stop], images), count, threads)
    for row in range(count):
        alone = NeuralDetector(1, EDGE, FIELD_NM, weights)
        alone.estimate(np.arange(1), images[row : row + 1].copy())
        many = together.state.counts[row]
        assert alone.state.counts[0] == many > 0
        assert alone.state.found[0, :many].tobytes() == together.state.found[row, :many].tobytes()


def test_only_the_listed_rows_are_looked_at():
    images = scene(3)
    detector = NeuralDetector(3, EDGE, FIELD_NM, make_weights())
    detector.estimate(np.array([1]), images)
    assert detector.state.counts[1] > 0
    assert not detector.state.counts[[0, 2]].any()
    assert not detector.state.found[[0, 2]].any()


def test_heights_are_counted_from_the_background_of_their_line():
    images = make_images(np.zeros((1, 1, 2)), noise=0.0, tilt=0.5)
    flat = levelled(images)[0]
    assert np.abs(flat[:, :10]).max() < 2e-3
    assert flat[31:33, 31:33] == pytest.approx(np.full((2, 2), 0.96), abs=0.02)


def test_the_background_of_a_line_is_a_quantile_and_heights_are_clipped():
    rng = np.random.default_rng(3)
    images = (0.01 * rng.normal(size=(1, EDGE, EDGE))).astype(np.float32)
    images[0, 5, 7] = images[0, 5, 30]  # equal heights
    images[0, 9, :2] = [-1.0, 2.0]
    level = np.sort(images[0], axis=1)[:, BACKGROUND : BACKGROUND + 1]
    expected = np.clip((images[0] - level) / HEIGHT_NM, LOWEST, HIGHEST)
    assert levelled(images)[0] == pytest.approx(expected, abs=1e-6)
    assert expected[9, :2].tolist() == [LOWEST, HIGHEST]


def test_the_answer_turns_with_the_calibration():
    images = scene(2)
    shy = NeuralDetector(2, EDGE, FIELD_NM, make_weights(calibration=(0.9, 1.4, 0.8, 0.2)))
    bold = NeuralDetector(2, EDGE, FIELD_NM, make_weights(calibration=(0.0, 2.8, 0.8, 0.2)))
    for one in (shy, bold):
        one.estimate(np.arange(2), images)
    assert (shy.state.counts < bold.state.counts).all()
    for row in range(2):
        mine, every = (
            shy.state.found[row, : shy.state.counts[row]],
            bold.state.found[row, : bold.state.counts[row]],
        )
        assert (mine[:, 2] >= 0.9).all()
        kept = every[every[:, 2] >= 0.9]
        assert kept[:, :3].tobytes() == mine[:, :3].tobytes()
        assert kept[:, 3] == pytest.approx(2.0 * mine[:, 3], rel=1e-6)
