"""Tables of an environment's page."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

Table = list[tuple[str, ...]]
"""Rows of cells; the first row is the head."""

_NEVER = 1e9
"""Bounds of this size stand for what never happens."""


def number(value: float | str) -> str:
    """A number, or the name of a unit, for a reader."""
    if isinstance(value, str):
        return value
    if value >= _NEVER:
        return "none"
    return f"{value:,.0f}" if value >= 1000.0 else f"{value:g}"


def switch(name: str, levels: Mapping[str, Any]) -> Table:
    """A switch whose levels are dataclasses of numbers.

    Args:
        name: of the argument.
        levels: the switch's levels, from off to hard.

    Returns:
        One row a level, one column a number that is not zero on all of them.
    """
    columns = [
        field.name
        for field in fields(next(iter(levels.values())))
        if any(getattr(level, field.name) for level in levels.values())
    ]
    rows = [
        (level, *(number(getattr(found, column)) for column in columns))
        for level, found in levels.items()
    ]
    return [(f"`{name}`", *(f"`{column}`" for column in columns)), *rows]
