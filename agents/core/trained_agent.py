"""Trained policies without their training: safetensors files, run with PyTorch alone."""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray
from safetensors.torch import save

from microgym.agents.core.agent import BaseAgent
from microgym.agents.core.network import Network, by_row
from microgym.agents.core.registry import declared
from microgym.atomic_io import replacing
from microgym.reconstruction.nn.network import read_tensors

POLICY_FILE = "policy.safetensors"
"""Name of the file in a policy's folder."""

_FORMAT = "microgym-policy-2"


def save_policy(
    path: str | os.PathLike[str], net: Network, env_id: str, seed: int, steps: int
) -> None:
    """Write a policy, whole or not at all.

    Args:
        path: of the file.
        net: its network.
        env_id, seed: of its training.
        steps: decisions it was trained on.
    """
    metadata = {
        "format": _FORMAT,
        "env": env_id,
        "network": net.kind,
        "shape": json.dumps(net.sizes()),
        "seed": str(seed),
        "steps": str(steps),
    }
    content = save({n: t.detach().contiguous() for n, t in net.state_dict().items()}, metadata)
    with replacing(Path(path)) as file:
        file.write(content)


def load_policy(path: str | os.PathLike[str], env_id: str) -> Network:
    """Read a policy.

    Args:
        path: of the file, or of the folder that holds `policy.safetensors`.
        env_id: the environment it must be made for.

    Returns:
        The network, ready to decide.

    Raises:
        FileNotFoundError: no such file.
        ValueError: not a policy, or one for another environment.
    """
    file = Path(path)
    file = file / POLICY_FILE if file.is_dir() else file
    tensors, metadata = read_tensors(file, _FORMAT, "policy")
    if metadata.get("env") != env_id:
        raise ValueError(f"{file} is a policy for {metadata.get('env')!r}, not for {env_id!r}")
    try:
        network_class: type[Network] = declared(env_id, "NETWORKS", metadata["network"])
        net = network_class(**json.loads(metadata["shape"]))
        net.load_state_dict({name: torch.from_numpy(array) for name, array in tensors.items()})
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise ValueError(f"{file} is damaged: {error}") from error
    return net.eval()


class PolicyAgent(BaseAgent):
    """The most probable action of a network, in the default environment.

    Args:
        net: the network.
        env_id: the environment.
        name: name of the agent.

    Attributes:
        net: as given.
    """

    def __init__(self, net: Network, env_id: str, name: str) -> None:
        self.name = name
        self.net, self._adapter = net, net.adapter(env_id)
        self.observation_shapes = self._adapter.observation_shapes

    def _reset(self, seeds: Sequence[int]) -> None:
        self._adapter.allocate(self.num_envs)

    def _act(
        self, observation: Mapping[str, NDArray[Any]], info: Mapping[str, Any]
    ) -> NDArray[Any]:
        self._adapter.idle = info.get("idle")
        seen = self._adapter.adapt_observation(observation)
        return self._adapter.adapt_action(by_row(self.net.decide, seen))
