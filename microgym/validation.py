"""Validation of arguments: the checks, and the messages of bad input.

Every check takes the name of the argument, for the message, and the value that the user gave. A
value of the wrong type raises TypeError, one out of range ValueError; booleans are no numbers. The
checks return the value, numbers as a float or an int.
"""

import math
from dataclasses import dataclass
from functools import partial
from numbers import Integral, Real
from typing import Annotated, Any, get_type_hints


def finite(name: str, value: object) -> float:
    """Check that an argument is a finite real number."""
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name} must be a real number, not {value!r}")
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"{name}={value!r} must be finite")
    return number


def positive(name: str, value: object) -> float:
    """Check that an argument is a finite number above zero."""
    number = finite(name, value)
    if number <= 0.0:
        raise ValueError(f"{name}={value!r} must be above zero")
    return number


def non_negative(name: str, value: object) -> float:
    """Check that an argument is a finite number of at least zero."""
    number = finite(name, value)
    if number < 0.0:
        raise ValueError(f"{name}={value!r} must be at least 0")
    return number


def within(name: str, value: object, low: float, high: float) -> float:
    """Check that an argument is a number in a closed range."""
    number = finite(name, value)
    if not low <= number <= high:
        raise ValueError(f"{name}={value!r} must be in [{low:g}, {high:g}]")
    return number


def integer(name: str, value: object, low: int, high: int) -> int:
    """Check that an argument is an integer in a closed range."""
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise TypeError(f"{name} must be an integer, not {value!r}")
    number = int(value)
    if not low <= number <= high:
        raise ValueError(f"{name}={number} must be in [{low}, {high}]")
    return number


def choice(name: str, value: Any, allowed: tuple[str, ...]) -> Any:
    """Check that an argument is one of several names."""
    if value not in allowed:
        raise ValueError(f"{name}={value!r} must be one of {allowed}")
    return value


def boolean(name: str, value: Any) -> Any:
    """Check that an argument is a bool."""
    if not isinstance(value, bool):
        raise TypeError(f"{name} must be True or False, got {value!r}")
    return value


Positive = Annotated[float, positive]
NonNegative = Annotated[float, non_negative]

LONGEST_DURATION_S = 1e5
"""Longest duration that an argument may have, s: about a day (design choice)."""

Duration = Annotated[float, non_negative, partial(within, low=0.0, high=LONGEST_DURATION_S)]
PositiveDuration = Annotated[float, positive, partial(within, low=1e-9, high=LONGEST_DURATION_S)]
Speed = Annotated[float, positive, partial(within, low=1e-6, high=1e12)]
Rate = Annotated[float, non_negative, partial(within, low=0.0, high=1e6)]
"""Arguments of time with bounds of both sides (design choice), so that neither an episode nor a
loop over time lasts for ever: durations in s, speeds in a unit of length / s, rates in 1/s."""


@dataclass(frozen=True)
class Checked:
    """Base of dataclasses whose annotations check their fields.

    Every function in an `Annotated` type takes the field's name and value, as those of this module
    do, and returns the value to keep:

        @dataclass(frozen=True)
        class Tip(Checked):
            radius_nm: Positive = 8.0
    """

    def __post_init__(self) -> None:
        """Check every annotated field.

        Raises:
            TypeError: a value of the wrong type.
            ValueError: a value out of range.
        """
        for name, hint in get_type_hints(type(self), include_extras=True).items():
            for check in getattr(hint, "__metadata__", ()):
                object.__setattr__(self, name, check(name, getattr(self, name)))
