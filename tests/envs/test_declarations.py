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
from microgym.envs.core.docs import tables
from tests.envs.toy.task import ToyTask

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


SCALED = {"a": Channel("map", "nm", scale=0.1, centre=0.5), "b": Channel("map", scale=4.0)}


def test_observations_leave_at_their_scale_and_values_come_back():
    maps = Channels("edge", "edge", **SCALED).within([0.0, -8.0], [1.0, 8.0])
    values = np.random.default_rng(1).uniform(-9.0, 9.0, (3, 2, 4, 4))
    values[:, 0] = 0.5 + 0.05 * values[:, 0]
    seen = maps.pack(a=values[:, 0], b=values[:, 1])
    assert seen.dtype == np.float32
    clipped = np.clip(values[:, 0], 0.0, 1.0), np.clip(values[:, 1], -8.0, 8.0)
    np.testing.assert_allclose(seen[:, 0], (clipped[0] - 0.5) / 0.1, atol=1e-6)
    np.testing.assert_allclose(seen[:, 1], clipped[1] / 4.0, atol=1e-6)
    np.testing.assert_array_equal(seen, maps.scaled(values))
    for name, one in zip("ab", clipped, strict=True):
        np.testing.assert_allclose(maps.unpack(seen)[name], one, atol=1e-6)
        np.testing.assert_allclose(maps.unpack(seen.astype(np.float64))[name], one, atol=1e-6)


def test_the_ends_of_ranges_are_in_the_space():
    scales = {f"c{k}": Channel("number", scale=0.1 + 0.37 * k, centre=0.3 * k) for k in range(9)}
    numbers = Channels(**scales)
    space: Any = numbers.space({})
    assert space.high[3] == pytest.approx((1.0 - 0.9) / (0.1 + 3 * 0.37), rel=1e-6)
    for end in (-1.0, 1.0, -7.0, 7.0):
        assert numbers.scaled(np.full((1, 9), end))[0] in space


def test_scales_of_agents_planes_and_flat_vectors():
    team = Channels(2, **SCALED).along("probes")
    values = np.full((5, 3, 2, 2), 0.75)
    seen = team.scaled(values)
    np.testing.assert_allclose(seen[:, :, 0], 2.5, rtol=1e-6)
    np.testing.assert_allclose(seen[:, :, 1], 0.75 / 4.0, rtol=1e-6)
    np.testing.assert_allclose(team.unpack(seen)["a"], values[:, :, 0], rtol=1e-6)
    np.testing.assert_array_equal(seen, team.pack(a=values[:, :, 0], b=values[:, :, 1]))
    plane = Plane(2, 2, a=SCALED["a"])
    np.testing.assert_allclose(plane.scaled(values[:, 0]), 2.5, rtol=1e-6)
    np.testing.assert_array_equal(plane.scaled(values[:, 0]), plane.pack(a=values[:, 0]))
    np.testing.assert_allclose(plane.unpack(plane.pack(a=values[:, 0]))["a"], 0.75, rtol=1e-6)
    assert plane.space({}).high.max() == pytest.approx(5.0)
    maps = Channels(2, 2, **SCALED).within([0.0, -8.0], [1.0, 8.0])
    flat = flattened(Channels(y=Channel("place", scale=0.5)), maps, ("b", "a"), 2)
    np.testing.assert_allclose(flat.scale, [0.5, *[4.0] * 4, *[0.1] * 4], rtol=1e-6)
    np.testing.assert_allclose(flat.space({}).high, [2.0, *[2.0] * 4, *[5.0] * 4], rtol=1e-6)


def test_plain_channels_keep_every_bit():
    values = np.array([[-0.0, 0.1], [np.float32(1e-40), -0.3]])
    numbers = Channels(y="place", x="place")
    assert numbers.scaled(values).tobytes() == values.astype(np.float32).tobytes()
    assert numbers.unpack(values)["y"].tobytes() == values[:, 0].tobytes()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"scale": 0.0}, "scale=0.0 must be above zero"),
        ({"scale": -1.0}, "scale=-1.0 must be above zero"),
        ({"scale": float("inf")}, "scale=inf must be finite"),
        ({"centre": float("nan")}, "centre=nan must be finite"),
    ],
)
def test_impossible_scales_are_refused(words, message):
    with pytest.raises(ValueError, match=message):
        Channel("number", **words)


def test_the_page_lists_scales_and_centres():
    vector, image = tables(ToyTask(1))["Observation Space"]
    assert vector[0][2:] == ("unit of 1", "scale", "centre", "meaning")
    assert vector[3] == ("2", "`left`", "100", "0.02", "0.03", "looks left")
    assert image[1] == ("0", "`signal`", "", "0.3", "last signal")
    assert tables(ToyTask(1))["Action Space"][0][0][2:] == ("unit of 1", "meaning")


def test_metrics_know_their_groups():
    with pytest.raises(ValueError, match="group='books' must be one of"):
        Metric("dose", "dose", group="books")


def test_a_plane_has_no_axis_of_channels():
    plane = Plane(4, "edge", height="image so far")
    assert plane.space({"edge": 5}).shape == (4, 5)
    assert plane.names == ("height",)
