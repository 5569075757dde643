"""The committed results, had again: a small agent from scratch, and the shipped one evaluated."""

import json

import pytest

from microgym.baselines.records import RESULTS
from microgym.baselines.reproduce import check_record, record_path
from microgym.baselines.settings import Setting
from microgym.envs.registry import ENTRIES

IDS = [entry.id for entry in ENTRIES if record_path(entry.id, small=False).is_file()]


@pytest.mark.parametrize("env_id", IDS)
def test_small_agent_learns_what_it_learnt(env_id, tmp_path):
    checks = check_record(Setting(env_id), small=True, train=True, runs=tmp_path)
    assert any("retrained" in check.name for check in checks)
    assert [str(check) for check in checks if not check.passed] == []


@pytest.mark.parametrize("env_id", IDS)
def test_shipped_agent_scores_what_it_scored(env_id, tmp_path):
    checks = check_record(Setting(env_id), small=False, train=False, runs=tmp_path)
    assert any(check.name == "trained again" for check in checks)
    assert [str(check) for check in checks if not check.passed] == []


@pytest.mark.parametrize("env_id", IDS)
def test_ladder_of_policies_is_clear(env_id):
    """Oracle over expert over the best pattern over random, the shipped agent over the expert."""
    record = json.loads(record_path(env_id, small=False, folder=RESULTS).read_text())
    first = record["comparisons"][0]
    assert first["episodes"] >= 200
    assert first["split"] == "test"
    gaps = first["gaps"]
    assert gaps
    for gap in gaps:
        assert gap["difference"]["low"] > 0.0, gap
