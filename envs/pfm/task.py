"""Tasks of the piezoresponse force microscope: write a domain pattern, or shift a loop."""

from abc import abstractmethod
from dataclasses import replace
from typing import Annotated, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from microgym.envs.core.channels import Channels, Choices
from microgym.envs.core.interventions import BoxIntervention, drift
from microgym.envs.core.metrics import Latent, Metric
from microgym.envs.core.rewards import Term
from microgym.envs.core.task import Modes, Task
from microgym.envs.pfm import observation, render
from microgym.envs.pfm.config import CELLS, HIGHEST_V, PFMConfig, PFMLoopConfig
from microgym.instruments.pfm.instrument import PFMInstrument
from microgym.instruments.pfm.state import SIZE
from microgym.numerics.libm import exp
from microgym.numerics.workspace import workspace
from microgym.physics.ferroelectric import add_tip_field
from microgym.random import Role, stream, uniform
from microgym.random.streams import PFMWorld
from microgym.specimens.patterns import fill_patterns
from microgym.specimens.splits import specimen_key
from microgym.state import Bool, Float32, Float64, Int64, Shape, Uint8

SHORTEST_S = 1e-4
"""Shortest pulse, s."""
DECADES = 4.0
"""Decades from the shortest pulse to the longest; the action is logarithmic between them."""
GRID = 16
"""Cells along an edge of the discrete action grid: 4 cells of the film each (design choice)."""
GRID_VOLTS = (-6.0, 4.0, 8.0)
"""Biases that the discrete action offers, V (design choice)."""
GRID_LENGTH = 0.0
"""Its pulse, on the continuous action's scale: 10 ms, the standard pulse of 20 lattice steps."""
COMPLETE = 0.95
"""Agreement with which an episode ends (design choice)."""
IMPRINT_SHIFT_V = (0.4, 1.6)
"""How far below the film's own imprint the wanted one lies, V, drawn uniformly."""
IMPRINT_SCALE_V = 2.0
"""Error of the imprint at which the agreement is none, V (design choice)."""

_LN_10 = 2.302585092994046


class PFMTaskState(NamedTuple):
    """Arrays of the tasks, beside the instrument's.

    Attributes:
        target: (N, SIZE, SIZE) uint8, 1 where the film is to point up; for a loop, the point.
        maps: (N, 5, SIZE, SIZE) float32, the observed maps at full size.
        counts: (N, 4) int64: cells wanted, up and wanted, up and not wanted, destroyed.
        agreement: (N,) float64, with what is wanted; 1 where it is complete.
        damage: (N,) float64, share of the rest of the film that is written on or destroyed.
        last: (N, 4) float64: place of the last pulse, cells, its bias, V, its length as commanded.
        looked_s: (N,) float64, time of the last look, s.
        used: (N, actions) bool, grid actions since the last look.
        asked_v: (N,) float64, wanted imprint, V.
        imprint_v: (N,) float64, imprint that a loop would show now, V; hidden.
        measured_v: (N, 2) float64, biases at which the last loop changed sign, V.
    """

    target: Annotated[Uint8, Shape(SIZE, SIZE)]
    maps: Annotated[Float32, Shape(len(observation.MAPS), SIZE, SIZE)]
    counts: Annotated[Int64, Shape(4, unit="cells")]
    agreement: Annotated[Float64, Shape()]
    damage: Annotated[Float64, Shape()]
    last: Annotated[Float64, Shape(4)]
    looked_s: Annotated[Float64, Shape(unit="s")]
    used: Annotated[Bool, Shape(GRID * GRID * len(GRID_VOLTS) * 2)]
    asked_v: Annotated[Float64, Shape(unit="V")]
    imprint_v: Annotated[Float64, Shape(unit="V")]
    measured_v: Annotated[Float64, Shape(2, unit="V")]


class FilmTask(Task):
    """Pulses and looks at N films; the base of both tasks."""

    State = PFMTaskState
    SIZES = {"cells": "cells"}
    OBSERVATION = Modes(
        compact={"maps": observation.MAPS, "numbers": observation.NUMBERS},
        full={"maps": observation.MAPS, "numbers": observation.NUMBERS},
        features=observation.FEATURES,
    )
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
        "time": Term(
            0.1, "minus the time used, over the limit", "lower", "config.time_limit_s",
            "ledger.time_s",
        ),
        "agreement": Term(1.0, "gain in agreement with what is wanted", path="state.agreement"),
    }  # fmt: skip
    BUDGETS = {"ledger.exposures": "config.pulses", "ledger.time_s": "config.time_limit_s"}
    COST = {"breakdown": "1 in the step in which the film breaks down"}
    LATENT = {
        "structure": Latent("share of each cell of a 32 x 32 map that points up"),
        "p": Latent("polarisation", "instrument.state.p"),
        "imprint": Latent("random field of the film", "instrument.state.imprint"),
        "bond": Latent("random bond of the film", "instrument.state.bond"),
        "barrier": Latent(
            "dead sites; below 0 where the film is destroyed", "instrument.state.barrier"
        ),
        "strength": Latent("strength of the disorder", "instrument.state.strength"),
        "wear": Latent("relative growth of the tip's radius", "instrument.state.wear"),
        "bearable_v": Latent(
            "bias above which the film may break down", "instrument.state.bearable_v", "V"
        ),
        "drift_cells": Latent("drift of the tip", "instrument.state.drift.drift", "cells"),
        "target": Latent("cells that are to point up", "state.target"),
        "imprint_v": Latent("imprint that a loop would show now", "state.imprint_v", "V"),
        "asked_v": Latent("wanted imprint", "state.asked_v", "V"),
    }
    INTERVENTIONS = {
        **drift("cells"),
        "disorder": BoxIntervention(
            "strength of the disorder", "instrument.state.strength", low=0.0, high=3.0, example=0.3
        ),
    }

    def build(self) -> None:
        """Make the instrument."""
        self.instrument = PFMInstrument(self.num_envs, self.config.settings)
        self.cells = CELLS[self.config.observation]

    @abstractmethod
    def choose(self, rows: Int64, keys: NDArray[np.uint32]) -> None:
        """Draw what is wanted of new films.

        Args:
            rows: (k,) int64.
            keys: (k, 2) uint32, keys of the specimens.
        """

    @abstractmethod
    def look(self, rows: Int64) -> None:
        """Measure what has become of the films in some rows."""

    @abstractmethod
    def evaluate(self, rows: Int64) -> None:
        """Update agreement and damage in some rows from the cells that were counted."""

    def begin(self, rows: Int64, keys: NDArray[np.uint32], options: dict[str, Any]) -> None:
        """Put new films in, poled down, which the agent knows."""
        self.instrument.reset(rows, keys, self.config.specimen, self.config.split)
        self.choose(rows, np.stack([specimen_key(key, self.config.split) for key in keys]))
        self.state.maps[rows, 0] = -1.0
        self._evaluate(rows)

    def advance(self, rows: Int64, actions: Any) -> None:
        """Give one pulse a row, and look where that is asked for."""
        places, volts, lengths, looks = self._decode(rows, actions)
        seconds = SHORTEST_S * exp(0.5 * DECADES * _LN_10 * (lengths + 1.0))
        state, film = self.state, self.instrument.state
        broken = film.broken[rows] > 0
        self.share(lambda some: self._act(some, places, volts, seconds, looks), rows)
        looked = rows[looks[rows]]
        state.looked_s[looked] = film.ledger.time_s[looked]
        state.used[looked] = False
        state.last[rows] = np.stack([*places[rows].T, volts[rows], lengths[rows]], axis=1)
        self._evaluate(rows)
        self.costs[rows, 0] = (film.broken[rows] > 0) & ~broken

    def _decode(
        self, rows: Int64, actions: Any
    ) -> tuple[Float64, Float64, Float64, NDArray[np.bool_]]:
        """Places in cells (N, 2), biases in V, lengths as the action has them, whether to look."""
        if self.config.action == "grid":
            number = np.asarray(actions, np.int64)
            self.state.used[rows, number[rows]] = True
            cell, level = number % (GRID * GRID), number // (GRID * GRID)
            where = np.stack([cell // GRID, cell % GRID], axis=-1).astype(np.float64)
            places = (where + 0.5) * (SIZE / GRID) - 0.5
            volts = np.asarray(GRID_VOLTS)[np.clip(level // 2, 0, len(GRID_VOLTS) - 1)]
            return places, volts, np.full(self.num_envs, GRID_LENGTH), level % 2 == 1
        action = np.asarray(actions, np.float64)
        places = 0.5 * (action[:, :2] + 1.0) * (SIZE - 1)
        return places, HIGHEST_V * action[:, 2], action[:, 3], action[:, 4] > 0.0

    def _act(
        self,
        rows: Int64,
        places: Float64,
        volts: Float64,
        seconds: Float64,
        looks: NDArray[np.bool_],
    ) -> None:
        """Pulse and look, for a share of the rows."""
        self.instrument.pulse(rows, places, volts, seconds)
        work = workspace(SIZE * SIZE).reshape(SIZE, SIZE)
        d = self.instrument.settings.tip_cells
        observation.record_pulses(rows, places, volts, d, self.state.maps, work)
        looked = rows[looks[rows]]
        if looked.size:
            self.look(looked)

    def _evaluate(self, rows: Int64) -> None:
        observation.count_rows(rows, self.instrument.state, self.state.target, self.state.counts)
        self.evaluate(rows)

    def over(self, rows: Int64) -> NDArray[np.bool_]:
        """Also where the film is broken, or the job is done."""
        ended = (self.instrument.state.broken[rows] > 0) | (self.state.agreement[rows] >= COMPLETE)
        return super().over(rows) | ended

    def observe(self) -> Any:
        """Maps of the film and a few numbers."""
        edge = self.cells
        images = np.empty((self.num_envs, len(observation.MAPS), edge, edge), np.float32)
        area = np.array([0, edge, 0, edge])
        self.share(
            lambda rows: observation.draw_maps(rows, self.state.maps, area, images),
            np.arange(self.num_envs),
        )
        numbers = self._numbers()
        if self.config.observation == "features":
            shown = images[:, : len(observation.SHOWN)]
            return np.concatenate([numbers, shown.reshape(self.num_envs, -1)], axis=1)
        return {"maps": images, "numbers": numbers}

    def _numbers(self) -> Float32:
        """The numbers of the observation."""
        state, ledger = self.state, self.instrument.state.ledger
        made, last = ledger.exposures > 0, state.last
        highest = self.instrument.settings.loop_v
        return observation.NUMBERS.pack(
            y=np.where(made, 2.0 * last[:, 0] / (SIZE - 1) - 1.0, 0.0),
            x=np.where(made, 2.0 * last[:, 1] / (SIZE - 1) - 1.0, 0.0),
            volts=last[:, 2] / HIGHEST_V,
            seconds=last[:, 3],
            pulses_left=self.left("ledger.exposures"),
            time_left=self.left("ledger.time_s"),
            age=np.minimum((ledger.time_s - state.looked_s) / self.config.time_limit_s, 1.0),
            asked=state.asked_v / highest,
            rising=state.measured_v[:, 0] / highest,
            falling=state.measured_v[:, 1] / highest,
        )

    def metrics(self) -> dict[str, NDArray[Any]]:
        """Also shares of the pattern."""
        wanted, hit, spilt, _ = self.state.counts.T
        wanted = np.maximum(wanted, 1)
        return {**super().metrics(), "written": hit / wanted, "spilt": spilt / wanted}

    def latent(self) -> dict[str, NDArray[Any]]:
        """Also the domains as a map."""
        cells, up = CELLS["compact"], (self.instrument.state.p > 0.0).astype(np.float32)
        blocks = up.reshape(self.num_envs, cells, SIZE // cells, cells, SIZE // cells)
        return {**super().latent(), "structure": blocks.mean(axis=(2, 4))}

    def action_masks(self) -> NDArray[np.bool_] | None:
        """Grid actions that were not chosen since the last look."""
        return ~self.state.used if self.config.action == "grid" else None

    def headline(self, row: int) -> str:
        """The aim, and how far the episode is."""
        made = int(self.instrument.state.ledger.exposures[row])
        if self.instrument.state.broken[row]:
            return f"{self.AIM}: the film broke down"
        if self.terminated[row]:
            return f"{self.AIM}: over"
        return f"{self.AIM}: pulse {made} of {self.config.pulses}"

    AIM: str


_RESOURCES = (
    Metric("breakdown", "breakdowns of the film", group="cost_terms"),
    Metric("tip_wear", "wear of the tip", gauge=1.0, path="instrument.state.wear"),
    Metric("exposures", "pulses", "", "", "ledger", gauge="config.pulses"),
    Metric("time_s", "time taken", "s", "", "ledger", gauge="config.time_limit_s"),
)
_AGREEMENT = Metric(
    "agreement", "agreement with the pattern", better="higher", gauge=1.0, path="state.agreement"
)
_IMAGES = Metric("images", "images taken", better="", path="instrument.state.images")


class PFMTask(FilmTask):
    """N films that a pattern is to be written into."""

    Config = PFMConfig
    config: PFMConfig
    AIM = "write the outlined pattern"
    METRICS = (
        _AGREEMENT,
        Metric("written", "of the pattern, written", better="higher", gauge=1.0),
        Metric("spilt", "spilt, over the pattern", gauge=1.0),
        _IMAGES,
        *_RESOURCES,
    )
    PANELS = (render.film, render.check, render.image, render.pulses)

    def choose(self, rows: Int64, keys: NDArray[np.uint32]) -> None:
        """Draw a pattern a row."""
        masks = np.zeros((rows.size, SIZE, SIZE), np.uint8)
        fill_patterns(self.config.pattern, keys, masks)
        self.state.target[rows] = masks
        self.state.maps[rows, 1] = masks

    def look(self, rows: Int64) -> None:
        """Take an image."""
        self.instrument.scan(rows)
        observation.record_images(rows, self.instrument.state.image, self.state.maps)

    def evaluate(self, rows: Int64) -> None:
        """Agreement is the Jaccard index of what points up and what should."""
        wanted, hit, spilt, lost = self.state.counts[rows].T.astype(np.float64)
        self.state.agreement[rows] = hit / np.maximum(wanted + spilt, 1.0)
        self.state.damage[rows] = (spilt + lost) / (SIZE * SIZE - wanted)


class PFMLoopTask(FilmTask):
    """N films of which the hysteresis loop at the centre is to be shifted."""

    Config = PFMLoopConfig
    config: PFMLoopConfig
    AIM = "shift the loop"
    METRICS = (
        replace(_AGREEMENT, label="agreement", report=False),
        Metric("written", "of the point, up", better="higher", report=False),
        Metric("spilt", "up beside the point", report=False),
        replace(_IMAGES, report=False),
        Metric(
            "imprint_error_v", "error of the imprint", "V", gauge=IMPRINT_SCALE_V,
            text="{value:.2f} V",
        ),
        *_RESOURCES,
    )  # fmt: skip
    PANELS = (render.film, render.loop, render.image, render.pulses)

    def build(self) -> None:
        """Make the instrument; the point is the centre of the film."""
        super().build()
        self.spots = np.full((self.num_envs, 2), 0.5 * (SIZE - 1))

    def choose(self, rows: Int64, keys: NDArray[np.uint32]) -> None:
        """Draw how far the imprint is to be shifted."""
        state, centre = self.state, 0.5 * (SIZE - 1)
        point = np.zeros((SIZE, SIZE), np.float32)
        add_tip_field(centre, centre, 1.0, self.instrument.settings.tip_cells, point)
        state.target[rows] = point > 0.5
        state.maps[rows, 1] = point
        self._measure(rows)
        low, high = IMPRINT_SHIFT_V
        for row, key in zip(rows, keys, strict=True):
            s0, s1 = stream(key[0], key[1], Role.WORLD, PFMWorld.IMPRINT)
            shift = low + (high - low) * uniform(s0, s1, 0, 0)
            state.asked_v[row] = state.imprint_v[row] - shift

    def look(self, rows: Int64) -> None:
        """Take a loop."""
        self.instrument.loop(rows, self.spots, self.state.measured_v)
        self.state.maps[rows, 2] = 0.0

    def evaluate(self, rows: Int64) -> None:
        """Agreement is 1 less the error of the imprint over its scale, and not below 0."""
        state = self.state
        error = np.abs(state.imprint_v[rows] - state.asked_v[rows]) / IMPRINT_SCALE_V
        state.agreement[rows] = np.maximum(1.0 - error, 0.0)
        state.damage[rows] = state.counts[rows, 3].astype(np.float64) / (SIZE * SIZE)

    def _act(
        self,
        rows: Int64,
        places: Float64,
        volts: Float64,
        seconds: Float64,
        looks: NDArray[np.bool_],
    ) -> None:
        """Pulse and look, then find the imprint that a loop would show."""
        super()._act(rows, places, volts, seconds, looks)
        self._measure(rows)

    def _measure(self, rows: Int64) -> None:
        found = np.zeros((self.num_envs, 2))
        self.instrument.loop(rows, self.spots, found, disturb=False)
        self.state.imprint_v[rows] = 0.5 * (found[rows, 0] + found[rows, 1])

    def metrics(self) -> dict[str, NDArray[Any]]:
        """Also the error of the imprint, V."""
        error = np.abs(self.state.imprint_v - self.state.asked_v)
        return {**super().metrics(), "imprint_error_v": error}
