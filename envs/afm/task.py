"""The decision: how to scan the next line."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from microgym.envs.afm import observation
from microgym.envs.afm.config import (
    EVENT_FROM,
    EXCHANGE_UNIT_S,
    GAINS,
    LEAST_RELIEF_NM,
    MOST_EXCHANGES,
    PACES,
    PROPORTIONAL,
    RATES_HZ,
    SETPOINTS,
    TERMS,
    AFMConfig,
)
from microgym.envs.afm.reconstruction import LineReconstruction
from microgym.envs.afm.render import draw
from microgym.envs.afm.spaces import action_space, observation_space
from microgym.envs.core import interventions
from microgym.envs.core.interventions import BoxIntervention
from microgym.envs.core.metrics import Metric
from microgym.envs.core.old_rewards import combine, force, resolution, time, tracking
from microgym.envs.core.old_task import Task
from microgym.instruments.afm.instrument import AFMInstrument
from microgym.numerics.libm import exp
from microgym.numerics.threads import parallel_rows
from microgym.reconstruction.topography.observation_model import TOPOGRAPHIES
from microgym.state import arrays

Rows = NDArray[np.int64]
Float64 = NDArray[np.float64]

SCAN, ENGAGE, WITHDRAW, EXCHANGE = range(4)
START = (0.2, 0.0, -1.0, 0.0)
"""Settings that are shown before the first line: setpoint 0.69, gain 2000 1/s, 3.2 lines a second
(design choice)."""
FLOOR = 1e-3
"""Squared relative error below which an image gets no better: 30 dB (design choice)."""
OUTCOMES = (
    Metric("image_error_nm", "error of the image", "nm"),
    Metric("crash", "crashes a frame", group="cost_terms"),
    Metric("tip_radius_nm", "tip radius at the end", "nm"),
    Metric("worn_nm3", "worn off the tip", "nm^3"),
    Metric("tip_change", "tips used up", group="cost_terms"),
    Metric("exposures", "lines scanned", "", "higher", group="ledger"),
    Metric("time_s", "time taken", "s", "", group="ledger"),
)
"""Beside the score: what the image is like, and what it did to the tip."""
_NEPERS = 1.151292546497023  # half the natural logarithm of 10: a bel of power, in amplitude
_SETTABLE = {
    "drift_velocity_nm_s": BoxIntervention(shape=(3,)),
    "tip_radius_nm": BoxIntervention(low=2.0, high=120.0),
    "crash_nn": BoxIntervention(above=0.0),
}


class AFMTask(Task):
    """N force microscopes; see `microgym.envs.afm.AFMEnv` for the task itself.

    Args:
        num_envs: N.
        **arguments: see `AFMConfig`.
    """

    outcomes = OUTCOMES

    def __init__(self, num_envs: int, **arguments: Any) -> None:
        self.arguments = AFMConfig.parse(arguments)
        chosen = self.arguments
        super().__init__(
            num_envs,
            observation_space=observation_space(chosen.observation, chosen.reconstructor != "raw"),
            action_space=action_space(chosen.action),
            reward_terms=TERMS,
            reward_mode=chosen.reward_mode,
            reward_weights=chosen.weights.vector(TERMS),
            threads=chosen.threads,
        )
        self.instrument = AFMInstrument(num_envs, chosen.settings())
        settings = self.instrument.settings
        restorer = TOPOGRAPHIES[chosen.reconstructor]
        self.restoration = restorer and LineReconstruction(
            restorer, num_envs, chosen.raster, chosen.lines
        )
        self.limit_s = chosen.time_limit_s
        self._weights = chosen.weights
        self._free = self.instrument.parameters.signals.free or 25.0
        self.image = np.zeros((num_envs, chosen.lines, settings.pixels), np.float32)
        self.ideal = np.zeros_like(self.image)
        self.errors = np.zeros((num_envs, chosen.lines))
        self.relief = np.ones(num_envs)
        self.peak = np.zeros(num_envs)
        self.merit = np.zeros(num_envs)
        self.dues = np.zeros((num_envs, 2))
        self.returns = np.zeros(num_envs)
        self.event = np.zeros(num_envs, np.int64)
        self.settings_shown = np.zeros((num_envs, 4))
        self._dials = np.ones((num_envs, 4))
        self._signals = np.zeros(
            (num_envs, len(observation.SIGNALS), observation.CELLS), np.float32
        )
        self._sizes = np.zeros((num_envs, 7))
        self._steepness = np.zeros(num_envs)
        self._means = np.zeros(num_envs)
        self._terms = np.zeros((num_envs, len(TERMS)))
        self._costs = np.zeros((num_envs, 2))
        self._maps = np.zeros((num_envs, observation.CELLS, observation.CELLS), np.float32)

    def reset(self, rows: Rows, keys: NDArray[np.uint32], options: dict[str, Any]) -> None:
        """Put new surfaces in; the tip is engaged and nothing has been scanned."""
        chosen, instrument = self.arguments, self.instrument
        start = np.broadcast_to(np.asarray(START), (self.num_envs, 4))
        dials = np.empty((self.num_envs, 4))
        self._decode(np.asarray(start, np.float64), dials)
        parallel_rows(
            lambda low, high: instrument.reset(
                rows[low:high], keys[low:high], chosen.specimen, chosen.split, float(dials[0, 0])
            ),
            rows.size,
            self.threads,
        )
        for array in (
            *(self.image, self.ideal, self.errors, self.peak, self.merit, self.dues),
            self.returns,
            *(self.event, self._signals, self._sizes, self._means, self._terms, self._costs),
            *(self._maps, self._steepness),
        ):
            array[rows] = 0
        if self.restoration is not None:
            self.restoration.reset(rows)
        self.settings_shown[rows] = START
        self._dials[rows] = dials[rows]
        variance = instrument.state.surface.variance[rows]
        mean = np.zeros(rows.size)
        for j in range(chosen.lines):
            mean += variance[:, j] / chosen.lines
        self.relief[rows] = np.maximum(np.sqrt(mean), LEAST_RELIEF_NM)
        self.reward[rows] = 0.0
        self.terminated[rows] = False
        self.truncated[rows] = False

    def _decode(self, action: Float64, dials: Float64) -> None:
        """Settings in [-1, 1], (N, 4), to dials, (N, 4)."""
        low, high = SETPOINTS[self.arguments.imaging]
        if self.arguments.imaging == "contact":
            observation.between_rows(np.ascontiguousarray(action[:, 0]), low, high, dials[:, 0])
        else:
            dials[:, 0] = low + 0.5 * (action[:, 0] + 1.0) * (high - low)
        for column, ends in ((1, GAINS), (2, PROPORTIONAL), (3, RATES_HZ)):
            observation.between_rows(
                np.ascontiguousarray(action[:, column]), *ends, dials[:, column]
            )
        dials[:, 2] = np.maximum(dials[:, 2] - PROPORTIONAL[0], 0.0)

    def step(self, rows: Rows, actions: NDArray[Any]) -> None:
        """Scan one line a row, or see to the tip, and pay."""
        instrument, chosen = self.instrument, self.arguments
        given = np.zeros((self.num_envs, 4))
        self.event[rows] = SCAN
        if chosen.action == "dials":
            given[rows] = actions[rows, :4]
            what = np.searchsorted(EVENT_FROM, actions[rows, 4].astype(np.float64), side="right")
            self.event[rows] = what
        else:
            given[rows] = np.insert(actions[rows], 2, -1.0, axis=1)
            left = np.empty((self.num_envs, 2))
            left[:, 0] = chosen.lines - instrument.state.ledger.exposures
            left[:, 1] = self.limit_s - self._scan_seconds()
            levels = np.ascontiguousarray(given[:, 3])
            observation.pace_rows(levels, left, np.array(PACES), np.array(RATES_HZ), given[:, 3])
        self.settings_shown[rows] = given[rows]
        dials = np.ones((self.num_envs, 4))
        self._decode(given, dials)
        self._dials[rows] = dials[rows]
        seconds, merit, crashes = (
            self._spent(),
            self.merit.copy(),
            instrument.state.tip.crashes.copy(),
        )
        event = self.event[rows]
        scanned = rows[event == SCAN]
        parallel_rows(lambda low, high: self._scan(scanned[low:high]), scanned.size, self.threads)
        for kind, act in (
            (ENGAGE, lambda some: instrument.engage(some, self._dials[:, 0])),
            (WITHDRAW, instrument.withdraw),
            (EXCHANGE, lambda some: instrument.exchange(some, self._dials[:, 0])),
        ):
            some = rows[event == kind]
            if some.size:
                act(some)
        self._pay(rows, scanned, seconds, merit)
        self._costs[rows, 0] = (instrument.state.tip.crashes - crashes)[rows]
        self._costs[rows, 1] = event == EXCHANGE
        spent = (
            (instrument.state.ledger.exposures >= chosen.lines)
            | (self._scan_seconds() >= self.limit_s)
            | (instrument.state.tip.exchanges >= MOST_EXCHANGES)
        )
        self.terminated[rows] = spent[rows]
        self.truncated[rows] = False

    def _scan_seconds(self) -> Float64:
        """Time the frames have taken, exchanges of the tip apart, (N,)."""
        instrument = self.instrument
        away = instrument.state.tip.exchanges * instrument.settings.exchange_s
        return instrument.state.ledger.time_s - away

    def _spent(self) -> Float64:
        """Parts of the time budget that have been spent, (N,), exchanges at their own price."""
        away = self.instrument.state.tip.exchanges * self.instrument.settings.exchange_s
        return self._scan_seconds() / self.limit_s + away / EXCHANGE_UNIT_S

    def _scan(self, rows: Rows) -> None:
        """One line, and what it looks like, for a share of the rows."""
        instrument = self.instrument
        number = instrument.state.ledger.exposures[rows]
        instrument.scan(rows, self._dials)
        line = instrument.state.line
        images = (line.trace, line.retrace, line.error, line.error_back, line.phase)
        observation.inspect_rows(rows, images, self._free, self._signals, self._sizes, self._means)
        self._steepness[rows] += self._sizes[rows, 3]
        self._sizes[rows, 4] = self._steepness[rows] / (number + 1)
        self._sizes[rows, 5] = line.saturated[rows]
        self._sizes[rows, 6] /= self._free
        self.image[rows, number] = line.trace[rows] - self._means[rows, None].astype(np.float32)
        self.ideal[rows, number] = line.truth[rows]
        if self.restoration is not None:
            self.restoration.add(rows, number, images, self._dials, instrument.state.engaged)
        self.errors[rows, number] = line.error_nm[rows] ** 2
        self.peak[rows] = np.maximum(self.peak[rows], line.peak_nn[rows])

    def _pay(self, rows: Rows, scanned: Rows, seconds: Float64, merit: Float64) -> None:
        """Set the reward's terms and their sum in the listed rows."""
        chosen, instrument = self.arguments, self.instrument
        observation.merit_rows(
            rows,
            instrument.state.surface.variance,
            self.errors,
            instrument.state.ledger.exposures,
            FLOOR,
            self.merit,
        )
        before = self.dues.copy()
        lost = instrument.state.line.error_nm[scanned] / self.relief[scanned]
        self.dues[scanned, 0] += np.minimum(lost, 1.0) / chosen.lines
        limit = instrument.settings.soft_limit_nn * chosen.lines
        self.dues[scanned, 1] += instrument.state.line.excess_nn[scanned] / limit
        terms = {
            "resolution": resolution(10.0 * merit[rows], 10.0 * self.merit[rows]),
            "time": time(seconds[rows], self._spent()[rows], 1.0),
            "tracking": tracking(before[rows, 0], self.dues[rows, 0]),
            "force": force(before[rows, 1], self.dues[rows, 1]),
        }
        self._terms[rows] = np.stack([terms[name] for name in TERMS], axis=-1)
        vector = self.reward_mode == "vector"
        self.reward[rows] = combine(terms, self._weights, vector=vector)
        self.returns[rows] += combine(terms, self._weights)

    def observe(self) -> Any:
        """The last line and numbers; see `microgym.envs.afm.observation`."""
        numbers = self._numbers()
        if self.arguments.observation == "features":
            return numbers
        seen = {"signals": self._signals.copy(), "numbers": numbers}
        restoration = self.restoration
        if restoration is not None:
            seen["restored"] = restoration.cells.copy()
        if self.arguments.observation == "image":
            rows = np.arange(self.num_envs)
            image = self.image if restoration is None else restoration.image
            observation.image_rows(rows, image, self.instrument.state.ledger.exposures, self._maps)
            seen["image"] = self._maps.copy()
        return seen

    def _numbers(self) -> NDArray[np.float32]:
        """The numbers of the observation, (N, 16) float32 in [-1, 1]."""
        instrument = self.instrument
        left = np.empty((self.num_envs, 2))
        left[:, 0] = 1.0 - instrument.state.ledger.exposures / self.arguments.lines
        left[:, 1] = np.maximum(1.0 - self._scan_seconds() / self.limit_s, 0.0)
        status = np.empty((self.num_envs, 3))
        status[:, 0] = instrument.state.engaged
        status[:, 1] = instrument.state.tip.exchanges / MOST_EXCHANGES
        status[:, 2] = self.event / EXCHANGE
        out = np.empty((self.num_envs, len(observation.NUMBERS)), np.float32)
        observation.number_rows(self.settings_shown, left, self._sizes, status, out)
        return out

    def info(self) -> dict[str, Any]:
        """Terms, cost, figures of merit and ledger; the hidden state where asked for."""
        instrument = self.instrument
        result: dict[str, Any] = {
            "reward_terms": {name: self._terms[:, i].copy() for i, name in enumerate(TERMS)},
            "cost": self._costs[:, 0] + self._costs[:, 1],
            "cost_terms": {
                "crash": self._costs[:, 0].copy(),
                "tip_change": self._costs[:, 1].copy(),
            },
            "metrics": {
                "snr_db": 10.0 * self.merit,
                "image_error_nm": self.relief * exp(-_NEPERS * self.merit),
                "error_nm": instrument.state.line.error_nm.copy(),
                "peak_nn": self.peak.copy(),
                "crashes": instrument.state.tip.crashes.astype(np.float64),
                "tip_radius_nm": self.apex_nm(),
                "worn_nm3": instrument.state.tip.volume_nm3.copy(),
            },
            "ledger": instrument.state.ledger.copy(),
        }
        if self.arguments.reveal:
            result["latent"] = self._latent()
        return result

    def apex_nm(self) -> Float64:
        """Radius of the tips with the flat that has been worn, (N,), nm."""
        tip = self.instrument.state.tip
        return tip.radius_nm + np.sqrt(2.0 * tip.radius_nm * tip.worn_nm)

    def _latent(self) -> dict[str, NDArray[Any]]:
        """What no operator would know."""
        state = self.instrument.state
        surface, hidden = state.surface, state.hidden
        return {
            "slope": surface.slope.copy(),
            "variance": surface.variance.copy(),
            "steepest": surface.steepest.copy(),
            "gain_limit": hidden.gain_limit.copy(),
            "resonance_hz": hidden.resonance_hz.copy(),
            "crash_nn": hidden.crash_nn.copy(),
            "tip_radius_nm": self.apex_nm(),
            "second_apex": np.isfinite(state.tip.second_z_nm),
            "drift_nm": state.drift.drift.copy(),
        }

    def render(self, row: int) -> NDArray[np.uint8]:
        """Surface, image, last line, tip and accounts of one microscope."""
        return draw(self, row)

    def dials(self, row: int) -> str:
        """The last settings in words."""
        setpoint, gain, proportional, rate = self._dials[row]
        unit = f"{setpoint:.2f}" if self.arguments.imaging == "amplitude" else f"{setpoint:.1f} nN"
        also = f"  P {proportional:.2f}" if proportional > 0.0 else ""
        return f"setpoint {unit}  I {gain:.0f}/s{also}  {rate:.1f} lines/s"

    def figures(self, row: int) -> list[tuple[str, str, float, bool]]:
        """Name, text, filled part and kind (merit or expense) of what a frame shows as gauges."""
        instrument, chosen = self.instrument, self.arguments
        done, seconds = (
            int(instrument.state.ledger.exposures[row]),
            float(self._scan_seconds()[row]),
        )
        snr, peak = 10.0 * float(self.merit[row]), float(instrument.state.line.peak_nn[row])
        apex, crashes = float(self.apex_nm()[row]), int(instrument.state.tip.crashes[row])
        return [
            ("image quality", f"{snr:.1f} dB", snr / 20.0, True),
            ("lines", f"{done} of {chosen.lines}", done / chosen.lines, True),
            ("time", f"{seconds:.1f} of {self.limit_s:g} s", seconds / self.limit_s, False),
            ("largest force", f"{peak:.0f} nN", peak / 300.0, False),
            ("tip radius", f"{apex:.0f} nm", apex / 60.0, False),
            ("crashes", f"{crashes}", crashes / 3.0, False),
        ]

    def state_arrays(self) -> dict[str, NDArray[Any]]:
        """Every array that changes."""
        found = self.own_arrays() | dict(arrays(self.instrument.state, "instrument_"))
        if self.restoration is not None:
            restored = self.restoration.state_arrays()
            found |= {f"restored_{name}": array for name, array in restored.items()}
        return found

    def intervene(self, rows: Rows, **values: Any) -> None:
        """Set hidden quantities; draws stay as they were.

        Args:
            rows: (k,) int64.
            **values: `drift_velocity_nm_s`: (3,) or (k, 3), (y, x, z); `tip_radius_nm`, 2 to 120,
                and `crash_nn`, above 0: a number or (k,).

        Raises:
            ValueError: an unknown name, a wrong shape or a number out of range; nothing has changed
                then.
        """
        ready = interventions.read(rows, values, _SETTABLE)
        instrument = self.instrument
        if "drift_velocity_nm_s" in ready:
            instrument.state.drift.velocity[rows] = ready["drift_velocity_nm_s"]
        if "crash_nn" in ready:
            instrument.state.hidden.crash_nn[rows] = ready["crash_nn"]
        if "tip_radius_nm" in ready:
            instrument.set_radius(rows, ready["tip_radius_nm"])
