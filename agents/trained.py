"""A trained scanning policy without its trainer: read from safetensors, run with PyTorch alone."""

import json
import os
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from microgym.agents.files import replacing
from microgym.agents.kinds import kind_of
from microgym.agents.policy import Network

POLICY_FILE = "policy.safetensors"
"""Name of the file in a policy's folder."""

_FORMAT = "microgym-scan-policy-1"


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
        "shape": json.dumps(net.shape),
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
        net = kind_of(env_id).network(**json.loads(metadata["shape"]))
        net.load_state_dict(tensors)
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise ValueError(f"{file} is damaged: {error}") from error
    return net.eval()


def shipped_policy(env_id: str) -> Path:
    """Where the agent that comes with the package is.

    Args:
        env_id: such as "Ptycho-v0".

    Returns:
        Path of the file; it may not exist.
    """
    return Path(str(resources.files("microgym.agents") / "weights" / f"{env_id}.safetensors"))


class TrainedAgent:
    """The most probable choice of a trained network, as a continuous action.

    Args:
        path: of the policy.
        env_id: the environment.
        name: what to call it.
    """

    needs_truth = False

    def __init__(
        self, path: str | os.PathLike[str], env_id: str = "Ptycho-v0", name: str = "trained"
    ) -> None:
        self.name = name
        self._kind = kind_of(env_id)
        self._net = load_policy(path, env_id)

    def reset(self, num_envs: int, seeds: Sequence[int]) -> None:
        """Begin N episodes; nothing is drawn."""

    def act(self, observation: Any, info: Mapping[str, Any]) -> NDArray[np.float32]:
        """Judge all cells in one pass and take the best.

        A batch is judged one microscope at a time, so that a decision does not depend on the batch
        it is part of.
        """
        del info
        shape, edge = observation["maps"].shape, 2 * self._kind.grid
        if shape[2:] != (edge, edge):
            wanted = f"(N, maps, {edge}, {edge})"
            raise ValueError(f'maps of shape {shape} must be {wanted}: observation="compact"')
        best: list[int] = []
        with torch.inference_mode():
            for row in range(len(observation["maps"])):
                one = {key: torch.from_numpy(observation[key][row : row + 1]) for key in _KEYS}
                best.append(int(self._net(one)[0].argmax()))
        return self._kind.action(np.asarray(best))


_KEYS = ("maps", "numbers")
