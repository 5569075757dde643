"""The one operation under all layers, against PyTorch."""

import numpy as np
import pytest
import torch

from microgym.reconstruct.convolution import LANES, TILE, convolve

rng = np.random.default_rng(0)


def bordered(image):
    """(C, H, W) as the kernel takes it: flat, channels innermost, a border of zeros."""
    inner = np.pad(image.transpose(1, 2, 0), ((1, 1), (1, 1), (0, 0)))
    return np.ascontiguousarray(inner, np.float32).ravel()


def unbordered(flat, channels, side):
    return flat.reshape(side + 2, side + 2, channels).transpose(2, 0, 1)


def run(image, weight, bias, stride):
    """The kernel's result with its border, (outputs, h + 2, h + 2); the border was NaN before."""
    inputs, side, _ = image.shape
    outputs, _, edge, _ = weight.shape
    h = side // stride
    packed = np.concatenate([bias, weight.transpose(2, 3, 1, 0).ravel()]).astype(np.float32)
    room = np.concatenate([np.full(5, np.nan, np.float32), packed])
    out = np.full((h + 2) ** 2 * outputs, np.nan, np.float32)
    x, pitch = bordered(image), h + 2
    convolve(
        x, side + 2, inputs, edge, stride, room, 5, outputs, out, pitch, pitch + 1, 1, h
    )  # fmt: skip
    return unbordered(out, outputs, h)


@pytest.mark.parametrize(
    ("inputs", "outputs", "edge", "stride", "side"),
    [
        (48, 24, 1, 1, 16),
        (24, 32, 2, 2, 16),
        (32, 32, 3, 1, 8),
        (48, 48, 3, 1, 4),
        (1, 8, 3, 1, 4),
        (3, 40, 1, 1, 12),
        (5, 64, 2, 2, 8),
        (7, 16, 3, 1, 20),
    ],
)
def test_against_torch(inputs, outputs, edge, stride, side):
    image = rng.normal(size=(inputs, side, side)).astype(np.float32)
    weight = rng.normal(size=(outputs, inputs, edge, edge)).astype(np.float32)
    bias = rng.normal(size=outputs).astype(np.float32)
    found = run(image, weight, bias, stride)
    expected = torch.nn.functional.conv2d(
        *(torch.from_numpy(a.astype(np.float64)) for a in (image[None], weight, bias)),
        stride=stride,
        padding=1 if edge == 3 else 0,
    )[0].numpy()
    assert found[:, 1:-1, 1:-1] == pytest.approx(expected, abs=2e-6 * inputs * edge)
    # Nothing is written beside the result.
    inner = np.zeros(found.shape, np.bool_)
    inner[:, 1:-1, 1:-1] = True
    assert np.isnan(found[~inner]).all()


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
        packed = np.concatenate([b, w.transpose(2, 3, 1, 0).ravel()])
        at = (corner // 2 + 1) * pitch + corner % 2 + 1
        convolve(bordered(image), side + 2, inputs, 1, 1, packed, 0, LANES, out, pitch, at, 2, side)
    wide = torch.nn.functional.conv2d(*map(torch.from_numpy, (image[None], weight, bias)))
    expected = torch.nn.functional.pixel_shuffle(wide, 2)[0].numpy()
    found = unbordered(out, LANES, 2 * side)
    assert found[:, 1:-1, 1:-1] == pytest.approx(expected, abs=1e-5)
