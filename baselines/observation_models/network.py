"""PyTorch twins of the networks of the observation models, for training and tests."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from microgym.reconstruction.nn.network import Network, Tensors
from microgym.state import Float32

TwinT = TypeVar("TwinT", bound="TwinNetwork")


class TwinNetwork(nn.Module):
    """Layers of a `Network`'s table in PyTorch, under the names of their tensors."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network
        shapes = network.shapes
        for layer in network.layers:
            outputs, inputs, taps, *_ = shapes[f"{layer.name}.weight"]
            parent, _, name = layer.name.rpartition(".")
            if parent and parent not in dict(self.named_children()):
                self.add_module(parent, nn.ModuleDict())
            kind: Any = nn.Conv2d if network.dimensions == 2 else nn.Conv1d
            made = kind(
                inputs,
                outputs,
                taps,
                stride=2 if layer.kind == "down" else 1,
                padding=layer.dilation if layer.kind == "residual" else 0,
                dilation=layer.dilation,
            )
            self.get_submodule(parent).add_module(name, made)

    def run(self, x: Tensor) -> list[Tensor]:
        """Run all layers.

        Args:
            x: (B, inputs, ...) float32.

        Returns:
            (B, width, ...) of each head, in the order of the table.
        """
        finer: list[Tensor] = []
        heads: list[Tensor] = []
        for layer in self.network.layers:
            convolve = self.get_submodule(layer.name)
            if layer.kind == "stem":
                x = torch.relu(convolve(x))
            elif layer.kind == "down":
                finer.append(x)
                x = torch.relu(convolve(x))
            elif layer.kind == "residual":
                x = x + torch.relu(convolve(x))
            elif layer.kind == "up":
                x = finer.pop() + nn.functional.pixel_shuffle(convolve(x), 2)
            else:
                heads.append(convolve(x.detach() if layer.detached else x))
        return heads


def tensors_of(net: nn.Module) -> Tensors:
    """Copies of the weights of a module, by name."""
    return {name: one.detach().numpy().copy() for name, one in net.state_dict().items()}


def run_batches(net: nn.Module, batches: Iterable[Sequence[Float32]]) -> list[Tensor]:
    """Outputs of a network for several batches of its inputs, joined along the first axis."""
    with torch.inference_mode():
        found = [net(*map(torch.from_numpy, one)) for one in batches]
    return [torch.cat(parts) for parts in zip(*found, strict=True)]


def read_twin(kind: Callable[[], TwinT]) -> TwinT:
    """Shipped network in PyTorch, without its calibration, for inference."""
    net = kind()
    tensors = load_file(net.network.shipped_file)
    net.load_state_dict({name: tensors[name] for name in net.state_dict()})
    return net.eval()
