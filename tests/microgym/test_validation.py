"""Checks of arguments: what passes, and the messages of what does not."""

import math
from dataclasses import dataclass

import numpy as np
import pytest

from microgym import validation


@dataclass(frozen=True)
class Sizes(validation.Checked):
    size_nm: validation.NonNegative = 0.0
    decay_time_s: validation.Positive = 1.0
    length_unit: str = "nm"


@pytest.mark.parametrize(
    ("check", "value", "found"),
    [
        (validation.finite, np.float32(-0.5), -0.5),
        (validation.positive, 3, 3.0),
        (validation.non_negative, 0, 0.0),
        (lambda name, value: validation.within(name, value, -1.0, 1.0), -1, -1.0),
        (lambda name, value: validation.integer(name, value, 0, 5), np.int8(5), 5),
    ],
)
def test_good_values_come_back_as_pythons_own(check, value, found):
    given = check("size", value)
    assert given == found
    assert type(given) is type(found)


@pytest.mark.parametrize(
    ("check", "error", "message"),
    [
        (lambda: validation.finite("size", "1"), TypeError, "size must be a real number, not '1'"),
        (
            lambda: validation.finite("size", True),
            TypeError,
            "size must be a real number, not True",
        ),
        (lambda: validation.finite("size", math.nan), ValueError, "size=nan must be finite"),
        (lambda: validation.positive("size", 0), ValueError, "size=0 must be above zero"),
        (lambda: validation.non_negative("size", -1), ValueError, "size=-1 must be at least 0"),
        (
            lambda: validation.within("size", 1.5, 0.0, 1.0),
            ValueError,
            r"size=1.5 must be in \[0, 1\]",
        ),
        (lambda: validation.integer("size", 1.0, 0, 5), TypeError, "size must be an integer"),
        (lambda: validation.integer("size", 6, 0, 5), ValueError, r"size=6 must be in \[0, 5\]"),
        (lambda: validation.choice("mode", "c", ("a", "b")), ValueError, "mode='c' must be one of"),
        (lambda: validation.boolean("flag", 1), TypeError, "flag must be True or False, got 1"),
        (lambda: Sizes(-1.0), ValueError, "size_nm=-1.0 must be at least"),
        (lambda: Sizes(0.0, 0.0), ValueError, "decay_time_s=0.0 must be"),
    ],
)
def test_bad_values_raise(check, error, message):
    with pytest.raises(error, match=message):
        check()


def test_annotated_fields_are_checked_and_kept_as_floats():
    sizes = Sizes(2, length_unit="px")
    assert type(sizes.size_nm) is float
    assert sizes.length_unit == "px"


@dataclass(frozen=True)
class Timed(validation.Checked):
    wait_s: validation.Duration = 1.0
    scan_s: validation.PositiveDuration = 1.0
    speed_nm_s: validation.Speed = 1.0
    change_hz: validation.Rate = 1.0


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("wait_s", (0.0, 1e5), (-1e-9, 1e15, math.inf, math.nan)),
        ("scan_s", (1e-9, 1e5), (0.0, 1e-300, 1e15)),
        ("speed_nm_s", (1e-6, 1e12), (0.0, 1e-300, 1e300)),
        ("change_hz", (0.0, 1e6), (-1.0, 1e300)),
    ],
)
def test_arguments_of_time_have_bounds_on_both_sides(name, good, bad):
    for value in good:
        assert getattr(Timed(**{name: value}), name) == value
    for value in bad:
        with pytest.raises(ValueError, match=f"{name}="):
            Timed(**{name: value})
