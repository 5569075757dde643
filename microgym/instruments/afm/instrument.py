"""A force microscope with its feedback loop, N at a time.

One exposure is one line, there and back, at one setting of the dials: the tip runs along the grey
dilation of the surface by its shape, the loop follows with its lag, its gains and its scanner's
resonance, and forces wear the tip, or break it. Time, nN s, lines and way are charged to a ledger.
"""

import threading

import numpy as np
from numpy.typing import NDArray

from microgym.instruments.afm import kernels, surface_kernels, tip_kernels
from microgym.instruments.afm.settings import MARGIN_PX, AFMSettings
from microgym.instruments.ledger import Ledger
from microgym.physics.afm_tip import REACH, Tip, window_of
from microgym.physics.cantilever import amplitude_table, deflection_table
from microgym.physics.drift import DriftState
from microgym.physics.feedback import MOST_TICKS
from microgym.physics.piezo import PiezoState
from microgym.physics.stochastic_events import EventState
from microgym.specimens.splits import specimen_key
from microgym.specimens.surfaces import fill_surfaces
from microgym.state import allocate, clear
from microgym.validation import integer

LANDING_NM = 15.0
"""Standard deviation of where a frame is found again after an exchange of the tip, along each axis,
nm: by features of the last image (design choice)."""
BOLTZMANN_300K = 4.14e-3
"""k T at 300 K, nN nm."""

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
Rows = NDArray[np.int64]


class AFMInstrument:
    """N force microscopes; every array has the leading axis N.

    Args:
        num_envs: N.
        settings: what the instrument is made of.

    Attributes:
        keys: (N, 2) uint32, keys of the episodes.
        height: (N, n, n) float32, the surface, nm.
        material: (N, n, n) float32, place of the modulus in the tables.
        relief: (N,) float32, height range of the surface, nm.
        tip: (N, 6) float64, see `microgym.physics.afm_tip.Tip`; volume: (N,) worn off, nm^3.
        hidden: (N, 4) float64, see `microgym.instruments.afm.kernels.HIDDEN`.
        loop: (N, 5) float64, state of the feedback loop; engaged: (N,) bool.
        crashes, changes, exchanges: (N,) int64, since the start.
        trace, retrace: (N, P) float32, heights of the last line as commanded, nm, by place.
        error, error_back: (N, P) float32, error signals, nm.
        phase: (N, P) float32, cosine of the oscillation's phase: positive in repulsion.
        force: (N, P) float32, largest force at each place, nN; hidden from operators.
        truth: (N, P) float32, what a new tip would have shown on the path of the trace, nm; hidden.
        tally: (N, 8) float64, see `microgym.instruments.afm.kernels.TALLY`.
        frame: (N, lines, 3) float64, mean slope (nm a pixel), variance (nm^2) and steepest slope
            of each line as a new tip would show it; hidden.
        ledger: time, nN s as dose, lines as exposures, path.
    """

    def __init__(self, num_envs: int, settings: AFMSettings) -> None:
        self.settings = settings
        self.num_envs = integer("num_envs", num_envs, 1, 1 << 16)
        count, side, pixels = self.num_envs, settings.side_px, settings.pixels
        contact = settings.mode == "contact"
        maker = deflection_table if contact else amplitude_table
        self.signals = maker(settings.cantilever)
        shape = self.signals.values.shape
        self.keys = np.zeros((count, 2), np.uint32)
        self.height = np.zeros((count, side, side), np.float32)
        self.material = np.zeros((count, side, side), np.float32)
        self.relief = np.zeros(count, np.float32)
        self.tip = np.tile(Tip(settings.tip.radius_nm).row(), (count, 1))
        self.volume = np.zeros(count)
        self.window = np.zeros((count, 2 * REACH + 1, 2 * REACH + 1), np.float32)
        self.table = np.zeros((count, *shape[1:]))
        self.fitted = np.zeros(count)
        self.hidden = np.ones((count, len(kernels.HIDDEN)))
        self.loop = np.zeros((count, 5))
        self.engaged = np.ones(count, np.bool_)
        self.correction = np.zeros((count, 2))
        self.crashes = np.zeros(count, np.int64)
        self.changes = np.zeros(count, np.int64)
        self.exchanges = np.zeros(count, np.int64)
        for name in ("trace", "retrace", "error", "error_back", "phase", "force", "truth"):
            setattr(self, name, np.zeros((count, pixels), np.float32))
        self.trace: Float32
        self.retrace: Float32
        self.error: Float32
        self.error_back: Float32
        self.phase: Float32
        self.force: Float32
        self.truth: Float32
        self.tally = np.zeros((count, len(kernels.TALLY)))
        self.frame = np.zeros((count, settings.lines, 3))
        self.drift = DriftState.zeros(count)
        self.piezo = PiezoState.zeros(count, 2)
        self.events = EventState.zeros(count)
        self.ledger = allocate(Ledger, count)
        new = Tip(settings.tip.radius_nm, settings.tip.half_angle_deg)
        self.fresh = window_of(new, settings.pixel_nm)
        self._tables = np.ascontiguousarray(self.signals.values)
        self._probe, self._constants = self._numbers()

    def _numbers(self) -> tuple[Float64, Float64]:
        """What kernels need to know of the settings."""
        chosen, cantilever = self.settings, self.settings.cantilever
        contact = chosen.mode == "contact"
        spring, free = cantilever.stiffness_n_m, self.signals.free
        probe = np.array(
            [
                self.signals.low_nm,
                self.signals.step_nm,
                spring,
                cantilever.quality,
                free,
                cantilever.lag_s,
                np.sqrt(BOLTZMANN_300K / spring) if chosen.loop.detector_nm > 0.0 else 0.0,
                chosen.loop.detector_nm,
                chosen.scanner.slew_nm_s,
                chosen.scanner.range_nm,
                -1e9 if contact else -free,
                float(contact),
            ]
        )
        constants = np.array(
            [
                chosen.drift.settling_time_s,
                chosen.drift.wander_nm,
                chosen.drift.wander_time_s,
                chosen.piezo.half_range_nm,
                chosen.piezo.hysteresis,
                chosen.pixel_nm,
                chosen.pixels / chosen.lines,
                chosen.soft_limit_nn,
                chosen.tip.debris_per_s,
                chosen.drift.cell_time_s,
            ]
        )
        return probe, constants

    def reset(
        self,
        rows: Rows,
        keys: NDArray[np.uint32],
        family: str,
        split: str,
        setpoint: float,
    ) -> None:
        """Put fresh surfaces under the listed microscopes.

        Args:
            rows: (k,) int64.
            keys: (k, 2) uint32, keys of the episodes.
            family: one of `microgym.specimens.splits.SURFACES`.
            split: one of `microgym.specimens.splits.SPLITS`.
            setpoint: at which the tip approaches, as in `DIALS`.
        """
        own = np.stack([specimen_key(key, split) for key in keys])
        side = self.settings.side_px
        height = np.empty((rows.size, side, side), np.float32)
        modulus = np.empty_like(height)
        fill_surfaces(family, own, height, modulus, self.settings.pixel_nm)
        self.mount(rows, keys, height, modulus, setpoint)

    def mount(
        self,
        rows: Rows,
        keys: NDArray[np.uint32],
        height_nm: Float32,
        modulus_gpa: Float32,
        setpoint: float,
    ) -> None:
        """Put given surfaces under the listed microscopes and start their clocks.

        Args:
            rows: (k,) int64.
            keys: (k, 2) uint32, keys of the episodes.
            height_nm: (k, n, n) float32, n = `settings.side_px`.
            modulus_gpa: (k, n, n) float32, reduced modulus.
            setpoint: at which the tip approaches, as in `DIALS`.
        """
        chosen, tip = self.settings, self.settings.tip
        self.keys[rows] = keys
        # Heights count from the lowest point, half the scanner's range below its middle.
        lowest = height_nm.min(axis=(1, 2), keepdims=True)
        self.height[rows] = height_nm - lowest + np.float32(0.25 * chosen.scanner.range_nm)
        self.relief[rows] = np.ptp(height_nm, axis=(1, 2))
        material = np.array(modulus_gpa, np.float32)
        tip_kernels.index_moduli(material)
        self.material[rows] = material
        for array in (
            *(self.crashes, self.changes, self.exchanges, self.correction, self.tally),
            *(self.trace, self.retrace, self.error, self.error_back),
            *(self.phase, self.force, self.truth, self.fitted),
        ):
            array[rows] = 0
        self.engaged[rows] = True
        clear(self.ledger, rows)
        spreads = np.array(
            [
                [chosen.scanner.resonance_hz, chosen.loop.resonance_spread],
                [chosen.scanner.damping, chosen.loop.damping_spread],
                [min(tip.crash_nn, 1e30), tip.crash_spread],
                [tip.wear_nm3_nn_nm, tip.wear_spread],
            ]
        )
        kernels.start_rows(
            rows,
            self.keys,
            spreads,
            tip.debris_per_s,
            chosen.piezo.creep,
            np.array([chosen.drift.drift_nm_s, chosen.drift.settling_nm]),
            self.hidden,
            self.piezo.coefficient,
            self.events.candidate,
            self.drift.arrays,
        )
        kernels.rest_rows(
            rows,
            -0.5 * chosen.field_nm - kernels.LEAD * chosen.pixel_nm,
            self.piezo.creep,
            self.piezo.play,
            self.piezo.command,
        )
        tip_kernels.mount_rows(
            rows,
            self.keys,
            self.exchanges,
            tip.radius_nm,
            tip.radius_spread,
            tip.half_angle_deg,
            self.tip,
            self.volume,
        )
        self._refit(rows)
        side = chosen.side_px
        work, out = np.empty((2 * REACH + 1) * side, np.float32), np.empty(side, np.float32)
        surface_kernels.survey_rows(
            rows,
            self.height,
            self.relief,
            self.fresh,
            MARGIN_PX,
            chosen.lines,
            chosen.pixels / chosen.lines,
            self.frame,
            work,
            out[: side - 2 * REACH],
        )
        self._settle(rows, np.full(self.num_envs, setpoint))

    def _refit(self, rows: Rows) -> None:
        tip_kernels.refit_rows(
            rows,
            self.settings.pixel_nm,
            self._tables,
            self.tip,
            self.window,
            self.table,
            self.fitted,
        )

    def signal_of(self, setpoint: Float64) -> Float64:
        """A setpoint as a signal, nm: an amplitude, or minus a deflection."""
        if self.settings.mode == "contact":
            return -setpoint / self.settings.cantilever.stiffness_n_m
        return setpoint * self.signals.free

    def _settle(self, rows: Rows, setpoint: Float64) -> None:
        """Find the surface at the place where the next line begins."""
        chosen = self.settings
        place = np.empty((self.num_envs, 2))
        drift = (self.drift.drift[:, :2] - self.correction) / chosen.pixel_nm
        pitch = chosen.pixels / chosen.lines
        place[:, 0] = MARGIN_PX - 0.5 + (self.ledger.exposures + 0.5) * pitch + drift[:, 0]
        place[:, 1] = MARGIN_PX - 0.5 - kernels.LEAD + drift[:, 1]
        side = chosen.side_px
        work, out = np.empty((2 * REACH + 1) * side, np.float32), np.empty(side, np.float32)
        surface_kernels.settle_rows(
            rows,
            self.signal_of(setpoint),
            self.height,
            self.relief,
            self.window,
            self.table,
            self.signals.low_nm,
            self.signals.step_nm,
            place,
            self.loop,
            work,
            out[: side - 2 * REACH],
        )

    def scan(self, rows: Rows, dials: Float64) -> None:
        """Scan the next line of the frame in each of the listed microscopes.

        Args:
            rows: (k,) int64.
            dials: (N, 4) float64, see `microgym.instruments.afm.kernels.DIALS`; read in the rows.
        """
        chosen, ledger = self.settings, self.ledger
        single, double = kernels.scan_work(chosen.side_px, chosen.pixels, MOST_TICKS)
        work32, work64 = _work(single, double)
        kernels.scan_rows(
            rows,
            dials,
            self.keys,
            (self.height, self.material, self.relief),
            (
                self.tip,
                self.volume,
                self.window,
                self.table,
                self.fitted,
                self.fresh,
                self._tables,
            ),
            self.hidden,
            self.drift.arrays,
            (
                self.piezo.coefficient,
                self.piezo.command,
                self.piezo.creep,
                self.piezo.play,
                self.correction,
            ),
            (self.loop, self.engaged),
            (self.events.candidate, self.crashes, self.changes),
            (
                self.trace,
                self.retrace,
                self.error,
                self.error_back,
                self.phase,
                self.force,
                self.truth,
            ),
            self.tally,
            (ledger.time_s, ledger.dose, ledger.exposures, ledger.path_m),
            self._probe,
            self._constants,
            (MARGIN_PX, chosen.pixels),
            work32,
            work64,
        )

    def engage(self, rows: Rows, setpoint: Float64) -> None:
        """Withdraw and approach again, so that the loop begins in balance.

        Args:
            rows: (k,) int64.
            setpoint: (N,) as in `DIALS`; read in the rows.
        """
        self._wait(rows, self.settings.engage_s)
        self._settle(rows, setpoint)
        self.engaged[rows] = True

    def withdraw(self, rows: Rows) -> None:
        """Lift the tip to the scanner's upper end; lines are empty until it is engaged again."""
        self._wait(rows, self.settings.withdraw_s)
        self.loop[rows] = 0.0
        top = self.settings.scanner.range_nm
        self.loop[rows, 0], self.loop[rows, 1], self.loop[rows, 4] = top, top, top
        self.loop[rows, 3] = self.signals.free
        self.engaged[rows] = False

    def exchange(self, rows: Rows, setpoint: Float64) -> None:
        """Mount a new tip, find the frame again, and approach.

        Args:
            rows: (k,) int64.
            setpoint: (N,) as in `DIALS`; read in the rows.
        """
        chosen, tip = self.settings, self.settings.tip
        new = [tip.radius_nm, tip.radius_spread, tip.half_angle_deg]
        again = LANDING_NM if chosen.drift.drift_nm_s > 0.0 else 0.0
        kernels.exchange_rows(
            rows,
            self.keys,
            np.array([*new, chosen.drift.settling_nm, again]),
            self.exchanges,
            self.volume,
            self.tip,
            self.correction,
            self.drift.arrays,
            self._constants,
            chosen.exchange_s,
        )
        self._refit(rows)
        self.ledger.time_s[rows] += chosen.exchange_s
        self._settle(rows, setpoint)
        self.engaged[rows] = True

    def set_radius(self, rows: Rows, radius_nm: Float64) -> None:
        """Give the tips of the listed rows another radius; what was worn off stays off.

        Args:
            rows: (k,) int64.
            radius_nm: (k,), nm.
        """
        self.tip[rows, 0] = radius_nm
        self.tip[rows, 2] = np.sqrt(self.volume[rows] / (np.pi * radius_nm))
        self._refit(rows)

    def _wait(self, rows: Rows, seconds: float) -> None:
        kernels.wait_rows(rows, self.keys, self.drift.arrays, self._constants, seconds)
        self.ledger.time_s[rows] += seconds

    def state_arrays(self) -> dict[str, NDArray[np.generic]]:
        """The live arrays that are the instrument's whole state, by name."""
        own = {
            name: array
            for name, array in vars(self).items()
            if isinstance(array, np.ndarray) and not name.startswith("_") and name != "fresh"
        }
        for part in ("drift", "piezo", "events"):
            own |= {
                f"{part}_{name}": array for name, array in getattr(self, part)._asdict().items()
            }
        return own | {f"ledger_{name}": array for name, array in self.ledger._asdict().items()}


_local = threading.local()


def _work(single: int, double: int) -> tuple[Float32, Float64]:
    """The calling thread's work arrays; their content means nothing."""
    buffers: tuple[Float32, Float64] | None = getattr(_local, "buffers", None)
    if buffers is None or buffers[0].size < single or buffers[1].size < double:
        buffers = (np.empty(single, np.float32), np.empty(double))
        _local.buffers = buffers
    return buffers[0][:single], buffers[1][:double]
