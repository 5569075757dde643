import math
import xml.etree.ElementTree as ElementTree

import pytest

from microgym.baselines.evaluation.statistics import Estimate
from microgym.baselines.reporting.charts import intervals, learning_curves, ticks

NS = "{http://www.w3.org/2000/svg}"


def parsed(svg):
    return ElementTree.fromstring(svg)


@pytest.mark.parametrize(
    ("ends", "expected"),
    [
        ((0, 100), [0, 50, 100]),
        ((0, 1), [0, 0.5, 1.0]),
        ((-0.13, 0.31), [0, 0.2]),
        ((0, 60_000), [0, 20_000, 40_000, 60_000]),
    ],
)
def test_ticks_are_round(ends, expected):
    assert ticks(*ends, about=3) == pytest.approx(expected)


def test_intervals_stand_where_they_should():
    rows = [("a", Estimate(1.0, 0.0, 2.0), False), ("b<", Estimate(3.0, 2.0, 4.0), True)]
    svg = parsed(intervals(rows, "return"))
    a, b = (float(one.get("cx")) for one in svg.iter("circle"))
    whiskers = [one for one in svg.iter("polyline") if "whisker" in one.get("class")]
    ends = [[float(p.split(",")[0]) for p in one.get("points").split()] for one in whiskers]
    assert a == pytest.approx(sum(ends[0]) / 2, abs=0.1)
    assert b == pytest.approx(sum(ends[1]) / 2, abs=0.1)
    assert ends[0][1] == pytest.approx(ends[1][0])
    assert "marked" in whiskers[1].get("class")
    assert "b<" in [one.text for one in svg.iter("text")]


def test_an_unknown_interval_is_left_out():
    svg = parsed(intervals([("a", Estimate(1.0, math.nan, math.nan), False)], "return"))
    assert len(list(svg.iter("circle"))) == 1
    assert not [one for one in svg.iter("polyline") if "whisker" in one.get("class")]


def test_a_curve_for_each_run_and_their_mean():
    runs = {f"seed {i}": [(0.0, i), (10.0, i + 2.0)] for i in range(3)}
    svg = parsed(learning_curves(runs, {"expert": 1.0, "oracle": 1.01}))
    kinds = [one.get("class") for one in svg.iter("polyline")]
    assert (kinds.count("run"), kinds.count("mean"), kinds.count("level")) == (3, 1, 2)
    labels = {one.text: float(one.get("y")) for one in svg.iter("text")}
    assert abs(labels["expert"] - labels["oracle"]) >= 13
    points = {one.get("class"): one.get("points") for one in svg.iter("polyline")}
    middle = [one.get("points") for one in svg.iter("polyline") if one.get("class") == "run"][1]
    assert points["mean"] == middle


def test_runs_that_were_not_logged_alike_have_no_mean():
    svg = learning_curves({"a": [(0.0, 1.0), (5.0, 2.0)], "b": [(1.0, 1.0), (6.0, 2.0)]}, {})
    assert "mean" not in [one.get("class") for one in parsed(svg).iter("polyline")]


def test_nothing_to_draw_is_drawn():
    parsed(learning_curves({}, {}))
    parsed(learning_curves({"a": [(0.0, 1.0)]}, {}))
    parsed(intervals([("a", Estimate(0.0, 0.0, 0.0), False)], "score"))
