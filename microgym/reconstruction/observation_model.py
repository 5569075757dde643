"""Abstract class of all observation models: estimates from measurements, for observations."""

from abc import ABC, abstractmethod
from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from microgym.state import clear

MeasurementT = TypeVar("MeasurementT")
EstimateT = TypeVar("EstimateT")
Rows = NDArray[np.int64]


class NoState(NamedTuple):
    """State of a model that remembers nothing."""


class ObservationModel(ABC, Generic[MeasurementT, EstimateT]):
    """Estimate of N specimens, with its uncertainty, from what was measured of them.

    A model gets measurements and known settings, never hidden quantities. All arrays have the
    leading axis N. The bits of a row depend neither on batch, nor on thread, nor on processor.

    Attributes:
        state: NamedTuple of all arrays that the model remembers, see `microgym.state`.
    """

    state: Any = NoState()

    def reset(self, rows: Rows) -> None:
        """Forget the measurements of the listed rows.

        Args:
            rows: (k,) int64.
        """
        clear(self.state, rows)

    @abstractmethod
    def estimate(self, rows: Rows, measurement: MeasurementT, /) -> EstimateT:
        """Estimate the listed rows from their newest measurement and those remembered.

        Args:
            rows: (k,) int64.
            measurement: arrays of all N rows, of which the listed ones are read.

        Returns:
            Arrays of all N rows, valid in the listed ones until the next call.
        """
