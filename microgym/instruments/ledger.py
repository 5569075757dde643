"""What an episode has cost so far, in physical units."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass
class Ledger:
    """The accounts of N instruments.

    Attributes:
        time_s: (N,) float64, simulated time, s: exposures, motion and dead time.
        dose: (N,) float64, incident photons.
        exposures: (N,) int64.
        path_m: (N,) float64, way of the stage, m.
    """

    time_s: NDArray[np.float64]
    dose: NDArray[np.float64]
    exposures: NDArray[np.int64]
    path_m: NDArray[np.float64]

    @classmethod
    def zeros(cls, num_envs: int) -> "Ledger":
        """Empty accounts of N instruments."""
        return cls(
            np.zeros(num_envs), np.zeros(num_envs), np.zeros(num_envs, np.int64), np.zeros(num_envs)
        )

    def clear(self, rows: NDArray[np.int64]) -> None:
        """Begin anew in the listed rows."""
        for account in vars(self).values():
            account[rows] = 0

    def copy(self) -> dict[str, NDArray[np.generic]]:
        """The accounts by name, fresh arrays."""
        return {name: account.copy() for name, account in vars(self).items()}
