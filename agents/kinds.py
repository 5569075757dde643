"""Which network judges an environment, and what its choice means there."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from microgym.agents.domain_net import READS, DomainNet
from microgym.agents.networks import ScanNet
from microgym.envs.pfm.arguments import GRID as PULSE_GRID
from microgym.envs.pfm.arguments import GRID_LENGTH, GRID_VOLTS, HIGHEST_V
from microgym.envs.ptycho.arguments import GRID, GRID_DWELLS_S
from microgym.instruments.pfm import SIZE

Choices = NDArray[np.int64]
Actions = NDArray[np.float32]


@dataclass(frozen=True)
class Kind:
    """How an environment's agents are built.

    Attributes:
        network: class of the network.
        grid: cells along an edge of the grid that it chooses from.
        action: turns choices on the grid, (N,), into the default environment's actions.
    """

    network: type[ScanNet] | type[DomainNet]
    grid: int
    action: Callable[[Choices], Actions]


def _exposures(choice: Choices) -> Actions:
    """Cells and exposure times of Ptycho-v0."""
    cell, level = choice % (GRID * GRID), choice // (GRID * GRID)
    action = np.empty((choice.size, 3), np.float32)
    action[:, 0] = 2.0 * (cell // GRID + 0.5) / GRID - 1.0
    action[:, 1] = 2.0 * (cell % GRID + 0.5) / GRID - 1.0
    action[:, 2] = [math.log10(GRID_DWELLS_S[k]) for k in level]
    return action


def _pulses(choice: Choices) -> Actions:
    """Cells, biases and looks of PFM-v0."""
    area = PULSE_GRID * PULSE_GRID
    cell, level = choice % area, choice // area
    where = np.stack([cell // PULSE_GRID, cell % PULSE_GRID], axis=1)
    places = (where + 0.5) * (SIZE / PULSE_GRID) - 0.5
    action = np.empty((choice.size, 5), np.float32)
    action[:, :2] = 2.0 * places / (SIZE - 1) - 1.0
    action[:, 2] = np.asarray(GRID_VOLTS)[level // READS] / HIGHEST_V
    action[:, 3] = GRID_LENGTH
    action[:, 4] = np.where(level % READS == 1, 1.0, -1.0)
    return action


KINDS: Mapping[str, Kind] = {
    "Ptycho-v0": Kind(ScanNet, GRID, _exposures),
    "PFM-v0": Kind(DomainNet, PULSE_GRID, _pulses),
}
"""By environment."""


def kind_of(env_id: str) -> Kind:
    """How the agents of an environment are built.

    Args:
        env_id: such as "Ptycho-v0".

    Raises:
        ValueError: no agent is trained on it.
    """
    if env_id not in KINDS:
        raise ValueError(f"there is no network for {env_id!r}; there are some for {sorted(KINDS)}")
    return KINDS[env_id]
