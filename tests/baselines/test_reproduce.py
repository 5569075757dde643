import json
from dataclasses import replace

import pytest

from microgym.baselines.recipes import SMALL
from microgym.baselines.reproduce import Check, check_record, record_path, write_record
from microgym.baselines.settings import Setting
from tests.baselines import stubs

RECIPE = replace(SMALL, steps=40, seeds=(0, 1, 2), episodes=12, other_episodes=4)


def recorded(tmp_path, small=True):
    return write_record(
        Setting(stubs.TOY), small=small, runs=tmp_path / "runs", recipe=RECIPE, folder=tmp_path
    )


def again(tmp_path, **changes):
    words = {"small": True, "train": True, "runs": tmp_path / "again", "folder": tmp_path}
    return check_record(Setting(stubs.TOY), **{**words, **changes})


def test_a_record_says_what_it_came_from(toy, tmp_path):
    path = recorded(tmp_path)
    assert path == record_path(toy, True, tmp_path)
    record = json.loads(path.read_text())
    assert {"command", "commit", "machine", "packages", "date"} <= record.keys()
    assert record["training"]["seeds"] == [0, 1, 2]
    assert len(record["training"]["returns"]) == 3
    low, high = record["training"]["accepted"]
    assert low < min(record["training"]["returns"]) <= max(record["training"]["returns"]) < high
    assert record["comparisons"][0]["episodes"] == 12
    assert set(record["training"]["curves"]) == {"0", "1", "2"}


def test_what_was_recorded_is_had_again(toy, tmp_path):
    recorded(tmp_path)
    checks = again(tmp_path)
    names = [check.name for check in checks]
    assert {"expert again", "oracle again", "random again", "trained again"} <= set(names)
    assert "retrained, seed 0" in names
    assert "retrained, seed 1" not in names
    inside = [check for check in checks if "above random" not in check.name]
    assert all(check.passed for check in inside), [str(check) for check in checks]


def test_the_full_record_retrains_every_seed(toy, tmp_path):
    recorded(tmp_path, small=False)
    names = [check.name for check in again(tmp_path, small=False)]
    assert [f"retrained, seed {seed}" in names for seed in range(3)] == [True] * 3
    assert not (tmp_path / f"{toy}.small.json").exists()


def test_without_training_only_evaluations_are_repeated(toy, tmp_path):
    recorded(tmp_path)
    checks = again(tmp_path, train=False)
    assert all("again" in check.name for check in checks)
    assert not (tmp_path / "again").exists()


def test_an_agent_that_learns_nothing_is_found_out(toy, tmp_path, monkeypatch):
    recorded(tmp_path)

    def lazy(*words, output, **more):
        found = stubs.train(*words, output=output, **more)
        found.path.write_text('{"skill": -6.0}')
        return found

    monkeypatch.setattr("microgym.agents.training.train", lazy)
    failed = [check.name for check in again(tmp_path) if not check.passed]
    assert "retrained, seed 0" in failed
    assert "retrained, seed 0, above random" in failed


def test_a_changed_environment_is_found_out(toy, tmp_path):
    path = recorded(tmp_path)
    record = json.loads(path.read_text())
    for one in record["comparisons"][0]["scores"]:
        if one["agent"] == "expert":
            one["returns"] = {"value": 9.0, "low": 8.0, "high": 10.0}
    path.write_text(json.dumps(record))
    assert [c.name for c in again(tmp_path, train=False) if not c.passed] == ["expert again"]


def test_an_interrupted_recording_leaves_the_old_record(toy, tmp_path, monkeypatch):
    path = recorded(tmp_path)
    before = path.read_text()

    def interrupted(*words, **more):
        raise KeyboardInterrupt

    monkeypatch.setattr("microgym.agents.training.train", interrupted)
    with pytest.raises(KeyboardInterrupt):
        recorded(tmp_path)
    assert path.read_text() == before


def test_a_missing_or_broken_record_is_named(toy, tmp_path):
    with pytest.raises(FileNotFoundError, match="no record at"):
        again(tmp_path)
    record_path(toy, True, tmp_path).write_text("{}")
    with pytest.raises(ValueError, match="lacks 'training'"):
        again(tmp_path)


def test_checks_read_well():
    check = Check("expert again", 0.5, 0.4, 0.6)
    assert str(check) == "ok   expert again: 0.5, recorded 0.4 to 0.6"
    assert str(replace(check, value=0.7)).startswith("FAIL")
