"""State and parameters of the STM instrument, as its kernels take them.

Two frames of coordinates are used, both in nm from the centre of the field. Surface coordinates are
fixed to the specimen. Scanner coordinates are those of commands and images: scanner = surface +
drift - frame, where `frame` is the drift that the scan frame has been corrected for so far.
"""

from typing import Annotated, NamedTuple

from microgym.instruments.ledger import Ledger
from microgym.physics.adatoms import Bath
from microgym.physics.drift import DriftRates, DriftState
from microgym.physics.stm_tip import TipSpread, TipState
from microgym.specimens.adatom_fields import ATOMS, AdatomFields
from microgym.state import Float32, Float64, Int64, Shape, Uint32

BANDS = 8
"""Parts of an image within which drift is taken as linear."""
TRACE = 64
"""Samples of the recorded current of one drag."""
PIXELS = 64
"""Edge of an image, px."""
LOST, CRASHED, CHANGED = range(3)
"""Columns of the events of one action: adatoms lost at a step, crash, change of the tip."""


class STMState(NamedTuple):
    """State of N microscopes.

    Attributes:
        keys: (N, 2) uint32, keys of the episodes.
        field: adatoms, targets, step and contamination; surface coordinates, nm.
        drift: drift of the field under the tip along (x, y), nm.
        tip: hidden state and traits of the tips.
        ledger: time; charge in nC as the dose; images as the exposures; path of the tip.
        seen: (N, ATOMS, 2) float64, positions of the adatoms in the last image, scanner
            coordinates.
        registered: (N, 2) float64, drift measured by the last image since the one before, nm.
        bands: (N, BANDS + 1, 2) float64, true drift while the last image was taken, at the borders
            of its bands, in the present frame, nm.
        frame: (N, 2) float64, drift that the scan frame has been corrected for, nm.
        trace: (N, TRACE) float64, current of the last drag over its set value.
        actions: (N,) int64, actions so far.
        moves: (N,) int64, coarse moves so far.
        events: (N, 3) float64, events of the last action: LOST, CRASHED, CHANGED.
        image: (N, PIXELS, PIXELS) float32, last image as drawn by `STMInstrument.draw`; first index
            from low to high y.
    """

    keys: Annotated[Uint32, Shape(2)]
    field: AdatomFields
    drift: DriftState
    tip: TipState
    ledger: Ledger
    seen: Annotated[Float64, Shape(ATOMS, 2, unit="nm")]
    registered: Annotated[Float64, Shape(2, unit="nm")]
    bands: Annotated[Float64, Shape(BANDS + 1, 2, unit="nm")]
    frame: Annotated[Float64, Shape(2, unit="nm")]
    trace: Annotated[Float64, Shape(TRACE)]
    actions: Annotated[Int64, Shape()]
    moves: Annotated[Int64, Shape()]
    events: Annotated[Float64, Shape(3)]
    image: Annotated[Float32, Shape(PIXELS, PIXELS, unit="nm")]


class STMParameters(NamedTuple):
    """Numbers that do not change: of `STMSettings` and its parts, by the same names.

    Attributes:
        rates: parameters of the drift, lengths in nm.
        spread: variation between tips.
        bath: substrate and temperature of the adatoms.
        kappa: decay constant of the tunnelling current, 1/nm.
        wave_number: of the surface state, 1/nm.
    """

    rates: DriftRates
    spread: TipSpread
    bent: float
    bath: Bath
    kappa: float
    wave_number: float
    image_s: float
    drag_s: float
    condition_s: float
    speed_nm_s: float
    place_nm: float
    mark_nm: float
    vibration_nm: float
    amplifier_pa: float
    flicker_nm: float
    mains_nm: float
