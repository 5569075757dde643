"""State of N scanned-probe diffraction microscopes, simulated or replayed."""

from typing import Annotated, NamedTuple

from microgym.instruments.ledger import Ledger
from microgym.physics.drift import DriftState
from microgym.state import Float32, Float64, Int64, Shape, Uint32


class Measurement(NamedTuple):
    """Latest exposure of N microscopes, as detector, shutter and encoder report it.

    Attributes:
        counts: (N, n*n) float32, reading, zero frequency at element 0.
        known: (N, n*n) float32, 1 where the reading tells the intensity, else 0.
        photons: (N,) float64, incident photons.
        corner: (N, 2) int64, first row and column of the patch as commanded, px.
    """

    counts: Annotated[Float32, Shape("pixels", unit="photons")]
    known: Annotated[Float32, Shape("pixels")]
    photons: Annotated[Float64, Shape(unit="photons")]
    corner: Annotated[Int64, Shape(2, unit="px")]


class PtychographyState(NamedTuple):
    """N probes over specimens (`microgym.specimens.sample.Sample`), which they may share.

    Positions are (y, x) in pixels of the specimen array.

    Attributes:
        keys: (N, 2) uint32, keys of the episodes.
        drift: drift of the specimen under the beam, px.
        play: (N, 2) float64, position of the driven side of the backlash.
        command: (N, 2) float64, latest commanded position of the probe's centre.
        beam: (N, 2) float64, true position of the latest exposure; hidden from agents.
        measurement: the latest exposure.
        ledger: time, dose, exposures and path.
    """

    keys: Annotated[Uint32, Shape(2)]
    drift: DriftState
    play: Annotated[Float64, Shape(2, unit="px")]
    command: Annotated[Float64, Shape(2, unit="px")]
    beam: Annotated[Float64, Shape(2, unit="px")]
    measurement: Measurement
    ledger: Ledger
