"""Task of the force microscope: how to scan the next line of a frame."""

from typing import Annotated, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from microgym.envs.afm import observation, render
from microgym.envs.afm.config import (
    BEGINNER,
    GAIN_CHANGE,
    PROPORTIONAL,
    RATES_HZ,
    SETPOINT_CHANGE,
    SPEED_CHANGE,
    AFMConfig,
)
from microgym.envs.core.channels import Channels, Choices
from microgym.envs.core.declarations import Intervention, Latent, Metric, Term
from microgym.envs.core.task import Modes, Task
from microgym.instruments.afm.instrument import AFMInstrument
from microgym.metrics.images import unfinished_image_bel
from microgym.numerics.libm import exp, log
from microgym.numerics.linalg import ordered_sum
from microgym.reconstruction.topography.observation_model import TOPOGRAPHIES, ScanLine
from microgym.state import Float32, Float64, Int64, Shape

SCAN, ENGAGE, WITHDRAW, EXCHANGE = range(4)
EVENTS = ("scan the next line", "approach anew", "withdraw the tip", "mount a new tip")
"""Events, by their numbers."""
MOST_EXCHANGES = 3
"""Tips that are available; the last exchange ends the episode."""
SPOILING_NN = 175.0
"""Mean excess of a line's peak forces over 25 nN at which half of the line counts as spoilt, nN:
forces of 200 nN, which tapping on silicon reaches in usual imaging (Stark et al., PNAS 99, 8473,
2002). That they count as harm is a design choice."""
FLOOR = 1e-3
"""Squared error over the variance below which a line gets no better: 30 dB (design choice)."""
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
        distortion_nm: root mean square distance of the image's pixels from their places.
        peak_nn: largest force so far.
        snr_db, image_error_nm: signal-to-noise ratio and error of the image so far.
        quality: signal-to-noise ratio of the lines so far, bel, each times its share of the
            frame's variance.
        spoilt: part of it that large forces spoil.
        event: last event: `SCAN`, `ENGAGE`, `WITHDRAW` or `EXCHANGE`.
        changes: dials of the last action, as changes about a beginner's settings.
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
    distortion_nm: Annotated[Float64, Shape(unit="nm")]
    peak_nn: Annotated[Float64, Shape(unit="nN")]
    snr_db: Annotated[Float64, Shape(unit="dB")]
    image_error_nm: Annotated[Float64, Shape(unit="nm")]
    quality: Annotated[Float64, Shape(unit="bel")]
    spoilt: Annotated[Float64, Shape(unit="bel")]
    event: Annotated[Int64, Shape(high=len(EVENTS) - 1)]
    changes: Annotated[Float64, Shape(4)]
    dials: Annotated[Float64, Shape(4)]


def to_dials(changes: Float64, even_hz: Float64, imaging: str) -> Float64:
    """Settings in physical units.

    Args:
        changes: (k, 4) float64, changes about a beginner's settings.
        even_hz: (k,) float64, even pace, lines a second.
        imaging: "amplitude" or "contact".

    Returns:
        (k, 4) float64, see `microgym.instruments.afm.kernels.DIALS`.
    """
    (setpoint, gain), step = BEGINNER[imaging], SETPOINT_CHANGE[imaging]
    level, turn, proportional, speed = changes.T
    contact = imaging == "contact"
    settings = (
        setpoint * exp(level * log(step)) if contact else setpoint + step * level,
        gain * exp(turn * log(GAIN_CHANGE)),
        np.maximum(PROPORTIONAL * (1.0 + proportional), 0.0),
        np.clip(even_hz * exp(speed * log(SPEED_CHANGE)), *RATES_HZ),
    )
    return np.stack(settings, axis=1)


_LINE = {
    "signals": observation.SIGNALS,
    "numbers": observation.NUMBERS,
    "tip": observation.TIP,
    "restored": observation.RESTORED,
}
_SURFACE, _HIDDEN = "instrument.state.surface", "instrument.state.hidden"
_TAP, _PRESS = BEGINNER["amplitude"], BEGINNER["contact"]
DIALS = Channels(
    setpoint=f"{_TAP[0]:g} + {SETPOINT_CHANGE['amplitude']:g} a of the free amplitude; in contact "
    f"mode {_PRESS[0]:g} x {SETPOINT_CHANGE['contact']:g}^a nN",
    integral_gain=f"{_TAP[1]:g} x {GAIN_CHANGE:g}^a 1/s; in contact mode {_PRESS[1]:g} x "
    f"{GAIN_CHANGE:g}^a 1/s",
    proportional_gain=f"{PROPORTIONAL:g} (1 + a), and not below 0",
    speed=f"line rate over the even pace, {SPEED_CHANGE:g}^a",
)
"""Dials of the next line, as changes a about a beginner's settings."""


class AFMTask(Task):
    """N force microscopes that scan a frame each."""

    Config = AFMConfig
    config: AFMConfig
    State = AFMTaskState
    state: AFMTaskState
    SIZES = {"lines": "config.lines", "pixels": "instrument.settings.pixels"}
    OBSERVATION = Modes(
        signals=_LINE,
        image={**_LINE, "image": observation.IMAGE},
        features=observation.NUMBERS,
    )
    ACTION = Modes(
        dials=DIALS,
        console={"dials": DIALS, "event": Choices(len(EVENTS), "what is done", EVENTS)},
    )
    REWARD = {
        "quality": Term(
            1.0,
            "signal-to-noise ratio of the lines, bel, each 0 to 3 and times its share of the "
            "frame's variance",
            path="state.quality",
        ),
        "force": Term(
            1.0,
            "minus the part of it that large forces spoil: of a line, x / (x + 175 nN) of its mean "
            "excess x of the pixels' peak forces over 25 nN",
            "lower",
            path="state.spoilt",
        ),
        "exchange": Term(
            0.5, "minus the tips used up", "lower", path="instrument.state.tip.exchanges"
        ),
    }
    BUDGETS = {
        "ledger.exposures": "config.lines",
        "scan_s": "config.time_limit_s",
        "instrument.state.tip.exchanges": MOST_EXCHANGES,
    }
    COST = {"crash": "tips broken by a pressure over their strength", "tip_change": "tips used up"}
    METRICS = (
        Metric("snr_db", "image quality", "dB", "higher", report=False, gauge=20.0,
               text="{value:.1f} dB", path="state.snr_db"),
        Metric("image_error_nm", "error of the image", "nm", path="state.image_error_nm"),
        Metric("distortion_nm", "distortion of the image", "nm", path="state.distortion_nm"),
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
        "strength_gpa": Latent(
            "pressure of the contact above which the tip breaks", f"{_HIDDEN}.strength", "GPa"
        ),
        "tip_radius_nm": Latent("radius of the tip with the flat worn on it", "apex_nm", "nm"),
        "second_apex": Latent("whether the tip has a second apex"),
        "tips_used": Latent("tips used up", "instrument.state.tip.exchanges"),
        "drift_nm": Latent("drift (y, x, z)", "instrument.state.drift.drift", "nm"),
    }
    INTERVENTIONS = {
        "drift_velocity_nm_s": Intervention(
            "linear drift (y, x, z), nm/s", "instrument.state.drift.velocity", example=5.0
        ),
        "tip_radius_nm": Intervention(
            "radius of the tip, nm", "instrument.set_radius", low=2.0, high=120.0, example=40.0
        ),
        "strength_gpa": Intervention(
            "pressure of the contact above which the tip breaks, GPa", f"{_HIDDEN}.strength",
            above=0.0, example=10.0,
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
        """Declared observation or action, without the parts that other arguments bring."""
        declared = super()._chosen(what)
        absent = {"tip": self.config.action != "console", "restored": self.topography is None}
        if not isinstance(declared, dict):
            return declared
        return {name: part for name, part in declared.items() if not absent.get(name)}

    def begin(self, rows: Int64, keys: NDArray[np.uint32]) -> None:
        """Put new surfaces in, the tip engaged; nothing has been scanned."""
        config, state, instrument = self.config, self.state, self.instrument
        drawn = config.specimen, config.split, BEGINNER[config.imaging][0]
        self.share(
            lambda some: instrument.reset(some, keys[np.searchsorted(rows, some)], *drawn), rows
        )
        state.dials[rows] = to_dials(state.changes[rows], self._even_hz(rows), config.imaging)
        if self.topography is not None:
            self.topography.reset(rows)
        mean = ordered_sum(instrument.state.surface.variance[rows] / config.lines)
        state.relief_nm[rows] = np.sqrt(mean)
        state.image_error_nm[rows] = state.relief_nm[rows]

    def advance(self, rows: Int64, actions: Any) -> None:
        """Scan one line a row, or attend to the tip."""
        config, state, instrument = self.config, self.state, self.instrument
        event = np.full(rows.size, SCAN)
        if config.action == "console":
            actions, event = actions["dials"], np.asarray(actions["event"], np.int64)[rows]
        state.changes[rows], state.event[rows] = np.asarray(actions, np.float64)[rows], event
        state.dials[rows] = to_dials(state.changes[rows], self._even_hz(rows), config.imaging)
        tip, setpoint = instrument.state.tip, state.dials[:, 0].copy()
        crashes = tip.crashes[rows]
        self.share(self._scan, rows[event == SCAN])
        if self.config.action == "console":
            instrument.engage(rows[event == ENGAGE], setpoint)
            instrument.withdraw(rows[event == WITHDRAW])
            instrument.exchange(rows[event == EXCHANGE], setpoint)
        variance, done = instrument.state.surface.variance[rows], self.ledger.exposures[rows]
        quality = unfinished_image_bel(variance, state.errors[rows], done, FLOOR)
        state.snr_db[rows] = 10.0 * quality
        state.image_error_nm[rows] = state.relief_nm[rows] * exp(-_NEPERS * quality)
        self.costs[rows, 0] = tip.crashes[rows] - crashes
        self.costs[rows, 1] = event == EXCHANGE

    def _even_hz(self, rows: Int64) -> Float64:
        """Line rates at which the lines that are left use up the time that is left, (k,), Hz."""
        lines = self.config.lines - self.ledger.exposures[rows]
        seconds = self.config.time_limit_s - self.scan_s[rows]
        return np.maximum(lines, 1) / np.maximum(seconds, 1e-3)

    def _scan(self, rows: Int64) -> None:
        """Scan one line, and reduce it to what is observed, for a share of the rows."""
        state, held = self.state, self.instrument.state
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
        state.errors[rows, number] = line.error_nm[rows] ** 2
        # The signal-to-noise ratio on the tip's own path, of which the excess x of force spoils
        # x / (x + F); it counts by the variance of the line that was asked for.
        variance, excess = held.surface.variance[rows], line.excess_nn[rows]
        ratio = state.errors[rows, number] / (line.relief_nm[rows] ** 2 + 1e-12)
        bel = -log(np.clip(ratio, FLOOR, 1.0)) / 2.302585092994046
        share = variance[np.arange(rows.size), number] / (ordered_sum(variance) + 1e-12)
        earned = bel * share
        state.quality[rows] += earned
        state.spoilt[rows] += earned * excess / (excess + SPOILING_NN)
        state.peak_nn[rows] = np.maximum(state.peak_nn[rows], line.peak_nn[rows])
        # Mean square over the lines so far.
        squares = number * state.distortion_nm[rows] ** 2 + line.misplaced_nm[rows] ** 2
        state.distortion_nm[rows] = np.sqrt(squares / (number + 1))

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

    def observe(self) -> Any:
        """The last line and numbers; the image so far and the restored line where asked for."""
        state, numbers = self.state, self._numbers()
        if self.config.observation == "features":
            return numbers
        seen = {"signals": observation.SIGNALS.scaled(state.signals), "numbers": numbers}
        if self.config.action == "console":
            tip = self.instrument.state.tip
            seen["tip"] = observation.TIP.pack(
                engaged=self.instrument.state.engaged, exchanges=tip.exchanges / MOST_EXCHANGES
            )
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
        frame_hz = self.config.lines / self.config.time_limit_s
        return observation.NUMBERS.pack(
            **dict(zip(observation.NUMBERS, state.changes.T[:3], strict=False)),
            line_rate=log(np.maximum(state.dials[:, 3], 1e-3) / frame_hz),
            lines_left=lines,
            time_left=seconds,
            pace=log(np.maximum(seconds, 1e-3) / np.maximum(lines, 1e-3)),
            **{name: level(size) for name, size in zip(sizes._fields[:4], sizes, strict=False)},
            usual_steepness=level(sizes.total_steepness / np.maximum(done, 1)),
            saturated=held.line.saturated,
            worst_error=sizes.worst / self._free,
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
