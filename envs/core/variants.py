"""Arguments that may change at a reset: their values in each row, and the tasks that have them."""

import copy
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from microgym.envs.core.config import DIFFICULTY, Option, options

if TYPE_CHECKING:
    from microgym.envs.core.task import Rows, Task

_MOST = 256
"""Variants that are kept, unless more are in use (design choice)."""


class Variants:
    """Arguments of N rows that may change at a reset, and one task for each distinct set of them.

    Such a task is a copy of the one that was made: it has another configuration, and shares all
    arrays. Rows with equal arguments are played together by one of them.

    Args:
        made: the task with the arguments of `gymnasium.make`.
        given: these arguments.

    Attributes:
        values: float64 [N, arguments]: a number, or the position of a name among those that may be
            chosen; -1 for another name that was made. They persist until they are set anew.
        current: the task of all rows, or the one that was made where rows differ.
    """

    def __init__(self, made: "Task", given: Mapping[str, Any]) -> None:
        self._made, self._given = made, given
        self.known: dict[str, Option] = {
            name: one for name, one in options(type(made.config)).items() if one.at_reset
        }
        numbers = [self._number(name, getattr(made.config, name)) for name in self.known]
        self.values = np.tile(np.array(numbers, np.float64), (made.num_envs, 1))
        self._tasks = {self.values[0].tobytes(): made}
        self._show([made], np.zeros(made.num_envs, np.int64))

    def _show(self, used: "list[Task]", place: NDArray[np.int64]) -> None:
        """Set the tasks in use, and the place of each row's among them, [N]."""
        self._used, self._place = used, place
        self.current = used[0] if len(used) == 1 else self._made

    def read(self, rows: "Rows", asked: Mapping[str, Any], single: bool) -> NDArray[np.float64]:
        """Values after a reset with options; nothing is changed.

        Args:
            rows: int64 [k], to be reset.
            asked: value by name: one for all rows, or, unless `single`, a sequence of N of which
                those of the rows are taken; None in it leaves a row as it is. "difficulty" sets
                every argument to its value in an environment that is made with this difficulty.
            single: the environment has one row, and a sequence is no value.

        Returns:
            [N, arguments], for `set`.

        Raises:
            TypeError: a value of the wrong kind.
            ValueError: an unknown name, or a value that is not allowed, by itself or with others.
        """
        unknown = sorted(str(name) for name in asked if name not in self.known)
        if unknown:
            raise ValueError(f"unknown reset options {unknown}; known are {sorted(self.known)}")
        values, count = self.values.copy(), len(self.values)
        # The difficulty first: the other options change what it sets.
        for name in sorted(asked, key=lambda one: one != DIFFICULTY):
            value = asked[name]
            each: list[Any] = [value] * count
            if not single and isinstance(value, list | tuple | np.ndarray):
                each = np.asarray(value, object).tolist()
                if len(each) != count:
                    raise ValueError(f"{name} must be one value or {count}, got {value!r}")
            for row in rows:
                if each[row] is not None:
                    values[row] = self._changed(values[row], name, each[row])
        self._find(values)
        return values

    def _changed(self, row: NDArray[np.float64], name: str, value: Any) -> NDArray[np.float64]:
        """Values of a row after one argument has been set."""
        value = value.item() if isinstance(value, np.generic) else value
        checked = self.known[name].check(name, value)
        changed = {name: checked}
        if name == DIFFICULTY:
            kind = type(self._made.config)
            config: Any = kind.parse({**self._given, name: checked}, kind.__name__)
            changed = {one: getattr(config, one) for one in self.known}
        row = row.copy()
        for one, new in changed.items():
            row[list(self.known).index(one)] = self._number(one, new)
        return row

    def _number(self, name: str, value: Any) -> float:
        """A checked value as a number."""
        choices = self.known[name].choices
        if not choices:
            return float(value)
        if value in choices:
            return float(choices.index(value))
        if value == getattr(self._made.config, name):
            return -1.0
        raise ValueError(f"{name}={value!r} must be one of {choices} at a reset")

    def _config(self, row: NDArray[np.float64]) -> Any:
        """Configuration of the values of a row."""
        made, changed = self._made.config, dict[str, Any]()
        for (name, one), number in zip(self.known.items(), row.tolist(), strict=True):
            if not one.choices and np.isfinite(number):
                changed[name] = type(getattr(made, name))(number)
            elif number in range(len(one.choices)):
                changed[name] = one.choices[int(number)]
            elif number != -1.0 or not one.choices:
                raise ValueError(f"{name} must be a number, or a position in {one.choices}")
        return replace(made, **changed)

    def _find(self, values: NDArray[np.float64]) -> tuple["list[Task]", NDArray[np.int64]]:
        """Tasks of some values [N, arguments], and the place of each row's among them."""
        places: dict[bytes, int] = {}
        keys = [row.tobytes() for row in values]
        place = np.array([places.setdefault(key, len(places)) for key in keys])
        if len(self._tasks) > _MOST:
            self._tasks = {key: self._tasks[key] for key in places if key in self._tasks}
        for key in places:
            if key not in self._tasks:
                task = copy.copy(self._made)
                task.config = self._config(np.frombuffer(key))
                task.tune()
                self._tasks[key] = task
        return [self._tasks[key] for key in places], place

    def check(self, values: NDArray[np.float64]) -> None:
        """Check values [N, arguments] from elsewhere.

        Raises:
            ValueError: values that `read` does not make.
        """
        self._find(values)

    def set(self, values: NDArray[np.float64]) -> None:
        """Let the rows have other values, from `read`, from the next `parts` on."""
        self.values[...] = values
        self._show(*self._find(self.values))

    def parts(self, rows: "Rows") -> "Iterator[tuple[Task, slice | NDArray[np.bool_]]]":
        """Tasks of some rows, [k], each with the index of its rows in `rows`; none is empty."""
        if len(self._used) == 1:
            yield self.current, slice(None)
            return
        for number, task in enumerate(self._used):
            mine = self._place[rows] == number
            if mine.any():
                yield task, mine

    def of(self, row: int) -> "Task":
        """The task of a row."""
        return self._used[self._place[row]]
