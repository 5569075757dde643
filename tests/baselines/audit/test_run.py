"""Order, resumption and output of audits, and a short one of every environment."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from microgym.baselines.audit import run
from microgym.baselines.audit.check import GROUPS, SHORT, Findings, judge
from microgym.baselines.audit.context import Audit
from microgym.baselines.cli import main
from microgym.envs.core.registry import entries

Make = Callable[..., Audit]


def test_an_interrupted_audit_goes_on_where_it_stopped(audit_of: Make, monkeypatch: Any) -> None:
    audit, called = audit_of("Sound"), list[str]()

    def group(name: str) -> Callable[[Audit], Findings]:
        def work(_: Audit) -> Findings:
            called.append(name)
            if called == ["speed", "leaks", "scale"]:
                raise KeyboardInterrupt
            return Findings((judge(f"{name} a", name != "leaks", "1", "2"),), {"n": 1})

        return work

    monkeypatch.setattr(run, "group_named", group)
    with pytest.raises(KeyboardInterrupt):
        run.perform(audit)
    found = run.perform(audit)
    assert called == ["speed", "leaks", "scale", *list(GROUPS)[2:]]
    record = run.audit_record(audit, found)
    assert [one["name"] for one in record["checks"]] == [f"{name} a" for name in GROUPS]
    assert not record["passed"]
    assert list(record["seconds"]) == list(GROUPS)
    assert {"command", "commit", "machine", "seed"} <= record.keys()
    run.perform(audit_of("Sound", again=True), ["leaks"])
    assert called[-1] == "leaks"


def test_a_partial_audit_changes_its_part_of_the_record(audit_of: Make, tmp_path: Path) -> None:
    audit = audit_of("Sound")
    first = {
        n: Findings((judge(f"{n} a", False, "", ""),), {"n": 1}, 3.0) for n in ("leaks", "scale")
    }
    run.write_record("X", run.audit_record(audit, first), tmp_path)
    second = {"leaks": Findings((judge("leaks a", True, "", ""),), {"n": 2}, 5.0)}
    run.write_record("X", run.audit_record(audit, second), tmp_path)
    record = json.loads((tmp_path / "X.audit.json").read_text("utf-8"))
    assert [one["verdict"] for one in record["checks"]] == ["pass", "fail"]
    assert record["groups"] == {"leaks": {"n": 2}, "scale": {"n": 1}}
    assert record["seconds"] == {"leaks": 5.0, "scale": 3.0}


@pytest.mark.parametrize("entry", entries(), ids=lambda entry: entry.id)
def test_the_short_audit_of_every_environment(entry: Any, tmp_path: Path, capsys: Any) -> None:
    words = ["--minutes", "0.02", "--json", "--runs", str(tmp_path), "--only", *SHORT]
    status = main(["audit", entry.id, *words])
    found = json.loads(capsys.readouterr().out)
    assert found["env"] == entry.id
    assert status == (0 if found["passed"] else 1)
    assert found["passed"] == all(one["verdict"] == "pass" for one in found["checks"])
    assert all(one.keys() == {"name", "verdict", "figure", "want"} for one in found["checks"])
    assert {one["name"].split()[0] for one in found["checks"]} == set(SHORT)
    verdicts = {one["name"]: one["verdict"] for one in found["checks"]}
    # Decided at any length.
    assert verdicts["references random"] == "pass"
    assert verdicts["references gaussian"] == "pass"
