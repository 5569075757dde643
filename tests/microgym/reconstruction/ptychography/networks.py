"""A network of random weights for the tests of the neural view: in PyTorch, and packed."""

import numpy as np
import torch

from microgym.baselines.observation_models.ptycho.train import PtychoUNet
from microgym.reconstruction.nn.network import STATED, Weights
from microgym.reconstruction.ptychography.neural import NETWORK


def make_network(seed=0):
    """A network whose layers all matter: weights larger than those it would start from."""
    torch.manual_seed(seed)
    net = PtychoUNet()
    with torch.no_grad():
        for name, tensor in net.named_parameters():
            tensor.copy_(torch.randn_like(tensor) * (0.1 if "bias" in name else tensor.std() * 1.2))
        net.get_parameter("image.weight").mul_(5.0)
        net.get_parameter("doubt.weight").mul_(5.0)
    return net.eval()


def tensors_of(net, trust=1.0):
    tensors = {name: tensor.detach().numpy().copy() for name, tensor in net.state_dict().items()}
    tensors["trust"] = np.array(trust, np.float32)
    tensors["radii"] = np.linspace(0.5, 2.0, len(STATED)).astype(np.float32)
    return tensors


def make_weights(seed=0, trust=1.0) -> Weights:
    return NETWORK.pack(tensors_of(make_network(seed), trust))


def make_scene(seed, count, side):
    """Estimates with their photons, some pixels dark: (re, im), fluence."""
    rng = np.random.default_rng(seed)
    re = 1.0 + 0.2 * rng.normal(size=(count, side, side))
    im = 0.2 * rng.normal(size=(count, side, side))
    fluence = 10.0 ** rng.uniform(-4.0, 3.0, (count, side, side))
    fluence[rng.random(fluence.shape) < 0.2] = 0.0
    return (re.astype(np.float32), im.astype(np.float32)), fluence.astype(np.float32)
