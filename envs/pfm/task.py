"""The decision: where to pulse next, how strongly, for how long, and whether to look."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from microgym.envs.core import interventions
from microgym.envs.core.interventions import Quantity
from microgym.envs.core.metrics import Metric
from microgym.envs.core.rewards import agreement, combine, damage, time
from microgym.envs.core.task import Task
from microgym.envs.pfm import observation
from microgym.envs.pfm.config import (
    COMPLETE,
    DECADES,
    GRID,
    GRID_LENGTH,
    GRID_VOLTS,
    HIGHEST_V,
    IMPRINT_SCALE_V,
    IMPRINT_SHIFT_V,
    OBSERVATIONS,
    SHORTEST_S,
    TERMS,
    PFMConfig,
)
from microgym.envs.pfm.render import draw
from microgym.envs.pfm.spaces import action_space, observation_space
from microgym.instruments.pfm.instrument import SIZE, PFMInstrument
from microgym.numerics.libm import exp
from microgym.numerics.threads import parallel_rows
from microgym.numerics.workspace import workspace
from microgym.physics.ferroelectric import add_tip_field
from microgym.random import Role, stream, uniform
from microgym.specimens.patterns import fill_patterns
from microgym.specimens.splits import specimen_key

Rows = NDArray[np.int64]

_SPENT = (
    Metric("cost_terms", "breakdown", "breakdowns of the film"),
    Metric("metrics", "tip_wear", "wear of the tip"),
    Metric("ledger", "exposures", "pulses", "", ""),
    Metric("ledger", "time_s", "time taken", "s", ""),
)
OUTCOMES = {
    "write": (
        Metric("metrics", "agreement", "agreement with the pattern", "", "higher"),
        Metric("metrics", "written", "of the pattern, written", "", "higher"),
        Metric("metrics", "spilt", "spilt, over the pattern"),
        Metric("metrics", "images", "images taken", "", ""),
        *_SPENT,
    ),
    "loop": (Metric("metrics", "imprint_error_v", "error of the imprint", "V"), *_SPENT),
}
"""Beside the score, by goal."""
_SETTABLE = {
    "drift_velocity_cells_s": Quantity((2,)),
    "settling_cells": Quantity((2,)),
    "disorder": Quantity(low=0.0, high=3.0),
}
_ASKED = 41  # of the world role: the imprint that is asked for
_LN_10 = 2.302585092994046


class PFMTask(Task):
    """N films to be written on; see `microgym.envs.pfm.PFMEnv` for the task itself.

    Args:
        num_envs: N.
        **arguments: see `PFMConfig`.

    Attributes:
        target: (N, SIZE, SIZE) uint8, 1 where the film is to point up; for "loop" the point.
        agreement: (N,) float64, with what is asked for, 1 where it is complete.
        spots: (N, 2) float64, point of the loop, cells.
        asked_v: (N,) float64, imprint that is asked for, V.
        imprint_v: (N,) float64, imprint as a loop would show it now, V; hidden.
        measured_v: (N, 2) float64, biases at which the last loop changed sign, V.
        returns: (N,) float64, sum of the rewards.
    """

    def __init__(self, num_envs: int, **arguments: Any) -> None:
        self.arguments = PFMConfig.parse(arguments)
        chosen = self.arguments
        super().__init__(
            num_envs,
            observation_space=observation_space(chosen.observation),
            action_space=action_space(chosen.action),
            reward_terms=TERMS,
            reward_mode=chosen.reward_mode,
            reward_weights=chosen.weights.vector(TERMS),
            threads=chosen.threads,
        )
        self.outcomes = OUTCOMES[chosen.goal]
        self.instrument = PFMInstrument(num_envs, chosen.settings())
        self.cells = OBSERVATIONS[chosen.observation]
        self._weights = chosen.weights
        self._limit_s = chosen.time_limit_s
        n = self.num_envs
        self.target = np.zeros((n, SIZE, SIZE), np.uint8)
        self.spots = np.zeros((n, 2))
        self.asked_v = np.zeros(n)
        self.imprint_v = np.zeros(n)
        self.measured_v = np.zeros((n, 2))
        self.agreement = np.zeros(n)
        self.returns = np.zeros(n)
        self._books = np.zeros((n, len(observation.CHANNELS), SIZE, SIZE), np.float32)
        self._counts = np.zeros((n, 4), np.int64)
        self._damage = np.zeros(n)
        self._last = np.zeros((n, 4))
        self._looked_s = np.zeros(n)
        self._used = np.zeros((n, GRID * GRID * len(GRID_VOLTS) * 2), np.bool_)
        self._terms = np.zeros((n, len(TERMS)))
        self._cost = np.zeros(n)

    def reset(self, rows: Rows, keys: NDArray[np.uint32], options: dict[str, Any]) -> None:
        """Put new films in, poled down, and say what is wanted of them."""
        instrument, chosen = self.instrument, self.arguments
        instrument.reset(rows, keys, chosen.specimen, chosen.split)
        own = np.stack([specimen_key(key, chosen.split) for key in keys])
        for array in (
            self.measured_v,
            self.returns,
            self._books,
            self._damage,
            self._last,
            self._looked_s,
            self._used,
            self._terms,
            self._cost,
            self.reward,
            self.terminated,
            self.truncated,
        ):
            array[rows] = 0
        self.spots[rows] = 0.5 * (SIZE - 1)
        if chosen.goal == "write":
            masks = np.zeros((rows.size, SIZE, SIZE), np.uint8)
            fill_patterns(chosen.pattern, own, masks)
            self.target[rows] = masks
            self._books[rows, 1] = masks
        else:
            point = np.zeros((SIZE, SIZE), np.float32)
            centre = 0.5 * (SIZE - 1)
            add_tip_field(centre, centre, 1.0, instrument.settings.tip_cells, point)
            self.target[rows] = point > 0.5
            self._books[rows, 1] = point
            self._measure(rows)
            low, high = IMPRINT_SHIFT_V
            for row, key in zip(rows, own, strict=True):
                s0, s1 = stream(key[0], key[1], Role.WORLD, _ASKED)
                shift = low + (high - low) * uniform(s0, s1, 0, 0)
                self.asked_v[row] = self.imprint_v[row] - shift
        # The operator knows that the film was poled.
        self._books[rows, 0] = -1.0
        self._appraise(rows)

    def step(self, rows: Rows, actions: NDArray[Any]) -> None:
        """Give one pulse a row, look where that is asked for, and pay."""
        places, volts, lengths, read = self._decode(rows, actions)
        seconds = SHORTEST_S * exp(0.5 * DECADES * _LN_10 * (lengths + 1.0))
        before = self._quantities(rows)
        instrument, ledger = self.instrument, self.instrument.ledger
        broken = instrument.broken[rows] > 0
        parallel_rows(
            lambda start, stop: self._act(rows[start:stop], places, volts, seconds, read),
            rows.size,
            self.threads,
        )
        looked = rows[read[rows]]
        self._looked_s[looked] = ledger.time_s[looked]
        self._used[looked] = False
        self._last[rows] = np.stack([*places[rows].T, volts[rows], lengths[rows]], axis=1)
        self._appraise(rows)
        self._pay(rows, before)
        self._cost[rows] = (instrument.broken[rows] > 0) & ~broken
        spent = (ledger.exposures >= self.arguments.pulses) | (ledger.time_s >= self._limit_s)
        spent |= (instrument.broken > 0) | (self.agreement >= COMPLETE)
        self.terminated[rows] = spent[rows]
        self.truncated[rows] = False

    def _decode(
        self, rows: Rows, actions: NDArray[Any]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
        """Places in cells (N, 2), biases in V, lengths as the action has them, whether to look."""
        if self.arguments.action == "grid":
            number = np.asarray(actions, np.int64)
            self._used[rows, number[rows]] = True
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
        rows: Rows,
        places: NDArray[np.float64],
        volts: NDArray[np.float64],
        seconds: NDArray[np.float64],
        read: NDArray[np.bool_],
    ) -> None:
        """Pulse and look, for a share of the rows."""
        instrument = self.instrument
        instrument.pulse(rows, places, volts, seconds)
        work = workspace(SIZE * SIZE).reshape(SIZE, SIZE)
        observation.record_pulses(
            rows, places, volts, instrument.settings.tip_cells, self._books, work
        )
        looked = rows[read[rows]]
        if looked.size and self.arguments.goal == "write":
            instrument.scan(looked)
            observation.record_images(looked, instrument.image, self._books)
        elif looked.size:
            instrument.loop(looked, self.spots, self.measured_v)
            self._books[looked, 2] = 0.0
        if self.arguments.goal == "loop":
            self._measure(rows)

    def _measure(self, rows: Rows) -> None:
        """Find the imprint that a loop would show."""
        found = np.zeros((self.num_envs, 2))
        self.instrument.loop(rows, self.spots, found, disturb=False)
        self.imprint_v[rows] = 0.5 * (found[rows, 0] + found[rows, 1])

    def _quantities(self, rows: Rows) -> tuple[NDArray[np.float64], ...]:
        """What the reward's terms are made of: agreement, what was spoilt, seconds."""
        return self.agreement[rows], self._damage[rows], self.instrument.ledger.time_s[rows]

    def _appraise(self, rows: Rows) -> None:
        """Bring agreement and damage of the listed rows up to date."""
        instrument, counts = self.instrument, self._counts
        observation.count_rows(rows, instrument.p, instrument.barrier, self.target, counts)
        wanted, hit, spilt, lost = counts[rows].T.astype(np.float64)
        if self.arguments.goal == "write":
            self.agreement[rows] = hit / np.maximum(wanted + spilt, 1.0)
            self._damage[rows] = (spilt + lost) / (SIZE * SIZE - wanted)
        else:
            error = np.abs(self.imprint_v[rows] - self.asked_v[rows]) / IMPRINT_SCALE_V
            self.agreement[rows] = np.maximum(1.0 - error, 0.0)
            self._damage[rows] = lost / (SIZE * SIZE)

    def _pay(self, rows: Rows, before: tuple[NDArray[np.float64], ...]) -> None:
        """Set the reward's terms and their sum in the listed rows."""
        after = self._quantities(rows)
        terms = {
            "damage": damage(before[1], after[1]),
            "time": time(before[2], after[2], self._limit_s),
            "agreement": agreement(before[0], after[0]),
        }
        self._terms[rows] = np.stack([terms[name] for name in TERMS], axis=-1)
        vector = self.reward_mode == "vector"
        self.reward[rows] = combine(terms, self._weights, vector=vector)
        self.returns[rows] += combine(terms, self._weights)

    def observe(self) -> Any:
        """Maps of the film and a few numbers; see `microgym.envs.pfm.observation`."""
        images = np.empty(
            (self.num_envs, len(observation.CHANNELS), self.cells, self.cells), np.float32
        )
        rows, whole = np.arange(self.num_envs), np.array([0, self.cells, 0, self.cells])
        parallel_rows(
            lambda start, stop: observation.draw_maps(rows[start:stop], self._books, whole, images),
            rows.size,
            self.threads,
        )
        numbers = self._numbers()
        if self.arguments.observation == "features":
            return np.concatenate([numbers, images[:, :3].reshape(self.num_envs, -1)], axis=1)
        return {"maps": images, "numbers": numbers}

    def _numbers(self) -> NDArray[np.float32]:
        """The numbers of the observation, (N, 10) float32 in [-1, 1]."""
        ledger, last, chosen = self.instrument.ledger, self._last, self.arguments
        made = ledger.exposures > 0
        highest = self.instrument.settings.loop_v
        loop = chosen.goal == "loop"
        columns = [
            np.where(made, 2.0 * last[:, 0] / (SIZE - 1) - 1.0, 0.0),
            np.where(made, 2.0 * last[:, 1] / (SIZE - 1) - 1.0, 0.0),
            last[:, 2] / HIGHEST_V,
            last[:, 3],
            1.0 - ledger.exposures / chosen.pulses,
            np.maximum(1.0 - ledger.time_s / self._limit_s, 0.0),
            np.minimum((ledger.time_s - self._looked_s) / self._limit_s, 1.0),
            self.asked_v / highest if loop else np.zeros(self.num_envs),
            self.measured_v[:, 0] / highest,
            self.measured_v[:, 1] / highest,
        ]
        return np.clip(np.stack(columns, axis=1), -1.0, 1.0).astype(np.float32)

    def info(self) -> dict[str, Any]:
        """Terms, cost, figures of merit and ledger; masks and the hidden state where asked for."""
        counts, instrument = self._counts, self.instrument
        result: dict[str, Any] = {
            "reward_terms": {name: self._terms[:, i].copy() for i, name in enumerate(TERMS)},
            "cost": self._cost.copy(),
            "cost_terms": {"breakdown": self._cost.copy()},
            "metrics": {
                "agreement": self.agreement.copy(),
                "written": counts[:, 1] / np.maximum(counts[:, 0], 1),
                "spilt": counts[:, 2] / np.maximum(counts[:, 0], 1),
                "images": instrument.images.copy(),
                "tip_wear": instrument.wear.copy(),
            },
            "ledger": instrument.ledger.copy(),
        }
        if self.arguments.goal == "loop":
            result["metrics"]["imprint_error_v"] = np.abs(self.imprint_v - self.asked_v)
        masks = self.action_masks()
        if masks is not None:
            result["action_mask"] = masks
        if self.arguments.reveal:
            result["latent"] = self._latent()
        return result

    def _latent(self) -> dict[str, NDArray[Any]]:
        """What no instrument would know."""
        instrument = self.instrument
        cells = OBSERVATIONS["compact"]
        edge = SIZE // cells
        up = (instrument.p > 0.0).astype(np.float32)
        pooled = up.reshape(self.num_envs, cells, edge, cells, edge).mean(axis=(2, 4))
        hidden = {
            name: getattr(instrument, name).copy()
            for name in ("p", "imprint", "bond", "barrier", "strength", "wear", "bearable_v")
        }
        return {
            "structure": pooled,
            "drift_cells": instrument.stage.drift.copy(),
            "target": self.target.copy(),
            "imprint_v": self.imprint_v.copy(),
            "asked_v": self.asked_v.copy(),
            **hidden,
        }

    def action_masks(self) -> NDArray[np.bool_] | None:
        """Pulses of the grid that were not given since the last look."""
        return ~self._used if self.arguments.action == "grid" else None

    def render(self, row: int) -> NDArray[np.uint8]:
        """Film, target, what is known, what was done, and what it cost."""
        return draw(self, row)

    def figures(self, row: int) -> list[tuple[str, str, float, bool]]:
        """Name, text, filled part and kind (merit or expense) of what a frame shows as gauges."""
        ledger, chosen = self.instrument.ledger, self.arguments
        made, seconds = int(ledger.exposures[row]), float(ledger.time_s[row])
        wanted, hit, spilt, _ = (int(one) for one in self._counts[row])
        good = float(self.agreement[row])
        if chosen.goal == "write":
            merits = [
                ("agreement (IoU)", f"{good:.0%}", good, True),
                ("pattern written", f"{hit / max(wanted, 1):.0%}", hit / max(wanted, 1), True),
                ("written beside it", f"{spilt / wanted:.0%}", spilt / wanted, False),
            ]
        else:
            error = abs(float(self.imprint_v[row] - self.asked_v[row]))
            merits = [
                ("agreement", f"{good:.0%}", good, True),
                ("imprint asked for", f"{self.asked_v[row]:+.2f} V", 0.0, True),
                ("error of the imprint", f"{error:.2f} V", error / IMPRINT_SCALE_V, False),
            ]
        return [
            *merits,
            ("pulses", f"{made} of {chosen.pulses}", made / chosen.pulses, False),
            ("time", f"{seconds:.0f} of {self._limit_s:.0f} s", seconds / self._limit_s, False),
            ("tip's wear", f"{self.instrument.wear[row]:.0%}", self.instrument.wear[row], False),
        ]

    def known(self, row: int) -> NDArray[np.float32]:
        """The image that the operator has, (SIZE, SIZE)."""
        return self._books[row, 0]

    def pulses(self, row: int) -> NDArray[np.float32]:
        """What the operator has done since the last look and before, signed, (SIZE, SIZE)."""
        return self._books[row, 3] - self._books[row, 4]

    def last_pulse(self, row: int) -> tuple[float, float, float] | None:
        """Commanded place in cells and bias in V of the last pulse, or None."""
        if not self.instrument.ledger.exposures[row]:
            return None
        y, x, volts, _ = (float(one) for one in self._last[row])
        return y, x, volts

    def state_arrays(self) -> dict[str, NDArray[Any]]:
        """Every array that changes."""
        return self.own_arrays() | self.instrument.state_arrays()

    def intervene(self, rows: Rows, **values: Any) -> None:
        """Set hidden quantities; draws stay as they were.

        Args:
            rows: (k,) int64.
            **values: `drift_velocity_cells_s`, `settling_cells`: (2,) or (k, 2), (y, x);
                `disorder`: strength from 0 (none) to 3, a number or (k,).

        Raises:
            ValueError: an unknown name, a wrong shape, or a value out of range.
        """
        instrument = self.instrument
        targets = {
            "drift_velocity_cells_s": instrument.stage.velocity,
            "settling_cells": instrument.stage.settling,
            "disorder": instrument.strength,
        }
        ready = interventions.read(rows, values, _SETTABLE)
        for name, value in ready.items():
            targets[name][rows] = value
