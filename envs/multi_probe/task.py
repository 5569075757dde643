"""Task of MultiProbe-v0: several probes choose positions and exposure times at once."""

from collections.abc import Mapping
from typing import Annotated, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from microgym.envs.core.channels import Channels
from microgym.envs.core.metrics import Metric
from microgym.envs.core.task import Modes
from microgym.envs.multi_probe import observation, render
from microgym.envs.multi_probe.config import MultiProbeConfig
from microgym.envs.ptycho.config import DETECTOR_PIXELS
from microgym.envs.ptycho.observation import Maps
from microgym.envs.ptycho.task import EXPOSURE, PIECE, PtychoTask
from microgym.instruments.ledger import Ledger
from microgym.instruments.ptychography.instrument import PtychographyInstrument
from microgym.instruments.ptychography.state import PtychographyState
from microgym.reconstruction.ptychography.observation_models import RunningScan
from microgym.reconstruction.ptychography.online import OnlineReconstruction
from microgym.state import Bool, Float32, Float64, Int64, Shape, Uint32, allocate, arrays, clear


class TeamState(NamedTuple):
    """State of the probes, beside that of the scan and of the instrument.

    Attributes:
        rounds: (N,) int64, rounds of simultaneous exposures so far.
        place: (N, A, 2) float64, latest position of each probe, (y, x) in [-1, 1].
        path: (N, A, E, 2) float64, positions of the exposures, in the order of `taken`.
        taken: (N, A) int64, exposures of each probe.
        signal: (N, A, 2) float64, latest counts inside and outside the direct beam.
        lost: (N, A) bool, the latest exposure was lost to a collision.
        fluence: (N, own, H, W) float32, photons per object pixel of each probe alone; own is A
            with `share="none"`, else 0.
    """

    rounds: Annotated[Int64, Shape()]
    place: Annotated[Float64, Shape("probes", 2)]
    path: Annotated[Float64, Shape("probes", "rounds", 2)]
    taken: Annotated[Int64, Shape("probes")]
    signal: Annotated[Float64, Shape("probes", 2)]
    lost: Annotated[Bool, Shape("probes")]
    fluence: Annotated[Float32, Shape("own", "field_px", "field_px", unit="photons/px")]


class _Held:
    """A state that belongs to the task's snapshots."""

    def __init__(self, state: Any) -> None:
        self.state = state


class MultiProbeTask(PtychoTask):
    """N specimens, each scanned by A probes; dose, damage and reconstruction are shared.

    A probe that would come closer to another than the clearance stays where it is, and both lose
    the exposure of that round. A round takes the time of its slowest probe.

    Attributes:
        probes: A.
        team: holder of `TeamState`.
    """

    Config = MultiProbeConfig
    config: Any
    instrument: Any
    SIZES = {**PtychoTask.SIZES, "probes": "probes"}
    BUDGETS = {"team.state.rounds": "config.exposures", "ledger.time_s": "config.time_limit_s"}
    OBSERVATION = Modes(
        compact={"maps": observation.MAPS, "numbers": observation.NUMBERS},
        full={"maps": observation.MAPS, "numbers": observation.NUMBERS},
    )
    ACTION = Channels(**EXPOSURE).along("probes")
    COST = {
        **PtychoTask.COST,
        "collision": "pairs of probes that were to come closer than the clearance",
    }
    METRICS = (*PtychoTask.METRICS, Metric("collision", "collisions", group="cost_terms"))
    PANELS = (render.specimen, render.reconstruction, render.dose, render.detectors)

    def build(self) -> None:
        """Make the probes, the shared reconstruction, and with share="none" one for each probe."""
        self.probes = self.config.probes
        # The latest exposure of one probe at a time, as the kernels of one probe read it.
        pixels = DETECTOR_PIXELS * DETECTOR_PIXELS
        self._one = allocate(PtychographyState, self.num_envs, pixels=pixels, drift_axes=2)
        super().build()
        count, each, side = self.num_envs, self.probes, self.instrument.field_px
        private = self.config.share == "none"
        self.team = _Held(
            allocate(
                TeamState,
                count,
                probes=each,
                rounds=self.config.exposures,
                own=each if private else 0,
                field_px=side,
            )
        )
        self.own: OnlineReconstruction | None = None
        if private:
            probe, area = self.instrument.known_probe, (self.start, self.region)
            self.own = OnlineReconstruction(count * each, side, probe, self.config.exposures)
            self.own_model = type(self.model)(count * each, side, probe, area)
            self.own_maps = Maps(count * each, self.own_model, area, self.cells, self.unit)

    def make_instrument(self) -> PtychographyInstrument:
        """Microscopes with several probes."""
        return PtychographyInstrument(self.num_envs, self.config.settings, self.config.probes)

    @property
    def agents(self) -> tuple[str, ...]:
        """Names of the probes."""
        return tuple(f"probe_{k}" for k in range(self.probes))

    def _probe_rows(self, rows: Int64, present: NDArray[np.bool_] | None = None) -> Int64:
        """Rows of the instrument's state that are the probes of some specimens, ascending."""
        found = rows[:, None] * self.probes + np.arange(self.probes)
        return found.ravel() if present is None else found[present[rows]]

    @property
    def microscopes(self) -> PtychographyState:
        """Latest exposure of one probe at a time; see `_select`."""
        return self._one

    def _begin(self, rows: Int64, keys: Uint32) -> None:
        """Put specimens in and park the probes over equal parts of the region."""
        super()._begin(rows, keys)
        team, probes = self.team.state, self._probe_rows(rows)
        clear(team, rows)
        clear(self._one, rows)
        team.place[rows] = observation.park_places(self.probes)
        parked = self._pixels(team.place[rows]).reshape(-1, 2)
        self.instrument.park(probes, parked)
        if self.own is not None:
            self.own.reset(probes)
            self.own_model.reset(probes)
            self.own_maps.forget(probes)

    def _pixels(self, places: Float64) -> Float64:
        """Positions in pixels of the field, from positions in [-1, 1]."""
        return self.start + 0.5 * (places + 1.0) * float(self.region)

    def advance(self, rows: Int64, actions: Any) -> None:
        """Take one exposure with each probe at once; colliding probes lose theirs."""
        places = np.asarray(actions, np.float64)[..., :2]
        dwell_s = self.dwell_times(np.ascontiguousarray(actions[..., 2], np.float64).ravel())
        positions = self._pixels(places)
        lost, pairs = self._collisions(positions)
        team = self.team.state
        team.lost[rows] = lost[rows]
        moved = rows[:, None], np.arange(self.probes)
        team.place[moved] = np.where(lost[rows, :, None], team.place[rows], places[rows])
        self.share(lambda some: self._round(some, positions.reshape(-1, 2), dwell_s), rows, PIECE)
        self.costs[rows, 1] = pairs[rows]

    def _collisions(self, positions: Float64) -> tuple[NDArray[np.bool_], Float64]:
        """Probes that come too close to another, (N, A), and the number of such pairs, (N,)."""
        at = np.floor(positions + 0.5)
        apart = np.sqrt(np.square(at[:, :, None] - at[:, None]).sum(axis=-1))
        near = (apart < self.config.clearance_px) & ~np.eye(self.probes, dtype=np.bool_)
        return near.any(axis=2), 0.5 * near.sum(axis=(1, 2))

    def _round(self, rows: Int64, positions: Float64, dwell_s: Float64) -> None:
        """One simultaneous exposure of all probes of some specimens, and the reconstruction."""
        team, instrument = self.team.state, self.instrument
        exposed = self._probe_rows(rows, ~team.lost)
        instrument.expose(exposed, positions, dwell_s)
        instrument.wait(rows)
        destroyed = np.zeros(rows.size)
        for probe in range(self.probes):
            taken = rows[~team.lost[rows, probe]]
            if taken.size:
                self._select(taken, probe)
                self.enter_exposure(taken)
                destroyed[np.searchsorted(rows, taken)] += self.state.destroyed_px[taken]
                team.signal[taken, probe] = self.state.signal[taken]
                team.path[taken, probe, team.taken[taken, probe]] = team.place[taken, probe]
                team.taken[taken, probe] += 1
        if self.own is not None:
            self._enter_own(exposed)
        team.rounds[rows] += 1
        self.costs[rows, 0] = destroyed / self.structure[rows]
        self.finish(rows)

    def _select(self, rows: Int64, probe: int) -> None:
        """Copy the latest exposure of one probe to where kernels of one probe read it."""
        state, at = self.instrument.state, rows * self.probes + probe
        for (_, mine), (_, theirs) in zip(
            arrays(self._one.measurement), arrays(state.measurement), strict=True
        ):
            mine[rows] = theirs[at]
        self._one.beam[rows] = state.beam[at]

    def _enter_own(self, probes: Int64) -> None:
        """Reconstruct each probe's exposures alone."""
        assert self.own is not None
        taken, constants = self.instrument.state.measurement, self._constants
        self.own.add(probes, *taken)
        size = constants.n * constants.n
        fluence = self.team.state.fluence.reshape(-1, *self.team.state.fluence.shape[2:])
        for b in probes:
            corner = taken.corner[b]
            inside = fluence[
                b, corner[0] : corner[0] + constants.n, corner[1] : corner[1] + constants.n
            ]
            light = constants.footprint[:size].reshape(constants.n, constants.n)
            inside += np.float32(taken.photons[b]) * light
        self.own_model.add(probes, taken.corner, self.team.state.signal.reshape(-1, 2))
        self.own_maps.add(probes, taken.corner, constants.n)

    @property
    def ledger(self) -> Ledger:
        """Time of the team, and sums of the probes' dose, exposures and paths."""
        time_s, *sums = (one.reshape(self.num_envs, -1) for one in super().ledger)
        return Ledger(time_s.max(axis=1), *(one.sum(axis=1) for one in sums))

    def observe(self) -> Any:
        """Maps and numbers of every probe."""
        count, each, cells = self.num_envs, self.probes, self.cells
        if self.own is None:
            stale = self.maps.stale()
            self.share(lambda some: self.maps.draw(some, self.scan), stale, PIECE)
            shown = np.repeat(self.maps.copy()[:, None], each, axis=1)
        else:
            fluence = self.team.state.fluence.reshape(count * each, *self.state.fluence.shape[1:])
            scan = RunningScan(self.own.re, self.own.im, fluence)
            self.own_maps.draw(self.own_maps.stale(), scan)
            shown = self.own_maps.copy().reshape(count, each, -1, cells, cells)
        others = np.zeros((count, each, cells, cells), np.float32)
        if self.config.share == "maps":
            clearance = 2.0 * self.config.clearance_px / self.region
            others = observation.draw_others(self.team.state.place, clearance, cells)
        maps = np.concatenate([shown, others[:, :, None]], axis=2)
        return {"maps": maps, "numbers": self._numbers()}

    def _numbers(self) -> Float32:
        """The numbers of every probe's observation."""
        team, each = self.team.state, self.probes

        def same(value: NDArray[Any]) -> NDArray[Any]:
            return np.repeat(value[:, None], each, axis=1)

        dose = self.ledger.dose / self.budget_photons
        seen = np.zeros((self.num_envs, each, observation.OTHERS, 2))
        if self.config.share == "maps":
            for k in range(1, each):
                seen[:, :, k - 1] = np.roll(team.place, -k, axis=1)
        others = {
            f"{axis}_{k}": seen[:, :, k - 1, place]
            for k in range(1, observation.OTHERS + 1)
            for place, axis in enumerate(("y", "x"))
        }
        return observation.NUMBERS.pack(
            y=team.place[..., 0],
            x=team.place[..., 1],
            exposures_left=same(self.left("team.state.rounds")),
            time_left=same(self.left("ledger.time_s")),
            dose=same(dose / (1.0 + dose)),
            transmitted=team.signal[..., 0],
            scattered=team.signal[..., 1],
            lost=team.lost.astype(np.float64),
            **others,
        )

    def latent(self) -> dict[str, NDArray[Any]]:
        """Structure of the specimens, and their drift under each probe."""
        found = super().latent()
        return {**found, "drift_px": found["drift_px"].reshape(self.num_envs, self.probes, 2)}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Take back a state; the maps are drawn anew."""
        super().restore(state)
        if self.own is not None:
            self.own_maps.forget()

    def headline(self, row: int) -> str:
        """Progress of the scan."""
        made, most = int(self.team.state.rounds[row]), self.config.exposures
        if self.terminated[row]:
            return f"{self.probes} probes: finished after {made} rounds"
        return f"{self.probes} probes: round {made} of {most}"
