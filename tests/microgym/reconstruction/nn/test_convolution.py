"""Layers inside compiled code, against PyTorch."""

import numpy as np
import pytest
import torch

from microgym.reconstruction.nn.convolution import LANES, TILE, convolve1, convolve3, fold

rng = np.random.default_rng(0)


def bordered(image):
    """(C, H, W) as the kernels take it: flat, channels innermost, a border of zeros."""
    inner = np.pad(image.transpose(1, 2, 0), ((1, 1), (1, 1), (0, 0)))
    return np.ascontiguousarray(inner, np.float32).ravel()


def unbordered(flat, channels, side):
    return flat.reshape(side + 2, side + 2, channels).transpose(2, 0, 1)


def layer(inputs, outputs, edge):
    weight = rng.normal(size=(outputs, inputs, edge, edge)).astype(np.float32)
    return weight, rng.normal(size=outputs).astype(np.float32)


def packed(weight, bias):
    """As the kernels take it, and not at the beginning of the array."""
    flat = np.concatenate([bias, weight.transpose(2, 3, 1, 0).ravel()]).astype(np.float32)
    return np.concatenate([np.full(5, np.nan, np.float32), flat])


def by_torch(image, weight, bias, stride=1):
    arrays = (torch.from_numpy(a.astype(np.float64)) for a in (image[None], weight, bias))
    padding = 1 if weight.shape[2] == 3 else 0
    return torch.nn.functional.conv2d(*arrays, stride=stride, padding=padding)[0].numpy()


def assert_nothing_beside(found):
    """The border, which was NaN, still is."""
    inner = np.zeros(found.shape, np.bool_)
    inner[:, 1:-1, 1:-1] = True
    assert np.isnan(found[~inner]).all()


@pytest.mark.parametrize("outputs", [8, 16, 24, 32, 40, 48, 64])
@pytest.mark.parametrize(("inputs", "side"), [(48, 16), (8, 4), (24, 12)])
def test_kernels_of_one_pixel(inputs, outputs, side):
    image = rng.normal(size=(inputs, side, side)).astype(np.float32)
    weight, bias = layer(inputs, outputs, 1)
    pitch = side + 2
    out = np.full(pitch**2 * outputs, np.nan, np.float32)
    convolve1(
        bordered(image), pitch + 1, pitch, inputs, packed(weight, bias), 5, outputs,
        out, pitch + 1, pitch, 1, side,
    )  # fmt: skip
    found = unbordered(out, outputs, side)
    expected = by_torch(image, weight, bias)
    assert found[:, 1:-1, 1:-1] == pytest.approx(expected, abs=2e-6 * inputs)
    assert_nothing_beside(found)


def test_kernels_of_two_by_two_pixels():
    inputs, outputs, side = 24, 32, 16
    image = rng.normal(size=(inputs, side, side)).astype(np.float32)
    weight, bias = layer(inputs, outputs, 2)
    h = side // 2
    folded = np.full(h * h * 4 * inputs, np.nan, np.float32)
    fold(bordered(image), side + 2, inputs, h, folded)
    out = np.full((h + 2) ** 2 * outputs, np.nan, np.float32)
    convolve1(folded, 0, h, 4 * inputs, packed(weight, bias), 5, outputs, out, h + 3, h + 2, 1, h)
    found = unbordered(out, outputs, h)
    expected = by_torch(image, weight, bias, stride=2)
    assert found[:, 1:-1, 1:-1] == pytest.approx(expected, abs=4e-6 * inputs)
    assert_nothing_beside(found)


@pytest.mark.parametrize(
    ("inputs", "outputs", "side"),
    [
        (24, 24, 32),
        (32, 32, 16),
        (48, 48, 8),
        (48, 48, 4),
        (8, 40, 20),
        (16, 8, 12),
        (8, 64, 64),
        (8, 8, 36),
    ],
)
def test_kernels_of_three_by_three_pixels(inputs, outputs, side):
    image = rng.normal(size=(inputs, side, side)).astype(np.float32)
    weight, bias = layer(inputs, outputs, 3)
    size = 9 * inputs * side
    work = np.full(size + 100, np.nan, np.float32)
    pitch = side + 2
    out = np.full(pitch**2 * outputs, np.nan, np.float32)
    w = packed(weight, bias)
    convolve3(bordered(image), pitch, inputs, w, 5, outputs, out, pitch, side, work)
    found = unbordered(out, outputs, side)
    expected = by_torch(image, weight, bias)
    assert found[:, 1:-1, 1:-1] == pytest.approx(expected, abs=6e-6 * inputs)
    assert_nothing_beside(found)
    assert np.isnan(work[size:]).all()
    assert np.isfinite(work[:size]).all()


def test_results_may_be_spread_over_a_finer_image():
    """Four upward layers fill the four corners of blocks of two by two pixels."""
    inputs, side = 8, TILE
    image = rng.normal(size=(inputs, side, side)).astype(np.float32)
    weight = rng.normal(size=(4 * LANES, inputs, 1, 1)).astype(np.float32)
    bias = rng.normal(size=4 * LANES).astype(np.float32)
    pitch = 2 * side + 2
    out = np.zeros(pitch**2 * LANES, np.float32)
    for corner in range(4):
        w, b = weight[corner::4], bias[corner::4]
        at = (corner // 2 + 1) * pitch + corner % 2 + 1
        convolve1(
            bordered(image), side + 3, side + 2, inputs, packed(w, b), 5, LANES,
            out, at, pitch, 2, side,
        )  # fmt: skip
    wide = torch.nn.functional.conv2d(*map(torch.from_numpy, (image[None], weight, bias)))
    expected = torch.nn.functional.pixel_shuffle(wide, 2)[0].numpy()
    found = unbordered(out, LANES, 2 * side)
    assert found[:, 1:-1, 1:-1] == pytest.approx(expected, abs=1e-5)
