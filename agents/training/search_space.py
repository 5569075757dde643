"""Where better settings of a training are looked for: the table "search" of its configuration."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from microgym.agents.training.config import read_tables

Value = bool | int | float | str


@dataclass(frozen=True)
class Range:
    """All numbers between two; whole ones if the ends are.

    Attributes:
        low: the smallest.
        high: the largest.
        log: equal ratios are equally likely, not equal differences.
    """

    low: int | float
    high: int | float
    log: bool = False

    def __contains__(self, value: Value) -> bool:
        return type(value) is type(self.low) and self.low <= cast("float", value) <= self.high


@dataclass(frozen=True)
class Choice:
    """One of a few values.

    Attributes:
        values: the values, in the order of the file.
    """

    values: tuple[Value, ...]

    def __contains__(self, value: Value) -> bool:
        return any(type(value) is type(one) and value == one for one in self.values)


Space = dict[str, Range | Choice]


def search_space(env_id: str) -> Space:
    """The space that an environment's configuration declares.

    Each line of the table "search" names a setting of the table "training":
    `{ low = 1e-4, high = 2e-3, log = true }`, where `log` may be left out, or
    `{ choices = [128, 256] }`.

    Args:
        env_id: such as "Ptycho-v0".

    Returns:
        Name of the setting to its values, in the order of the file.

    Raises:
        ValueError: no configuration, no such table, a setting that does not exist, or values that
            it cannot have; the message names it.
    """
    tables = read_tables(env_id)
    space = {
        name: _values(f"[search] {name} of {env_id}", one, name, tables["training"])
        for name, one in tables.get("search", {}).items()
    }
    if not space:
        raise ValueError(f"the configuration of {env_id} declares nothing to search: no [search]")
    return space


def _values(what: str, given: Any, name: str, training: Mapping[str, Any]) -> Range | Choice:
    if name not in training:
        raise ValueError(f"{what}: unknown setting; there are {', '.join(sorted(training))}")
    wanted = type(training[name])
    keys: set[str] = set(given) if isinstance(given, dict) else set()
    if keys == {"choices"}:
        values = given["choices"]
        if not isinstance(values, list) or len(cast("list[Any]", values)) < 2:
            raise ValueError(f"{what}: choices must be a list of two or more, got {values!r}")
        found = tuple(_typed(what, wanted, one) for one in cast("list[Any]", values))
        if len(set(found)) < len(found):
            raise ValueError(f"{what}: choices must be distinct, got {values!r}")
        return Choice(found)
    if not {"low", "high"} <= keys <= {"low", "high", "log"}:
        raise ValueError(
            f"{what}: expected {{ low, high }}, {{ low, high, log }} or {{ choices }}, "
            f"got {given!r}"
        )
    if wanted not in (int, float):
        raise ValueError(f"{what}: a {wanted.__name__} needs choices, not low and high")
    low, high = (_typed(what, wanted, given[end]) for end in ("low", "high"))
    log = given.get("log", False)
    if not isinstance(log, bool):
        raise ValueError(f"{what}: log must be true or false, got {log!r}")
    if not low < high < float("inf"):
        raise ValueError(f"{what}: low must be below high, got {low} and {high}")
    if log and low <= 0:
        raise ValueError(f"{what}: with log, low must be above 0, got {low}")
    return Range(low, high, log)


def _typed(what: str, wanted: type, value: Any) -> Any:
    if wanted is float and type(value) is int:
        return float(value)
    if type(value) is not wanted:
        raise ValueError(f"{what}: values must be {wanted.__name__}, got {value!r}")
    return value
