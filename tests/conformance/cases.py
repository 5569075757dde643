"""What the conformance tests run over: every registered environment, and the toy."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from microgym.envs.core.registry import ENTRIES, Entry
from tests.envs.toy import ENTRY as TOY


@dataclass(frozen=True)
class Case:
    """An environment under one set of arguments."""

    entry: Entry
    kwargs: Mapping[str, Any]

    @property
    def id(self) -> str:
        """The id that workers can make, too: importing its first part registers it."""
        module = "tests.envs.toy" if self.entry is TOY else "microgym"
        return f"{module}:{self.entry.id}"

    @property
    def arguments(self) -> dict[str, Any]:
        """Arguments that also make episodes short."""
        return {**self.entry.brief, **self.kwargs}

    def __str__(self) -> str:
        words = ",".join(f"{name}={value}" for name, value in self.kwargs.items())
        return f"{self.entry.id}({words})"


def of(entry: Entry) -> list[Case]:
    """An environment's cases: as registered, then its variants."""
    return [Case(entry, kwargs) for kwargs in ({}, *entry.variants)]


ALL_ENTRIES = (TOY, *ENTRIES)
CASES = [case for entry in ALL_ENTRIES for case in of(entry)]
DEFAULTS = [Case(entry, {}) for entry in ALL_ENTRIES]
REGISTERED = [Case(entry, {}) for entry in ENTRIES]
