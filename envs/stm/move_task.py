"""Moving adatoms to their targets: what is known of them, what is done, how far it has come."""

from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from microgym.envs.stm.config import NEAREST_NM, STMConfig
from microgym.envs.stm.tracking import AdatomTracker
from microgym.instruments.stm.instrument import STMInstrument
from microgym.instruments.stm.state import CRASHED, LOST, TRACE
from microgym.physics.adatoms import LATTICE_NM, nearest_site
from microgym.specimens.adatom_fields import ATOMS, FIELD_NM

Float64 = NDArray[np.float64]
Rows = NDArray[np.int64]

START_NM, END_NM = 0.4, 2.0
"""How far from the adatom a drag may begin and end along each axis, nm; these and the two ranges
below are those that Chen et al., Nat. Commun. 13, 7499 (2022), used on hardware."""
BIAS_V = (0.005, 0.015)
CONDUCTANCE_US = (3.0, 6.0)

ACTION = ("start_x", "start_y", "end_x", "end_y", "bias", "conductance", "look")
"""Components of the action; "build" has "which" besides."""
LOOK = 1.0 / 3.0
"""Below minus this the action is a drag alone, above it a look alone, between them both."""
ON_TARGET_NM = 0.5 * LATTICE_NM / np.sqrt(3.0)
"""An adatom is on its target within half the way to the next hollow, nm."""
BINS = 16
"""Parts of the current trace that are shown, each a mean."""
_BORDER = 0.5 * FIELD_NM

SLOT = ("way_x", "way_y", "x", "y", "placed", "stale", "near_x", "near_y")
"""What is told of each adatom that is to be moved, see `STMMoveTask.features`."""
SHARED = (
    "hollow",
    "shift_x",
    "shift_y",
    "drift_x",
    "drift_y",
    "since_look",
    "time_left",
    "landed",
    "landing_x",
    "landing_y",
    *(f"last_{name}" for name in ACTION),
    *(f"trace_{k}" for k in range(BINS)),
)
"""What is told once."""


def length(vectors: Float64) -> Float64:
    """Lengths of vectors along the last axis, of two; plain arithmetic, the same everywhere."""
    return np.sqrt(vectors[..., 0] ** 2 + vectors[..., 1] ** 2)


class STMMoveTask:
    """N surfaces on which adatoms are to be moved; arrays have the leading axis N.

    What an operator believes is kept in the scanner's coordinates: an adatom is where the last
    image has it, or where it was last dragged to since; a target is where the last image has it.

    Args:
        instrument: the microscopes.
        arguments: of the task.
    """

    def __init__(self, instrument: STMInstrument, arguments: STMConfig) -> None:
        self.instrument = instrument
        self.arguments = arguments
        count, movers = instrument.num_envs, arguments.movers
        self.movers = movers
        self.names = ACTION if arguments.goal == "move" else (*ACTION, "which")
        self.believed = np.zeros((count, movers, 2))
        self.goals = np.zeros((count, movers, 2))
        self.stale = np.zeros((count, movers), np.int64)
        self.order = np.zeros((count, movers), np.int64)
        self.rate = np.zeros((count, 2))
        self.marked_s = np.zeros(count)
        self.looked_s = np.zeros(count)
        self.last = np.zeros((count, len(ACTION)))
        self.landing = np.zeros((count, 3))
        self.dragged = np.zeros(count, np.int64)
        self.begun = np.zeros((count, ATOMS, 2))
        self.way = np.ones(count)
        self.disturbed = np.zeros((count, ATOMS), np.bool_)
        self.hollow = np.zeros((count, movers))
        self.path = np.zeros((count, 4))
        chosen = arguments.reconstructor
        self.sight = AdatomTracker(instrument, movers, chosen) if arguments.detects else None

    def action_space(self) -> spaces.Box:
        """Space of one action."""
        return spaces.Box(-1.0, 1.0, (len(self.names),), np.float32)

    @property
    def feature_names(self) -> tuple[str, ...]:
        """What the elements of `features` are."""
        slots = [f"{name}_{k}" for k in range(self.movers) for name in SLOT]
        return (*slots, *SHARED)

    def reset(self, rows: Rows, keys: NDArray[np.uint32]) -> None:
        """Draw new surfaces, and look at them once."""
        instrument, chosen = self.instrument, self.arguments
        ways = (NEAREST_NM, chosen.farthest_nm)
        instrument.reset(rows, keys, chosen.specimen, chosen.split, self.movers, ways)
        for array in (
            self.rate,
            self.marked_s,
            self.last,
            self.landing,
            self.disturbed,
            self.path,
            self.stale,
        ):
            array[rows] = 0
        self.dragged[rows] = -1
        self.begun[rows] = instrument.state.field.places[rows]
        for row in rows:
            for k in range(self.movers):
                x, y = instrument.state.field.targets[row, k]
                self.hollow[row, k] = 2.0 * nearest_site(x, y, LATTICE_NM)[2] - 1.0
        if self.sight is not None:
            self.sight.reset(rows)
        self._look(rows, first=True)
        self.rate[rows] = 0.0
        self.way[rows] = np.maximum(self.distances(rows).sum(axis=1), LATTICE_NM)

    def step(self, rows: Rows, actions: NDArray[np.float32]) -> None:
        """Drag, look, or both."""
        action = np.clip(np.asarray(actions, np.float64), -1.0, 1.0)
        look = action[rows, 6]
        dragging, looking = rows[look <= LOOK], rows[look >= -LOOK]
        self.landing[rows, 0] = 0.0
        if dragging.size:
            self._drag(dragging, action)
        if looking.size:
            # What a drag did is not to be forgotten by the look that follows it.
            kept = self.instrument.state.events[looking]
            kept[look[look >= -LOOK] > LOOK] = 0.0
            self._look(looking)
            self.instrument.state.events[looking] += kept
        self._reorder(rows)
        moved = self.instrument.state.field.places[rows] - self.begun[rows]
        self.disturbed[rows] |= np.abs(moved).max(axis=2) > 1e-6

    def _drag(self, rows: Rows, action: Float64) -> None:
        instrument = self.instrument
        which = np.zeros(instrument.num_envs, np.int64)
        if self.movers > 1:
            slots = np.floor(0.5 * (action[:, 7] + 1.0) * self.movers).astype(np.int64)
            which = self.order[np.arange(slots.size), np.minimum(slots, self.movers - 1)]
        at = self.believed[np.arange(which.size), which]
        starts = np.clip(at + START_NM * action[:, 0:2], -_BORDER, _BORDER)
        ends = np.clip(at + END_NM * action[:, 2:4], -_BORDER, _BORDER)
        bias = BIAS_V[0] + 0.5 * (BIAS_V[1] - BIAS_V[0]) * (action[:, 4] + 1.0)
        low, high = CONDUCTANCE_US
        conductance = low + 0.5 * (high - low) * (action[:, 5] + 1.0)
        instrument.drag(rows, starts, ends, bias, conductance)
        self.believed[rows, which[rows]] = ends[rows]
        if self.sight is not None:
            self.sight.drag(rows, which, ends)
        self.stale[rows, which[rows]] += 1
        self.dragged[rows] = which[rows]
        self.last[rows] = action[rows, : len(ACTION)]
        self.path[rows, :2], self.path[rows, 2:] = starts[rows], ends[rows]

    def _look(self, rows: Rows, first: bool = False) -> None:
        """Take an image and believe it."""
        instrument, movers = self.instrument, self.movers
        half = 0.5 * instrument.settings.image_s
        instrument.look(rows)
        if self.sight is None:
            found = instrument.state.field.present[rows, :movers]
            seen, kept = instrument.state.seen[rows, :movers], self.believed[rows]
        else:
            found = self.sight.look(rows, self.marked_s, first)
            seen = kept = self.sight.believed(rows)
        seconds = instrument.state.ledger.time_s[rows] - half
        passed = np.maximum(seconds - self.marked_s[rows], 1.0)[:, None]
        self.rate[rows] = instrument.state.registered[rows] / passed
        self.marked_s[rows] = seconds
        self.looked_s[rows] = instrument.state.ledger.time_s[rows]
        # The line on which a target is written comes before or after the middle of the image.
        targets = instrument.state.field.targets[rows, :movers]
        lines = 2.0 * half * targets[:, :, 1] / FIELD_NM
        drift = lines[:, :, None] * self.rate[rows][:, None]
        known = self.dragged[rows] >= 0
        which = np.maximum(self.dragged[rows], 0)
        at = np.arange(rows.size)
        once = known & (self.stale[rows, which] == 1)
        if self.sight is not None:
            once &= found[at, which]
        landing = seen[at, which] - self.believed[rows, which]
        self.landing[rows, 0] = once
        self.landing[rows, 1:] = np.where(once[:, None], landing, 0.0)
        # Where an adatom is gone or missed, the place it was believed to be at stays.
        self.believed[rows] = np.where(found[:, :, None], seen, kept)
        self.goals[rows] = targets + drift
        missed = 0 if self.sight is None else np.maximum(self.stale[rows], 1)
        self.stale[rows] = np.where(found, 0, missed)
        self.dragged[rows] = -1
        self._reorder(rows)

    def _reorder(self, rows: Rows) -> None:
        """Put those not yet placed first, the nearest to its target foremost."""
        left = length(self.goals[rows] - self.believed[rows])
        left = np.where(left < 1.5 * ON_TARGET_NM, 100.0 + left, left)
        self.order[rows] = np.argsort(left, axis=1, kind="stable")

    def distances(self, rows: Rows) -> Float64:
        """True distances of the movers from their targets, (k, movers), nm."""
        fields, movers = self.instrument.state.field, self.movers
        ways = fields.targets[rows, :movers] - fields.places[rows, :movers]
        return length(ways)

    def potentials(self, rows: Rows) -> tuple[Float64, Float64]:
        """Way that is left over the one at the start, and part of the movers on their targets."""
        distances = self.distances(rows)
        there = self.instrument.state.field.present[rows, : self.movers]
        placed = (distances < ON_TARGET_NM) & there
        return distances.sum(axis=1) / self.way[rows], placed.mean(axis=1)

    def harm(self, rows: Rows) -> dict[str, Float64]:
        """What must not happen, so far or in the last action; each (k,)."""
        bystanders = self.disturbed[rows, self.movers :].sum(axis=1).astype(np.float64)
        events = self.instrument.state.events[rows]
        return {"bystanders": bystanders, "crash": events[:, CRASHED], "lost": events[:, LOST]}

    def over(self, rows: Rows) -> NDArray[np.bool_]:
        """Whether an image has shown all in place, or there is no more to be done."""
        instrument = self.instrument
        confirmed = instrument.state.ledger.time_s[rows] == self.looked_s[rows]
        done = confirmed & (self.potentials(rows)[1] == 1.0)
        gone = ~instrument.state.field.present[rows, : self.movers].all(axis=1)
        return done | gone | (instrument.state.events[rows, CRASHED] > 0.0)

    def features(self, time_left: Float64) -> NDArray[np.float32]:
        """What is told, (N, features) float32 in [-1, 1]; see `feature_names`.

        Args:
            time_left: (N,) part of the time.
        """
        instrument, movers = self.instrument, self.movers
        count = instrument.num_envs
        at = np.arange(count)
        columns: list[NDArray[Any]] = []
        present, seen = instrument.state.field.present, instrument.state.seen
        if self.sight is not None:
            present = np.concatenate([self.stale >= 0, self.sight.shown], axis=1)
            seen = np.concatenate([self.believed, self.sight.others], axis=1)
        for k in range(movers):
            which = self.order[:, k]
            place, way = self.believed[at, which], self.goals[at, which] - self.believed[at, which]
            placed = length(way) < 1.5 * ON_TARGET_NM
            others = seen - place[:, None]
            others[:, :movers] = self.believed - place[:, None]
            away = np.where(present, length(others), 9.0)
            away[at, which] = 9.0
            nearest = others[at, away.argmin(axis=1)]
            columns += [way / 3.0, place / _BORDER, placed[:, None]]
            columns += [self.stale[at, which][:, None] / 4.0, nearest / 2.0]
        first = self.order[:, 0]
        since = instrument.state.ledger.time_s - self.looked_s
        bins = instrument.state.trace.reshape(count, BINS, TRACE // BINS).mean(axis=2)
        columns += [
            self.hollow[at, first][:, None],
            self.rate * since[:, None] / 0.5,
            self.rate / 0.03,
            since[:, None] / 60.0,
            time_left[:, None],
            self.landing / (1.0, 0.5, 0.5),
            self.last,
            bins / 1.5,
        ]
        return np.clip(np.concatenate(columns, axis=1), -1.0, 1.0).astype(np.float32)

    def metrics(self) -> dict[str, Float64]:
        """Figures of merit, each (N,)."""
        rows = np.arange(self.instrument.num_envs)
        left, placed = self.potentials(rows)
        return {
            "placed": placed,
            "way_left": left,
            "bystanders_moved": self.disturbed[:, self.movers :].sum(axis=1).astype(np.float64),
        }

    def latent(self) -> dict[str, NDArray[Any]]:
        """What no instrument would know."""
        instrument = self.instrument
        fields = instrument.state.field
        return {
            "places_nm": fields.places.copy(),
            "present": fields.present.copy(),
            "targets_nm": fields.targets[:, : self.movers].copy(),
            "believed_nm": self.believed[np.arange(self.order.shape[0])[:, None], self.order],
            "order": self.order.copy(),
            "drift_nm": instrument.state.drift.drift - instrument.state.frame,
            "drift_velocity_nm_s": instrument.state.drift.velocity.copy(),
            "traits": instrument.state.tip.traits.copy(),
            "tip_state": instrument.state.tip.kind.copy(),
        }

    def sighting(self) -> dict[str, NDArray[Any]] | None:
        """How sure the last image is of the adatoms to be moved, in the order of the vector.

        Returns:
            "probability" that what was taken for each is an adatom, 0 where it was missed;
            "uncertainty_nm" of its place along one axis; "missed", images in a row; each
            (N, movers). None where no detector is asked.
        """
        if self.sight is None:
            return None
        at = np.arange(self.order.shape[0])[:, None]
        seen = self.sight.seen[at, self.order]
        missed = self.sight.missed[at, self.order]
        return {"probability": seen[..., 2], "uncertainty_nm": seen[..., 3], "missed": missed}

    def state_arrays(self) -> dict[str, NDArray[Any]]:
        """Every array that changes."""
        own = {f"goal_{n}": a for n, a in vars(self).items() if isinstance(a, np.ndarray)}
        return own if self.sight is None else own | self.sight.state_arrays()
