"""Resources that an episode has used so far, in physical units."""

from typing import Annotated, NamedTuple

import numpy as np
from numpy.typing import NDArray

from microgym.state import Float64, Int64, Shape


class Ledger(NamedTuple):
    """Accounts of N instruments.

    Attributes:
        time_s: (N,) float64, simulated time, s: exposures, motion and dead time.
        dose: (N,) float64, dose in the instrument's own unit, such as incident photons.
        exposures: (N,) int64, measurements taken.
        path_m: (N,) float64, path of the stage or tip, m.
    """

    time_s: Annotated[Float64, Shape(unit="s")]
    dose: Annotated[Float64, Shape()]
    exposures: Annotated[Int64, Shape()]
    path_m: Annotated[Float64, Shape(unit="m")]

    def copy(self) -> dict[str, NDArray[np.generic]]:
        """Copies of the accounts by name, as `info["ledger"]` holds them."""
        return {name: account.copy() for name, account in self._asdict().items()}
