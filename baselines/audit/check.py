"""Verdicts of an audit, and the groups of checks by name."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pkgutil import resolve_name
from typing import Any

from microgym.baselines.evaluation.statistics import Estimate

_HERE = "microgym.baselines.audit."

GROUPS: Mapping[str, str] = {
    "speed": f"{_HERE}speed:speed",
    "leaks": f"{_HERE}observations:leaks",
    "scale": f"{_HERE}observations:scale",
    "references": f"{_HERE}references:references",
    "credit": f"{_HERE}credit:credit",
    "splits": f"{_HERE}splits:splits",
    "degenerate": f"{_HERE}degenerate:degenerate",
    "blind": f"{_HERE}blind:blind",
    "switches": f"{_HERE}switches:switches",
    "families": f"{_HERE}families:families",
    "ceiling": f"{_HERE}ceiling:ceiling",
    "plain": f"{_HERE}plain:plain",
}
"""Functions of an `Audit` that return `Findings`, by the name of their group, in their order."""

SHORT = ("speed", "leaks", "scale", "references", "credit", "splits", "degenerate")
"""Groups that a minute decides."""


@dataclass(frozen=True, slots=True)
class Check:
    """One line of an audit.

    Attributes:
        name: group, and what was looked at, such as "scale maps".
        verdict: "pass" or "fail".
        figure: what was measured, in words and numbers.
        want: what must hold.
    """

    name: str
    verdict: str
    figure: str
    want: str

    @property
    def passed(self) -> bool:
        """Whether the verdict is "pass"."""
        return self.verdict == "pass"


@dataclass(frozen=True)
class Findings:
    """Result of a group.

    Attributes:
        checks: the verdicts.
        data: numbers behind them, for the card: plain values, sequences and mappings.
        seconds: processor time, that of its workers included.
    """

    checks: tuple[Check, ...]
    data: Mapping[str, Any] = field(default_factory=dict)
    seconds: float = 0.0


def group_named(name: str) -> Callable[[Any], Findings]:
    """The function of a group."""
    return resolve_name(GROUPS[name])


def judge(name: str, passed: bool, figure: str, want: str) -> Check:
    """A verdict from whether it holds."""
    return Check(name, "pass" if passed else "fail", figure, want)


def text(estimate: Estimate, digits: int = 3) -> str:
    """An estimate with its interval."""
    return f"{estimate.value:.{digits}f} [{estimate.low:.{digits}f}, {estimate.high:.{digits}f}]"


def listed(names: Iterable[str], most: int = 8) -> str:
    """Names in a line, cut after so many."""
    found = list(names)
    more = f" and {len(found) - most} more" if len(found) > most else ""
    return ", ".join(found[:most]) + more
