"""A network of random weights for the tests of restored lines: in PyTorch, and packed."""

import numpy as np
import torch

from microgym.baselines.observation_models.afm.train import TopographyNet
from microgym.reconstruction.nn.network import STATED, Weights
from microgym.reconstruction.topography.convnet_kernels import SIGNALS
from microgym.reconstruction.topography.observation_model import NETWORK


def make_network(seed=0):
    """A network whose layers all matter: weights larger than those it would start from."""
    torch.manual_seed(seed)
    net = TopographyNet()
    with torch.no_grad():
        for name, tensor in net.named_parameters():
            tensor.copy_(torch.randn_like(tensor) * (0.3 if "bias" in name else tensor.std() * 1.2))
        net.get_parameter("head.weight").mul_(3.0)
    return net.eval()


def tensors_of(net, trust=1.0):
    tensors = {name: tensor.detach().numpy().copy() for name, tensor in net.state_dict().items()}
    tensors["trust"] = np.array(trust, np.float32)
    tensors["radii"] = np.linspace(0.5, 2.0, len(STATED)).astype(np.float32)
    return tensors


def make_weights(seed=0, trust=1.0) -> Weights:
    return NETWORK.pack(tensors_of(make_network(seed), trust))


def make_line(seed, count, pixels=256):
    """Signals of one line of `count` scans, and their dials."""
    rng = np.random.default_rng(seed)
    trace = 600.0 + np.cumsum(rng.normal(size=(count, pixels)), axis=-1)
    signals = [trace, trace + rng.normal(size=trace.shape)]
    signals += [2.0 * rng.normal(size=trace.shape) for _ in range(2)]
    signals.append(rng.uniform(-1.0, 1.0, trace.shape))
    assert len(signals) == len(SIGNALS)
    dials = [rng.uniform(*ends, count) for ends in ((0.3, 0.95), (200, 2000), (0, 0.2), (2, 20))]
    return tuple(one.astype(np.float32) for one in signals), np.stack(dials, axis=1)
