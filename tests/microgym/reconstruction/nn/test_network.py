"""Layer tables: the compiled network and its PyTorch twin are one, whatever the table."""

import itertools

import numpy as np
import pytest
import torch

from microgym.baselines.observation_models.network import TwinNetwork
from microgym.reconstruction.adatoms.observation_model import NETWORK as ADATOMS
from microgym.reconstruction.nn.layers import KINDS, clear_borders, run_on_image, run_on_line
from microgym.reconstruction.nn.network import Layer, Network, Weights, image_network, line_network
from microgym.reconstruction.ptychography.neural import NETWORK as PTYCHO
from microgym.reconstruction.topography.observation_model import NETWORK as LINES

SHALLOW = Network(
    "Shallow-v0",
    "test",
    inputs=3,
    gains=(2.0, 1.0, 0.5),
    layers=(
        Layer("first", "stem", 16),
        Layer("lower", "down", 8),
        Layer("again", "residual", 8),
        Layer("upper", "up", 16),
        Layer("one", "head", 8),
        Layer("two", "head", 16, detached=True),
    ),
    calibration=(),
)
FLAT = Network(
    "Flat-v0",
    "test",
    dimensions=1,
    inputs=11,
    layers=(
        Layer("first", "stem", 24),
        Layer("inner.0", "residual", 24, dilation=3),
        Layer("inner.1", "residual", 24),
        Layer("out", "head", 8),
    ),
    calibration=(),
)
EMPTY = Weights(np.empty(0, np.float32), np.empty((0, 5), np.int64), {})


def made(network, seed=0):
    """A twin of random weights, and the same packed."""
    torch.manual_seed(seed)
    twin = TwinNetwork(network).eval()
    return twin, network.pack({name: one.numpy() for name, one in twin.state_dict().items()})


@pytest.mark.parametrize("edge", [8, 16])
def test_images_are_computed_as_in_pytorch(edge):
    twin, weights = made(SHALLOW)
    image = np.random.default_rng(1).normal(size=(3, edge, edge)).astype(np.float32)
    net = image_network(SHALLOW, weights, edge)
    work = np.full(net.size, np.nan, np.float32)
    clear_borders(net, work)
    pitch = edge + 2
    inputs = work[net.inputs :][: pitch * pitch * 8].reshape(pitch, pitch, 8)
    inputs[1:-1, 1:-1, :3] = image.transpose(1, 2, 0)
    run_on_image(net, work)
    found = work[net.head :][: pitch * pitch * 24].reshape(pitch, pitch, 24)[1:-1, 1:-1]
    gains = torch.tensor(SHALLOW.gains)[:, None, None]
    with torch.inference_mode():
        heads = twin.run((gains * torch.from_numpy(image))[None])
    expected = torch.cat(heads, dim=1)[0].numpy().transpose(1, 2, 0)
    assert expected.std() > 0.05, "the comparison is empty"
    assert found == pytest.approx(expected, abs=1e-5)


def test_lines_are_computed_as_in_pytorch():
    twin, weights = made(FLAT)
    line = np.random.default_rng(2).normal(size=(11, 20)).astype(np.float32)
    net = line_network(FLAT, weights, 20)
    work = np.full(net.size, np.nan, np.float32)
    inputs = work[net.taps :][: 20 * 16].reshape(20, 16)
    inputs[:], inputs[:, :11] = 0.0, line.T
    run_on_line(net, work)
    found = work[net.head :][: 20 * 8].reshape(20, 8)
    with torch.inference_mode():
        (head,) = twin.run(torch.from_numpy(line)[None])
    assert head.std() > 0.05, "the comparison is empty"
    assert found == pytest.approx(head[0].numpy().T, abs=1e-5)


def test_a_detached_head_has_no_gradient_in_the_layers_before_it():
    twin, _ = made(SHALLOW)
    _, detached = twin.run(torch.randn(1, 3, 8, 8))
    detached.square().sum().backward()
    reached = {name for name, one in twin.named_parameters() if one.grad is not None}
    assert reached == {"two.weight", "two.bias"}


@pytest.mark.parametrize("network", [PTYCHO, ADATOMS, SHALLOW])
@pytest.mark.parametrize("edge", [16, 32, 48, 64])
def test_buffers_do_not_overlap_and_convolutions_have_room(network, edge):
    """The output lends its place to the convolutions before it; nothing else is shared."""
    net = image_network(network, EMPTY, edge)
    widths = [layer.width for layer in network.layers if layer.kind in ("stem", "down")]
    head = sum(layer.width for layer in network.layers if layer.kind == "head")
    planes = [(side, pitch * pitch * width) for (side, pitch, *_), width in
              zip(net.levels.tolist(), widths, strict=True)]  # fmt: skip
    parts = [(net.head, (edge + 2) ** 2 * head)]
    parts.append((net.inputs, (edge + 2) ** 2 * network.padded_inputs))
    for (_, _, features, results), (_, size) in zip(net.levels, planes, strict=True):
        parts += [(features, size), (results, size)]
    level, needs = 0, []
    for layer in network.layers:
        level += {"down": 1, "up": -1}.get(layer.kind, 0)
        side = planes[level][0]
        if layer.kind == "residual":
            needs.append(9 * layer.width * side)
        elif layer.kind == "down":
            needs.append(side * side * 4 * widths[level - 1])
    lent = max(needs)
    if net.lent == net.head:
        assert parts[0][1] >= lent
    else:
        parts.append((int(net.lent), lent))
    parts.sort()
    for (start, size), (after, _) in itertools.pairwise(parts):
        assert start + size <= after
    assert sum(parts[-1]) <= net.size


def test_tables_name_every_tensor_once_and_count_their_parameters():
    for network in (PTYCHO, ADATOMS, LINES, SHALLOW, FLAT):
        assert len({layer.name for layer in network.layers}) == len(network.layers)
        assert {layer.kind for layer in network.layers} <= set(KINDS)
        twin = TwinNetwork(network)
        assert network.parameters == sum(one.numel() for one in twin.parameters())
