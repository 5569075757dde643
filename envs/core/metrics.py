"""Declared metrics and hidden quantities: facts of an episode for `info`, frames and reports."""

from dataclasses import dataclass

from microgym.validation import choice


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
