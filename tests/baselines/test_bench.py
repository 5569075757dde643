import numpy as np
import pytest

from microgym.baselines import benchmarks
from microgym.baselines.bench import Benchmark, as_record, as_text, measure
from microgym.baselines.benchmarks import BENCHMARKS


class Machine:
    """A clock that only runs while work is done, on a machine that gets slower and slower."""

    def __init__(self):
        self.now, self.calls = 0.0, []

    def work(self, name, seconds):
        def run():
            self.calls.append(name)
            self.now += seconds * (1 + 1e-3 * len(self.calls))

        return run

    def clock(self):
        return self.now


def bench_of(machine, slow="slow"):
    alternatives = {"slow": machine.work("slow", 0.06), "fast": machine.work("fast", 0.02)}
    return Benchmark("a race", slow, alternatives, units=2)


def test_ratios_do_not_drift_with_the_machine():
    machine = Machine()
    slow, fast = measure(bench_of(machine), rounds=40, clock=machine.clock)
    assert slow.ratio == slow.ratio_low == 1.0
    assert fast.ratio == pytest.approx(3.0, rel=0.01)
    assert fast.microseconds == pytest.approx(0.5 * 0.02e6, rel=0.2)


def test_the_order_rotates():
    machine = Machine()
    measure(bench_of(machine), rounds=4, clock=machine.clock)
    assert machine.calls[-8:] == ["slow", "fast", "fast", "slow"] * 2


def test_quick_work_is_repeated_to_fill_a_slice():
    machine = Machine()
    quick = Benchmark("quick", "x", {"x": machine.work("x", 1e-5)})
    (timing,) = measure(quick, rounds=1, slice_s=0.02, clock=machine.clock)
    assert 1000 < len(machine.calls) < 20_000
    assert timing.microseconds == pytest.approx(10 * (1 + 1e-3 * len(machine.calls)), rel=0.9)


def test_table_and_record_name_the_reference():
    machine = Machine()
    benchmark = bench_of(machine)
    timings = measure(benchmark, rounds=2, clock=machine.clock)
    text = as_text(benchmark, timings)
    assert "reference" in text.splitlines()[1]
    assert "3.0" in text.splitlines()[2]
    record = as_record(benchmark, timings)
    assert [one["name"] for one in record["results"]] == ["slow", "fast"]


def test_impossible_benchmarks_are_refused():
    machine = Machine()
    with pytest.raises(ValueError, match="no alternative"):
        measure(bench_of(machine, "other"), clock=machine.clock)
    with pytest.raises(ValueError, match="must be positive"):
        measure(bench_of(machine), rounds=0)


def test_both_sides_of_the_exposure_do_the_same_work(monkeypatch):
    monkeypatch.setattr(benchmarks, "PHOTONS", 1e8)  # next to no noise: both see the same counts
    specimen, probe = benchmarks._scene()
    found = []
    for make in (benchmarks._numpy_exposure, benchmarks._compiled_exposure):
        run = make(specimen, probe)
        for _ in range(3):
            run()
        cells = dict(zip(run.__code__.co_freevars, run.__closure__, strict=True))
        estimate = cells["estimate"].cell_contents
        found.append(estimate[0] + 1j * estimate[1] if isinstance(estimate, tuple) else estimate)
    assert np.abs(found[0] - benchmarks._start()).max() > 0.3
    assert np.abs(found[0] - found[1]).max() < 0.02


@pytest.mark.parametrize("name", sorted(BENCHMARKS))
def test_every_benchmark_runs(name):
    for run in BENCHMARKS[name]().alternatives.values():
        run()
