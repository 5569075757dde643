"""Tasks of the piezoresponse force microscope: write a domain pattern, or shift a loop."""

from dataclasses import replace
from typing import Annotated, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from microgym.envs.core.channels import Channels, Choices
from microgym.envs.core.declarations import TIME, Intervention, Latent, Metric, Term, drift
from microgym.envs.core.task import Modes, Task
from microgym.envs.pfm import kernels, render
from microgym.envs.pfm.config import CELLS, HIGHEST_V, PFMConfig, PFMLoopConfig
from microgym.envs.pfm.kernels import FRESH, RESPONSE, WANTED
from microgym.envs.pfm.observation import (
    FEATURES,
    LOOP_FEATURES,
    LOOP_MAPS,
    LOOP_NUMBERS,
    LOOP_PARTS,
    MAPS,
    NUMBERS,
    PARTS,
)
from microgym.instruments.pfm.instrument import PFMInstrument
from microgym.instruments.pfm.state import SIZE
from microgym.metrics.incremental import block_means
from microgym.numerics.libm import exp, sincos
from microgym.physics.ferroelectric import add_tip_field
from microgym.random.streams import PFMWorld
from microgym.specimens.patterns import fill_patterns
from microgym.specimens.splits import specimen_key
from microgym.state import Bool, Float32, Float64, Int64, Shape, Uint8

SHORTEST_S = 1e-4
"""Shortest pulse, s; the longest is 1 s, and the action logarithmic between them."""
_HALF_SPAN = 4.605170185988092  # natural logarithm of 100: 1 s over 10 ms, and that over 0.1 ms
GRID = 16
"""Cells along an edge of the discrete action grid: 4 cells of the film each (design choice)."""
GRID_VOLTS = (-6.0, 4.0, 8.0)
"""Biases that the discrete action offers, V (design choice)."""
COMPLETE = 0.95
"""Agreement with which an episode ends (design choice)."""
DOMAIN_CELLS = (5.0, 6.5)
"""Radius of the domains of a new film before it comes to rest, by which they shrink by up to two
cells; drawn uniformly (design choice)."""
RING, RING_CELLS = 8, 7.5
"""Places around the point that the action "ring" offers, and their distance from it, cells."""
RING_VOLTS = (-8.0, -5.0, 5.0, 8.0)
"""Biases that it offers, V (design choices)."""
WALL_CELLS = 3.0
"""Largest distance of the wall between the domains of a new film from the point, cells."""
IMPRINT_SHIFT_V = (0.15, 0.45)
"""How far the wanted imprint lies from the first one, V, drawn uniformly, and so is the sign. A
domain all around the point shifts the imprint by -0.6 or 0.6 V, with a spread of 0.2 V."""
IMPRINT_SCALE_V = 0.5
"""Error of the imprint at which the agreement is none, V (design choice)."""
CENTRE = 0.5 * (SIZE - 1)
"""Coordinate of the point whose loop is to be shifted, cells."""


FREE = Channels(
    y="place of the pulse across the film, from top to bottom",
    x="the same from left to right",
    bias="bias, in units of 10 V; 0 waits",
    length="length of the pulse, logarithmic from 0.1 ms to 1 s",
    look="above 0, look afterwards: take an image, or a loop",
)
CELLS_OF_GRID = Choices(
    GRID * GRID * len(GRID_VOLTS) * 2,
    f"cell of a {GRID} x {GRID} grid in reading order, plus {GRID * GRID} for each step "
    "in the list of (bias, look): biases -6, 4 and 8 V, each without and with a look; "
    "pulses of 10 ms",
)


class PFMTaskState(NamedTuple):
    """Arrays of the tasks, beside the instrument's.

    Attributes:
        target: 1 where the film is to point up; for a loop, at the point.
        maps: the observed maps at full size.
        written, spilt: cells that point up in the target and beside it, over those of the target.
        agreement: with what is wanted; 1 where it is complete.
        damage: cells beside the target that point up, and destroyed ones, over those of the target.
        broken: 1 after a breakdown.
        place, bias, length: of the last pulse; the length on the action's scale.
        look, looked_s: whether a look follows the pulse, and the time of the last one.
        used: grid actions since the last look.
        asked_v, imprint_v, error_v: wanted imprint, that of a loop taken now (the last one, if it
            followed the last pulse), and the difference.
        measured_v: biases at which the last loop changed sign.
        excess_v: imprint of the last loop less the wanted one; 0 before the first.
    """

    target: Annotated[Uint8, Shape(SIZE, SIZE)]
    maps: Annotated[Float32, Shape(len(MAPS), SIZE, SIZE)]
    written: Annotated[Float64, Shape()]
    spilt: Annotated[Float64, Shape()]
    agreement: Annotated[Float64, Shape()]
    damage: Annotated[Float64, Shape()]
    broken: Annotated[Float64, Shape()]
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
    excess_v: Annotated[Float64, Shape(unit="V")]


class PFMTask(Task):
    """N films that a pattern is to be written into."""

    Config = PFMConfig
    State = PFMTaskState
    AIM = "write the outlined pattern"
    SIZES = {"cells": "cells"}
    OBSERVATION = Modes(compact=PARTS, full=PARTS, features=FEATURES)
    MAPS, NUMBERS = MAPS, NUMBERS
    ACTION = Modes(continuous=FREE, grid=CELLS_OF_GRID)
    REWARD = {
        "damage": Term(0.1, "minus the damage", "lower", path="state.damage"),
        "breakdown": Term(0.5, "minus 1 if the film breaks down", "lower", path="state.broken"),
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
        specimens = np.stack([specimen_key(key, self.config.split) for key in keys])
        up = self.domains(specimens)
        self.instrument.reset(rows, keys, self.config.specimen, self.config.split, up)
        self.state.maps[rows, RESPONSE] = -1.0
        self.choose(rows, specimens)
        self.evaluate(rows)

    def domains(self, keys: NDArray[np.uint32]) -> NDArray[np.bool_]:
        """Cells of new films that are poled up, (k, SIZE, SIZE); here, some disks."""
        up, at = np.zeros((len(keys), SIZE, SIZE), np.bool_), np.arange(SIZE)
        low, high = DOMAIN_CELLS
        for disk in range(self.config.domains):
            radius, y, x = kernels.uniforms(keys, PFMWorld.DOMAINS, disk, 3).T[:, :, None, None]
            dy, dx = at[:, None] - SIZE * y, at - SIZE * x
            up |= dy * dy + dx * dx < (low + (high - low) * radius) ** 2
        return up

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
        kernels.record_rows(rows, self.instrument.settings.tip_cells, self.state)

    def look(self, rows: Int64) -> None:
        """Measure what has become of the films in some rows, here by an image."""
        self.instrument.scan(rows)
        self.state.maps[rows, RESPONSE] = self.instrument.state.image[rows]

    def evaluate(self, rows: Int64) -> None:
        """Update agreement, here the Jaccard index of the cells up and the target, and damage."""
        film = self.instrument.state
        kernels.compare_rows(rows, film.p, film.barrier, self.state)
        self.state.broken[rows] = film.broken[rows]

    def observe(self) -> Any:
        """Maps of the film and a few numbers."""
        maps = self.MAPS.scaled(block_means(self.state.maps, self.cells))
        if self.config.observation == "features":
            return np.concatenate([self.numbers(), maps[:, :3].reshape(self.num_envs, -1)], axis=1)
        return {"maps": maps, "numbers": self.numbers()}

    def numbers(self) -> Float32:
        """The numbers of the observation."""
        return self.NUMBERS.pack(**self.told())

    def told(self) -> dict[str, NDArray[Any]]:
        """Values of the numbers of the observation, (N,)."""
        state, ledger = self.state, self.ledger
        place = np.where(ledger.exposures > 0, 2.0 * state.place.T / (SIZE - 1) - 1.0, 0.0)
        return {
            "y": place[0],
            "x": place[1],
            "volts": state.bias / HIGHEST_V,
            "seconds": state.length,
            "pulses_left": self.left("ledger.exposures"),
            "time_left": self.left("ledger.time_s"),
            "age": np.minimum((ledger.time_s - state.looked_s) / self.config.time_limit_s, 1.0),
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


_AGREEMENT, _, _, _IMAGES, *_RESOURCES = PFMTask.METRICS


class PFMLoopTask(PFMTask):
    """N films of which the hysteresis loop at the centre is to be shifted."""

    Config = PFMLoopConfig
    AIM = "shift the loop"
    OBSERVATION = Modes(compact=LOOP_PARTS, full=LOOP_PARTS, features=LOOP_FEATURES)
    MAPS, NUMBERS = LOOP_MAPS, LOOP_NUMBERS
    ACTION = Modes(
        continuous=FREE,
        grid=CELLS_OF_GRID,
        ring=Choices(
            RING * len(RING_VOLTS) + 1,
            f"place of {RING} on a ring of {RING_CELLS} cells around the point, from the top on "
            f"clockwise, plus {RING} for each step in the list of biases -8, -5, 5 and 8 V, pulses "
            "of 10 ms; the last one waits; each followed by a loop",
        ),
    )
    REWARD = {name: term for name, term in PFMTask.REWARD.items() if name != "damage"}
    METRICS = (
        replace(_AGREEMENT, label="agreement", report=False),
        replace(_IMAGES, report=False),
        Metric("imprint_error_v", "error of the imprint", "V", gauge=IMPRINT_SCALE_V,
               text="{value:.2f} V", path="state.error_v"),
        *_RESOURCES,
    )  # fmt: skip
    PANELS = (render.film, render.loop, render.image, render.pulses)

    def domains(self, keys: NDArray[np.uint32]) -> NDArray[np.bool_]:
        """One side of a straight wall that passes near the point."""
        draws = kernels.uniforms(keys, PFMWorld.IMPRINT, 0, 4)
        sine, cosine = (one[:, None, None] for one in sincos(2.0 * np.pi * draws[:, 1]))
        offset = WALL_CELLS * (2.0 * draws[:, 2] - 1.0)
        at = np.arange(SIZE) - CENTRE
        return at[:, None] * sine + at * cosine > offset[:, None, None]

    def choose(self, rows: Int64, keys: NDArray[np.uint32]) -> None:
        """Draw how far the imprint is to be shifted, and show an image of the film."""
        state, point = self.state, np.zeros((SIZE, SIZE), np.float32)
        add_tip_field(CENTRE, CENTRE, 1.0, self.instrument.settings.tip_cells, point)
        state.target[rows] = point > 0.5
        state.maps[rows, WANTED] = point
        self.instrument.scan(rows)
        state.maps[rows, RESPONSE] = self.instrument.state.image[rows]
        # The episode begins after the image.
        for spent in self.ledger:
            spent[rows] = 0
        self.loop(rows, disturb=False)
        draws = kernels.uniforms(keys, PFMWorld.IMPRINT, 0, 4)
        low, high = IMPRINT_SHIFT_V
        shift = np.where(draws[:, 3] < 0.5, -1.0, 1.0) * (low + (high - low) * draws[:, 0])
        state.asked_v[rows] = state.imprint_v[rows] + shift

    def decode(self, rows: Int64, actions: NDArray[Any]) -> None:
        """Set the pulses of some rows, and whether a loop follows, from their actions."""
        if self.config.action != "ring":
            super().decode(rows, actions)
            return
        state = self.state
        level, place = np.divmod(actions, RING)
        sine, cosine = sincos(2.0 * np.pi * place / RING)
        state.place[rows] = CENTRE + RING_CELLS * np.stack([-cosine, sine], axis=1)
        state.bias[rows] = np.append(RING_VOLTS, 0.0)[level]
        state.length[rows], state.look[rows] = 0.0, True

    def act(self, rows: Int64) -> None:
        """Pulse and look, then find the imprint that a loop shows, where none was taken."""
        super().act(rows)
        self.loop(rows[~self.state.look[rows]], disturb=False)

    def look(self, rows: Int64) -> None:
        """Take a loop."""
        found = self.loop(rows, disturb=True)
        state = self.state
        self.instrument.read(rows, found, state.measured_v)
        state.excess_v[rows] = state.measured_v[rows].mean(axis=1) - state.asked_v[rows]

    def loop(self, rows: Int64, disturb: bool) -> Float64:
        """Biases of reversal of a loop, (N, 2), or of one on a copy; they set the imprint."""
        spots, found = np.full((self.num_envs, 2), CENTRE), np.zeros((self.num_envs, 2))
        self.instrument.loop(rows, spots, found, disturb)
        self.state.imprint_v[rows] = found[rows].mean(axis=1)
        return found

    def evaluate(self, rows: Int64) -> None:
        """Agreement is 1 less the error of the imprint over its scale, and not below 0."""
        state = self.state
        state.error_v[rows] = error = np.abs(state.imprint_v[rows] - state.asked_v[rows])
        state.agreement[rows] = np.maximum(1.0 - error / IMPRINT_SCALE_V, 0.0)
        state.broken[rows] = self.instrument.state.broken[rows]

    def told(self) -> dict[str, NDArray[Any]]:
        """Also the biases of the last loop, and what is asked for."""
        state = self.state
        return super().told() | {
            "excess": state.excess_v,
            "asked": state.asked_v,
            "rising": state.measured_v[:, 0],
            "falling": state.measured_v[:, 1],
        }
