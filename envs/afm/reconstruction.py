"""What is made of the scanned lines besides looking at them: heights as they may really be."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from microgym.envs.afm import observation
from microgym.reconstruction.topography.observation_model import (
    Raster,
    ScanLine,
    TopographyModel,
)

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
Rows = NDArray[np.int64]


class LineReconstruction:
    """Restored lines of N frames.

    Args:
        topography: what restores them.
        num_envs: N.
        raster: how frames are scanned.
        lines: of a frame.

    Attributes:
        image: (N, lines, P) float32, restored lines less their means, nm.
        cells: (N, 2, 64) float32, the newest line as it is shown, see
            `microgym.envs.afm.observation.RESTORED`.
    """

    def __init__(
        self, topography: type[TopographyModel], num_envs: int, raster: Raster, lines: int
    ) -> None:
        self._topography = topography(num_envs, raster)
        self.image = np.zeros((num_envs, lines, raster.pixels), np.float32)
        self.cells = np.zeros((num_envs, len(observation.RESTORED), observation.CELLS), np.float32)

    def reset(self, rows: Rows) -> None:
        """Forget the frames of the listed rows."""
        self._topography.reset(rows)
        self.image[rows], self.cells[rows] = 0.0, 0.0

    def add(
        self,
        rows: Rows,
        number: Rows,
        images: tuple[Float32, ...],
        dials: Float64,
        engaged: NDArray[np.bool_],
    ) -> None:
        """Restore the newest line of each listed row.

        Args:
            rows: (k,) int64.
            number: (k,) int64, which line of its frame it is.
            images: signals of the lines, see
            `microgym.reconstruction.topography.observation_model.ScanLine`.
            dials: (N, 4) float64.
            engaged: (N,) bool.
        """
        restored = self._topography.estimate(rows, ScanLine(images, dials, engaged))
        self.image[rows, number] = restored.heights[rows]
        observation.restored_rows(rows, restored.heights, restored.sigma, self.cells)

    def state_arrays(self) -> dict[str, NDArray[Any]]:
        """The live arrays that are the whole state, by name."""
        own = {"image": self.image, "cells": self.cells}
        return own | self._topography.state_arrays()
