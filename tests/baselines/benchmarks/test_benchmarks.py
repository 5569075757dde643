"""Alternatives of `microgym bench` compute the same; nothing is timed here."""

import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from microgym.baselines.benchmarks import (
    LONG,
    environments,
    find_benchmarks,
    instruments,
    kernels,
    processes,
    timing,
)
from microgym.baselines.benchmarks.timing import Effort, measure, run_benchmark
from microgym.envs.ptycho.config import MODELS, PtychoConfig
from microgym.envs.ptycho.task import PtychoTask


def effort(**given: Any) -> Effort:
    """One round on clocks that show a second more whenever they are looked at."""
    ticks = itertools.count()
    return Effort(
        **{"rounds": 1, "wall": lambda: next(ticks), "processor": lambda: next(ticks), **given}
    )


@pytest.fixture
def races(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The races that a benchmark runs."""
    seen: list[Any] = []
    monkeypatch.setattr(
        timing, "measure", lambda race, how: seen.append(race) or measure(race, how)
    )
    monkeypatch.setattr(environments, "ENVS", 2)
    return seen


def bounds(results: Any) -> set[tuple[str, float, str]]:
    return {(one.sense, one.limit, one.unit) for result in results for one in result.checks}


# --- kernels -------------------------------------------------------------------------------------


@pytest.mark.parametrize("precision", [np.complex64, np.complex128])
def test_both_sides_of_the_step_do_the_same_work(precision):
    count = 3
    theirs, ours = kernels.NumpySteps(count, precision), kernels.CompiledSteps(count)
    # Not from vacuum: behind it most of the detector is dark, its phases rounding.
    phase = np.random.default_rng(1).normal(0.0, 0.3, ours.estimate.state.re.shape)
    ours.estimate.state.re[:], ours.estimate.state.im[:] = np.cos(phase), np.sin(phase)
    for row, microscope in enumerate(theirs.microscopes):
        microscope.estimate[:] = np.exp(1j * phase[row])
        reading = ours.instrument.state.measurement.counts[row].reshape(64, 64)
        microscope.draw = lambda _, reading=reading: reading.astype(np.int64)
    for _ in range(3):
        ours.run()
        theirs.run()
    for row, microscope in enumerate(theirs.microscopes):
        estimate = ours.estimate.state.re[row] + 1j * ours.estimate.state.im[row]
        assert np.abs(estimate - np.exp(1j * phase[row])).max() > 0.3
        assert np.abs(estimate - microscope.estimate).max() < 1e-5
        fluence = ours.instrument.sample.fluence[row]
        assert np.abs(fluence - microscope.fluence).max() < 1e-5 * fluence.max()
        assert ours.instrument.state.measurement.counts[row].sum() == pytest.approx(1e6, rel=0.3)


def test_numpy_draws_its_own_counts_from_the_same_means():
    theirs, ours = kernels.NumpySteps(2, np.complex64), kernels.CompiledSteps(2)
    means: list[Any] = []
    draw = theirs.microscopes[1].draw
    theirs.microscopes[1].draw = lambda mean: means.append(mean) or draw(mean)
    ours.run()
    theirs.run()
    (mean,) = means
    taken = ours.instrument.state.measurement
    for counts in (taken.counts[1].reshape(64, 64), theirs.microscopes[1].counts):
        lit = mean > 1.0
        chi_squared = ((counts - mean)[lit] ** 2 / mean[lit]).sum()
        # The variance of a term is 2 + 1 / mean: four standard deviations.
        assert chi_squared == pytest.approx(lit.sum(), abs=4.0 * np.sqrt(3.0 * lit.sum()))


@pytest.mark.parametrize("side", [64, 128, 256])
def test_every_transform_is_the_same_transform(side):
    ways, missing = kernels.transforms(side)
    assert missing == []
    expected = np.array(ways.pop("NumPy, complex128")())
    found = {name: np.array(way()) for name, way in ways.items()}
    re, im = found.pop("microgym").astype(float).reshape(2, *expected.shape)
    for spectra in (*found.values(), re + 1j * im):
        assert spectra.shape == (kernels.BATCH, side, side)
        assert np.abs(spectra - expected).max() < 1e-5 * np.abs(expected).max()
    assert len(found) == 3


def test_transforms_that_are_not_installed_are_left_out(monkeypatch, races):
    monkeypatch.setattr(kernels, "find_spec", lambda name: None)
    results = list(run_benchmark(kernels.fft, effort()))
    assert {row.name for row in results[0].rows} == {
        "NumPy, complex64", "NumPy, complex128", "microgym",
    }  # fmt: skip
    assert [note.partition(" ")[0] for note in results[0].notes] == ["SciPy", "rocket-fft"]
    (check,) = results[0].checks
    assert not check.met


def test_frames_are_patterns_of_the_asked_dose():
    for photons in (1e3, 1e7):
        means = kernels.frames(photons)
        assert (means >= 0).all()
        # A specimen absorbs some.
        assert np.all((means.sum(axis=(1, 2)) > 0.5 * photons) & (means.sum(axis=(1, 2)) < photons))
        assert np.ptp(means, axis=0).max() > 1e-4 * photons
        flat = means.reshape(kernels.BATCH, -1)
        counts, work = np.empty_like(flat), np.empty(kernels.POISSON_WORK, np.float32)
        kernels.draw_frames(np.int64(3), flat, counts, work)
        assert np.sum((counts - flat) ** 2) == pytest.approx(flat.sum(), rel=0.1)


# --- instruments ---------------------------------------------------------------------------------


def test_actions_of_instruments_have_time_limits(races):
    assert bounds(run_benchmark(instruments.pulse, effort())) == {("<=", 250.0, "us")}
    assert bounds(run_benchmark(instruments.drag, effort())) == {("<=", 50.0, "us")}
    assert bounds(run_benchmark(instruments.force, effort())) == {("<=", 500.0, "us")}
    assert [race.unit for race in races] == ["pulse", "pulse", "drag", "line"]
    # Alternating rounds write and take back: the work stays the same for as long as it is timed.
    films = instruments.Films(1)
    for _ in range(2 * instruments.PLACES):
        films.run()
    assert films.instrument.state.ledger.exposures[0] == 2 * instruments.PLACES


# --- environments --------------------------------------------------------------------------------


def test_wrapping_compares_the_same_decisions(races, monkeypatch):
    tasks: list[PtychoTask] = []

    class Kept(PtychoTask):
        def __init__(self, *words: Any, **named: Any) -> None:
            super().__init__(*words, **named)
            tasks.append(self)

    envs: list[Any] = []
    make = environments.gym.make
    monkeypatch.setattr(environments, "PtychoTask", Kept)
    monkeypatch.setattr(
        environments.gym, "make", lambda *w, **k: envs.append(make(*w, **k)) or envs[-1]
    )
    (result,) = run_benchmark(environments.wrapping, effort())
    ((env,), (bare,), (race,)) = envs, tasks, races
    ends: list[Any] = []
    for way in race.alternatives.values():
        way.before()
        way.run()
        for task in (env.unwrapped.task, bare):
            state = task.instrument.state
            if state.ledger.exposures[0] == environments.STEPS:
                ends.append((state.measurement.counts.copy(), task.scan.estimate.state.re.copy()))
    assert len(ends) >= 3
    assert all(np.array_equal(one, ends[0][place]) for end in ends for place, one in enumerate(end))
    assert bounds([result]) == {("<", 3.0, "%")}


def test_vector_plays_whole_episodes_on_both_sides(races, monkeypatch):
    envs: list[Any] = []
    for module, name in ((environments.gym, "make_vec"), (environments, "SyncVectorEnv")):
        make = getattr(module, name)
        monkeypatch.setattr(
            module, name, lambda *w, make=make, **k: envs.append(make(*w, **k)) or envs[-1]
        )
    (result,) = run_benchmark(environments.vector, effort())
    assert bounds([result]) == {(">=", 1.0, "x")}
    assert result.clock == "wall time, 2 threads"
    plain, *native = envs
    for env in (*native, *(one.unwrapped for one in plain.envs)):
        assert (env._elapsed == 0).all()
        assert env._started.all()
        assert replace(env.task.config, threads=1) == native[0].task.config
    threads = [env.task.threads for env in native]
    assert threads == [1, environments.THREADS]
    (race,) = races
    assert {way.units for way in race.alternatives.values()} == {2 * PtychoConfig().exposures}


def test_no_episode_ends_while_decisions_are_timed(races, monkeypatch):
    envs: list[Any] = []
    for name in ("make", "make_vec"):
        make = getattr(environments.gym, name)
        monkeypatch.setattr(
            environments.gym,
            name,
            lambda *w, make=make, **k: envs.append(make(*w, **k)) or envs[-1],
        )
    list(run_benchmark(environments.observation, effort(rounds=2)))
    (race,) = races
    for model in MODELS:
        assert {f"{model}, {count}" for count in environments.SIZES} <= race.alternatives.keys()
    assert len(envs) == len(race.alternatives)
    for env, way in zip(envs, race.alternatives.values(), strict=True):
        way.before()
        assert (env.unwrapped._elapsed == 0).all()
        way.run()
        elapsed = env.unwrapped._elapsed
        assert (elapsed == way.units / len(elapsed)).all()
        assert elapsed.max() < environments.LONG["exposures"]


# --- processes -----------------------------------------------------------------------------------


def test_memory_is_read_between_steps(monkeypatch):
    monkeypatch.setattr(processes, "SAMPLES", 6)
    (result,) = processes.memory(effort(steps=60))
    assert "60 steps" in result.title
    readings = {row.name: row.value for row in result.rows}
    assert 20 < readings["start, warmed up"] < 20_000
    assert readings["end"] == pytest.approx(readings["start, warmed up"], rel=0.2)


def test_memory_that_grows_is_found_and_one_late_page_is_not_growth():
    taken = np.arange(1, 201) * 5000
    flat = np.full(200, 2 << 27) + 4096 * (taken > 400_000)
    blocks = np.full(200, 10_000)
    result = processes.memory_result(taken, flat, blocks)
    assert result.checks[0].value == 0.0
    assert result.checks[0].met
    assert "0.0052 bytes a step" in result.notes[0]
    # Allocation in the warm-up is no growth; 2 bytes a step are, in whole pages.
    growing = (flat + 2 * taken) // 4096 * 4096 + (50 << 20) * (taken > 100_000)
    result = processes.memory_result(taken, growing, blocks + taken // 1000)
    assert result.checks[0].value == pytest.approx(2.0, rel=0.05)
    assert not result.checks[0].met
    readings = {row.name: row.value for row in result.rows}
    assert readings["slope of Python's blocks"] == pytest.approx(1e-3, rel=0.05)
    assert readings["slope, end to end"] == pytest.approx(2.0, rel=0.05)


def test_start_counts_files_that_a_second_run_adds(monkeypatch):
    added, asked = ["first"], []

    def process(what: str, cache: str) -> list[float]:
        asked.append(what)
        if what == "step":
            for name in added:
                (Path(cache) / name).write_text("machine code")
        return [2.0, 0.4 if what == "import" else 20.0]

    monkeypatch.setattr(processes, "_fresh_process", process)
    (result,) = processes.start(effort())
    assert asked == ["import"] * processes.REPEATS + ["step"] * (processes.REPEATS + 1)
    assert [check.met for check in result.checks] == [True, True, False, True]
    assert [check.limit for check in result.checks] == [0.5, 30.0, 2.0, 0]
    assert [check.value for check in result.checks] == [0.4, 20.0, 20.0, 0]
    times = iter(range(100))
    monkeypatch.setattr(
        processes,
        "_fresh_process",
        lambda _, cache: (Path(cache) / str(next(times))).write_text("") or [0.1, 0.1],
    )
    (result,) = processes.start(effort())
    assert result.checks[-1].value == processes.REPEATS
    assert not result.checks[-1].met


def test_a_fresh_process_imports_this_package(tmp_path, monkeypatch):
    wall, processor = processes._fresh_process("import", str(tmp_path))
    assert 0 < processor < 60
    assert 0 < wall < 60
    monkeypatch.chdir(tmp_path)
    (tmp_path / "microgym.py").write_text("raise RuntimeError('broken on purpose')")
    with pytest.raises(OSError, match=r"(?s)a fresh process failed.*broken on purpose"):
        processes._fresh_process("import", str(tmp_path))


# --- rates ---------------------------------------------------------------------------------------


def test_the_batch_of_a_rate_takes_the_steps_of_the_single_environments(races, monkeypatch):
    monkeypatch.setattr(environments, "BATCH", 2)
    monkeypatch.setattr(environments, "STEPS", 2)
    found = bounds(run_benchmark(environments.rates, effort()))
    assert found == {(">=", 2500.0, "line/s"), (">=", 5000.0, "step/s")}
    assert {way.units for race in races for way in race.alternatives.values()} == {4}
    together = {"make_vec(2)"}
    assert all(race.alternatives.keys() == together | {"2 x gymnasium.make"} for race in races)


# --- the table -----------------------------------------------------------------------------------


def test_kernels_have_the_bounds_that_must_hold(races):
    assert bounds(run_benchmark(kernels.step, effort())) == {(">=", 7.0, "x")}
    assert bounds(run_benchmark(kernels.poisson, effort())) == {(">=", 6.0, "x")}
    assert bounds(run_benchmark(kernels.fft, effort())) == {(">=", 2.0, "x")}
    assert [set(race.alternatives) for race in races[:2]] == [
        {"NumPy, complex64", "NumPy, complex128", "microgym"}
    ] * 2
    assert [way.units for way in races[1].alternatives.values()] == [64] * 3
    assert len(races) == 2 + 5 + 3
    assert find_benchmarks().keys() > LONG == {"memory", "start"}
