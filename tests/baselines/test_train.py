import json

import pytest

from microgym.baselines.train import train_runs
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

    return stubs.train(env_id, progress=slow, **{**words, "steps": 4})


def broken(env_id, **words):
    raise ArithmeticError("no gradient")


@pytest.mark.parametrize("jobs", [1, 2])
def test_an_error_in_training_is_shown(tmp_path, jobs):
    with pytest.raises(ArithmeticError, match="no gradient"):
        runs_of(tmp_path, jobs=jobs, trainer=broken)


@pytest.mark.parametrize("changes", [{"steps": 0}, {"jobs": 0}, {"seeds": []}, {"seeds": [1, 1]}])
def test_impossible_arguments_are_refused(tmp_path, changes):
    with pytest.raises(ValueError, match="must be"):
        runs_of(tmp_path, **changes)
