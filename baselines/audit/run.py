"""An audit from its groups of checks: order, progress, and the record."""

import os
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from microgym.baselines.audit.check import GROUPS, SHORT, Check, Findings, group_named
from microgym.baselines.audit.context import Audit
from microgym.baselines.cli.console import progress_bar
from microgym.baselines.evaluation.records import (
    RESULTS,
    is_current,
    origin,
    read_record,
    write_json,
)


def perform(
    audit: Audit, only: Sequence[str] | None = None, *, short: bool = False, show: bool = False
) -> dict[str, Findings]:
    """Run groups of checks; what an earlier run with the same code kept is taken over.

    Args:
        audit: the environment and the effort.
        only: names of groups; None for all.
        short: without `only`, the groups that a minute decides.
        show: print a verdict a line as they come.
    """
    chosen = only or (SHORT if short else GROUPS)
    effort = {"minutes": audit.minutes, "whole": audit.whole}
    found: dict[str, Findings] = {}
    for name in [name for name in GROUPS if name in chosen]:
        known = audit.kept(name)
        if (
            known
            and known["seed"] == audit.seed
            and all(known[word] >= least for word, least in effort.items())
        ):
            checks = tuple(Check(**line) for line in known["checks"])
            one = Findings(checks, known["data"], known["seconds"])
        else:
            start = processor_time()
            with progress_bar(0, f"{audit.env_id} {name}", "episode") as progress:
                audit.progress = progress
                one = group_named(name)(audit)
            one = replace(one, seconds=round(processor_time() - start, 1))
            audit.keep(name, {"seed": audit.seed, **effort, **plain(one)})
        found[name] = one
        for check in one.checks if show else ():
            print(line(check), flush=True)
    return found


def processor_time() -> float:
    """Processor time of this process and of its workers that have ended, s."""
    return sum(os.times()[:4])


def line(check: Check) -> str:
    """A verdict in a line."""
    return f"{check.verdict:<5}{check.name:<28} {check.figure}  (want: {check.want})"


def plain(one: Findings) -> dict[str, Any]:
    """Findings as plain values."""
    return {
        "checks": [asdict(check) for check in one.checks],
        "data": one.data,
        "seconds": one.seconds,
    }


def audit_record(audit: Audit, found: dict[str, Findings]) -> dict[str, Any]:
    """The record of an audit: verdicts, numbers, and where they came from."""
    checks = [asdict(check) for one in found.values() for check in one.checks]
    return {
        **origin(audit.env_id),
        "kind": "audit",
        "seed": audit.seed,
        "minutes": audit.minutes,
        "passed": bool(checks) and all(one["verdict"] == "pass" for one in checks),
        "checks": checks,
        "groups": {name: one.data for name, one in found.items()},
        "seconds": {name: one.seconds for name, one in found.items()},
    }


def record_file(env_id: str, results: Path = RESULTS) -> Path:
    """File of the committed audit of an environment."""
    return results / f"{env_id}.audit.json"


def write_record(env_id: str, record: dict[str, Any], results: Path = RESULTS) -> Path:
    """Write the record; groups that this audit left out keep what an earlier record has."""
    path = record_file(env_id, results)
    if path.is_file():
        old = read_record(path)
        # Groups that were measured before the environment changed do not hold.
        groups = old["groups"] if is_current(old) else {}
        left = {n: one for n, one in groups.items() if n not in record["groups"]}
        kept = [c for c in old["checks"] if c["name"].split()[0] in left]
        checks = [*kept, *record["checks"]]
        checks.sort(key=lambda one: list(GROUPS).index(one["name"].split()[0]))
        passed = all(one["verdict"] == "pass" for one in checks)
        record = {**record, "checks": checks, "passed": passed}
        record["groups"] = left | record["groups"]
        spent = {n: s for n, s in old.get("seconds", {}).items() if n in left}
        record["seconds"] = spent | record["seconds"]
    return write_json(path, record)
