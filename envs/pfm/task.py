"""Tasks of the piezoresponse force microscope: write a domain pattern, or shift a loop."""

from dataclasses import replace
from typing import Annotated, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from microgym.envs.core.channels import Channels, Choices
from microgym.envs.core.declarations import TIME, Intervention, Latent, Metric, Term, drift
from microgym.envs.core.task import Modes, Task
from microgym.envs.pfm import render
from microgym.envs.pfm.config import CELLS, HIGHEST_V, PFMConfig, PFMLoopConfig
from microgym.envs.pfm.observation import FEATURES, MAPS, NUMBERS, PARTS
from microgym.instruments.pfm.instrument import PFMInstrument
from microgym.instruments.pfm.state import SIZE
from microgym.metrics.incremental import block_means
from microgym.numerics.libm import exp
from microgym.physics.ferroelectric import add_tip_field
from microgym.random import Role, stream, uniform
from microgym.random.streams import PFMWorld
from microgym.specimens.patterns import fill_patterns
from microgym.specimens.splits import specimen_key
from microgym.state import Bool, Float32, Float64, Int64, Shape, Uint8

SHORTEST_S = 1e-4
"""Shortest pulse, s; the longest is 1 s, and the action logarithmic between them."""
_HALF_SPAN = 4.605170185988092  # natural logarithm of 100: 1 s over 10 ms, and that over 0.1 ms
FULL_V = 30.0
"""Volts of pulses at one place that fill the maps of past pulses (design choice)."""
RESPONSE, WANTED, FRESH, RAISED, LOWERED = range(len(MAPS))
GRID = 16
"""Cells along an edge of the discrete action grid: 4 cells of the film each (design choice)."""
GRID_VOLTS = (-6.0, 4.0, 8.0)
"""Biases that the discrete action offers, V (design choice)."""
COMPLETE = 0.95
"""Agreement with which an episode ends (design choice)."""
IMPRINT_SHIFT_V = (0.4, 1.6)
"""How far below the film's own imprint the wanted one lies, V, drawn uniformly."""
IMPRINT_SCALE_V = 2.0
"""Error of the imprint at which the agreement is none, V (design choice)."""
CENTRE = 0.5 * (SIZE - 1)
"""Coordinate of the point whose loop is to be shifted, cells."""


class PFMTaskState(NamedTuple):
    """Arrays of the tasks, beside the instrument's.

    Attributes:
        target: 1 where the film is to point up; for a loop, at the point.
        maps: the observed maps at full size.
        written, spilt: cells that point up in the target and beside it, over those of the target.
        agreement: with what is wanted; 1 where it is complete.
        damage: share of the rest of the film that is written on or destroyed.
        place, bias, length: of the last pulse; the length on the action's scale.
        look, looked_s: whether a look follows the pulse, and the time of the last one.
        used: grid actions since the last look.
        asked_v, imprint_v, error_v: wanted imprint, that of a loop taken now, and the difference.
        measured_v: biases at which the last loop changed sign.
    """

    target: Annotated[Uint8, Shape(SIZE, SIZE)]
    maps: Annotated[Float32, Shape(len(MAPS), SIZE, SIZE)]
    written: Annotated[Float64, Shape()]
    spilt: Annotated[Float64, Shape()]
    agreement: Annotated[Float64, Shape()]
    damage: Annotated[Float64, Shape()]
    place: Annotated[Float64, Shape(2, unit="cells")]
    bias: Annotated[Float64, Shape(unit="V")]
    length: Annotated[Float64, Shape()]
    look: Annotated[Bool, Shape()]
    looked_s: Annotated[Float64, Shape(unit="s")]
    used: Annotated[Bool, Shape(GRID * GRID * len(GRID_VOLTS) * 2)]
    asked_v: Annotated[Float64, Shape(unit="V")]
    imprint_v: Annotated[Float64, Shape(unit="V")]
    error_v: Annotated[Float64, Shape(unit="V")]
    measured_v: Annotated[Float64, Shape(2, unit="V")]


class PFMTask(Task):
    """N films that a pattern is to be written into."""

    Config = PFMConfig
    State = PFMTaskState
    AIM = "write the outlined pattern"
    SIZES = {"cells": "cells"}
    OBSERVATION = Modes(compact=PARTS, full=PARTS, features=FEATURES)
    ACTION = Modes(
        continuous=Channels(
            y="place of the pulse across the film, from top to bottom",
            x="the same from left to right",
            bias="bias, in units of 10 V; 0 waits",
            length="length of the pulse, logarithmic from 0.1 ms to 1 s",
            look="above 0, look afterwards: take an image, or a loop",
        ),
        grid=Choices(
            GRID * GRID * len(GRID_VOLTS) * 2,
            f"cell of a {GRID} x {GRID} grid in reading order, plus {GRID * GRID} for each step "
            "in the list of (bias, look): biases -6, 4 and 8 V, each without and with a look; "
            "pulses of 10 ms",
        ),
    )
    REWARD = {
        "damage": Term(1.0, "minus the damage", "lower", path="state.damage"),
        "time": TIME,
        "agreement": Term(1.0, "gain in agreement with what is wanted", path="state.agreement"),
    }
    BUDGETS = {
        "ledger.exposures": "config.pulses",
        "ledger.time_s": "config.time_limit_s",
        "instrument.state.broken": 1,
        "state.agreement": COMPLETE,
    }
    METRICS = (
        Metric("agreement", "agreement with the pattern", "", "higher", gauge=1.0,
               path="state.agreement"),
        Metric("written", "of the pattern, written", "", "higher", gauge=1.0, path="state.written"),
        Metric("spilt", "spilt, over the pattern", gauge=1.0, path="state.spilt"),
        Metric("images", "images taken", better="", path="instrument.state.images"),
        Metric("breakdown", "breakdowns of the film", group="cost_terms"),
        Metric("tip_wear", "wear of the tip", gauge=1.0, path="instrument.state.wear"),
        Metric("exposures", "pulses", "", "", "ledger", gauge="config.pulses"),
        Metric("time_s", "time taken", "s", "", "ledger", gauge="config.time_limit_s"),
    )  # fmt: skip
    PANELS = (render.film, render.check, render.image, render.pulses)
    COST = {"breakdown": "1 in the step in which the film breaks down"}
    LATENT = {
        "structure": Latent("share of each cell of a 32 x 32 map that points up"),
        "p": Latent("polarisation", "instrument.state.p"),
        "imprint": Latent("random field of the film", "instrument.state.imprint"),
        "bond": Latent("random bond of the film", "instrument.state.bond"),
        "barrier": Latent("dead sites; below 0 where destroyed", "instrument.state.barrier"),
        "strength": Latent("strength of the disorder", "instrument.state.strength"),
        "wear": Latent("relative growth of the tip's radius", "instrument.state.wear"),
        "bearable_v": Latent("bias that the film bears", "instrument.state.bearable_v", "V"),
        "drift_cells": Latent("drift of the tip", "instrument.state.drift.drift", "cells"),
        "target": Latent("cells that are to point up", "state.target"),
        "imprint_v": Latent("imprint that a loop would show now", "state.imprint_v", "V"),
        "asked_v": Latent("wanted imprint", "state.asked_v", "V"),
    }
    INTERVENTIONS = {
        **drift("cells"),
        "disorder": Intervention(
            "strength of the disorder", "instrument.state.strength", low=0.0, high=3.0, example=0.3
        ),
    }

    def build(self) -> None:
        """Make the instrument."""
        self.instrument = PFMInstrument(self.num_envs, self.config.settings)
        self.cells = CELLS[self.config.observation]

    def begin(self, rows: Int64, keys: NDArray[np.uint32]) -> None:
        """Put new films in, poled down, which the agent knows."""
        self.instrument.reset(rows, keys, self.config.specimen, self.config.split)
        self.choose(rows, np.stack([specimen_key(key, self.config.split) for key in keys]))
        self.state.maps[rows, RESPONSE] = -1.0
        self.evaluate(rows)

    def choose(self, rows: Int64, keys: NDArray[np.uint32]) -> None:
        """Draw what is wanted of new films, here a pattern, from the keys of the specimens."""
        masks = np.zeros((rows.size, SIZE, SIZE), np.uint8)
        fill_patterns(self.config.pattern, keys, masks)
        self.state.target[rows] = self.state.maps[rows, WANTED] = masks

    def advance(self, rows: Int64, actions: Any) -> None:
        """Give one pulse a row, and look where that is asked for."""
        film = self.instrument.state
        broken = film.broken[rows] > 0
        self.decode(rows, np.asarray(actions)[rows])
        self.share(self.act, rows)
        self.evaluate(rows)
        self.costs[rows, 0] = (film.broken[rows] > 0) & ~broken

    def decode(self, rows: Int64, actions: NDArray[Any]) -> None:
        """Set the pulses of some rows, and whether a look follows, from their actions."""
        state = self.state
        if self.config.action == "grid":
            state.used[rows, actions] = True
            level, cell = np.divmod(actions, GRID * GRID)
            where = np.stack(np.divmod(cell, GRID), axis=1)
            state.place[rows] = (where + 0.5) * (SIZE / GRID) - 0.5
            state.bias[rows] = np.asarray(GRID_VOLTS)[level // 2]
            state.length[rows] = 0.0  # 10 ms, the standard pulse of 20 lattice steps
            state.look[rows] = level % 2 == 1
        else:
            chosen = actions.astype(np.float64)
            state.place[rows] = 0.5 * (chosen[:, :2] + 1.0) * (SIZE - 1)
            state.bias[rows], state.length[rows] = HIGHEST_V * chosen[:, 2], chosen[:, 3]
            state.look[rows] = chosen[:, 4] > 0.0

    def act(self, rows: Int64) -> None:
        """Pulse and look, in a share of the rows."""
        state, instrument = self.state, self.instrument
        seconds = SHORTEST_S * exp(_HALF_SPAN * (state.length + 1.0))
        instrument.pulse(rows, state.place, state.bias, seconds)
        self.record(rows)
        looked = rows[state.look[rows]]
        if looked.size:
            self.look(looked)
            state.looked_s[looked] = self.ledger.time_s[looked]
            state.used[looked] = False
            state.maps[looked, FRESH] = 0.0

    def record(self, rows: Int64) -> None:
        """Add the last pulses to the maps of fresh and of past pulses."""
        maps, d = self.state.maps, self.instrument.settings.tip_cells
        for b in rows:
            # The bias times the profile of a sharp tip's field.
            volts, field = self.state.bias[b], np.zeros((SIZE, SIZE), np.float32)
            add_tip_field(*self.state.place[b], volts, d, field)
            maps[b, FRESH] += np.float32(0.1) * field
            side, sign = (RAISED, 1.0) if volts > 0.0 else (LOWERED, -1.0)
            maps[b, side] += np.float32(sign / FULL_V) * field

    def look(self, rows: Int64) -> None:
        """Measure what has become of the films in some rows, here by an image."""
        self.instrument.scan(rows)
        self.state.maps[rows, RESPONSE] = self.instrument.state.image[rows]

    def evaluate(self, rows: Int64) -> None:
        """Update agreement, here the Jaccard index of the cells up and the target, and damage."""
        state, film = self.state, self.instrument.state
        up, inside = film.p[rows] > 0.0, state.target[rows] > 0
        sets = (inside, up & inside, up & ~inside, film.barrier[rows] < 0.0)
        wanted, hit, spilt, lost = (np.count_nonzero(one, axis=(1, 2)) for one in sets)
        size = np.maximum(wanted, 1)
        state.written[rows], state.spilt[rows] = hit / size, spilt / size
        state.agreement[rows] = hit / np.maximum(wanted + spilt, 1)
        state.damage[rows] = (spilt + lost) / (SIZE * SIZE - wanted)

    def observe(self) -> Any:
        """Maps of the film and a few numbers."""
        maps, numbers = block_means(self.state.maps, self.cells), self.numbers()
        if self.config.observation == "features":
            flat = maps[:, :3].reshape(self.num_envs, -1)
            return FEATURES.scaled(np.column_stack([*numbers.values(), flat]))
        return {"maps": MAPS.scaled(maps), "numbers": NUMBERS.pack(**numbers)}

    def numbers(self) -> dict[str, Float64]:
        """Values of the numbers of the observation by name, each (N,)."""
        state, ledger, highest = self.state, self.ledger, self.instrument.settings.loop_v
        place = np.where(ledger.exposures > 0, 2.0 * state.place.T / (SIZE - 1) - 1.0, 0.0)
        return {
            "y": place[0],
            "x": place[1],
            "volts": state.bias / HIGHEST_V,
            "seconds": state.length,
            "pulses_left": self.left("ledger.exposures"),
            "time_left": self.left("ledger.time_s"),
            "age": np.minimum((ledger.time_s - state.looked_s) / self.config.time_limit_s, 1.0),
            "asked": state.asked_v / highest,
            "rising": state.measured_v[:, 0] / highest,
            "falling": state.measured_v[:, 1] / highest,
        }

    def latent(self) -> dict[str, NDArray[Any]]:
        """Also the domains as a map."""
        up = (self.instrument.state.p > 0.0).astype(np.float32)
        return super().latent() | {"structure": block_means(up, CELLS["compact"])}

    def action_masks(self) -> NDArray[np.bool_] | None:
        """Grid actions that were not chosen since the last look."""
        return ~self.state.used if self.config.action == "grid" else None

    def headline(self, row: int) -> str:
        """The aim, and how far the episode is."""
        if self.terminated[row]:
            broken = self.instrument.state.broken[row]
            return f"{self.AIM}: {'the film broke down' if broken else 'over'}"
        return f"{self.AIM}: pulse {self.ledger.exposures[row]} of {self.config.pulses}"


_AGREEMENT, _WRITTEN, _SPILT, _IMAGES, *_RESOURCES = PFMTask.METRICS


class PFMLoopTask(PFMTask):
    """N films of which the hysteresis loop at the centre is to be shifted."""

    Config = PFMLoopConfig
    AIM = "shift the loop"
    METRICS = (
        replace(_AGREEMENT, label="agreement", report=False),
        replace(_WRITTEN, label="of the point, up", report=False, gauge=None),
        replace(_SPILT, label="up beside the point", report=False, gauge=None),
        replace(_IMAGES, report=False),
        Metric("imprint_error_v", "error of the imprint", "V", gauge=IMPRINT_SCALE_V,
               text="{value:.2f} V", path="state.error_v"),
        *_RESOURCES,
    )  # fmt: skip
    PANELS = (render.film, render.loop, render.image, render.pulses)

    def choose(self, rows: Int64, keys: NDArray[np.uint32]) -> None:
        """Draw how far the imprint is to be shifted."""
        state, point = self.state, np.zeros((SIZE, SIZE), np.float32)
        add_tip_field(CENTRE, CENTRE, 1.0, self.instrument.settings.tip_cells, point)
        state.target[rows] = point > 0.5
        state.maps[rows, WANTED] = point
        self.find_imprint(rows)
        streams = (stream(*key, Role.WORLD, PFMWorld.IMPRINT) for key in keys)
        draws = np.array([uniform(*one, 0, 0) for one in streams])
        low, high = IMPRINT_SHIFT_V
        state.asked_v[rows] = state.imprint_v[rows] - (low + (high - low) * draws)

    def act(self, rows: Int64) -> None:
        """Pulse and look, then find the imprint that a loop would show."""
        super().act(rows)
        self.find_imprint(rows)

    def look(self, rows: Int64) -> None:
        """Take a loop."""
        spots = np.full((self.num_envs, 2), CENTRE)
        self.instrument.loop(rows, spots, self.state.measured_v)

    def find_imprint(self, rows: Int64) -> None:
        """Take a loop on a copy of each film."""
        spots, found = np.full((self.num_envs, 2), CENTRE), np.zeros((self.num_envs, 2))
        self.instrument.loop(rows, spots, found, disturb=False)
        self.state.imprint_v[rows] = 0.5 * (found[rows, 0] + found[rows, 1])

    def evaluate(self, rows: Int64) -> None:
        """Agreement is 1 less the error of the imprint over its scale, and not below 0."""
        super().evaluate(rows)
        state = self.state
        state.error_v[rows] = error = np.abs(state.imprint_v[rows] - state.asked_v[rows])
        state.agreement[rows] = np.maximum(1.0 - error / IMPRINT_SCALE_V, 0.0)
        lost = np.count_nonzero(self.instrument.state.barrier[rows] < 0.0, axis=(1, 2))
        state.damage[rows] = lost / (SIZE * SIZE)
