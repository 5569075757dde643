import json
from dataclasses import replace

import pytest

from microgym.agents.core.config import find_tables
from microgym.baselines.evaluation import reproduce
from microgym.baselines.evaluation.comparison import compare_case
from microgym.baselines.evaluation.env_config import EnvironmentConfig
from microgym.baselines.evaluation.protocols import SMALL, record_protocol
from microgym.baselines.evaluation.reproduce import Check, check_record, record_path, write_record
from microgym.envs.core.registry import entries
from tests.baselines import stubs

KEPT = 5
PROTOCOL = replace(SMALL, steps=40, seeds=(0, 1, 2), episodes=12, other_episodes=4, kept=KEPT)


def recorded(tmp_path, small=True, train=True, **changes):
    protocol = replace(PROTOCOL, **changes)
    return write_record(
        EnvironmentConfig(stubs.TOY),
        small=small,
        runs=tmp_path / "runs",
        protocol=protocol,
        train=train,
        folder=tmp_path,
    )


def again(tmp_path, **changes):
    words = {"small": True, "train": True, "runs": tmp_path / "again", "folder": tmp_path}
    return check_record(EnvironmentConfig(stubs.TOY), **{**words, **changes})


def test_a_record_says_what_it_came_from(toy, tmp_path):
    path = recorded(tmp_path)
    assert path == record_path(toy, "small", tmp_path)
    record = json.loads(path.read_text())
    assert {"command", "commit", "machine", "packages", "date"} <= record.keys()
    assert record["training"]["seeds"] == [0, 1, 2]
    assert len(record["training"]["returns"]) == 3
    low, high = record["training"]["accepted"]
    assert low < min(record["training"]["returns"]) <= max(record["training"]["returns"]) < high
    assert record["comparisons"][0]["episodes"] == 12
    assert set(record["training"]["curves"]) == {"0", "1", "2"}


def test_recorded_results_are_reproduced(toy, tmp_path):
    recorded(tmp_path, small=False)
    checks = again(tmp_path, small=False, train=False)
    policies = ("random", "raster", "expert", "oracle", "trained")
    assert sorted(check.name for check in checks) == sorted(
        f"{one}{what}" for one in policies for what in (" reproduced", ", episodes reproduced")
    )
    assert all(check.passed for check in checks), [str(check) for check in checks]


def test_in_brief_only_the_kept_episodes_are_played(toy, tmp_path, monkeypatch):
    path = recorded(tmp_path, small=False)
    played: list[int] = []

    def counted(case, *words, **more):
        played.append(case.episodes)
        return compare_case(case, *words, **more)

    monkeypatch.setattr(reproduce, "compare_case", counted)
    checks = again(tmp_path, small=False, train=False, brief=True)
    assert played == [KEPT]
    assert {check.name for check in checks} == {
        f"{one}, episodes reproduced" for one in ("random", "raster", "expert", "oracle", "trained")
    }
    assert all(check.passed and check.value == KEPT for check in checks)
    record = json.loads(path.read_text())
    for one in record["comparisons"][0]["scores"]:
        if one["agent"] in ("expert", "trained"):
            one["kept"][2] += 1e-9
    path.write_text(json.dumps(record))
    failed = [c for c in again(tmp_path, small=False, train=False, brief=True) if not c.passed]
    # A network's arithmetic is rounded otherwise elsewhere; a rule's is not.
    assert [(one.name, one.value) for one in failed] == [("expert, episodes reproduced", KEPT - 1)]


def test_a_record_can_measure_the_shipped_agent_alone(toy, tmp_path):
    path = recorded(tmp_path, small=False, train=False)
    record = json.loads(path.read_text())
    assert record["training"] is None
    found = {one["agent"] for one in record["comparisons"][0]["scores"]}
    assert "trained" in found
    assert "trained now" not in found
    assert not (tmp_path / "runs").exists()


def test_a_record_without_single_returns_cannot_be_checked_in_brief(toy, tmp_path):
    recorded(tmp_path, kept=0)
    with pytest.raises(ValueError, match="keeps no returns of single episodes"):
        again(tmp_path, train=False, brief=True)


def test_where_nothing_learns_the_reference_policies_are_recorded(toy, tmp_path):
    path = recorded(tmp_path, small=False, seeds=())
    record = json.loads(path.read_text())
    assert record["training"] is None
    assert "trained now" not in {one["agent"] for one in record["comparisons"][0]["scores"]}
    checks = again(tmp_path, small=False, train=True)
    assert len(checks) == 10
    assert all(check.passed for check in checks)
    assert not (tmp_path / "runs").exists()
    assert not (tmp_path / "again").exists()


@pytest.mark.parametrize("entry", entries(), ids=lambda entry: entry.id)
def test_what_is_trained_for_a_record(entry):
    found = record_protocol(entry.id, small=False)
    assert bool(found.seeds) == ("training" in find_tables(entry.id))
    assert found.episodes >= 200
    assert 0 < found.kept <= found.episodes


def test_a_small_agent_needs_something_to_learn(tmp_path, monkeypatch):
    monkeypatch.setattr("microgym.agents.core.config.find_tables", lambda env_id: {})
    with pytest.raises(ValueError, match="no training configuration for 'PFMLoop-v0'"):
        write_record(
            EnvironmentConfig("PFMLoop-v0"), small=True, runs=tmp_path / "runs", folder=tmp_path
        )


def test_a_small_agent_is_compared_with_random_actions(toy, tmp_path):
    path = recorded(tmp_path)
    scores = json.loads(path.read_text())["comparisons"][0]["scores"]
    assert {one["agent"] for one in scores} == {"random", "trained now"}
    checks = again(tmp_path)
    names = [check.name for check in checks]
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
    recorded(tmp_path, small=False)
    checks = again(tmp_path, small=False, train=False)
    assert all("reproduced" in check.name for check in checks)
    assert not (tmp_path / "again").exists()


def test_an_agent_that_learns_nothing_is_found_out(toy, tmp_path, monkeypatch):
    recorded(tmp_path)

    def lazy(*words, output, **more):
        found = stubs.train(*words, output=output, **more)
        found.path.write_text('{"skill": -6.0}')
        return found

    monkeypatch.setattr("microgym.agents.training.trainer.train", lazy)
    failed = [check.name for check in again(tmp_path) if not check.passed]
    assert "retrained, seed 0" in failed
    assert "retrained, seed 0, above random" in failed


def test_a_changed_environment_is_found_out(toy, tmp_path):
    path = recorded(tmp_path, small=False)
    record = json.loads(path.read_text())
    for one in record["comparisons"][0]["scores"]:
        if one["agent"] == "expert":
            one["returns"] = {"value": 9.0, "low": 8.0, "high": 10.0}
    path.write_text(json.dumps(record))
    failed = [c.name for c in again(tmp_path, small=False, train=False) if not c.passed]
    assert failed == ["expert reproduced"]


def test_an_interrupted_recording_leaves_the_old_record(toy, tmp_path, monkeypatch):
    path = recorded(tmp_path)
    before = path.read_text()

    def interrupted(*words, **more):
        raise KeyboardInterrupt

    monkeypatch.setattr("microgym.agents.training.trainer.train", interrupted)
    with pytest.raises(KeyboardInterrupt):
        recorded(tmp_path)
    assert path.read_text() == before


def test_a_missing_or_broken_record_is_named(toy, tmp_path):
    with pytest.raises(FileNotFoundError, match="no record at"):
        again(tmp_path)
    record_path(toy, "small", tmp_path).write_text("{}")
    with pytest.raises(ValueError, match="lacks 'training'"):
        again(tmp_path)


def test_checks_read_well():
    check = Check("expert reproduced", 0.5, 0.4, 0.6)
    assert str(check) == "ok   expert reproduced: 0.5, recorded 0.4 to 0.6"
    assert str(replace(check, value=0.7)).startswith("FAIL")
