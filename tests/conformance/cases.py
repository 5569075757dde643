"""What the conformance tests run over: every registered environment, and the toy.

An environment's cases stand beside its tests, in `tests/envs/<folder>/cases.py`: `CASES` maps each
id to "brief" (arguments that make episodes short), "variants" (argument sets besides the default
one) and, where its task does not declare examples, "interventions".
"""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from microgym.envs.core.registry import Entry, entries
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
        return {**declared(self.entry).get("brief", {}), **self.kwargs}

    @property
    def interventions(self) -> Mapping[str, Any]:
        """An example value of each hidden quantity that can be set."""
        given = declared(self.entry).get("interventions")
        if given is not None:
            return given
        return {n: one.example for n, one in self.entry.load().task_class.INTERVENTIONS.items()}

    def __str__(self) -> str:
        words = ",".join(f"{name}={value}" for name, value in self.kwargs.items())
        return f"{self.entry.id}({words})"


def declared(entry: Entry) -> Mapping[str, Any]:
    """What stands beside the tests of an environment."""
    if entry is TOY:
        return importlib.import_module("tests.envs.toy").CASES
    return importlib.import_module(f"tests.envs.{entry.folder}.cases").CASES[entry.id]


def of(entry: Entry) -> list[Case]:
    """An environment's cases: as registered, then its variants."""
    return [Case(entry, kwargs) for kwargs in ({}, *declared(entry).get("variants", ()))]


ALL_ENTRIES = (TOY, *entries())
CASES = [case for entry in ALL_ENTRIES for case in of(entry)]
DEFAULTS = [Case(entry, {}) for entry in ALL_ENTRIES]
REGISTERED = [Case(entry, {}) for entry in entries()]
