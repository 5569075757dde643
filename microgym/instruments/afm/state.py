"""State and parameters of force microscopes, as kernels take them."""

from typing import Annotated, NamedTuple

import numpy as np

from microgym.instruments.ledger import Ledger
from microgym.physics.afm_tip import TipShape
from microgym.physics.drift import DriftRates, DriftState
from microgym.physics.feedback import LoopState
from microgym.physics.piezo import HysteresisLoop, PiezoState
from microgym.physics.stochastic_events import EventState
from microgym.state import Bool, Float32, Float64, Int64, Shape, Uint32


class SurfaceState(NamedTuple):
    """Surfaces under N tips, and the lines of their frames as a new tip would show them.

    Attributes:
        height: heights on a square of `AFMSettings.side_px` pixels.
        modulus: reduced modulus.
        relief: height range.
        slope, steepest: mean and largest absolute slope of each line.
        variance: variance of each line.
    """

    height: Annotated[Float32, Shape("side", "side", unit="nm")]
    modulus: Annotated[Float32, Shape("side", "side", unit="GPa")]
    relief: Annotated[Float32, Shape(unit="nm", low=0.0, high=1e4)]
    slope: Annotated[Float64, Shape("lines", unit="nm/px")]
    steepest: Annotated[Float64, Shape("lines", unit="nm/px")]
    variance: Annotated[Float64, Shape("lines", unit="nm^2")]


class TipState(NamedTuple):
    """Tips of N microscopes; hidden from agents.

    Attributes:
        radius_nm, half_angle_deg, worn_nm, second_y_nm, second_x_nm, second_z_nm: numbers of
            `microgym.physics.afm_tip.Tip`.
        volume_nm3: volume worn off.
        crashes, changes, exchanges: breaks of the apex, contacts with debris and exchanges so far.
    """

    radius_nm: Annotated[Float64, Shape(unit="nm", low=0.0, high=1e3)]
    half_angle_deg: Annotated[Float64, Shape(unit="deg")]
    worn_nm: Annotated[Float64, Shape(unit="nm")]
    second_y_nm: Annotated[Float64, Shape(unit="nm")]
    second_x_nm: Annotated[Float64, Shape(unit="nm")]
    second_z_nm: Annotated[Float64, Shape(unit="nm", high=np.inf)]
    volume_nm3: Annotated[Float64, Shape(unit="nm^3")]
    crashes: Annotated[Int64, Shape()]
    changes: Annotated[Int64, Shape()]
    exchanges: Annotated[Int64, Shape()]


class HiddenState(NamedTuple):
    """Properties of N instruments, drawn for each episode and hidden from agents.

    Attributes:
        resonance_hz, damping: resonance of the z-scanner, and its damping ratio.
        gain_limit: integral gain above which the loop rings on stiff ground.
        strength: peak pressure of the contact above which the tip's apex breaks.
        wear: volume worn off per force and path.
    """

    resonance_hz: Annotated[Float64, Shape(unit="Hz")]
    damping: Annotated[Float64, Shape()]
    gain_limit: Annotated[Float64, Shape(unit="1/s")]
    strength: Annotated[Float64, Shape(unit="GPa")]
    wear: Annotated[Float64, Shape(unit="nm^3/(nN nm)")]


class LineState(NamedTuple):
    """Last lines of N microscopes: signals by place along the line, and summary values.

    Attributes:
        trace, retrace: commanded heights there and back.
        error, error_back: signal less setpoint, there and back.
        phase: mean cosine of the oscillation's phase, positive in repulsion.
        force: largest force of both directions; hidden from agents.
        truth: heights that a new tip would show on the path of the trace; hidden from agents.
        peak_nn, mean_nn: largest force, and mean load on the contact.
        excess_nn: mean excess of the pixels' peak forces over the soft limit.
        error_nm: standard deviation of trace less truth.
        relief_nm: standard deviation of truth.
        misplaced_nm: root mean square distance of pixels of the trace from their places.
        saturated: fraction of the line with the error signal at its bound.
        crashes: new breaks of the apex.
    """

    trace: Annotated[Float32, Shape("pixels", unit="nm")]
    retrace: Annotated[Float32, Shape("pixels", unit="nm")]
    error: Annotated[Float32, Shape("pixels", unit="nm")]
    error_back: Annotated[Float32, Shape("pixels", unit="nm")]
    phase: Annotated[Float32, Shape("pixels")]
    force: Annotated[Float32, Shape("pixels", unit="nN")]
    truth: Annotated[Float32, Shape("pixels", unit="nm")]
    peak_nn: Annotated[Float64, Shape(unit="nN")]
    mean_nn: Annotated[Float64, Shape(unit="nN")]
    excess_nn: Annotated[Float64, Shape(unit="nN")]
    error_nm: Annotated[Float64, Shape(unit="nm")]
    relief_nm: Annotated[Float64, Shape(unit="nm")]
    misplaced_nm: Annotated[Float64, Shape(unit="nm")]
    saturated: Annotated[Float64, Shape()]
    crashes: Annotated[Int64, Shape()]


class AFMState(NamedTuple):
    """N force microscopes.

    Attributes:
        keys: keys of the episodes.
        surface: surfaces.
        tip: tips.
        hidden: properties drawn for each episode.
        loop: feedback loops.
        engaged: whether the tip is at the surface.
        drift: drift of the specimen along (y, x, z), nm.
        correction: drift (y, x) that was corrected after an exchange of the tip.
        piezo: lateral scanners along (y, x).
        debris: next debris.
        line: last lines.
        ledger: time, nN s as dose, lines as exposures, path.
    """

    keys: Annotated[Uint32, Shape(2)]
    surface: SurfaceState
    tip: TipState
    hidden: HiddenState
    loop: LoopState
    engaged: Annotated[Bool, Shape()]
    drift: DriftState
    correction: Annotated[Float64, Shape(2, unit="nm")]
    piezo: PiezoState
    debris: EventState
    line: LineState
    ledger: Ledger


class Spread(NamedTuple):
    """Lognormal distribution: its median, and the standard deviation of the logarithm."""

    median: float
    sigma: float


class AFMParameters(NamedTuple):
    """Numbers and tables of the instrument that do not change.

    Those not listed are the numbers of `AFMSettings` and its parts that have the same name.

    Attributes:
        contact: whether the mode is contact mode.
        new_tip: shape of a new tip of the median radius.
        thermal_nm: standard deviation of the signal's thermal motion, nm.
        pixel_nm, pitch_px: edge of a pixel, nm, and distance of lines, px.
        resonance_hz, damping, strength, wear: distributions of `HiddenState`.
        tip_radius_nm: distribution of the radius of new tips, nm.
        rates: parameters of the drift, lengths in nm.
        landing_nm: standard deviation of the frame's place after an exchange of the tip, nm.
        creep: largest creep per decade of the lateral scanner.
        hysteresis: hysteresis of the lateral scanner.
    """

    contact: bool
    new_tip: TipShape
    stiffness_n_m: float
    quality: float
    free_amplitude_nm: float
    lag_s: float
    thermal_nm: float
    detector_nm: float
    slew_nm_s: float
    range_nm: float
    field_nm: float
    lines: int
    pixels: int
    pixel_nm: float
    pitch_px: float
    soft_limit_nn: float
    resonance_hz: Spread
    damping: Spread
    strength: Spread
    wear: Spread
    tip_radius_nm: Spread
    half_angle_deg: float
    debris_per_s: float
    landing_nm: float
    rates: DriftRates
    creep: float
    hysteresis: HysteresisLoop
    exchange_s: float
    engage_s: float
    withdraw_s: float


class LineWork(NamedTuple):
    """Work arrays for lines of W pixels, overscan included; their content means nothing.

    Attributes:
        most_half: half width of the largest window, px.
        window: float32, shape of a tip on pixels, nm.
        strip: float32, surface around the line, nm.
        path, ideal: float32, path of the apex and of a new tip's apex, nm.
        noise: (LANES NOISE,) float32, standard normal numbers.
        lanes, chunk: float32, see `microgym.physics.feedback_lanes`.
        places: (W,) float64, positions of the fast axis at the ends of the pixels, nm.
        borders: (LANES, W + 1) float64, borders of the pixels on the surface, px.
        ground: (LANES, W + 1) float64, path of the apex at the borders, nm.
        elastic: (LANES, W) float64, E sqrt(R) of each pixel, nN/nm^(3/2).
        signals: (LANES, SIGNALS, W) float64, see `microgym.physics.feedback_lanes.take_chunk`.
        across, line: (LANES,) float64, place of the slow axis, nm, and on the surface, px.
        pace, base: (LANES,) float64, pixels a tick, and height from which lanes count, nm.
        row, back: (LANES,) int64, row of the state, -1 for none, and 1 in a retrace.
        done, total: (LANES,) int64, ticks of the direction so far, and in all.
        first: (LANES,) int64, column of the surface at which the path begins.
    """

    most_half: int
    window: Float32
    strip: Float32
    path: Float32
    ideal: Float32
    noise: Float32
    lanes: Float32
    chunk: Float32
    places: Float64
    borders: Float64
    ground: Float64
    elastic: Float64
    signals: Float64
    across: Float64
    line: Float64
    pace: Float64
    base: Float64
    row: Int64
    back: Int64
    done: Int64
    total: Int64
    first: Int64
