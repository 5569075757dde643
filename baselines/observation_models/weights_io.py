"""Files of trained networks: tensors in safetensors format, and the provenance of the training."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors.numpy import save

from microgym.agents.training.atomic_io import write_atomically
from microgym.baselines.evaluation.records import to_json
from microgym.reconstruction.nn.network import Network, Tensors, read_tensors


def write_network(
    folder: Path, network: Network, tensors: Tensors, made: Mapping[str, Any]
) -> Path:
    """Write tensors by name and the provenance of their training, whole or not at all."""
    metadata = {"format": network.format, "made": to_json(made)}
    return write_atomically(folder / network.file, save(dict(tensors), metadata))


def made_from(network: Network, path: Path) -> dict[str, Any]:
    """Provenance of a trained network, from the metadata of its file.

    Returns:
        "sha256" of the tensors in the order of their names, and the provenance of the training:
        "seed", "groups", "steps", "command" and so on.

    Raises:
        FileNotFoundError: no such file.
        ValueError: not such a file.
    """
    tensors, metadata = read_tensors(path, network.format)
    network.pack(tensors)
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(tensors[name].tobytes())
    return {"sha256": digest.hexdigest(), **json.loads(metadata["made"])}
