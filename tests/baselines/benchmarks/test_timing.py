"""The arithmetic of `microgym bench`, on clocks that only run when they are told to."""

import json
import math

import numpy as np
import pytest

from microgym.baselines.benchmarks.timing import (
    Alternative,
    Benchmark,
    Effort,
    Measurement,
    Result,
    Threshold,
    adds,
    at_least,
    at_rate,
    measure,
    median,
)
from microgym.baselines.evaluation.records import to_json


class Machine:
    """Clocks that only run while work is done, on a machine that gets slower and slower."""

    def __init__(self, threads=1):
        self.now, self.calls, self.threads = 0.0, [], threads

    def work(self, name, seconds):
        def run():
            self.calls.append(name)
            self.now += seconds * (1 + 1e-3 * len(self.calls))

        return run

    def effort(self, rounds=24, **given):
        # Threads that work side by side use their processors' time all at once.
        return Effort(
            rounds,
            wall=lambda: self.now,
            processor=lambda: self.now * self.threads,
            **given,
        )


def race_of(machine, reference="slow", **given):
    ways = {
        "slow": Alternative(machine.work("slow", 0.06), 2),
        "fast": Alternative(machine.work("fast", 0.02), 2),
    }
    return Benchmark("a race", ways, reference=reference, **given)


def test_ratios_do_not_drift_with_the_machine():
    machine = Machine()
    slow, fast = measure(race_of(machine), machine.effort(40)).rows
    assert slow.ratio == 1.0
    assert slow.interval == (1.0, 1.0)
    assert fast.ratio == pytest.approx(3.0, rel=0.01)
    assert fast.interval == pytest.approx((3.0, 3.0), rel=0.01)
    assert fast.processor_us == fast.wall_us == pytest.approx(0.5 * 0.02e6, rel=0.2)


def test_the_order_rotates():
    machine = Machine()
    measure(race_of(machine), machine.effort(4))
    assert machine.calls[-8:] == ["slow", "fast", "fast", "slow"] * 2


def test_quick_work_is_repeated_to_fill_a_slice():
    machine = Machine()
    quick = Benchmark("quick", {"x": Alternative(machine.work("x", 1e-5))})
    (timing,) = measure(quick, machine.effort(1, slice_s=0.02)).rows
    assert 1000 < len(machine.calls) < 20_000
    assert timing.processor_us == pytest.approx(10 * (1 + 1e-3 * len(machine.calls)), rel=0.9)


def test_a_race_says_how_often_and_how_many_rounds():
    machine, told = Machine(), []
    race = Benchmark("x", {"x": Alternative(machine.work("x", 1e-5))}, calls=1, share=0.25)
    measure(race, machine.effort(24, progress=told.append))
    assert machine.calls == ["x"] * 7  # one before, and a quarter of the rounds
    assert told == [1] * 6
    for rounds, share, expected in ((24, 0.01, 3), (2, 0.01, 2), (1, 1.0, 1), (3, 4.0, 12)):
        machine.calls.clear()
        measure(
            Benchmark("x", {"x": Alternative(machine.work("x", 1.0))}, calls=1, share=share),
            machine.effort(rounds),
        )
        assert len(machine.calls) == expected + 1


def test_what_comes_before_a_slice_is_not_timed():
    machine = Machine()
    prepare = machine.work("before", 100.0)
    way = Alternative(machine.work("run", 0.02), before=prepare)
    result = measure(Benchmark("x", {"x": way}), machine.effort(2))
    assert result.rows[0].wall_us == pytest.approx(0.02e6, rel=0.1)
    assert machine.calls[-4:] == ["before", "run"] * 2


def test_threads_are_timed_by_the_wall():
    machine = Machine(threads=2)
    bound = at_least("fast", 2.9, ("slow",))
    result = measure(race_of(machine, threads=2, bounds=[bound]), machine.effort(40))
    assert result.clock == "wall time, 2 threads"
    assert result.rows[1].processor_us == pytest.approx(2 * result.rows[1].wall_us)
    assert result.checks[0].met
    wall, processor = (
        f"{one:.1f}" for one in (result.rows[1].wall_us, result.rows[1].processor_us)
    )
    line = str(result).splitlines()[2]
    assert wall in line
    assert f"(processor {processor} us)" in line
    assert measure(race_of(machine), machine.effort(1)).clock == "processor time"


# --- bounds --------------------------------------------------------------------------------------

TABLE = {
    "a": np.array([8.0, 16.0, 8.0]),
    "b": np.array([6.0, 12.0, 7.0]),
    "c": np.array([1.0, 2.0, 1.0]),
}


def test_the_fastest_of_several_others_is_what_counts():
    check = at_least("c", 6.0, ("a", "b"))(TABLE)
    assert (check.what, check.value, check.unit) == ("c over b", 6.0, "x")
    assert check.interval == (6.0, 7.0)
    assert check.met
    assert not at_least("c", 6.1, ("a", "b"))(TABLE).met
    assert at_least("c", 6.1, ("a", "missing"))(TABLE).value == 8.0


def test_a_bound_that_cannot_be_measured_is_not_met():
    check = at_least("c", 2.0, ("missing",))(TABLE)
    assert math.isnan(check.value)
    assert not check.met
    assert str(check) == "NOT MEASURED  c over missing: must be >= 2x"


def test_a_rate_has_a_least_value():
    rate = float(np.median(1.0 / TABLE["a"]))
    check = at_rate("a", 0.9 * rate, "line")(TABLE)
    assert (check.sense, check.unit, check.met) == (">=", "line/s", True)
    assert check.value == pytest.approx(rate)
    assert not at_rate("a", 1.1 * rate, "line")(TABLE).met


def test_what_is_added_is_a_share():
    check = adds("a", 30.0, "b")(TABLE)
    assert check.value == pytest.approx(100 / 3)
    assert check.interval == pytest.approx((100 / 7, 100 / 3))
    assert not check.met
    assert adds("a", 34.0, "b")(TABLE).met
    assert adds("b", 0.1, "a")(TABLE).value < 0
    assert str(check) == "MISSED  a adds to b: 33.3% (14.3 to 33.3), must be < 30%"


@pytest.mark.parametrize(
    ("sense", "below", "at", "above"),
    [(">=", False, True, True), ("<=", True, True, False), ("<", True, False, False)],
)
def test_what_lies_on_the_limit(sense, below, at, above):
    checks = [Threshold("x", value, sense, 2.0, "s") for value in (1.9, 2.0, 2.1)]
    assert [check.met for check in checks] == [below, at, above]
    assert str(checks[0]).startswith("met " if below else "MISSED")


def test_interval_of_a_median():
    generator = np.random.default_rng(0)
    for count in (10, 24, 101):
        inside = 0
        for _ in range(1000):
            middle, (low, high) = median(generator.exponential(size=count))
            assert low <= middle <= high
            inside += low <= math.log(2) <= high
        assert 0.93 < inside / 1000 < 0.99  # ranks are whole: few values cannot give 95%
    assert median(np.array([3.0, 1.0, 2.0])) == (2.0, (1.0, 3.0))


# --- what is told --------------------------------------------------------------------------------


def test_table_and_record_name_the_reference_and_the_bounds():
    machine = Machine()
    race = race_of(
        machine, bounds=[at_least("fast", 7.0, ("slow",))], unit="frame", notes=["x is left out"]
    )
    result = measure(race, machine.effort(2))
    text = str(result).splitlines()
    assert text[0] == "a race  [processor time]"
    assert text[1].endswith("reference")
    assert "3.0" in text[2]
    assert text[3].strip().startswith("MISSED  fast over slow: 3")
    assert text[4].strip() == "x is left out"
    record = json.loads(to_json(result.as_record()))
    assert [one["name"] for one in record["results"]] == ["slow", "fast"]
    assert record["results"][1]["ratio"] == pytest.approx(3.0, rel=0.02)
    (bound,) = record["bounds"]
    assert (bound["what"], bound["sense"], bound["limit"]) == ("fast over slow", ">=", 7.0)
    assert bound["met"] is False
    assert record["unit"] == "frame"


def test_readings_need_no_reference():
    check = Threshold("slope", math.nan, "<", 1.0, "bytes a step")
    result = Result("memory", "resident set", [Measurement("end", 12.0, "MiB")], [check])
    assert "end            12 MiB" in str(result)
    record = json.loads(to_json(result.as_record()))
    assert record["results"] == [{"name": "end", "value": 12.0, "unit": "MiB"}]
    assert record["bounds"][0]["value"] is None


def test_impossible_measurements_are_refused():
    machine = Machine()
    with pytest.raises(ValueError, match="no alternative 'other'"):
        measure(race_of(machine, "other"), machine.effort())
    for given in ({"rounds": 0}, {"slice_s": 0.0}, {"steps": 0}):
        (name,) = given
        with pytest.raises(ValueError, match=name):
            Effort(**given)
