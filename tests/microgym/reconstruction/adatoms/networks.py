"""Images with bumps, and a network of random weights: in PyTorch, and packed."""

import numpy as np
import torch

from microgym.baselines.observation_models.stm.train import AdatomUNet
from microgym.reconstruction.adatoms.observation_model import NETWORK
from microgym.reconstruction.adatoms.unet_kernels import CELL

EDGE, FIELD_NM = 64, 8.0
CALIBRATION = (0.3, 1.4, 0.8, 0.2)


def make_network(seed=0):
    """A network whose layers all matter, and that finds something in most places."""
    torch.manual_seed(seed)
    net = AdatomUNet()
    with torch.no_grad():
        for name, tensor in net.named_parameters():
            tensor.copy_(torch.randn_like(tensor) * (0.1 if "bias" in name else tensor.std() * 1.6))
        net.get_parameter("head.weight")[: CELL * CELL].mul_(2.0)
        bias = net.get_parameter("head.bias")
        bias[: CELL * CELL], bias[3 * CELL * CELL :] = -4.0, -2.0
    return net.eval()


def tensors_of(net, calibration=CALIBRATION):
    tensors = {name: tensor.detach().numpy().copy() for name, tensor in net.state_dict().items()}
    tensors["calibration"] = np.array(calibration, np.float32)
    return tensors


def make_weights(seed=0, calibration=CALIBRATION):
    return NETWORK.pack(tensors_of(make_network(seed), calibration))


def make_images(places, edge=EDGE, noise=0.003, seed=0, tilt=0.0):
    """Bumps of 0.1 nm at places (N, A, 2) nm on a noisy surface, (N, edge, edge) float32, nm."""
    rng = np.random.default_rng(seed)
    centres = ((np.arange(edge) + 0.5) / edge - 0.5) * FIELD_NM * edge / EDGE
    places = np.asarray(places, np.float64)
    square = (centres[:, None] - places[:, :, 1, None, None]) ** 2 + (
        centres - places[:, :, 0, None, None]
    ) ** 2
    heights = 0.1 * np.exp(-0.5 * square / 0.3**2).sum(axis=1)
    heights += tilt * centres[:, None] + noise * rng.normal(size=heights.shape)
    return heights.astype(np.float32)
