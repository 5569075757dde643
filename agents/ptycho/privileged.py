"""Privileged training of the grid policy of Ptycho-v0: the structure of the specimen as target."""

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray
from torch import Tensor, nn

from microgym.agents.core.network import TARGET
from microgym.agents.core.privileged_observation import PrivilegedTeacher, random_symmetry
from microgym.envs.ptycho.config import GRID


class StructureTeacher(PrivilegedTeacher):
    """Targets are the parts of the cells of the maps that are structure."""

    target_shape = (2 * GRID, 2 * GRID)

    def target(self, observation: Any, info: Mapping[str, Any]) -> NDArray[Any]:
        """(N, 2 * GRID, 2 * GRID) float32 between 0 and 1."""
        return info["latent"]["structure"]

    def loss(self, net: Any, batch: Mapping[str, Tensor]) -> Tensor:
        """Binary cross entropy of the segmentation, under a random symmetry of the square."""
        symmetry = random_symmetry()
        observation = {"maps": symmetry(batch["maps"]), "numbers": batch["numbers"]}
        logits, target = net(observation)[2], symmetry(batch[TARGET])
        return nn.functional.binary_cross_entropy_with_logits(logits, target)
