"""Committed results reproduced: a small agent trained from scratch, the shipped one evaluated."""

import pytest

from microgym.agents.core.registry import TRAINED, agent_names
from microgym.baselines.evaluation.comparison import FRESH
from microgym.baselines.evaluation.env_config import EnvironmentConfig
from microgym.baselines.evaluation.records import read_record
from microgym.baselines.evaluation.reproduce import check_record, record_path
from microgym.envs.core.registry import entries
from tests.baselines.outdated import skip_outdated

IDS = [entry.id for entry in entries() if record_path(entry.id, "full").is_file()]
SMALL = [entry.id for entry in entries() if record_path(entry.id, "small").is_file()]
LEARNT = [env_id for env_id in IDS if TRAINED in agent_names(env_id)]


def test_shipped_agents_are_recorded():
    shipped = [entry.id for entry in entries() if TRAINED in agent_names(entry.id)]
    assert shipped == LEARNT == SMALL


@pytest.mark.parametrize("env_id", SMALL)
def test_the_small_agent_is_reproduced(env_id, tmp_path):
    skip_outdated(read_record(record_path(env_id, "small")))
    checks = check_record(EnvironmentConfig(env_id), small=True, train=True, runs=tmp_path)
    assert any("retrained" in check.name for check in checks)
    assert [str(check) for check in checks if not check.passed] == []


@pytest.mark.parametrize("env_id", IDS)
def test_returns_of_policies_are_reproduced(env_id, tmp_path):
    skip_outdated(read_record(record_path(env_id, "full")))
    checks = check_record(
        EnvironmentConfig(env_id), small=False, train=False, runs=tmp_path, brief=True
    )
    assert [check.name for check in checks if "reproduced" not in check.name] == []
    # Records made before every environment had an idle agent lack it.
    checked = {check.name.partition(",")[0] for check in checks}
    assert checked | {"idle"} == set(agent_names(env_id))
    assert min(check.low for check in checks) >= 16
    assert [str(check) for check in checks if not check.passed] == []


@pytest.mark.parametrize("env_id", IDS)
def test_ladder_of_policies_is_clear(env_id):
    """Oracle over expert over the best fixed policy over random, trained agents over the expert."""
    record = read_record(record_path(env_id, "full"))
    skip_outdated(record)
    first = record["comparisons"][0]
    assert first["episodes"] >= 200
    assert first["split"] == "test"
    gaps = first["gaps"]
    better = [gap["better"] for gap in gaps if gap["worse"] == "expert"]
    fresh = (FRESH,) if record["training"] else ()
    assert better == ["oracle", *((TRAINED, *fresh) if env_id in LEARNT else ())]
    assert {"random", "expert"} <= {gap["worse"] for gap in gaps}
    for gap in gaps:
        assert gap["difference"]["low"] > 0.0, gap
