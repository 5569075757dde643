"""Search spaces of hyperparameters: the table "search" of an agent's configuration."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from microgym.agents.core.config import read_tables

Value = bool | int | float | str


@dataclass(frozen=True)
class Range:
    """Interval of numbers, ends included; of integers if the ends are integers.

    Attributes:
        low: the smallest.
        high: the largest.
        log: uniform in the logarithm.
    """

    low: int | float
    high: int | float
    log: bool = False

    def __contains__(self, value: Value) -> bool:
        return type(value) is type(self.low) and self.low <= cast("float", value) <= self.high

    def suggest(self, trial: Any, name: str) -> Value:
        """Value of a parameter in a trial of Optuna."""
        suggest = trial.suggest_int if isinstance(self.low, int) else trial.suggest_float
        return suggest(name, self.low, self.high, log=self.log)


@dataclass(frozen=True)
class Choice:
    """Finite set of values, in the order of the file."""

    values: tuple[Value, ...]

    def __contains__(self, value: Value) -> bool:
        return any(type(value) is type(one) and value == one for one in self.values)

    def suggest(self, trial: Any, name: str) -> Value:
        """Value of a parameter in a trial of Optuna."""
        return trial.suggest_categorical(name, self.values)


Space = dict[str, Range | Choice]


def search_space(env_id: str) -> Space:
    """Search space that the configuration of an environment declares.

    Each line of the table "search" names a hyperparameter of the table "training", with values as
    for `read_values`.

    Returns:
        Values by hyperparameter, in the order of the file.

    Raises:
        ValueError: no configuration or no such table; an unknown hyperparameter, or values that it
            cannot have, which the message names.
    """
    tables = read_tables(env_id)
    training = tables["training"]
    space: Space = {}
    for name, given in tables.get("search", {}).items():
        where = f"[search] {name} of {env_id}"
        if name not in training:
            raise ValueError(f"{where}: unknown setting; there are {', '.join(sorted(training))}")
        space[name] = read_values(where, given, type(training[name]))
    if not space:
        raise ValueError(f"the configuration of {env_id} declares nothing to search: no [search]")
    return space


def read_values(where: str, given: Any, wanted: type) -> Range | Choice:
    """Values to search, as a configuration file declares them.

    Args:
        where: start of the messages.
        given: `{ low = 1e-4, high = 2e-3, log = true }`, where `log` is optional, or
            `{ choices = [128, 256] }`.
        wanted: type of the values.

    Raises:
        ValueError: another form, or values of another type or out of order.
    """
    keys: set[str] = set(given) if isinstance(given, Mapping) else set()
    if keys == {"choices"}:
        values = given["choices"]
        if not isinstance(values, list) or len(cast("list[Any]", values)) < 2:
            raise ValueError(f"{where}: choices must be a list of two or more, got {values!r}")
        found = tuple(_typed(where, wanted, one) for one in cast("list[Any]", values))
        if len(set(found)) < len(found):
            raise ValueError(f"{where}: choices must be distinct, got {values!r}")
        return Choice(found)
    if not {"low", "high"} <= keys <= {"low", "high", "log"}:
        raise ValueError(
            f"{where}: expected {{ low, high }}, {{ low, high, log }} or {{ choices }}, "
            f"got {given!r}"
        )
    if wanted not in (int, float):
        raise ValueError(f"{where}: a {wanted.__name__} needs choices, not low and high")
    low, high = (_typed(where, wanted, given[end]) for end in ("low", "high"))
    log = given.get("log", False)
    if not isinstance(log, bool):
        raise ValueError(f"{where}: log must be true or false, got {log!r}")
    if not low < high < float("inf"):
        raise ValueError(f"{where}: low must be below high, got {low} and {high}")
    if log and low <= 0:
        raise ValueError(f"{where}: with log, low must be above 0, got {low}")
    return Range(low, high, log)


def _typed(where: str, wanted: type, value: Any) -> Any:
    if wanted is float and type(value) is int:
        return float(value)
    if type(value) is not wanted:
        raise ValueError(f"{where}: values must be {wanted.__name__}, got {value!r}")
    return value
