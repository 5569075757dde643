"""Privileged training of the residual policy of STM-v0: the true places of drags as targets."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from microgym.agents.core.network import TARGET
from microgym.agents.core.privileged_observation import PrivilegedTeacher
from microgym.agents.core.residual_policy import ResidualController
from microgym.agents.stm.oracle import true_origins
from microgym.agents.stm.residual import RANGE
from microgym.envs.stm.observation import END_NM, START_NM
from microgym.state import Float32

_CURABLE_NM = 0.35
"""Largest offset of a drag that corrections can make up for."""

_SCALE_NM = torch.tensor([START_NM * RANGE[0]] * 2 + [END_NM * RANGE[2]] * 2)
"""Largest corrections of both ends of a drag."""


class STMTeacher(PrivilegedTeacher):
    """Targets are the offset of a drag by hidden drift and by the offset of the tip's apex.

    Both are the same for the beginning and the end of a drag: a target is the place of the true
    drag less that of the expert's, (x, y) nm, and 1 where corrections can make up for it.
    """

    target_shape = (3,)
    adapter: ResidualController

    def target(self, observation: Any, info: Mapping[str, Any]) -> Float32:
        """The true hollow of the first adatom, less the one that the expert assumes."""
        expert = self.adapter.expert
        seen = expert.read(observation)
        which, _ = expert.choose(seen)
        beside, _, _ = expert.hop(seen)
        origins = true_origins(info["latent"])[np.arange(which.size), which]
        missing = origins - expert.aim(beside, seen)
        curable = np.hypot(missing[:, 0], missing[:, 1]) < _CURABLE_NM
        return np.concatenate([missing, curable[:, None]], axis=1).astype(np.float32)

    def target_mask(self, target: Tensor) -> Tensor:
        """The drags that corrections can make up for."""
        return target[:, 2] > 0.0

    def loss(self, net: Any, batch: Mapping[str, Tensor]) -> Tensor:
        """Mean squared error of both ends of the drag, and a small penalty on all else."""
        found = net(batch)
        wanted = (batch[TARGET][:, :2].repeat(1, 2) / _SCALE_NM).clamp(-1.2, 1.2)
        loss = ((found[:, :4] - wanted) ** 2).mean()
        return loss + 0.1 * (found[:, 4:] ** 2).mean()
