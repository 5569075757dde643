"""Declarations that cannot be made: undocumented channels, unknown levels, undeclared options."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from microgym.envs.core.channels import Channel, Channels, Choices, Plane, flattened, space_of
from microgym.envs.core.config import (
    Config,
    anything,
    changes,
    choice,
    flag,
    integer,
    level,
    number,
    options,
    positive,
)
from microgym.envs.core.declarations import Metric

LEVELS = {"off": 0.0, "easy": 1.0, "real": 2.0, "hard": 3.0}


@dataclass(frozen=True)
class Example(Config):
    kind: str = choice("round", ("round", "square"), "shape")
    drift: str = level(LEVELS, "drift")
    count: int = integer(3, 1, 9, "how many")
    time_s: float | None = positive(None, "time", "s", optional=True)
    part: float = number(0.5, 0.0, 1.0, "part")
    shown: bool = flag(False, "whether it is shown")
    optics: object = changes("changes", ("lens",))
    free: object = anything(None, "checked by the task")


def test_defaults_and_changes():
    made = Example.parse({"count": 4, "time_s": 2, "optics": {"lens": 1.0}}, "ExampleEnv")
    assert (made.kind, made.drift, made.count, made.time_s) == ("round", "real", 4, 2.0)
    assert isinstance(made.time_s, float)
    assert dict(made.optics) == {"lens": 1.0}
    assert Example().threads == 1


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"kind": "oval"}, ValueError, r"kind='oval' must be one of \('round', 'square'\)"),
        ({"drift": "wild"}, ValueError, "drift='wild' must be one of"),
        ({"count": 10}, ValueError, r"count=10 must be in \[1, 9\]"),
        ({"count": 1.5}, TypeError, "count must be an integer"),
        ({"time_s": -1.0}, ValueError, "time_s=-1.0 must be above zero"),
        ({"part": 1.5}, ValueError, r"part=1.5 must be in \[0, 1\]"),
        ({"shown": 1}, TypeError, "shown must be True or False"),
        ({"optics": {"mirror": 1.0}}, ValueError, "optics='mirror' must be one of"),
        ({"optics": 3}, TypeError, "optics must map names to numbers"),
        ({"reward_mode": "matrix"}, ValueError, "reward_mode='matrix' must be one of"),
        ({"frameskip": 1}, TypeError, "unexpected keyword argument 'frameskip'"),
    ],
)
def test_bad_arguments_are_refused(given, error, message):
    with pytest.raises(error, match=message):
        Example.parse(given, "ExampleEnv")


def test_an_argument_that_is_not_declared_is_refused():
    @dataclass(frozen=True)
    class Undeclared(Config):
        speed: float = 1.0

    with pytest.raises(TypeError, match=r"Undeclared\.speed must be declared"):
        options(Undeclared)


def test_an_undocumented_channel_cannot_be_written():
    with pytest.raises(ValueError, match="must be documented"):
        Channels(y="place", x="")
    with pytest.raises(ValueError, match="must be documented"):
        Channel(" ", "nm")


def test_packing_asks_for_every_channel_in_order():
    numbers = Channels(y="place", x="place")
    packed = numbers.pack(y=np.array([0.5, 3.0]), x=np.array([-2.0, 0.0]))
    np.testing.assert_array_equal(packed, np.array([[0.5, -1.0], [1.0, 0.0]], np.float32))
    assert packed.dtype == np.float32
    for bad in ({"x": packed[:, 0], "y": packed[:, 0]}, {"y": packed[:, 0]}):
        with pytest.raises(ValueError, match="channels must be"):
            numbers.pack(**bad)


def test_spaces_follow():
    maps = Channels("edge", "edge", a="map", b="map")
    parts = {"maps": maps, "choice": Choices(3, "number")}
    space: Any = space_of(parts, {"edge": 4})
    assert space["maps"].shape == (2, 4, 4)
    assert space["choice"].n == 3
    flat = flattened(Channels(y="place"), maps, ("b",), 2)
    assert flat.names == ("y", "b_0_0", "b_0_1", "b_1_0", "b_1_1")
    assert flat["b_1_1"].doc == "map"


def test_metrics_know_their_groups():
    with pytest.raises(ValueError, match="group='books' must be one of"):
        Metric("dose", "dose", group="books")


def test_a_plane_has_no_axis_of_channels():
    plane = Plane(4, "edge", height="image so far")
    assert plane.space({"edge": 5}).shape == (4, 5)
    assert plane.names == ("height",)
