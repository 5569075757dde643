"""The command `microgym bench`, on benchmarks whose results are known."""

import json
import math

import pytest

from microgym.baselines import benchmarks
from microgym.baselines.benchmarks import LONG
from microgym.baselines.benchmarks.timing import Measurement, Result, Threshold, Timing
from microgym.baselines.cli import main

ALL = tuple(benchmarks.find_benchmarks())


def run(*words):
    try:
        return main(["bench", *(str(word) for word in words)])
    except SystemExit as stop:
        return stop.code


@pytest.fixture
def efforts(monkeypatch):
    """Effort that each benchmark was asked for, by name."""
    asked = {}

    def of(name, value):
        def benchmark(effort):
            asked[name] = effort
            effort.progress(1)
            row = Timing("ours", 2.0, 3.0, 4.0, (3.5, 4.5))
            check = Threshold("ours over theirs", value, ">=", 2.0, "x")
            yield Result(f"title of {name}", "processor time", [row], [check], reference="theirs")
            yield Result(f"more of {name}", "resident set", [Measurement("end", 1.0, "MiB")])

        return benchmark

    values = {name: 4.0 for name in ALL} | {"fft": 1.5, "poisson": math.nan}
    made = {name: of(name, values[name]) for name in ALL}
    monkeypatch.setattr(benchmarks, "find_benchmarks", lambda: made)
    return asked


def test_benchmarks_that_take_minutes_are_run_only_when_named(efforts, capsys):
    assert run() == 0
    assert list(efforts) == [name for name in ALL if name not in LONG]
    efforts.clear()
    assert run("start", "memory", "--steps", 1000, "--rounds", 3) == 0
    assert list(efforts) == ["start", "memory"]
    assert (efforts["memory"].steps, efforts["memory"].rounds) == (1000, 3)


def test_bounds_are_printed_and_fail_the_command_only_where_asked(efforts, capsys):
    assert run("step", "fft", "poisson") == 0
    out = capsys.readouterr().out
    assert "met     ours over theirs: 4x, must be >= 2x" in out
    assert "1 of 3 bounds met" in out
    assert out.rstrip().endswith(
        "title of fft\n    MISSED  ours over theirs: 1.5x, must be >= 2x\n"
        "  title of poisson\n    NOT MEASURED  ours over theirs: must be >= 2x"
    )
    assert run("step", "--check") == 0
    assert run("step", "fft", "--check") == 1
    assert run("poisson", "--check", "--json") == 1


def test_json_is_one_object(efforts, capsys):
    assert run("step", "fft", "--json") == 0
    out, err = capsys.readouterr()
    found = json.loads(out)
    assert [one["name"] for one in found["benchmarks"]] == ["step", "step", "fft", "fft"]
    step, _, fft, _ = found["benchmarks"]
    assert step["results"][0]["ratio"] == 4.0
    assert (step["bounds"][0]["met"], fft["bounds"][0]["met"]) == (True, False)
    assert step["bounds"][0]["limit"] == 2.0
    assert found["met"] is False
    assert {"machine", "packages"} <= found.keys()
    assert "Traceback" not in err


def test_what_was_measured_before_ctrl_c_is_shown(efforts, capsys, monkeypatch):
    def interrupted(effort):
        raise KeyboardInterrupt

    made = benchmarks.find_benchmarks() | {"fft": interrupted}
    monkeypatch.setattr(benchmarks, "find_benchmarks", lambda: made)
    assert run("step", "fft", "--json") == 130
    found = json.loads(capsys.readouterr().out)
    assert found["partial"] is True
    assert [one["name"] for one in found["benchmarks"]] == ["step", "step"]
    assert run("fft") == 130


@pytest.mark.parametrize("words", [("--rounds", 0), ("memory", "--steps", 0)])
def test_impossible_efforts_are_one_clear_line(efforts, capsys, words):
    assert run(*words) == 2
    out, err = capsys.readouterr()
    assert out == ""
    (line,) = (line for line in err.splitlines() if "error" in line)
    assert words[-2].strip("-") in line
    assert efforts == {}


def test_every_benchmark_is_listed(efforts, capsys):
    assert run("--list") == 0
    listed = capsys.readouterr().out.splitlines()
    assert listed == [f"{name} (long)" if name in LONG else name for name in ALL]
    assert efforts == {}
