"""State and parameters of piezoresponse force microscopes, as kernels take them."""

from typing import Annotated, NamedTuple

import numpy as np

from microgym.instruments.ledger import Ledger
from microgym.physics.drift import DriftRates, DriftState
from microgym.physics.ferroelectric import LatticeConstants
from microgym.state import Float32, Float64, Int64, Shape, Uint8, Uint32

SIZE = 64
"""Cells along an edge of the film."""


class PFMState(NamedTuple):
    """State of N microscopes; positions are (y, x) in cells of the film, from 0 to `SIZE` - 1.

    Attributes:
        keys: (N, 2) uint32, keys of the episodes.
        p: (N, SIZE, SIZE) float32, polarisation.
        imprint, bond, barrier: (N, SIZE, SIZE) float32, the film, see
            `microgym.specimens.ferroelectrics`; the barrier is below 0 where it is destroyed.
        strength: (N,) float64, strength of the disorder.
        ticks: (N,) int64, lattice steps so far.
        rested_s: (N, SIZE, SIZE) float32, time since a field last drove each site, s.
        command, place: (N, 2) float64, commanded and true place of the last pulse, cells.
        wear: (N,) float64, relative growth of the tip's radius.
        bearable_v: (N,) float64, bias above which the film may break down, V.
        stress: (N,) float64, integral of the hazard of breakdown.
        endurance: (N,) float64, stress at which the film breaks down next.
        broken: (N,) uint8, 1 after a breakdown.
        offset: (N,) float64, electrostatic offset of the read-out.
        image: (N, SIZE, SIZE) float32, last image.
        images: (N,) int64, images so far.
        drift: drift of the tip over the film, lengths in cells, two axes.
        ledger: time, bias times time in V s as the dose, pulses as the exposures, path.
    """

    keys: Annotated[Uint32, Shape(2)]
    p: Annotated[Float32, Shape(SIZE, SIZE)]
    imprint: Annotated[Float32, Shape(SIZE, SIZE)]
    bond: Annotated[Float32, Shape(SIZE, SIZE)]
    barrier: Annotated[Float32, Shape(SIZE, SIZE)]
    strength: Annotated[Float64, Shape()]
    ticks: Annotated[Int64, Shape()]
    rested_s: Annotated[Float32, Shape(SIZE, SIZE, unit="s")]
    command: Annotated[Float64, Shape(2, unit="cells")]
    place: Annotated[Float64, Shape(2, unit="cells")]
    wear: Annotated[Float64, Shape()]
    bearable_v: Annotated[Float64, Shape(unit="V")]
    stress: Annotated[Float64, Shape()]
    endurance: Annotated[Float64, Shape()]
    broken: Annotated[Uint8, Shape()]
    offset: Annotated[Float64, Shape()]
    image: Annotated[Float32, Shape(SIZE, SIZE)]
    images: Annotated[Int64, Shape()]
    drift: DriftState
    ledger: Ledger


class PFMParameters(NamedTuple):
    """Numbers that do not change: of `PFMSettings` and its parts, by the same names.

    Attributes:
        lattice: constants of the lattice.
        beta: quartic coefficient of a site without disorder.
        loop_noise_v: standard deviation of a bias of reversal, V.
        rates: parameters of the drift, lengths in cells.
    """

    lattice: LatticeConstants
    beta: np.float32
    field_per_v: float
    tip_cells: float
    response_cells: float
    cell_m: float
    speed_cells_s: float
    dead_time_s: float
    image_s: float
    loop_v: float
    loop_s: float
    wear_per_landing: float
    wear_per_image: float
    wear_per_s: float
    bearable_v: float
    breakdowns_per_v_s: float
    noise: float
    loop_noise_v: float
    electrostatic: float
    rates: DriftRates
