"""Privileged training of the policy of PFM-v0: candidates are simulated on copies of the films."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from torch import Tensor

from microgym.agents.core.network import TARGET
from microgym.agents.core.privileged_observation import PrivilegedTeacher, random_symmetry
from microgym.agents.pfm.domain_model import coordinates
from microgym.agents.pfm.network import COUNT, MAPS, PLACES, PulseProposals
from microgym.agents.pfm.references import pulsed, written
from microgym.envs.pfm.config import PFMConfig
from microgym.state import Float32


class PulseTeacher(PrivilegedTeacher):
    """Targets are the cells that each candidate would write, in some of the environments.

    The setting `num_privileged_envs` is the number of the first environments in which candidates
    are simulated.
    """

    target_shape = (COUNT, 3)
    critic_size = 2
    final_learning_rate = 0.1
    adapter: PulseProposals

    def target(self, observation: Any, info: Mapping[str, Any]) -> Float32:
        """Cells that each candidate would write in the pattern and beside it, and 1 if simulated.

        Returns:
            (N, COUNT, 3), cells of the film; zeros where nothing was simulated.
        """
        rows = slice(0, self.settings["num_privileged_envs"])
        first = {name: array[rows] for name, array in info["latent"].items()}
        places = coordinates(self.adapter.state.places[rows]) + first["drift_cells"][:, None]
        volts = np.broadcast_to(self.adapter.volts, places.shape[:2])
        config = PFMConfig.parse(self.env_kwargs, "PFM-v0")
        after = written(pulsed(config, first, places, volts).state.p, first["target"])
        target = np.zeros((len(info["latent"]["p"]), COUNT, 3), np.float32)
        target[rows, :, :2] = after - written(first["p"], first["target"])
        target[rows, :, 2] = 1.0
        return target

    def target_mask(self, target: Tensor) -> Tensor:
        """The environments in which candidates were simulated."""
        return target[:, 0, 2] > 0.0

    def critic_features(self, observation: Any, info: Mapping[str, Any]) -> Float32:
        """Cells written in the pattern and beside it, over the size of the pattern, (N, 2)."""
        target = info["latent"]["target"]
        now = written(info["latent"]["p"], target)[:, 0]
        return (now / np.count_nonzero(target > 0, axis=(1, 2))[:, None]).astype(np.float32)

    def loss(self, net: Any, batch: Mapping[str, Tensor]) -> Tensor:
        """Mean squared error of the predicted cells, under a random symmetry of the square."""
        found = net.predict(batch[MAPS], batch[PLACES], random_symmetry())
        return ((found - batch[TARGET][..., :2]) / net.unit).square().mean()
