"""State and parameters of force microscopes, as kernels take them."""

from typing import Annotated, NamedTuple

from microgym.instruments.ledger import Ledger
from microgym.physics.afm_tip import REACH
from microgym.physics.cantilever import MODULI_GPA, SignalTable
from microgym.physics.drift import DriftRates, DriftState
from microgym.physics.feedback import LoopState
from microgym.physics.piezo import HysteresisLoop, PiezoState
from microgym.physics.stochastic_events import EventState
from microgym.state import Bool, Float32, Float64, Int64, Shape, Uint32

_WINDOW = 2 * REACH + 1


class SurfaceState(NamedTuple):
    """Surfaces under N tips.

    Attributes:
        height: (N, n, n) float32, nm, n = `AFMSettings.side_px`.
        material: (N, n, n) float32, reduced modulus as a real index into
            `microgym.physics.cantilever.MODULI_GPA`.
        relief: (N,) float32, height range, nm.
        slope: (N, lines) float64, mean absolute slope of each line as a new tip would show it, nm a
            pixel.
        variance: (N, lines) float64, variance of the same lines, nm^2.
        steepest: (N, lines) float64, largest absolute slope of the same lines, nm a pixel.
    """

    height: Annotated[Float32, Shape("side", "side", unit="nm")]
    material: Annotated[Float32, Shape("side", "side")]
    relief: Annotated[Float32, Shape(unit="nm")]
    slope: Annotated[Float64, Shape("lines", unit="nm/px")]
    variance: Annotated[Float64, Shape("lines", unit="nm^2")]
    steepest: Annotated[Float64, Shape("lines", unit="nm/px")]


class TipState(NamedTuple):
    """Tips of N microscopes; hidden from agents.

    Attributes:
        radius_nm, half_angle_deg, worn_nm, second_y_nm, second_x_nm, second_z_nm: (N,) float64, see
            `microgym.physics.afm_tip.TipShape`.
        volume_nm3: (N,) float64, volume worn off, nm^3.
        window: (N, 2 REACH + 1, 2 REACH + 1) float32, shape on pixels, nm.
        table: (N, 2, moduli, gaps) float64, signal against the gap for this tip's radius, nm, see
            `microgym.physics.cantilever.SignalTable`.
        table_radius_nm: (N,) float64, radius that the table is made for, nm.
        crashes, changes, exchanges: (N,) int64, breaks of the apex, contacts with debris and
            exchanges of the tip so far.
    """

    radius_nm: Annotated[Float64, Shape(unit="nm")]
    half_angle_deg: Annotated[Float64, Shape(unit="deg")]
    worn_nm: Annotated[Float64, Shape(unit="nm")]
    second_y_nm: Annotated[Float64, Shape(unit="nm")]
    second_x_nm: Annotated[Float64, Shape(unit="nm")]
    second_z_nm: Annotated[Float64, Shape(unit="nm")]
    volume_nm3: Annotated[Float64, Shape(unit="nm^3")]
    window: Annotated[Float32, Shape(_WINDOW, _WINDOW, unit="nm")]
    table: Annotated[Float64, Shape(2, len(MODULI_GPA), "gaps", unit="nm")]
    table_radius_nm: Annotated[Float64, Shape(unit="nm")]
    crashes: Annotated[Int64, Shape()]
    changes: Annotated[Int64, Shape()]
    exchanges: Annotated[Int64, Shape()]


class HiddenState(NamedTuple):
    """Properties of N instruments, drawn for each episode and hidden from agents.

    Attributes:
        resonance_hz, damping: (N,) float64, resonance of the z-scanner, Hz, and its damping ratio.
        gain_limit: (N,) float64, integral gain above which the loop rings, 1/s.
        crash_nn: (N,) float64, force above which the tip's apex breaks, nN.
        wear: (N,) float64, volume worn off per force and path, nm^3/(nN nm).
    """

    resonance_hz: Annotated[Float64, Shape(unit="Hz")]
    damping: Annotated[Float64, Shape()]
    gain_limit: Annotated[Float64, Shape(unit="1/s")]
    crash_nn: Annotated[Float64, Shape(unit="nN")]
    wear: Annotated[Float64, Shape(unit="nm^3/(nN nm)")]


class LineState(NamedTuple):
    """Signals of the last line of N microscopes, by place along the line, and summary values.

    Attributes:
        trace, retrace: (N, P) float32, commanded heights there and back, nm.
        error, error_back: (N, P) float32, signal less setpoint, nm.
        phase: (N, P) float32, cosine of the oscillation's phase: positive in repulsion.
        force: (N, P) float32, largest force of both directions, nN; hidden from agents.
        truth: (N, P) float32, heights of a new tip on the path of the trace, nm; hidden.
        peak_nn: (N,) float64, largest force, nN.
        mean_nn: (N,) float64, mean repulsive force, nN.
        excess_nn: (N,) float64, mean excess of the pixels' peak forces over the soft limit, nN.
        error_nm: (N,) float64, standard deviation of trace less truth, nm.
        saturated: (N,) float64, fraction of the line with the error signal at its bound.
        crashes: (N,) int64, new breaks of the apex.
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
    saturated: Annotated[Float64, Shape()]
    crashes: Annotated[Int64, Shape()]


class AFMState(NamedTuple):
    """State of N force microscopes.

    Attributes:
        keys: (N, 2) uint32, keys of the episodes.
        surface: surfaces.
        tip: tips.
        hidden: properties drawn for each episode.
        loop: feedback loops.
        engaged: (N,) bool, whether the tip is at the surface.
        drift: drift of the specimen along (y, x, z), nm.
        correction: (N, 2) float64, drift (y, x) compensated after an exchange of the tip, nm.
        piezo: lateral scanners along (y, x).
        debris: next debris.
        line: the last line.
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
    """A number that is drawn for each episode from a lognormal distribution.

    Attributes:
        median: in the unit of the number.
        sigma: standard deviation of its logarithm.
    """

    median: float
    sigma: float


class AFMParameters(NamedTuple):
    """Numbers and tables of the instrument that do not change; see `AFMSettings`.

    Attributes:
        contact: whether the mode is contact mode.
        signals: signal against the gap, for all moduli and radii.
        new_window: (2 REACH + 1, 2 REACH + 1) float32, shape of a new tip on pixels, nm.
        stiffness_n_m, quality: spring constant, N/m, and quality factor of the cantilever.
        lag_s: time constant of the signal, s.
        thermal_nm: standard deviation of the signal's thermal motion, nm.
        detector_nm: noise of the detector in a bandwidth of `BANDWIDTH_HZ`, nm.
        slew_nm_s, range_nm: fastest command, nm/s, and largest height of the z-scanner, nm.
        lowest_signal_nm: lowest target of the signal, nm.
        field_nm, lines, pixels: edge of a frame, nm, its lines, and pixels of a line.
        pixel_nm, pitch_px: edge of a pixel, nm, and distance of lines, px.
        soft_limit_nn: force above which a specimen suffers, nN.
        resonance_hz, damping, crash_nn, wear: distributions of `HiddenState`.
        tip_radius_nm: distribution of the radius of new tips, nm.
        half_angle_deg: half of the cone's opening angle, degrees.
        debris_per_s: rate of debris at small forces, 1/s.
        drift_nm_s, settling_nm: mean speed of linear drift, nm/s, and mean settling, nm.
        landing_nm: standard deviation of the frame's place after an exchange of the tip, nm.
        rates: rates of the drift.
        creep: largest creep per decade of the lateral scanner.
        piezo: hysteresis of the lateral scanner.
        exchange_s, engage_s, withdraw_s: durations of an exchange of the tip, of an approach and of
            a withdrawal, s.
    """

    contact: bool
    signals: SignalTable
    new_window: Float32
    stiffness_n_m: float
    quality: float
    lag_s: float
    thermal_nm: float
    detector_nm: float
    slew_nm_s: float
    range_nm: float
    lowest_signal_nm: float
    field_nm: float
    lines: int
    pixels: int
    pixel_nm: float
    pitch_px: float
    soft_limit_nn: float
    resonance_hz: Spread
    damping: Spread
    crash_nn: Spread
    wear: Spread
    tip_radius_nm: Spread
    half_angle_deg: float
    debris_per_s: float
    drift_nm_s: float
    settling_nm: float
    landing_nm: float
    rates: DriftRates
    creep: float
    piezo: HysteresisLoop
    exchange_s: float
    engage_s: float
    withdraw_s: float


class LineWork(NamedTuple):
    """Work arrays for one line; their content means nothing between calls.

    W is `pixels` and overscan, n the edge of the surface.

    Attributes:
        strip: ((2 REACH + 1) n,) float32, surface around a line, nm.
        path: (n - 2 REACH,) float32, path of the tip's apex, nm.
        ideal: (n - 2 REACH,) float32, path of a new tip's apex, nm.
        noise: (2 W MOST_TICKS,) float32, thermal and detector noise of each tick.
        places: (W,) float64, positions of the fast axis at the ends of the pixels, nm.
        borders: (W + 1,) float64, borders of the pixels on the surface, px.
        ground: (W + 1,) float64, path of the apex at the borders, nm.
        material: (W,) float64, index of the modulus under each pixel.
        signals: (5, W) float64, see `microgym.physics.feedback.scan_line`.
    """

    strip: Float32
    path: Float32
    ideal: Float32
    noise: Float32
    places: Float64
    borders: Float64
    ground: Float64
    material: Float64
    signals: Float64
