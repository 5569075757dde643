"""Files of observation models: what is written into them, and where they and records come from.

Shared by the three that are trained: `microgym.baselines.observation_models.ptycho`, `.topography`
and `.adatoms`.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.numpy import save

from microgym.agents.training.atomic_io import write_atomically
from microgym.baselines.evaluation.records import provenance, to_json


@dataclass(frozen=True)
class BuildResult:
    """A network that was made.

    Attributes:
        path: its file.
        losses: mean loss of each hundred steps.
        validation: scores on validation specimens by name.
    """

    path: Path
    losses: list[float]
    validation: dict[str, float]


def begin(env_id: str, *, seed: int, groups: int, steps: int, validation: int) -> dict[str, Any]:
    """Check what a network is to be made from, and note what makes it.

    Before the work, which is done by the code that is there now; without the folder.

    Args:
        env_id: of the environment that will show what it says.
        seed: of everything random.
        groups: sets of conditions to learn from.
        steps: of training.
        validation: sets of conditions to calibrate on.

    Returns:
        "seed", "groups", "steps", and the `provenance` of the command that trains it.

    Raises:
        ValueError: a number out of range.
    """
    for name, value in (("groups", groups), ("steps", steps), ("validation", validation)):
        if value < 1:
            raise ValueError(f"{name} must be at least 1, got {value}")
    if seed < 0:
        raise ValueError(f"seed must be at least 0, got {seed}")
    words = (env_id, "--seed", seed, "--groups", groups, "--steps", steps)
    origin = provenance(["reconstructor", "train", *map(str, words)])
    return {"seed": seed, "groups": groups, "steps": steps, **origin}


def tensors_of(net: Any) -> dict[str, NDArray[np.float32]]:
    """Copies of the weights of a PyTorch module, by name."""
    return {name: one.detach().numpy().copy() for name, one in net.state_dict().items()}


def write_network(
    path: Path, kind: str, tensors: Mapping[str, NDArray[np.float32]], made: Mapping[str, Any]
) -> None:
    """Write a network, whole or not at all.

    Args:
        path: of the file.
        kind: what its metadata say under "format".
        tensors: by name.
        made: from `begin`.
    """
    write_atomically(path, save(dict(tensors), {"format": kind, "made": to_json(made)}))


def origin_of(path: Path) -> dict[str, Any]:
    """What the metadata of a network's file say, and a digest of its tensors.

    Args:
        path: of a safetensors file.

    Returns:
        "sha256" of the tensors in the order of their names, and what is said under "made".
    """
    digest = hashlib.sha256()
    with safe_open(path, "np") as content:
        made = json.loads((content.metadata() or {})["made"])
        for name in sorted(content.keys()):
            digest.update(content.get_tensor(name).tobytes())
    return {"sha256": digest.hexdigest(), **made}


def origin_rows(record: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What the record of a network came from, as rows of a table."""
    machine = record["machine"]
    packages = ", ".join(f"{name} {version}" for name, version in record["packages"].items())
    return [
        ("results on this page", ""),
        ("made by", f"`{record['command']}`"),
        ("of the network", f"with numbers of sha256 {record['network']['sha256'][:16]}"),
        ("date and commit", f"{record['date']}, {record['commit']}"),
        ("machine", f"{machine['processor']}, {machine['cores']} cores, {machine['system']}"),
        ("packages", f"Python {machine['python']}, {packages}"),
    ]
