"""Detection of adatoms in images, and tracking of some of them through drags of a tip."""

from typing import Annotated, NamedTuple

import numpy as np
from numpy.typing import NDArray

from microgym.reconstruction.adatoms.observation_model import (
    ClassicalDetector,
    DetectorModel,
    NeuralDetector,
)
from microgym.reconstruction.adatoms.tracking import LEGS, associate_rows, association_work
from microgym.state import Bool, Float32, Float64, Int64, Shape, allocate, clear

DETECTORS: dict[str, type[DetectorModel]] = {
    "classical": ClassicalDetector,
    "neural": NeuralDetector,
}
"""Detectors by the name of the observation model."""


class TrackState(NamedTuple):
    """Tracked adatoms, and the other adatoms of the last image, of N microscopes.

    Attributes:
        corners: (N, tracked, LEGS + 1, 2) float64, position in the last image, then the ends of
            the drags since.
        times: (N, tracked, LEGS + 1) float64, times of these.
        legs: (N, tracked) int64, drags since the last image.
        missed: (N, tracked) int64, images in a row in which the adatom was not found.
        seen: (N, tracked, 4) float64, from the last image: position, probability and uncertainty
            along one axis, nm; probability 0 where it was missed.
        others: (N, others, 2) float64, positions of the other adatoms in the last image.
        shown: (N, others) bool, whether there is such an adatom.
    """

    corners: Annotated[Float64, Shape("tracked", LEGS + 1, 2, unit="nm")]
    times: Annotated[Float64, Shape("tracked", LEGS + 1, unit="s")]
    legs: Annotated[Int64, Shape("tracked", high=LEGS)]
    missed: Annotated[Int64, Shape("tracked")]
    seen: Annotated[Float64, Shape("tracked", 4)]
    others: Annotated[Float64, Shape("others", 2, unit="nm")]
    shown: Annotated[Bool, Shape("others")]


class AdatomTracker:
    """Detector and tracks of N microscopes; positions are in nm from the centre of the image.

    The tracked adatoms are known at the start. From then on they are those nearest to the believed
    positions, see `microgym.reconstruction.adatoms.tracking`; the believed position of a missed one
    stays.

    Args:
        num_envs: N.
        tracked: number of tracked adatoms.
        atoms: largest number of adatoms in an image.
        name: of the observation model, one of `DETECTORS`.
        pixels: edge of an image, px.
        field_nm: the same, nm.

    Attributes:
        state: the tracks.
    """

    def __init__(
        self, num_envs: int, tracked: int, atoms: int, name: str, pixels: int, field_nm: float
    ) -> None:
        self._atoms = atoms
        self._detector = DETECTORS[name](num_envs, pixels, field_nm)
        self.state = allocate(TrackState, num_envs, tracked=tracked, others=atoms - tracked)

    def begin(self, rows: Int64, places: Float64) -> None:
        """Begin new tracks.

        Args:
            rows: (k,) int64.
            places: (k, tracked, 2) float64, nm.
        """
        clear(self.state, rows)
        self.state.corners[rows, :, 0] = places

    def drag(self, rows: Int64, which: Int64, ends: Float64, time_s: Float64) -> None:
        """Add drags to the tracks; of too many, the oldest are dropped.

        Args:
            rows: (k,) int64.
            which: (N,) int64, number of the adatom that was dragged; read in the rows.
            ends: (N, 2) float64, ends of the drags, nm; read in the rows.
            time_s: (N,) float64, present times; read in the rows.
        """
        state, atom = self.state, which[rows]
        full = state.legs[rows, atom] == LEGS
        for row, k in zip(rows[full], atom[full], strict=True):
            state.corners[row, k, 1:LEGS] = state.corners[row, k, 2:]
            state.times[row, k, 1:LEGS] = state.times[row, k, 2:]
        state.legs[rows, atom] += ~full
        leg = state.legs[rows, atom]
        state.corners[rows, atom, leg] = ends[rows]
        state.times[rows, atom, leg] = time_s[rows]

    def look(
        self, rows: Int64, image: Float32, middle_s: Float64, moved: Float64
    ) -> NDArray[np.bool_]:
        """Find adatoms in new images; the tracks then begin there.

        Args:
            rows: (k,) int64.
            image: (N, pixels, pixels) float32, nm; read in the rows.
            middle_s: (k,) float64, times of the middle of the images.
            moved: (k, 2) float64, correction of the scan frame since the image before, nm.

        Returns:
            (k, tracked) bool, whether each was found.
        """
        state = self.state
        # In the corrected frame, the end of a drag is less the drift from the image before to the
        # drag, estimated as its share of the correction: r - moved (t - t_0) / (t_1 - t_0).
        before = state.times[rows, :, :1]
        passed = np.maximum(middle_s[:, None, None] - before, 1.0)
        part = np.maximum(state.times[rows] - before, 0.0) / passed
        part[:, :, 0] = 0.0
        state.corners[rows] -= part[..., None] * moved[:, None, None]
        state.times[rows] = middle_s[:, None, None]
        adatoms = self._detector.estimate(rows, image)
        associate_rows(rows, adatoms, state, association_work(self._atoms))
        found = state.missed[rows] == 0
        for k in range(found.shape[1]):
            here = rows[found[:, k]]
            state.corners[here, k, 0] = state.seen[here, k, :2]
            state.legs[here, k] = 0
        return found

    def believed(self, rows: Int64) -> Float64:
        """Believed positions of the tracked adatoms, (k, tracked, 2), nm."""
        at = np.arange(self.state.legs.shape[1])
        return self.state.corners[rows[:, None], at, self.state.legs[rows]]
