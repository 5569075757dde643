"""`microgym audit`: whether a task can be learnt, and pays for the job alone."""

import argparse
from pathlib import Path

from microgym.baselines.cli import options

SUMMARY = "check that a task can be learnt, hides what is hidden, and pays for the job alone"
EXAMPLE = "microgym audit STMTip-v0 --only scale leaks"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    from microgym.baselines.audit.check import GROUPS

    options.add(parser, "env")
    length = parser.add_mutually_exclusive_group()
    options.flag(length, "--short", "the checks that a minute decides, for continuous integration")
    minutes = "processor minutes on two cores (default: 20)"
    length.add_argument("--minutes", type=float, metavar="M", help=minutes)
    deep = "hours: stock algorithms are trained as long as declared"
    options.flag(parser, "--deep", deep)
    only = f"some of the checks: {', '.join(GROUPS)}"
    parser.add_argument("--only", nargs="+", choices=list(GROUPS), metavar="CHECK", help=only)
    options.add(parser, "--seed", "--json")
    options.add(parser, "--jobs", default=2, help="training runs side by side")
    options.add(parser, "--runs", help="folder of unfinished audits (default: runs/ENV/audit)")
    options.flag(parser, "--again", "measure anew what an earlier run has kept")
    options.flag(parser, "--write", "also write the record that pages and README show")


def run(arguments: argparse.Namespace) -> int:
    """Audit one environment, and print a verdict a line."""
    from microgym.baselines.audit import context
    from microgym.baselines.audit.run import audit_record, perform, write_record
    from microgym.baselines.evaluation.env_config import environment_id
    from microgym.baselines.evaluation.records import to_json

    env_id = environment_id(arguments.env)
    minutes = arguments.minutes or context.DEFAULT_MINUTES
    minutes = context.SHORT_MINUTES if arguments.short else minutes
    if not 0 < minutes <= 10_000:
        raise ValueError(f"--minutes must be above 0 and at most 10000, got {minutes}")
    folder = arguments.runs or Path("runs") / env_id / "audit"
    audit = context.Audit(
        env_id,
        folder,
        minutes,
        seed=arguments.seed,
        jobs=arguments.jobs,
        again=arguments.again,
        whole=arguments.deep,
    )
    found = perform(audit, arguments.only, short=arguments.short, show=not arguments.json)
    record = audit_record(audit, found)
    if arguments.json:
        print(to_json({name: record[name] for name in ("env", "passed", "checks")}))
    if arguments.write:
        path = write_record(env_id, record)
        if not arguments.json:
            print(path)
    return options.OK if record["passed"] else options.FAILED
