"""Declared facts of a task: terms of its reward, metrics, hidden quantities, interventions.

The terms of an episode add up to one difference between its end and its beginning, however the
episode is cut into steps. Weights are applied on top. What must never happen is a cost, apart from
the reward.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from microgym.state import Float64
from microgym.validation import choice, finite


@dataclass(frozen=True)
class Term:
    """One term of a reward.

    Attributes:
        weight: in the scalar reward, by default (design choice).
        doc: sum of the term over an episode.
        better: "higher" if a growing potential earns, "lower" if it costs.
        scale: number that the change is divided by, or the path of the task's attribute that holds
            it: a number, or one for each environment.
        path: of the task's array that is the potential, such as "ledger.time_s"; empty where
            `Task.potentials` computes it.
    """

    weight: float
    doc: str
    better: str = "higher"
    scale: float | str = 1.0
    path: str = ""

    def __post_init__(self) -> None:
        choice("better", self.better, ("higher", "lower"))
        finite("weight", self.weight)

    def of(self, before: Float64, after: Float64, scale: float | Float64) -> Float64:
        """The term of one step, (k,), from potentials (k,) before and after it."""
        change = after - before if self.better == "higher" else before - after
        return change / scale


TIME = Term(
    0.1, "minus the time used, over the limit", "lower", "config.time_limit_s", "ledger.time_s"
)
"""The term of a task whose time is limited."""


def reward_weights(declared: Mapping[str, Term], given: Mapping[str, float]) -> Float64:
    """Weights of declared terms, (terms,) float64, with a user's changes by name.

    Raises:
        TypeError: a weight that is no number.
        ValueError: an unknown name, or a weight that is not finite.
    """
    unknown = sorted(str(name) for name in given if name not in declared)
    if unknown:
        raise ValueError(
            f"unknown reward terms {', '.join(unknown)}; known are {', '.join(declared)}"
        )
    changed = {name: finite(f"weight of {name}", value) for name, value in given.items()}
    return np.array([changed.get(name, term.weight) for name, term in declared.items()])


def weighted_sum(terms: Float64, factors: Float64) -> Float64:
    """The scalar reward, (k,): terms (k, terms) times factors (terms,), added in their order."""
    return np.cumsum(factors * terms, axis=1)[:, -1]


@dataclass(frozen=True, slots=True)
class Metric:
    """A number that stands beside the return of every policy.

    Attributes:
        name: its key in `info`.
        label: what it is, in words that stand at the head of a column.
        unit: of the number; empty for a pure number.
        better: "higher" or "lower"; empty for what is neither, such as the time taken.
        group: part of `info` that holds it: "metrics" or "ledger", of which the last value of the
            episode counts, or "cost_terms", which are summed over it.
        report: whether it is a column of reports.
        gauge: in frames, the value of a full gauge, or the path of the task's attribute that holds
            it; None: no gauge.
        text: format of the gauge's text, of `value` and `full`; by default, "value of full" where
            the full gauge is an attribute, the value where it has a unit, else a percentage.
        path: of the task's array that a metric of the group "metrics" copies; empty where
            `Task.metrics` computes it.
    """

    name: str
    label: str
    unit: str = ""
    better: str = "lower"
    group: str = "metrics"
    report: bool = True
    gauge: float | str | None = None
    text: str = ""
    path: str = ""

    def __post_init__(self) -> None:
        choice("group", self.group, ("metrics", "ledger", "cost_terms"))
        choice("better", self.better, ("higher", "lower", ""))

    def describe(self, value: float, full: float) -> str:
        """Text of the gauge, from the present value and the value of a full gauge."""
        amount = "{value:.0f} of {full:.0f}" if isinstance(self.gauge, str) else "{value:.0f}"
        plain = not self.unit and not isinstance(self.gauge, str)
        text = self.text or ("{value:.0%}" if plain else f"{amount} {self.unit}".rstrip())
        return text.format(value=value, full=full)


@dataclass(frozen=True, slots=True)
class Latent:
    """A hidden quantity.

    Attributes:
        doc: meaning.
        path: of the task's array that is copied, such as "instrument.state.wear"; empty where
            `Task.latent` computes it.
        unit: of its numbers; empty for pure numbers.
    """

    doc: str
    path: str = ""
    unit: str = ""


@dataclass(frozen=True)
class Intervention:
    """Numbers that may be set, or one of several states.

    Attributes:
        doc: meaning, with the unit.
        target: path of the task's array to be set, such as "instrument.state.wear", or of the
            method that sets it, of rows and values.
        column: of the array's last axis, where it is one of several.
        low, high: closed range.
        above: open lower bound.
        names: of the states, where the array holds a position among them.
        example: a value for tests and pages.
    """

    doc: str
    target: str
    column: int | None = None
    low: float = -np.inf
    high: float = np.inf
    above: float = -np.inf
    names: tuple[str, ...] = ()
    example: Any = None

    def read(self, name: str, value: Any, shape: tuple[int, ...]) -> NDArray[Any]:
        """Check a value.

        Args:
            name: as errors have it.
            value: numbers, one for all rows or one for each; or one name for all.
            shape: k, and the shape of one environment's value.

        Returns:
            (k, ...) float64, or int64 positions among the names.

        Raises:
            ValueError: a wrong shape, a number that is not finite or out of range, no such name.
        """
        if self.names:
            return np.full(shape, self.names.index(choice(name, value, self.names)))
        try:
            found = np.broadcast_to(np.asarray(value, np.float64), shape)
        except (TypeError, ValueError) as error:
            wanted = f"{shape[1:]} or {shape}"
            raise ValueError(f"{name}={value!r} must be numbers of shape {wanted}") from error
        if not np.isfinite(found).all():
            raise ValueError(f"{name}={value!r} must be finite")
        if not (found > self.above).all():
            raise ValueError(f"{name}={value!r} must be above {self.above:g}")
        if not ((found >= self.low) & (found <= self.high)).all():
            raise ValueError(f"{name}={value!r} must be in [{self.low:g}, {self.high:g}]")
        return found


def drift(
    unit: str, axes: str = "y, x", state: str = "instrument.state.drift"
) -> dict[str, Intervention]:
    """The two hidden parts of a drift, of a unit and with some components, held at a path."""
    return {
        f"drift_velocity_{unit}_s": Intervention(
            f"linear drift ({axes}), {unit}/s", f"{state}.velocity", example=0.5
        ),
        f"settling_{unit}": Intervention(
            f"settling that is left ({axes}), {unit}", f"{state}.settling", example=2.0
        ),
    }
