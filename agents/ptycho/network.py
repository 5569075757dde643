"""Grid policy of Ptycho-v0: a convolutional network that scores every next exposure."""

import math
from collections.abc import Mapping
from typing import Any, Self, cast

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from torch import Tensor, nn

from microgym.agents.core.config import agent_folder
from microgym.agents.core.grid_policy import GridPolicyNet
from microgym.agents.core.network import TARGET, PolicyAdapter
from microgym.agents.core.privileged_observation import PrivilegedTeacher, random_symmetry
from microgym.agents.core.trained_agent import load_policy
from microgym.envs.ptycho.config import GRID, GRID_DWELLS_S
from microgym.envs.ptycho.observation import MAPS, NUMBERS

ENV_ID = "Ptycho-v0"
BELIEF = agent_folder(ENV_ID) / "weights" / f"{ENV_ID}.belief.safetensors"
"""Weights of the policy `belief`, from which training starts."""
USUAL_LEVEL = 1
"""Level of exposure time that a fresh network prefers, 0.25 s (design choice)."""


class ScanPolicyNet(GridPolicyNet):
    """Grid policy over positions and exposure times; arguments as `GridPolicyNet`."""

    kind = "scan"
    privileged_features = 3 + len(MAPS)
    declared = MAPS
    # Diameter of the default probe, cells of the maps; as in `GreedyConfig`.
    footprint = 4.5

    def __init__(
        self,
        channels: int = len(MAPS),
        numbers: int = len(NUMBERS),
        levels: int = len(GRID_DWELLS_S),
        width: int = 24,
    ) -> None:
        super().__init__(channels, numbers, levels, width)
        with torch.no_grad():
            bias = cast("Tensor", self.free.bias)
            bias[torch.arange(levels) != USUAL_LEVEL] = -3.0

    @classmethod
    def from_spaces(
        cls, observation_space: spaces.Dict, action_space: spaces.Space[Any], **settings: Any
    ) -> Self:
        """A network to train; it believes in structure as `belief` does, if it is as wide."""
        net = super().from_spaces(observation_space, action_space, **settings)
        believed = load_policy(BELIEF, ENV_ID)
        if net.width == believed.width:
            for name in cls.auxiliary_layers:
                net.get_submodule(name).load_state_dict(believed.get_submodule(name).state_dict())
        return net

    def adapter(self, env_id: str) -> PolicyAdapter:
        """Cells of the grid as continuous actions."""
        maps = (self.channels, 2 * GRID, 2 * GRID)
        return ExposureGridAdapter({"maps": maps, "numbers": (self.numbers,)})


class ExposureGridAdapter(PolicyAdapter):
    """Observations as they are; cells and exposure times as (y, x, log10 of seconds)."""

    def adapt_action(self, choice: NDArray[Any]) -> NDArray[np.float32]:
        """Actions (..., 3) for choices (...), exposure times outermost."""
        level, cell = np.divmod(choice, GRID * GRID)
        places = 2.0 * (np.stack(np.divmod(cell, GRID), axis=-1) + 0.5) / GRID - 1.0
        seconds = np.array([math.log10(dwell_s) for dwell_s in GRID_DWELLS_S])[level]
        return np.concatenate([places, seconds[..., None]], axis=-1).astype(np.float32)


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
