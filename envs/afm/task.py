"""Task of the force microscope: how to scan the next line of a frame."""

from typing import Annotated, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from microgym.envs.afm import observation, render
from microgym.envs.afm.config import GAINS, PACES, PROPORTIONAL, RATES_HZ, SETPOINTS, AFMConfig
from microgym.envs.core.channels import Channels
from microgym.envs.core.declarations import Intervention, Latent, Metric, Term
from microgym.envs.core.task import Modes, Task
from microgym.instruments.afm.instrument import AFMInstrument
from microgym.metrics.images import unfinished_image_bel
from microgym.numerics.libm import exp, log
from microgym.numerics.linalg import ordered_sum
from microgym.reconstruction.topography.observation_model import TOPOGRAPHIES, ScanLine
from microgym.state import Float32, Float64, Int64, Shape

SCAN, ENGAGE, WITHDRAW, EXCHANGE = range(4)
EVENT_FROM = (0.5, 2.0 / 3.0, 5.0 / 6.0)
"""Values of the action's last component from which on it means another event than to scan."""
MOST_EXCHANGES = 3
"""Tips that are available; the last exchange ends the episode."""
EXCHANGE_UNIT_S = 120.0
"""Seconds of an exchange of the tip that the reward counts as one time budget: an exchange of ten
minutes as five frames (design choice; the frame's own clock stands still meanwhile)."""
LEAST_RELIEF_NM = 0.5
"""Relief below which a surface counts as flat, nm: errors are not divided by less."""
START = (0.2, 0.0, -1.0, 0.0)
"""Settings that are shown before the first line: setpoint 0.69, gain 2000 1/s, 3.2 lines a second
(design choice)."""
FLOOR = 1e-3
"""Squared relative error below which an image gets no better: 30 dB (design choice)."""
_NEPERS = 1.151292546497023  # half the natural logarithm of 10: a bel of power, in amplitude


class AFMTaskState(NamedTuple):
    """Arrays of the task, beside the instrument's.

    Attributes:
        image: scanned lines less their means.
        ideal: the same lines as a new tip would have shown them.
        restored: restored lines less their means; zero with reconstructor="raw".
        signals: the last line, reduced to cells.
        cells: the restored last line, reduced to cells.
        sizes: summary of the last line.
        errors: squared errors of the lines so far.
        relief_nm: root mean variance of the frame's lines.
        peak_nn: largest force so far.
        snr_db, image_error_nm: signal-to-noise ratio and error of the image so far.
        lost: sum over the lines of error over relief, each at most 1, over the lines of a frame.
        excess: sum over the lines of the excess force, over the soft limit and the lines.
        event: last event: `SCAN`, `ENGAGE`, `WITHDRAW` or `EXCHANGE`.
        shown: settings of the last action, in [-1, 1].
        dials: the same in physical units, see `microgym.instruments.afm.kernels.DIALS`.
    """

    image: Annotated[Float32, Shape("lines", "pixels", unit="nm")]
    ideal: Annotated[Float32, Shape("lines", "pixels", unit="nm")]
    restored: Annotated[Float32, Shape("lines", "pixels", unit="nm")]
    signals: Annotated[Float32, Shape(len(observation.SIGNALS), observation.CELLS)]
    cells: Annotated[Float32, Shape(len(observation.RESTORED), observation.CELLS)]
    sizes: observation.LineSizes
    errors: Annotated[Float64, Shape("lines", unit="nm^2")]
    relief_nm: Annotated[Float64, Shape(unit="nm")]
    peak_nn: Annotated[Float64, Shape(unit="nN")]
    snr_db: Annotated[Float64, Shape(unit="dB")]
    image_error_nm: Annotated[Float64, Shape(unit="nm")]
    lost: Annotated[Float64, Shape()]
    excess: Annotated[Float64, Shape()]
    event: Annotated[Int64, Shape()]
    shown: Annotated[Float64, Shape(4)]
    dials: Annotated[Float64, Shape(4)]


def _between(level: Float64, ends: tuple[float, float]) -> Float64:
    """Value at a position in [-1, 1] on a logarithmic scale between two ends."""
    low, high = ends
    return low * exp(0.5 * (level + 1.0) * log(high / low))


def to_dials(shown: Float64, imaging: str) -> Float64:
    """Settings in physical units.

    Args:
        shown: (k, 4) float64 in [-1, 1].
        imaging: "amplitude" or "contact".

    Returns:
        (k, 4) float64, see `microgym.instruments.afm.kernels.DIALS`.
    """
    low, high = SETPOINTS[imaging]
    level = shown[:, 0]
    linear = low + 0.5 * (level + 1.0) * (high - low)
    setpoint = _between(level, (low, high)) if imaging == "contact" else linear
    proportional = np.maximum(_between(shown[:, 2], PROPORTIONAL) - PROPORTIONAL[0], 0.0)
    gain, rate = _between(shown[:, 1], GAINS), _between(shown[:, 3], RATES_HZ)
    return np.stack([setpoint, gain, proportional, rate], axis=1)


_LINE = {"signals": observation.SIGNALS, "numbers": observation.NUMBERS}
_SETPOINT = (
    "setpoint: part of the free amplitude, linear from {:g} to {:g}; in contact mode logarithmic "
    "from {:g} to {:g} nN"
).format(*SETPOINTS["amplitude"], *SETPOINTS["contact"])
_SURFACE, _HIDDEN = "instrument.state.surface", "instrument.state.hidden"
_GAIN = "integral gain, logarithmic from {:g} to {:g} 1/s".format(*GAINS)


class AFMTask(Task):
    """N force microscopes that scan a frame each."""

    Config = AFMConfig
    config: AFMConfig
    State = AFMTaskState
    state: AFMTaskState
    SIZES = {"lines": "config.lines", "pixels": "instrument.settings.pixels"}
    OBSERVATION = Modes(
        signals={**_LINE, "restored": observation.RESTORED},
        image={**_LINE, "restored": observation.RESTORED, "image": observation.IMAGE},
        features=observation.NUMBERS,
    )
    ACTION = Modes(
        dials=Channels(
            setpoint=_SETPOINT,
            integral_gain=_GAIN,
            proportional_gain="proportional gain, logarithmic from 0 to 0.99",
            line_rate="line rate, logarithmic from {:g} to {:g} Hz".format(*RATES_HZ),
            event="below 0.5, scan the next line; from there on, in equal parts, approach anew, "
            "withdraw the tip, mount a new one",
        ),
        feedback=Channels(
            setpoint=_SETPOINT,
            integral_gain=_GAIN,
            speed="line rate over the even pace, logarithmic from {:g} to {:g}".format(*PACES),
        ),
    )
    REWARD = {
        "resolution": Term(
            1.0, "signal-to-noise ratio of the image, bel; missing lines are all error", scale=10.0,
            path="state.snr_db",
        ),
        "time": Term(
            0.1, "minus the time used, over the limit; that of exchanges over 120 s", "lower"
        ),
        "tracking": Term(
            1.0, "minus the mean error of the lines over the relief, each at most 1", "lower",
            path="state.lost",
        ),
        "force": Term(
            1.0, "minus the mean excess of the pixels' peak forces, over the soft limit", "lower",
            path="state.excess",
        ),
    }  # fmt: skip
    BUDGETS = {
        "ledger.exposures": "config.lines",
        "scan_s": "config.time_limit_s",
        "instrument.state.tip.exchanges": MOST_EXCHANGES,
    }
    COST = {"crash": "tips broken by a force over their threshold", "tip_change": "tips used up"}
    METRICS = (
        Metric("snr_db", "image quality", "dB", "higher", report=False, gauge=20.0,
               text="{value:.1f} dB", path="state.snr_db"),
        Metric("image_error_nm", "error of the image", "nm", path="state.image_error_nm"),
        Metric("error_nm", "error of the last line", "nm", report=False,
               path="instrument.state.line.error_nm"),
        Metric("peak_nn", "largest force", "nN", report=False, gauge=300.0, path="state.peak_nn"),
        Metric("crashes", "crashes", report=False, gauge=3.0, text="{value:.0f}"),
        Metric("crash", "crashes a frame", group="cost_terms"),
        Metric("tip_radius_nm", "tip radius at the end", "nm", gauge=60.0, path="apex_nm"),
        Metric("worn_nm3", "worn off the tip", "nm^3", path="instrument.state.tip.volume_nm3"),
        Metric("tip_change", "tips used up", group="cost_terms"),
        Metric("exposures", "lines scanned", "", "higher", "ledger", gauge="config.lines"),
        Metric("time_s", "time taken", "s", "", "ledger", gauge="time_given_s",
               text="{value:.1f} of {full:g} s"),
    )  # fmt: skip
    LATENT = {
        "slope": Latent("mean absolute slope of each line", f"{_SURFACE}.slope", "nm/px"),
        "variance": Latent("variance of each line", f"{_SURFACE}.variance", "nm^2"),
        "steepest": Latent("largest slope of each line", f"{_SURFACE}.steepest", "nm/px"),
        "gain_limit": Latent("gain above which the loop rings", f"{_HIDDEN}.gain_limit", "1/s"),
        "resonance_hz": Latent("resonance of the z-scanner", f"{_HIDDEN}.resonance_hz", "Hz"),
        "crash_nn": Latent("force above which the tip breaks", f"{_HIDDEN}.crash_nn", "nN"),
        "tip_radius_nm": Latent("radius of the tip with the flat worn on it", "apex_nm", "nm"),
        "second_apex": Latent("whether the tip has a second apex"),
        "drift_nm": Latent("drift (y, x, z)", "instrument.state.drift.drift", "nm"),
    }
    INTERVENTIONS = {
        "drift_velocity_nm_s": Intervention(
            "linear drift (y, x, z), nm/s", "instrument.state.drift.velocity", example=5.0
        ),
        "tip_radius_nm": Intervention(
            "radius of the tip, nm", "instrument.set_radius", low=2.0, high=120.0, example=40.0
        ),
        "crash_nn": Intervention(
            "force above which the tip breaks, nN", "instrument.state.hidden.crash_nn", above=0.0,
            example=30.0,
        ),
    }  # fmt: skip
    PANELS = (render.surface, render.image, render.line, render.tip)
    GAUGES = render.GAUGES

    def build(self) -> None:
        """Make the instrument and the observation model."""
        config = self.config
        self.instrument = AFMInstrument(self.num_envs, config.settings)
        model = TOPOGRAPHIES[config.reconstructor]
        self.topography = model and model(self.num_envs, config.raster)
        # In contact mode no amplitude bounds the errors that are shown: 25 nm is a design choice.
        self._free = self.instrument.parameters.free_amplitude_nm or 25.0

    def _chosen(self, what: str) -> Any:
        """Declared observation or action; without an observation model nothing is restored."""
        declared = super()._chosen(what)
        if isinstance(declared, dict) and self.topography is None:
            return {name: part for name, part in declared.items() if name != "restored"}
        return declared

    def begin(self, rows: Int64, keys: NDArray[np.uint32]) -> None:
        """Put new surfaces in, the tip engaged; nothing has been scanned."""
        config, state, instrument = self.config, self.state, self.instrument
        state.shown[rows] = START
        state.dials[rows] = to_dials(state.shown[rows], config.imaging)
        drawn = config.specimen, config.split, float(state.dials[rows[0], 0])
        self.share(
            lambda some: instrument.reset(some, keys[np.searchsorted(rows, some)], *drawn), rows
        )
        if self.topography is not None:
            self.topography.reset(rows)
        mean = ordered_sum(instrument.state.surface.variance[rows] / config.lines)
        state.relief_nm[rows] = np.maximum(np.sqrt(mean), LEAST_RELIEF_NM)
        state.image_error_nm[rows] = state.relief_nm[rows]

    def advance(self, rows: Int64, actions: Any) -> None:
        """Scan one line a row, or attend to the tip."""
        config, state, instrument = self.config, self.state, self.instrument
        given = np.asarray(actions, np.float64)[rows]
        if config.action == "dials":
            shown, event = given[:, :4], np.searchsorted(EVENT_FROM, given[:, 4], side="right")
        else:
            shown, event = np.insert(given, 2, -1.0, axis=1), np.full(rows.size, SCAN)
            shown[:, 3] = self._line_rate(rows, shown[:, 3])
        state.shown[rows], state.event[rows] = shown, event
        state.dials[rows] = to_dials(shown, config.imaging)
        tip, setpoint = instrument.state.tip, state.dials[:, 0].copy()
        crashes = tip.crashes[rows]
        self.share(self._scan, rows[event == SCAN])
        instrument.engage(rows[event == ENGAGE], setpoint)
        instrument.withdraw(rows[event == WITHDRAW])
        instrument.exchange(rows[event == EXCHANGE], setpoint)
        variance, done = instrument.state.surface.variance[rows], self.ledger.exposures[rows]
        quality = unfinished_image_bel(variance, state.errors[rows], done, FLOOR)
        state.snr_db[rows] = 10.0 * quality
        state.image_error_nm[rows] = state.relief_nm[rows] * exp(-_NEPERS * quality)
        self.costs[rows, 0] = tip.crashes[rows] - crashes
        self.costs[rows, 1] = event == EXCHANGE

    def _line_rate(self, rows: Int64, level: Float64) -> Float64:
        """Line rates on their scale, from positions on that of the speed over the even pace."""
        lines = self.config.lines - self.instrument.state.ledger.exposures[rows]
        seconds = self.config.time_limit_s - self.scan_s[rows]
        even = log(np.maximum(lines, 1.0) / np.maximum(seconds, 1e-3))
        rate = even + log(PACES[0]) + 0.5 * (level + 1.0) * log(PACES[1] / PACES[0])
        low, width = log(RATES_HZ[0]), log(RATES_HZ[1] / RATES_HZ[0])
        return np.clip(2.0 * (rate - low) / width - 1.0, -1.0, 1.0)

    def _scan(self, rows: Int64) -> None:
        """Scan one line, and reduce it to what is observed, for a share of the rows."""
        state, held, settings = self.state, self.instrument.state, self.instrument.settings
        number = held.ledger.exposures[rows]
        self.instrument.scan(rows, state.dials)
        line = held.line
        observation.reduce_lines(rows, line, self._free, state.signals, state.sizes)
        mean = state.sizes.mean[rows, None].astype(np.float32)
        state.image[rows, number] = line.trace[rows] - mean
        state.ideal[rows, number] = line.truth[rows]
        if self.topography is not None:
            scanned = ScanLine(tuple(line[:5]), state.dials, held.engaged)
            estimate = self.topography.estimate(rows, scanned)
            state.restored[rows, number] = estimate.heights[rows]
            observation.reduce_restored(rows, estimate, state.cells)
        error, lines = line.error_nm[rows], self.config.lines
        state.errors[rows, number] = error**2
        state.lost[rows] += np.minimum(error / state.relief_nm[rows], 1.0) / lines
        state.excess[rows] += line.excess_nn[rows] / (settings.soft_limit_nn * lines)
        state.peak_nn[rows] = np.maximum(state.peak_nn[rows], line.peak_nn[rows])

    @property
    def _exchange_s(self) -> Float64:
        """Time of the exchanges of the tip so far, (N,), s."""
        exchanges = self.instrument.state.tip.exchanges.astype(np.float64)
        return exchanges * self.instrument.settings.exchange_s

    @property
    def scan_s(self) -> Float64:
        """Time of the frames without exchanges of the tip, (N,), s."""
        return self.instrument.state.ledger.time_s - self._exchange_s

    @property
    def time_given_s(self) -> Float64:
        """Time of the frames, with the exchanges so far, (N,), s."""
        return self.config.time_limit_s + self._exchange_s

    @property
    def apex_nm(self) -> Float64:
        """Radius of the tips with the flat that is worn on them, (N,), nm."""
        tip = self.instrument.state.tip
        return tip.radius_nm + np.sqrt(2.0 * tip.radius_nm * tip.worn_nm)

    def potentials(self, rows: Int64) -> dict[str, Float64]:
        """Also parts of the time budget."""
        spent = self.scan_s / self.config.time_limit_s + self._exchange_s / EXCHANGE_UNIT_S
        return {**super().potentials(rows), "time": spent[rows]}

    def observe(self) -> Any:
        """The last line and numbers; the image so far and the restored line where asked for."""
        state, numbers = self.state, self._numbers()
        if self.config.observation == "features":
            return numbers
        seen = {"signals": observation.SIGNALS.scaled(state.signals), "numbers": numbers}
        if self.topography is not None:
            seen["restored"] = observation.RESTORED.scaled(state.cells)
        if self.config.observation == "image":
            image = state.image if self.topography is None else state.restored
            reduced = observation.reduce_images(image, self.ledger.exposures)
            seen["image"] = observation.IMAGE.scaled(reduced)
        return seen

    def _numbers(self) -> Float32:
        """The numbers of the observation."""
        state, held, level = self.state, self.instrument.state, observation.level_of
        done, sizes = held.ledger.exposures, state.sizes
        lines, seconds = self.left("ledger.exposures"), self.left("scan_s")
        return observation.NUMBERS.pack(
            **dict(zip(observation.NUMBERS, state.shown.T, strict=False)),
            lines_left=lines,
            time_left=seconds,
            pace=log(np.maximum(seconds, 1e-3) / np.maximum(lines, 1e-3)) / 2.0,
            **{name: level(size) for name, size in zip(sizes._fields[:4], sizes, strict=False)},
            usual_steepness=level(sizes.total_steepness / np.maximum(done, 1)),
            saturated=held.line.saturated,
            worst_error=sizes.worst / self._free,
            engaged=held.engaged,
            exchanges=held.tip.exchanges / MOST_EXCHANGES,
            event=state.event / EXCHANGE,
        )

    def metrics(self) -> dict[str, NDArray[Any]]:
        """Also crashes so far."""
        crashes = self.instrument.state.tip.crashes.astype(np.float64)
        return {**super().metrics(), "crashes": crashes}

    def latent(self) -> dict[str, NDArray[Any]]:
        """Also whether the tip has a second apex."""
        second = np.isfinite(self.instrument.state.tip.second_z_nm)
        return {**super().latent(), "second_apex": second}

    def headline(self, row: int) -> str:
        """Progress of the scan, and the last event."""
        done, lines = int(self.instrument.state.ledger.exposures[row]), self.config.lines
        if self.terminated[row]:
            return "image finished" if done >= lines else f"ended at line {done}"
        event = int(self.state.event[row])
        crashed = event == SCAN and self.instrument.state.line.crashes[row]
        news = "tip crashed" if crashed else ("", "approached", "withdrawn", "new tip")[event]
        return f"line {done} of {lines}  {news.upper()}"
