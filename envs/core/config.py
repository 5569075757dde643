"""Declared arguments of an environment: defaults, ranges, units and meanings.

A task's configuration is a frozen dataclass whose fields are made by the functions below.
Validation, messages, the command line and the table of the page follow from them.
"""

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any, ClassVar, Self

from microgym import validation
from microgym.specimens.splits import SPLITS
from microgym.state import LARGEST, LONGEST_S

LEVELS = ("off", "easy", "real", "hard")
"""Levels of a switch that makes a task harder."""
DIFFICULTY = "difficulty"
"""Name of the argument that chooses a preset of others."""


@dataclass(frozen=True)
class Option:
    """Declaration of one argument.

    Attributes:
        check: takes name and value, and returns the value to keep; raises on a bad one.
        doc: meaning of the argument.
        unit: of its value.
        levels: of a switch, its levels and their numbers; else None.
        choices: names that may be chosen; empty for an argument of another kind.
        at_reset: whether it may change at a reset. `begin` and `advance` of the task may read it,
            and what the paths of budgets and terms lead to, but not `observe`, `info` and the size
            of an array.
    """

    check: Callable[[str, Any], Any]
    doc: str
    unit: str = ""
    levels: Mapping[str, Any] | None = None
    choices: tuple[str, ...] = ()
    at_reset: bool = False


def option(default: Any, declared: Option) -> Any:
    """A dataclass field with its declaration."""
    words: dict[str, Any] = {"metadata": {"option": declared}}
    if isinstance(default, Mapping):
        frozen = MappingProxyType(dict(default))
        return dataclasses.field(default_factory=lambda: frozen, **words)
    return dataclasses.field(default=default, **words)


def choice(default: str, allowed: tuple[str, ...], doc: str) -> Any:
    """One of several names."""
    names = ", ".join(f'"{one}"' for one in allowed)
    check = partial(validation.choice, allowed=allowed)
    return option(default, Option(check, f"{doc}: {names}", choices=allowed))


def level(levels: Mapping[str, Any], doc: str, default: str = "real") -> Any:
    """A switch, which may change at a reset: one of `LEVELS`, and what each of them stands for."""
    check = partial(validation.choice, allowed=LEVELS)
    return option(default, Option(check, doc, "", levels, LEVELS, True))


def integer(default: int, low: int, high: int, doc: str, unit: str = "") -> Any:
    """An integer in a closed range."""
    check = partial(validation.integer, low=low, high=high)
    return option(default, Option(check, f"{doc}, {low:,} to {high:,}", unit))


def positive(default: float | None, doc: str, unit: str = "", optional: bool = False) -> Any:
    """A number above zero, or None where that is allowed; bounded as numbers of a state are."""
    high = LONGEST_S if unit == "s" else LARGEST

    def check(name: str, value: Any) -> float | None:
        if optional and value is None:
            return None
        return validation.within(name, validation.positive(name, value), 0.0, high)

    return option(default, Option(check, doc, unit))


def number(default: float, low: float, high: float, doc: str, unit: str = "") -> Any:
    """A number in a closed range."""
    check = partial(validation.within, low=low, high=high)
    return option(default, Option(check, f"{doc}, {low:g} to {high:g}", unit))


def flag(default: bool, doc: str) -> Any:
    """True or False."""
    return option(default, Option(validation.boolean, doc))


def changes(doc: str, known: tuple[str, ...] = ()) -> Any:
    """A mapping of names to numbers that changes defaults; `known` names, or any."""

    def check(name: str, value: Any) -> Any:
        if not isinstance(value, Mapping):
            raise TypeError(f"{name} must map names to numbers, got {value!r}")
        for one in value if known else ():
            validation.choice(name, one, known)
        return value

    return option({}, Option(check, doc))


def split() -> Any:
    """The split that specimens are drawn from."""
    return choice("train", SPLITS, "disjoint set of specimens")


def anything(default: Any, doc: str, names: tuple[str, ...] = ()) -> Any:
    """A value that `Config.validate` of the task checks; `names` are those it may have."""
    return option(default, Option(lambda _, value: value, doc, choices=names))


def at_reset(declared: Any) -> Any:
    """The same argument, an integer, a number or one of several names, may change at a reset."""
    words: Option = declared.metadata["option"]
    return option(declared.default, dataclasses.replace(words, at_reset=True))


def family(default: str, names: tuple[str, ...], doc: str) -> Any:
    """The family that specimens are drawn from, which may change at a reset."""
    listed = ", ".join(f'"{one}"' for one in names)
    return at_reset(anything(default, f"{doc}: {listed}", names))


@dataclass(frozen=True)
class Config:
    """Arguments that all environments have.

    Attributes:
        PRESETS: by difficulty, values of arguments that may change at a reset; an argument that is
            given wins.
    """

    PRESETS: ClassVar[Mapping[str, Mapping[str, Any]]] = {"easy": {}}
    reward_weights: Mapping[str, float] = changes("weights of reward terms to change, by name")
    reward_mode: str = choice(
        "scalar", ("scalar", "vector"), "reward as a sum or as a vector of its terms"
    )
    reveal: bool = flag(False, 'put the hidden state into `info["latent"]`')
    threads: int = integer(1, 1, 256, "threads that share a batch")
    difficulty: str = at_reset(
        choice("default", ("default", "easy"), "preset of the arguments that are not given")
    )

    def __post_init__(self) -> None:
        """Check every value, then what they make together."""
        for name, declared in options(type(self)).items():
            object.__setattr__(self, name, declared.check(name, getattr(self, name)))
        self.validate()

    def validate(self) -> None:
        """Check values against each other; a task's own configuration overrides it."""

    @property
    def switches(self) -> dict[str, Any]:
        """What the chosen level of each switch stands for, by name."""
        declared = options(type(self)).items()
        return {name: one.levels[getattr(self, name)] for name, one in declared if one.levels}

    @classmethod
    def parse(cls, given: Mapping[str, Any], name: str) -> Self:
        """A configuration from arguments of `gymnasium.make`, for an environment of a name.

        Arguments that are not given have the values of the difficulty's preset, or their defaults.

        Raises:
            TypeError: an unknown name, worded as Python does, with the list of known ones; or a
                value of the wrong type.
            ValueError: a value out of range.
        """
        known = sorted(one.name for one in dataclasses.fields(cls))
        unknown = [word for word in given if word not in known]
        if unknown:
            problem = f"got an unexpected keyword argument {unknown[0]!r}; known are {known}"
            raise TypeError(f"{name}.__init__() {problem}")
        preset = cls.PRESETS.get(given.get(DIFFICULTY, ""), {})
        return cls(**{**preset, **given})


def options(kind: type[Config]) -> dict[str, Option]:
    """The declarations of a configuration's arguments, by name.

    Raises:
        TypeError: a field that was not made by a function of this module.
    """
    found: dict[str, Option] = {}
    for one in dataclasses.fields(kind):
        if "option" not in one.metadata:
            raise TypeError(f"{kind.__name__}.{one.name} must be declared by an option")
        found[one.name] = one.metadata["option"]
    return found
