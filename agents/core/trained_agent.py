"""A trained policy without its trainer: read from safetensors, run with PyTorch alone."""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from microgym.agents.core.mlp_network import MLPPolicyNet
from microgym.agents.core.network import Network
from microgym.agents.core.residual_network import ResidualPolicyNet
from microgym.agents.pfm.network import CandidatePolicyNet
from microgym.agents.ptycho.network import ScanPolicyNet
from microgym.agents.training.atomic_io import replacing

POLICY_FILE = "policy.safetensors"
"""Name of the file in a policy's folder."""

_NETWORKS: Mapping[str, type[Network]] = {
    one.kind: one for one in (ScanPolicyNet, MLPPolicyNet, ResidualPolicyNet, CandidatePolicyNet)
}

_FORMAT = "microgym-policy-2"


def save_policy(
    path: str | os.PathLike[str], net: Network, env_id: str, seed: int, steps: int
) -> None:
    """Write a policy, whole or not at all.

    Args:
        path: of the file.
        net: its network.
        env_id: where it was trained.
        seed: of its training.
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
    if not file.is_file():
        raise FileNotFoundError(f"there is no policy at {file}")
    try:
        with safe_open(file, "pt") as content:
            metadata = content.metadata() or {}
            tensors = {name: content.get_tensor(name) for name in list(content.keys())}
    except (SafetensorError, OSError) as error:
        raise ValueError(f"{file} is not a policy in safetensors format: {error}") from error
    if metadata.get("format") != _FORMAT:
        raise ValueError(f"{file} holds no policy of this package (format {_FORMAT!r})")
    if metadata.get("env") != env_id:
        raise ValueError(f"{file} is a policy for {metadata.get('env')!r}, not for {env_id!r}")
    try:
        net = _NETWORKS[metadata["network"]](**json.loads(metadata["shape"]))
        net.load_state_dict(tensors)
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise ValueError(f"{file} is damaged: {error}") from error
    return net.eval()


class PolicyAgent:
    """The most probable action of a network, in the default environment.

    Args:
        net: the network.
        env_id: the environment.
        name: what to call it.
    """

    needs_truth = False

    def __init__(self, net: Network, env_id: str, name: str) -> None:
        self.name = name
        self._net, self._interpreter = net, net.interpreter(env_id)

    def reset(self, num_envs: int, seeds: Sequence[int]) -> None:
        """Begin N episodes; nothing is drawn."""
        self._interpreter.reset(num_envs)

    def act(self, observation: Any, info: Mapping[str, Any]) -> NDArray[Any]:
        """Decide.

        A batch is judged one microscope at a time, so that a decision does not depend on the batch
        it is part of.

        Raises:
            ValueError: an observation of another shape than the policy was trained with.
        """
        del info
        seen = self._interpreter.see(observation)
        best: list[NDArray[Any]] = []
        with torch.inference_mode():
            for row in range(len(next(iter(seen.values())))):
                one = {name: torch.from_numpy(part[row : row + 1]) for name, part in seen.items()}
                best.append(self._net.decide(one)[0].numpy())
        return self._interpreter.answer(np.stack(best))


class PretrainedAgent(PolicyAgent):
    """A stored policy.

    Args:
        path: of the policy.
        env_id: the environment.
        name: what to call it.
    """

    def __init__(
        self, path: str | os.PathLike[str], env_id: str = "Ptycho-v0", name: str = "trained"
    ) -> None:
        super().__init__(load_policy(path, env_id), env_id, name)
