"""What an operator makes of an image: which adatoms there are, and which are those to be moved."""

import numpy as np
from numpy.typing import NDArray

from microgym.instruments.stm.instrument import STMInstrument
from microgym.instruments.stm.state import PIXELS
from microgym.reconstruction.adatoms.observation_model import (
    ClassicalDetector,
    DetectorModel,
    NeuralDetector,
)
from microgym.reconstruction.adatoms.tracking import LEGS, associate_rows, association_work
from microgym.specimens.adatom_fields import ATOMS, FIELD_NM

Float64 = NDArray[np.float64]
Rows = NDArray[np.int64]

DETECTORS: dict[str, type[DetectorModel]] = {
    "classical": ClassicalDetector,
    "neural": NeuralDetector,
}
"""Detectors by the name of the observation model."""


class AdatomTracker:
    """N operators who see images only; arrays have the leading axis N.

    The adatoms to be moved are pointed out in the first image, within the error of the noise model.
    From then on they are those that are nearest to where they are believed to be, see
    `microgym.reconstruction.adatoms.tracking`; one that is missed stays where it was believed to
    be.

    Args:
        instrument: the microscopes.
        movers: adatoms to be moved.
        name: of the observation model, one of `DETECTORS`.

    Attributes:
        corners: (N, movers, LEGS + 1, 2) float64, where each was last seen, then the ends of its
            drags since, in the scanner's coordinates, nm.
        times: (N, movers, LEGS + 1) float64, when, s.
        legs: (N, movers) int64, drags since.
        missed: (N, movers) int64, images in a row in which it was not seen.
        seen: (N, movers, 4) float64, from the last image: place, probability and uncertainty along
            one axis, nm; probability 0 where it was missed.
        others: (N, ATOMS - movers, 2) float64, places of the other adatoms in the last image.
        shown: (N, ATOMS - movers) bool, whether there is such an adatom.
    """

    def __init__(self, instrument: STMInstrument, movers: int, name: str) -> None:
        count = instrument.num_envs
        self.instrument = instrument
        self.detector = DETECTORS[name](count, PIXELS, FIELD_NM)
        self.corners = np.zeros((count, movers, LEGS + 1, 2))
        self.times = np.zeros((count, movers, LEGS + 1))
        self.legs = np.zeros((count, movers), np.int64)
        self.missed = np.zeros((count, movers), np.int64)
        self.seen = np.zeros((count, movers, 4))
        self.others = np.zeros((count, ATOMS - movers, 2))
        self.shown = np.zeros((count, ATOMS - movers), np.bool_)

    def reset(self, rows: Rows) -> None:
        """Forget the episodes of the listed rows."""
        for array in vars(self).values():
            if isinstance(array, np.ndarray):
                array[rows] = 0

    def drag(self, rows: Rows, which: Rows, ends: Float64) -> None:
        """Remember drags that were made.

        Args:
            rows: (k,) int64.
            which: (N,) int64, number of the adatom that was dragged; read in the rows.
            ends: (N, 2) float64, where to, nm; read in the rows.
        """
        atom = which[rows]
        full = self.legs[rows, atom] == LEGS
        for row, k in zip(rows[full], atom[full], strict=True):
            self.corners[row, k, 1:LEGS] = self.corners[row, k, 2:]
            self.times[row, k, 1:LEGS] = self.times[row, k, 2:]
        self.legs[rows, atom] += ~full
        leg = self.legs[rows, atom]
        self.corners[rows, atom, leg] = ends[rows]
        self.times[rows, atom, leg] = self.instrument.state.ledger.time_s[rows]

    def look(self, rows: Rows, marked_s: Float64, first: bool) -> NDArray[np.bool_]:
        """Find adatoms in the image that was just taken; `corners` then begin where they are.

        Args:
            rows: (k,) int64.
            marked_s: (N,) float64, middle of the image before, s.
            first: it is the first image of the episodes.

        Returns:
            (k, movers) bool, whether each was found.
        """
        instrument, movers = self.instrument, self.legs.shape[1]
        middle = instrument.state.ledger.time_s[rows] - 0.5 * instrument.settings.image_s
        if first:
            self.corners[rows, :, 0] = instrument.state.seen[rows, :movers]
        else:
            # What drifted between the image before and a drag lies between their frames.
            passed = np.maximum(middle - marked_s[rows], 1.0)[:, None, None]
            part = np.maximum(self.times[rows] - marked_s[rows, None, None], 0.0) / passed
            part[:, :, 0] = 0.0
            self.corners[rows] -= part[..., None] * instrument.state.registered[rows, None, None]
        self.times[rows] = middle[:, None, None]
        instrument.draw(rows)
        adatoms = self.detector.estimate(rows, instrument.state.image)
        tracks = (self.corners, self.legs, self.missed)
        associate_rows(
            rows,
            adatoms.found,
            adatoms.counts,
            tracks,
            self.others,
            self.shown,
            self.seen,
            association_work(movers + self.shown.shape[1]),
        )
        found = self.missed[rows] == 0
        for k in range(movers):
            here = rows[found[:, k]]
            self.corners[here, k, 0] = self.seen[here, k, :2]
            self.legs[here, k] = 0
        return found

    def believed(self, rows: Rows) -> Float64:
        """Where the adatoms to be moved are believed to be, (k, movers, 2), nm."""
        at = np.arange(self.legs.shape[1])
        return self.corners[rows[:, None], at, self.legs[rows]]

    def state_arrays(self) -> dict[str, NDArray[np.generic]]:
        """Every array that changes."""
        return {
            f"sight_{name}": array
            for name, array in vars(self).items()
            if isinstance(array, np.ndarray)
        }
