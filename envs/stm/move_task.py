"""STM-v0 and STMBuild-v0: moving adatoms to their targets by drags of the tip."""

from typing import Annotated, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from microgym.envs.core.declarations import Latent, Metric, Term
from microgym.envs.stm import observation, render
from microgym.envs.stm.base_task import TIP_LATENT, USAGE, TunnellingTask, modes
from microgym.envs.stm.config import NEAREST_NM, STMBuildConfig, STMConfig
from microgym.envs.stm.observation import BINS, BORDER_NM
from microgym.instruments.stm.state import CRASHED, LOST, PIXELS, TRACE
from microgym.physics.adatoms import LATTICE_NM, nearest_site
from microgym.reconstruction.adatoms.tracker import AdatomTracker
from microgym.specimens.adatom_fields import ATOMS, FIELD_NM
from microgym.state import Bool, Float64, Int64, Shape, Uint32

ON_TARGET_NM = 0.5 * LATTICE_NM / np.sqrt(3.0)
"""An adatom is on its target within half the distance to the next hollow, nm."""
NEAR_NM = 1.0
"""Distance from the target at which an adatom has half of what approaching it can earn, nm (design
choice): the least distance at the start."""
BENEATH = 0.4
"""Current over its set value above which an adatom is taken to be beneath the tip; 0.11 over the
bare surface (design choice)."""
_CRASH = 1  # column of the costs


class MoveState(NamedTuple):
    """Beliefs and records of N episodes; beliefs are in scanner coordinates.

    Attributes:
        believed: (N, movers, 2) float64, of the last image, or where the current of a drag since
            was last that of an adatom beneath the tip.
        goals: (N, movers, 2) float64, positions of the targets, from the last image.
        stale: (N, movers) int64, drags since the last image.
        rate: (N, 2) float64, measured drift, nm/s.
        looked_s: (N,) float64, end of the last image.
        last: (N, 7) float64, last action that dragged.
        landing: (N, 3) float64, 1 if the last image showed the result of the drag before it, and
            from the end of that drag to the adatom.
        dragged: (N,) int64, adatom that was dragged last, -1 after an image.
        begun: (N, ATOMS, 2) float64, true positions at the start, surface coordinates.
        way: (N,) float64, sum of the true distances from the targets at the start.
        disturbed: (N, ATOMS) bool, whether an adatom has moved since the start.
        path: (N, 4) float64, start and end of the last drag.
        harm: (N,) float64, sum of the costs so far.
        nearest: (N, movers) float64, least true distances from the targets so far.
    """

    believed: Annotated[Float64, Shape("movers", 2, unit="nm")]
    goals: Annotated[Float64, Shape("movers", 2, unit="nm")]
    stale: Annotated[Int64, Shape("movers")]
    rate: Annotated[Float64, Shape(2, unit="nm/s")]
    looked_s: Annotated[Float64, Shape(unit="s")]
    last: Annotated[Float64, Shape(len(observation.DRAG))]
    landing: Annotated[Float64, Shape(3)]
    dragged: Annotated[Int64, Shape(low=-1, high=lambda sizes: sizes["movers"] - 1)]
    begun: Annotated[Float64, Shape(ATOMS, 2, unit="nm")]
    way: Annotated[Float64, Shape(unit="nm")]
    disturbed: Annotated[Bool, Shape(ATOMS)]
    path: Annotated[Float64, Shape(4, unit="nm")]
    harm: Annotated[Float64, Shape()]
    nearest: Annotated[Float64, Shape("movers", unit="nm")]


def length(vectors: Float64) -> Float64:
    """Lengths of 2-vectors along the last axis; plain arithmetic, the same on every machine."""
    return np.sqrt(vectors[..., 0] ** 2 + vectors[..., 1] ** 2)


class STMTask(TunnellingTask):
    """N surfaces on which an adatom is to be moved to its target.

    Attributes:
        movers: adatoms that are to be moved.
        tracker: detector and tracking of adatoms in images; None if a model gives positions.
    """

    Config = STMConfig
    State = MoveState
    SIZES = {"movers": "movers"}
    OBSERVATION = modes(observation.numbers_of(1))
    ACTION = observation.DRAG
    REWARD = {
        "time": Term(
            1.0,
            "minus the time used, over the time there is; all of it where a crash or a lost "
            "adatom ends the episode",
            "lower",
            "config.time_budget_s",
            "time_charged",
        ),
        "safety": Term(
            0.05, "minus the bystanders moved, adatoms lost and crashes", "lower", path="state.harm"
        ),
        "agreement": Term(1.0, "part of the adatoms that are on their targets", path="placed"),
        "approach": Term(
            1.0,
            "nearness to the targets, the mean of 1 / (1 + d / 1 nm) over the least distances "
            "d so far",
            path="approached",
        ),
    }
    COST = {
        "bystanders": "bystanders that this step has moved",
        "crash": "crash of the tip, which ends the episode",
        "lost": "adatoms lost at a step edge",
    }
    METRICS = (
        Metric("placed", "adatoms in place, part", "", "higher", gauge=1.0, path="placed"),
        Metric("bystanders", "bystanders moved", group="cost_terms"),
        Metric("lost", "adatoms lost", group="cost_terms"),
        Metric("crash", "crashes of the tip", group="cost_terms"),
        *USAGE,
        Metric("way_left", "distance left, part", report=False, path="way_left"),
        Metric("bystanders_moved", "bystanders moved so far", report=False, path="moved"),
    )
    LATENT = {
        "places_nm": Latent(
            "true positions of the adatoms, surface coordinates", "instrument.state.field.places",
            "nm",
        ),
        "present": Latent("whether there is such an adatom", "instrument.state.field.present"),
        "targets_nm": Latent("positions of the targets, surface coordinates", unit="nm"),
        "believed_nm": Latent("believed positions, in the order of the observation", unit="nm"),
        "order": Latent("adatoms in the order of the observation", "order"),
        "drift_nm": Latent("drift since the scan frame was corrected last", unit="nm"),
        "drift_velocity_nm_s": Latent("linear drift", "instrument.state.drift.velocity", "nm/s"),
        **TIP_LATENT,
    }  # fmt: skip
    PANELS = (render.surface_with_targets, render.trace)

    def build(self) -> None:
        """Make the instrument, and a tracker where positions come from a detector."""
        super().build()
        several = isinstance(self.config, STMBuildConfig)
        self.movers: int = self.config.atoms if several else 1
        self.tracker = None
        if self.config.detects:
            sizes, name = (self.num_envs, self.movers, ATOMS), self.config.reconstructor
            self.tracker = AdatomTracker(*sizes, name, PIXELS, FIELD_NM)

    def begin(self, rows: Int64, keys: Uint32) -> None:
        """Draw new surfaces, and take two images of each, from which drift is known."""
        state, config = self.state, self.config
        distances = (NEAREST_NM, config.farthest_nm)
        specimen = (config.specimen, config.split, self.movers, distances)
        self.instrument.reset(rows, keys, *specimen)
        state.dragged[rows] = -1
        state.begun[rows] = self.instrument.state.field.places[rows]
        self._look(rows, first=True)
        self._look(rows)
        state.way[rows] = self.distances[rows].sum(axis=1)
        state.nearest[rows] = self.distances[rows]

    def advance(self, rows: Int64, actions: Any) -> None:
        """Drag, take an image, or both."""
        action = np.clip(np.asarray(actions, np.float64), -1.0, 1.0)
        self.share(lambda part: self._act(part, action), rows)

    def _act(self, rows: Int64, action: Float64) -> None:
        state, now = self.state, self.instrument.state
        look, bound = action[rows, 6], observation.LOOK
        dragging, looking = rows[look <= bound], rows[look >= -bound]
        state.landing[rows, 0] = 0.0
        if dragging.size:
            self._drag(dragging, action)
            self.costs[dragging, 1:] = now.events[dragging][:, [CRASHED, LOST]]
        if looking.size:
            self._look(looking)
        # A disturbed bystander is counted once.
        before = state.disturbed[rows]
        moved = now.field.places[rows] - state.begun[rows]
        state.disturbed[rows] |= np.abs(moved).max(axis=2) > 1e-6
        self.costs[rows, 0] = (state.disturbed[rows] & ~before)[:, self.movers :].sum(axis=1)
        state.harm[rows] += self.costs[rows].sum(axis=1)
        state.nearest[rows] = np.minimum(state.nearest[rows], self.distances[rows])

    def _drag(self, rows: Int64, action: Float64) -> None:
        state, now = self.state, self.instrument.state
        which = np.zeros(self.num_envs, np.int64)
        if self.movers > 1:
            slots = np.floor(0.5 * (action[:, 7] + 1.0) * self.movers).astype(np.int64)
            which = self.order[np.arange(slots.size), np.minimum(slots, self.movers - 1)]
        at = state.believed[np.arange(which.size), which]
        starts, ends, *junction = observation.decode(action, at)
        self.instrument.drag(rows, starts, ends, *junction)
        # The adatom is believed where the current was last that of an adatom beneath the tip, and
        # where it was if it never was.
        beneath = now.trace > BENEATH
        last = np.where(beneath.any(axis=1), TRACE - beneath[:, ::-1].argmax(axis=1), 0)
        along = starts + (last / TRACE)[:, None] * (ends - starts)
        left = np.where(last[:, None] > 0, along, at)
        state.believed[rows, which[rows]] = left[rows]
        if self.tracker is not None:
            self.tracker.drag(rows, which, left, now.ledger.time_s)
        state.stale[rows, which[rows]] += 1
        state.dragged[rows] = which[rows]
        state.last[rows] = action[rows, : len(observation.DRAG)]
        state.path[rows, :2], state.path[rows, 2:] = starts[rows], ends[rows]

    def _look(self, rows: Int64, first: bool = False) -> None:
        """Take an image, and set beliefs by it."""
        state, now, movers = self.state, self.instrument.state, self.movers
        half = 0.5 * self.instrument.settings.image_s
        self.take_image(rows)
        # Middle of this image and of the one before.
        middle = now.ledger.time_s[rows] - half
        before = 0.0 if first else state.looked_s[rows] - half
        if self.tracker is None:
            found = now.field.present[rows, :movers]
            seen, kept = now.seen[rows, :movers], state.believed[rows]
        else:
            if first:
                self.tracker.begin(rows, now.seen[rows, :movers])
            found = self.tracker.look(rows, now.image, middle, now.registered[rows])
            seen = kept = self.tracker.believed(rows)
        state.rate[rows] = now.registered[rows] / np.maximum(middle - before, 1.0)[:, None]
        state.looked_s[rows] = now.ledger.time_s[rows]
        # The line of a target is written before or after the middle of the image: r + v t(y).
        targets = now.field.targets[rows, :movers]
        lines = 2.0 * half * targets[:, :, 1] / FIELD_NM
        drift = lines[:, :, None] * state.rate[rows][:, None]
        # The result of a drag is known if it was the only one of its adatom since the last image.
        at, which = np.arange(rows.size), np.maximum(state.dragged[rows], 0)
        once = (state.dragged[rows] >= 0) & (state.stale[rows, which] == 1)
        if self.tracker is not None:
            once &= found[at, which]
        landing = seen[at, which] - state.path[rows, 2:]
        state.landing[rows, 0] = once
        state.landing[rows, 1:] = np.where(once[:, None], landing, 0.0)
        # The believed position of an adatom that is gone or missed stays.
        state.believed[rows] = np.where(found[:, :, None], seen, kept)
        state.goals[rows] = targets + drift
        missed = 0 if self.tracker is None else np.maximum(state.stale[rows], 1)
        state.stale[rows] = np.where(found, 0, missed)
        state.dragged[rows] = -1

    @property
    def order(self) -> Int64:
        """Adatoms in the order of the observation, (N, movers): first those not in place."""
        left = length(self.state.goals - self.state.believed)
        left = np.where(left < 1.5 * ON_TARGET_NM, 100.0 + left, left)
        return np.argsort(left, axis=1, kind="stable")

    @property
    def distances(self) -> Float64:
        """True distances of the movers from their targets, (N, movers), nm."""
        field, movers = self.instrument.state.field, self.movers
        return length(field.targets[:, :movers] - field.places[:, :movers])

    @property
    def placed(self) -> Float64:
        """Part of the adatoms that are on their targets, (N,)."""
        present = self.instrument.state.field.present[:, : self.movers]
        return ((self.distances < ON_TARGET_NM) & present).mean(axis=1)

    @property
    def way_left(self) -> Float64:
        """Part of the distance to the targets that is left, (N,)."""
        return self.distances.sum(axis=1) / np.maximum(self.state.way, LATTICE_NM)

    @property
    def approached(self) -> Float64:
        """Nearness of the adatoms to their targets at its best so far, (N,)."""
        return (NEAR_NM / (NEAR_NM + self.state.nearest)).mean(axis=1)

    @property
    def failed(self) -> Bool:
        """Whether the tip has crashed in the last step, or a mover is lost, (N,)."""
        gone = ~self.instrument.state.field.present[:, : self.movers].all(axis=1)
        return gone | (self.costs[:, _CRASH] > 0.0)

    @property
    def time_charged(self) -> Float64:
        """Time used, all of it where the episode has failed, (N,), s."""
        used = self.instrument.state.ledger.time_s
        return np.where(self.failed, np.maximum(used, self.config.time_budget_s), used)

    @property
    def moved(self) -> Float64:
        """Bystanders that have moved since the start, (N,)."""
        return self.state.disturbed[:, self.movers :].sum(axis=1).astype(np.float64)

    def over(self, rows: Int64) -> Bool:
        """Also where an image shows all in place, one is lost, or the tip has crashed."""
        now = self.instrument.state
        confirmed = now.ledger.time_s[rows] == self.state.looked_s[rows]
        done = confirmed & (self.placed[rows] == 1.0)
        return super().over(rows) | done | self.failed[rows]

    def _ordered(self, of_movers: NDArray[Any]) -> NDArray[Any]:
        """An array (N, movers, ...) in the order of the observation."""
        return of_movers[np.arange(self.num_envs)[:, None], self.order]

    def columns(self) -> list[NDArray[Any]]:
        """Channels of the adatoms in their order, then those that are shared."""
        state, now, order = self.state, self.instrument.state, self.order
        at = np.arange(self.num_envs)
        place = self._ordered(state.believed)
        way = self._ordered(state.goals) - place
        present, others = now.field.present, now.seen.copy()
        if self.tracker is not None:
            found = self.tracker.state
            present = np.concatenate([state.stale >= 0, found.shown], axis=1)
            others[:, self.movers :] = found.others
        others[:, : self.movers] = state.believed
        # From each adatom to the nearest other one that is present.
        apart = others[:, None] - place[:, :, None]
        distance = np.where(present[:, None], length(apart), 9.0)
        slot = (at[:, None], np.arange(self.movers))
        distance[(*slot, order)] = 9.0
        near = apart[(*slot, distance.argmin(axis=2))]
        placed, stale = length(way) < 1.5 * ON_TARGET_NM, self._ordered(state.stale) / 4.0
        slots = way / 3.0, place / BORDER_NM, np.stack([placed, stale], axis=2), near / 2.0
        since = now.ledger.time_s - state.looked_s
        first = now.field.targets[at, order[:, 0]]
        hollow = [2.0 * nearest_site(x, y, LATTICE_NM)[2] - 1.0 for x, y in first]
        drifts = [state.rate * since[:, None] / 0.5, state.rate / 0.03]
        times = [since / 60.0, self.left("ledger.time_s")]
        trace = now.trace.reshape(self.num_envs, BINS, -1).mean(axis=2) / 1.5
        drag = [state.landing / (1.0, 0.5, 0.5), state.last, trace]
        return [np.concatenate(slots, axis=2), np.array(hollow), *drifts, *times, *drag]

    def latent(self) -> dict[str, NDArray[Any]]:
        """Also targets, beliefs, and the drift since the last correction."""
        state, now = self.state, self.instrument.state
        return {
            **super().latent(),
            "targets_nm": now.field.targets[:, : self.movers].copy(),
            "believed_nm": self._ordered(state.believed),
            "drift_nm": now.drift.drift - now.frame,
        }

    def info(self) -> dict[str, Any]:
        """As of all tasks, and with a detector its certainty of each adatom, in their order."""
        result = super().info()
        if self.tracker is not None:
            seen = self._ordered(self.tracker.state.seen)
            result["sighting"] = {
                "probability": seen[..., 2],
                "uncertainty_nm": seen[..., 3],
                "missed": self._ordered(self.tracker.state.missed),
            }
        return result

    def headline(self, row: int) -> str:
        """State of an episode in words."""
        if self.costs[row, _CRASH] > 0.0:
            return "the tip has crashed"
        there = self.placed[row]
        placed = f"{round(there * self.movers)} of {self.movers} in place"
        if self.terminated[row]:
            return "done: all adatoms in place" if there == 1.0 else f"over: {placed}"
        return "move the adatom" if self.movers == 1 else f"build: {placed}"


class STMBuildTask(STMTask):
    """N surfaces on which several adatoms are to be moved into a figure."""

    Config = STMBuildConfig
    OBSERVATION = modes(observation.numbers_of(3))
    ACTION = observation.DRAG_ONE

    def _chosen(self, what: str) -> Any:
        # The vector has as many slots as there are adatoms to be moved.
        if what == "observation":
            return modes(observation.numbers_of(self.movers))[self.config.observation]
        return super()._chosen(what)
