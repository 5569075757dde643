import json
import os
import signal

import pytest

from microgym.agents.training.checkpoint import Checkpoint, CheckpointStore
from microgym.baselines.cli.train import train_runs, trained_runs
from microgym.baselines.evaluation.protocols import EvaluationProtocol
from tests.agents.training.trainee import DECISIONS, ENV, TINY, tiny_arguments
from tests.baselines import stubs


def runs_of(tmp_path, **changes):
    words = {"steps": 40, "output": tmp_path, "trainer": stubs.train, **changes}
    return train_runs(stubs.TOY, words.pop("seeds", [0, 1]), **words)


def test_each_seed_has_a_policy_and_a_record(tmp_path):
    heard = []
    runs = runs_of(tmp_path, progress=heard.append)
    assert sum(heard) == 80
    for seed, run in enumerate(runs):
        assert run.seed == seed
        assert run.path == tmp_path / f"seed-{seed}" / "policy.json"
        assert run.complete
        record = json.loads((run.path.parent / "training.json").read_text())
        assert (record["seed"], record["steps"], record["complete"]) == (seed, 40, True)
        assert (record["resumed"], record["duration_s"]) == (0, 0.5)
        assert record["curve"][-1] == [40, pytest.approx(1 + 0.1 * seed)]
        assert {"command", "commit", "machine", "packages"} <= record.keys()


def test_side_by_side_is_the_same(tmp_path):
    heard = []
    alone = runs_of(tmp_path / "a")
    together = runs_of(tmp_path / "b", jobs=2, progress=heard.append)
    assert sum(heard) == 80
    assert [(r.seed, r.curve) for r in alone] == [(r.seed, r.curve) for r in together]


def interrupted_after(calls):
    def progress(more):
        nonlocal calls
        calls -= 1
        if calls < 0:
            raise KeyboardInterrupt

    return progress


def test_an_interruption_keeps_what_was_learnt(tmp_path):
    runs = runs_of(tmp_path, progress=interrupted_after(6))
    found = [(run.seed, run.complete, len(run.curve)) for run in runs]
    assert found == [(0, True, 4), (1, False, 2)]
    assert json.loads((tmp_path / "seed-1" / "training.json").read_text())["complete"] is False
    assert runs[1].path.exists()


def test_an_interruption_before_anything_was_learnt_is_passed_on(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        runs_of(tmp_path, progress=interrupted_after(0))
    assert list(tmp_path.rglob("*.json")) == []


def test_an_interruption_of_runs_side_by_side_reaches_them_all(tmp_path):
    def progress(more):
        raise KeyboardInterrupt

    try:
        runs = runs_of(tmp_path, jobs=2, progress=progress, trainer=patient)
    except KeyboardInterrupt:
        runs = []
    assert all(not run.complete for run in runs)


def patient(env_id, *, progress, **words):
    """Would train for minutes."""
    import time

    def slow(more):
        time.sleep(0.3)
        progress(more)

    return stubs.train(env_id, progress=slow, **{**words, "total_timesteps": 4})


def broken(env_id, **words):
    raise ArithmeticError("no gradient")


@pytest.mark.parametrize("jobs", [1, 2])
def test_an_error_in_training_is_shown(tmp_path, jobs):
    with pytest.raises(ArithmeticError, match="no gradient"):
        runs_of(tmp_path, jobs=jobs, trainer=broken)


def killed(env_id, **words):
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_killed_process_is_named(tmp_path):
    with pytest.raises(ChildProcessError, match=r"was killed.*resumed training continues"):
        runs_of(tmp_path, jobs=2, trainer=killed)


@pytest.mark.parametrize("changes", [{"steps": 0}, {"jobs": 0}, {"seeds": []}, {"seeds": [1, 1]}])
def test_impossible_arguments_are_refused(tmp_path, changes):
    with pytest.raises(ValueError, match="must be"):
        runs_of(tmp_path, **changes)


def test_a_resumed_run_says_so(tmp_path):
    runs_of(tmp_path, progress=interrupted_after(6))
    runs = runs_of(tmp_path, resume=True)
    assert [run.resumed for run in runs] == [1, 1]
    record = json.loads((tmp_path / "seed-1" / "training.json").read_text())
    assert (record["complete"], record["resumed"]) == (True, 1)
    assert (
        trained_runs(stubs.TOY, EvaluationProtocol(40, (1,)), tmp_path, reuse=True)[0].resumed == 1
    )


def test_the_record_of_a_finished_run_stays(tmp_path):
    runs_of(tmp_path)
    path = tmp_path / "seed-0" / "training.json"
    path.write_text(path.read_text().replace('"duration_s": 0.5', '"duration_s": 7.5'))
    runs_of(tmp_path, resume=True)
    assert json.loads(path.read_text())["duration_s"] == 7.5
    runs_of(tmp_path)
    assert json.loads(path.read_text())["duration_s"] == 0.5


def test_a_report_goes_on_with_what_was_interrupted_and_repeats_what_was_not(
    tmp_path, toy, monkeypatch
):
    heard: list[bool] = []

    def listening(*words, resume, **named):
        heard.append(resume)
        return stubs.train(*words, resume=resume, **named)

    monkeypatch.setattr("microgym.agents.training.trainer.train", listening)

    def again():
        heard.clear()
        trained_runs(toy, EvaluationProtocol(40, (0, 1)), tmp_path)
        return heard

    assert again() == [False, False]
    assert again() == [False, False]
    store = CheckpointStore(tmp_path / "seed-1")
    store.write(Checkpoint(20, {"total_timesteps": 40}))
    assert again() == [True, True]
    store.write(Checkpoint(40, {"total_timesteps": 40}, finished=True))
    assert again() == [False, False]


@pytest.mark.filterwarnings("ignore:You have specified a mini-batch size")
def test_real_runs_are_interrupted_and_resumed(tmp_path):
    words = {"steps": 2 * DECISIONS, "output": tmp_path, "config": TINY}
    with tiny_arguments():
        first = train_runs(ENV, [0, 1], progress=interrupted_after(8), **words)
        assert [(run.complete, run.resumed) for run in first] == [(True, 0), (False, 0)]
        with pytest.raises(ValueError, match=r"seed-1 holds an unfinished training \(6 of 12"):
            train_runs(ENV, [1], **words)
        heard: list[int] = []
        runs = train_runs(ENV, [0, 1, 2], progress=heard.append, resume=True, **words)
        assert sum(heard) == 3 * 2 * DECISIONS
        assert [(run.complete, run.resumed) for run in runs] == [(True, 0), (True, 1), (True, 0)]
        assert runs[1].duration_s > first[1].duration_s
        record = json.loads((tmp_path / "seed-1" / "training.json").read_text())
        assert (record["complete"], record["resumed"]) == (True, 1)

        (tmp_path / "seed-1" / "training.json").unlink()  # killed before it was written
        train_runs(ENV, [1], resume=True, **words)
        again = json.loads((tmp_path / "seed-1" / "training.json").read_text())
        assert {n: again[n] for n in ("resumed", "duration_s", "curve", "complete")} == {
            n: record[n] for n in ("resumed", "duration_s", "curve", "complete")
        }
