"""Task of MultiProbe-v0: several probes choose positions and exposure times at once."""

from types import SimpleNamespace
from typing import Annotated, Any, NamedTuple

import numpy as np

from microgym.envs.core.channels import Channels
from microgym.envs.core.declarations import Latent, Metric, drift
from microgym.envs.core.task import Modes
from microgym.envs.multi_probe import observation, render
from microgym.envs.multi_probe.config import MultiProbeConfig
from microgym.envs.ptycho.observation import Scan
from microgym.envs.ptycho.task import EXPOSURE, EXPOSURE_CHOICES, PtychoTask
from microgym.instruments.ledger import Ledger
from microgym.instruments.ptychography.state import PtychographyState
from microgym.physics.drift import DriftState
from microgym.state import (
    Bool,
    Float32,
    Float64,
    Int64,
    Shape,
    Uint32,
    allocate,
    arrays,
    clear,
)


class TeamState(NamedTuple):
    """State of the probes, beside that of scan and instrument.

    Attributes:
        rounds: (N,) int64, rounds of simultaneous exposures so far.
        place: (N, A, 2) float64, latest position of each probe, (y, x) in [-1, 1].
        signal: (N, A, 2) float64, latest counts inside and outside the direct beam.
        lost: (N, A) bool, the latest exposure was lost to a collision.
        clearance: (N,) float64, least distance of two probes, on the scale of `place`.
        taken_by: (N, E) int64, probe that took each exposure of the scan.
    """

    rounds: Annotated[Int64, Shape()]
    place: Annotated[Float64, Shape("probes", 2)]
    signal: Annotated[Float64, Shape("probes", 2)]
    lost: Annotated[Bool, Shape("probes")]
    clearance: Annotated[Float64, Shape()]
    taken_by: Annotated[Int64, Shape("exposures", high=lambda sizes: sizes["probes"] - 1)]


class MultiProbeTask(PtychoTask):
    """N specimens, each scanned by A probes; dose, damage and reconstruction are shared.

    A probe that would come closer to another than the clearance stays where it is, and both lose
    the exposure of that round. A round takes the time of its slowest probe.

    Attributes:
        team: holder of `TeamState`.
        own: with `share="none"`, what each probe knows by itself, row `A * specimen + probe`.
    """

    Config = MultiProbeConfig
    OBSERVATION = Modes(
        compact={"maps": observation.MAPS, "numbers": observation.NUMBERS},
        full={"maps": observation.MAPS, "numbers": observation.NUMBERS},
    )
    ACTION = Modes(
        continuous=Channels(**EXPOSURE).along("probes"), grid=EXPOSURE_CHOICES.along("probes")
    )
    COST = {
        **PtychoTask.COST,
        "collision": "pairs of probes that were to come closer than the clearance",
    }
    BUDGETS = {"team.state.rounds": "config.exposures", "ledger.time_s": "config.time_limit_s"}
    METRICS = (*PtychoTask.METRICS, Metric("collision", "collisions", group="cost_terms"))
    LATENT = {
        **PtychoTask.LATENT,
        "drift_px": Latent("drift under each probe (y, x)", "probe_drift.drift", "px"),
    }
    INTERVENTIONS = drift("px", state="probe_drift")
    PANELS = (render.specimen, render.reconstruction, render.dose, render.detectors)

    def build(self) -> None:
        """Make the probes, the shared reconstruction, and with share="none" one for each probe."""
        self.probes = each = self.config.probes
        super().build()
        # Kernels of one probe read its exposure here.
        pixels = self.instrument.n**2
        self.microscopes = allocate(PtychographyState, self.num_envs, pixels=pixels, drift_axes=2)
        state = allocate(TeamState, self.num_envs, probes=each, exposures=self.exposures)
        self.team = SimpleNamespace(state=state)
        self.own: Scan | None = None
        if self.config.share == "none":
            count, most = self.num_envs * each, self.config.exposures
            self.own = Scan(count, self.instrument, self.config, most)

    def tune(self) -> None:
        """Also what each probe knows by itself."""
        super().tune()
        self.own = self.own and self.own.tuned(self.instrument)

    @property
    def agents(self) -> tuple[str, ...]:
        """Names of the probes."""
        return tuple(f"probe_{k}" for k in range(self.probes))

    @property
    def ledger(self) -> Ledger:
        """Time of the team, and sums of the probes' dose, exposures and paths."""
        each = (one.reshape(self.num_envs, -1) for one in self.instrument.state.ledger)
        time_s, *others = each
        return Ledger(time_s.max(axis=1), *(one.sum(axis=1) for one in others))

    @property
    def probe_drift(self) -> DriftState:
        """Drift of the specimens under each probe, arrays (N, A, ...)."""
        shape = self.num_envs, self.probes
        each = self.instrument.state.drift
        return DriftState(*(one.reshape(*shape, *one.shape[1:]) for one in each))

    def _begin(self, rows: Int64, keys: Uint32) -> None:
        """Put specimens in and park the probes over equal parts of the region."""
        super()._begin(rows, keys)
        team, probes = self.team.state, self.instrument.probe_rows(rows)
        clear(team, rows)
        team.place[rows] = observation.parts(self.probes).mean(axis=1)
        team.clearance[rows] = 2.0 * self.config.clearance_px / self.region
        self.instrument.park(probes, self.positions(team.place[rows]).reshape(-1, 2))
        if self.own is not None:
            self.own.reset(probes)
            self.own.draw(probes)

    def advance(self, rows: Int64, actions: Any) -> None:
        """Take one exposure with each probe at once; colliding probes lose theirs."""
        places = self.decode(actions)[0][rows]
        at = np.floor(self.positions(places) + 0.5)
        apart = np.sqrt(np.square(at[:, :, None] - at[:, None]).sum(axis=-1))
        near = (apart < self.config.clearance_px) & ~np.eye(self.probes, dtype=np.bool_)
        team, lost = self.team.state, near.any(axis=2)
        team.lost[rows] = lost
        team.place[rows] = np.where(lost[:, :, None], team.place[rows], places)
        super().advance(rows, actions)
        self.costs[rows, 1] = 0.5 * near.sum(axis=(1, 2))

    def mark(self, rows: Int64, cells: Int64) -> None:
        """Mark the cells, (N, A), that probes have exposed; with share="none", each its own."""
        for probe in range(self.probes):
            kept = rows[~self.team.state.lost[rows, probe]]
            knows = slice(None) if self.own is None else probe
            self.state.used[kept, knows, cells[kept, probe]] = True

    def expose(self, rows: Int64, positions: Float64, dwell_s: Float64) -> None:
        """One simultaneous exposure of all probes that have not collided.

        Args:
            rows: (k,).
            positions: (N, A, 2), px of the field.
            dwell_s: (N, A).
        """
        team, instrument = self.team.state, self.instrument
        exposed = instrument.probe_rows(rows)[~team.lost[rows].ravel()]
        instrument.expose(exposed, positions.reshape(-1, 2), dwell_s.ravel())
        instrument.wait(rows)
        for probe in range(self.probes):
            taken = rows[~team.lost[rows, probe]]
            self._select(taken, probe)
            last = team.taken_by.shape[1] - 1  # a restored state may be at it already
            team.taken_by[taken, np.minimum(self.scan.estimate.state.taken[taken], last)] = probe
            self.enter_exposure(taken)
            team.signal[taken, probe] = self.scan.signal[taken]
        if self.own is not None:
            self.own.add(exposed, instrument.state.measurement)
            self.own.draw(exposed)
        team.rounds[rows] += 1

    def _select(self, rows: Int64, probe: int) -> None:
        """Copy the state of one probe to where kernels of one probe read it."""
        pairs = zip(arrays(self.microscopes), arrays(self.instrument.state), strict=True)
        for (_, mine), (_, theirs) in pairs:
            mine[rows] = theirs[rows * self.probes + probe]

    def maps(self) -> Float32:
        """Maps of every probe: of the shared reconstruction or its own, and the other probes."""
        count, each, cells = self.num_envs, self.probes, self.scan.cells
        if self.own is None:
            shown = np.repeat(super().maps()[:, None], each, axis=1)
            team = self.team.state
            others = observation.draw_others(team.place, team.clearance, cells)
        else:
            shown = self.own.maps.reshape(count, each, -1, cells, cells)
            others = np.zeros((count, each, cells, cells), np.float32)
        return np.concatenate([shown, others[:, :, None]], axis=2)

    def numbers(self) -> dict[str, Float64]:
        """The numbers of every probe's observation."""
        team, each = self.team.state, self.probes
        common = super().numbers()
        found = {name: np.repeat(one[:, None], each, axis=1) for name, one in common.items()}
        found["y"], found["x"] = np.moveaxis(team.place, -1, 0)
        found["transmitted"], found["scattered"] = np.moveaxis(team.signal, -1, 0)
        found["lost"] = team.lost.astype(np.float64)
        for k in range(1, observation.OTHERS + 1):
            seen = np.zeros_like(team.place)
            if self.own is None and k < each:
                seen = np.roll(team.place, -k, axis=1)
            found[f"y_{k}"], found[f"x_{k}"] = np.moveaxis(seen, -1, 0)
        return found

    def headline(self, row: int) -> str:
        """Progress of the scan."""
        made, most = int(self.team.state.rounds[row]), self.config.exposures
        if self.terminated[row]:
            return f"{self.probes} probes: finished after {made} rounds"
        return f"{self.probes} probes: round {made} of {most}"
