import math
import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from microgym.baselines.evaluation.statistics import Estimate
from microgym.baselines.reporting.plots import (
    COLOURS,
    plot_intervals,
    plot_learning_curves,
    to_svg,
)

ROWS = [("a", Estimate(1.0, 0.0, 2.0), False), ("b<", Estimate(3.0, 2.0, 4.0), True)]


def lines(figure, name):
    return [one for one in figure.axes[0].lines if one.get_label() == f"_{name}"]


def test_intervals_stand_where_they_should():
    figure = plot_intervals(ROWS, "return")
    (axes,) = figure.axes
    whiskers, dots = lines(figure, "interval"), lines(figure, "estimate")
    assert [list(one.get_xdata()) for one in whiskers] == [[0.0, 2.0], [2.0, 4.0]]
    assert [list(one.get_xdata()) for one in dots] == [[1.0], [3.0]]
    places = dict(
        zip([one.get_text() for one in axes.get_yticklabels()], axes.get_yticks(), strict=True)
    )
    assert [np.asarray(one.get_ydata())[0] for one in dots] == [places["a"], places["b<"]]
    assert axes.yaxis_inverted()
    assert [one.get_color() for one in dots] == [COLOURS["plain"], COLOURS["accent"]]
    assert axes.get_xlabel() == "return"
    assert "b&lt;" in to_svg(figure)


def test_an_unknown_interval_is_left_out():
    figure = plot_intervals([("a", Estimate(1.0, math.nan, math.nan), False)], "return")
    assert len(lines(figure, "estimate")) == 1
    assert lines(figure, "interval") == []


def test_a_curve_for_each_run_and_their_mean():
    runs = {f"seed {i}": [(0.0, i), (10.0, i + 2.0)] for i in range(3)}
    figure = plot_learning_curves(runs, {"expert": 1.0, "oracle": 1.01})
    curves = [np.array(one.get_xydata()) for one in lines(figure, "run")]
    assert [one.tolist() for one in curves] == [[[0.0, i], [10.0, i + 2.0]] for i in range(3)]
    labelled = {one.get_label(): one for one in figure.axes[0].lines}
    assert np.array_equal(labelled["mean of the runs"].get_xydata(), curves[1])
    assert set(labelled["expert"].get_ydata()) == {1.0}
    assert set(labelled["oracle"].get_ydata()) == {1.01}
    assert labelled["expert"].get_linestyle() != labelled["oracle"].get_linestyle()
    legend = [one.get_text() for one in figure.axes[0].get_legend().get_texts()]
    assert legend == ["mean of the runs", "expert", "oracle"]


@pytest.mark.parametrize("runs", [[[0.0, 5.0], [1.0, 6.0]], [[0.0, 5.0]]])
def test_only_runs_that_were_logged_alike_have_a_mean(runs):
    given = {str(i): [(x, 1.0) for x in steps] for i, steps in enumerate(runs)}
    figure = plot_learning_curves(given, {})
    assert len(figure.axes[0].lines) == len(runs)


def test_plots_take_their_colours_from_the_page():
    svg = to_svg(plot_intervals(ROWS, "return"))
    root = ElementTree.fromstring(svg)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert "var(--accent)" in svg
    assert re.findall(r"#[0-9a-f]{6}\b", re.sub(r'(href="|url\()#\w+', "", svg)) == []
    assert [one for one in re.findall(r' id="([^"]*)"', svg) if svg.count(f"#{one}") == 0] == []


def test_a_plot_is_always_the_same():
    first, second = (to_svg(plot_intervals(ROWS, "return")) for _ in range(2))
    assert first == second


def test_nothing_to_draw_is_drawn():
    for figure in (
        plot_learning_curves({}, {}),
        plot_learning_curves({"a": [(0.0, 1.0)]}, {}),
        plot_intervals([("a", Estimate(0.0, 0.0, 0.0), False)], "score"),
    ):
        ElementTree.fromstring(to_svg(figure))
