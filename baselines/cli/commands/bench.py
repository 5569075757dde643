"""`microgym bench`: timings of compiled code."""

import argparse
from dataclasses import replace
from typing import Any

from microgym.baselines.cli import options
from microgym.baselines.cli.console import progress_bar
from microgym.baselines.evaluation.env_config import suggestion
from microgym.baselines.evaluation.records import machine, to_json, versions

SUMMARY = "time compiled code beside plain NumPy and other packages, in one process"
EXAMPLE = "microgym bench step fft --check"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help="benchmarks to run (default: all but the long ones); --list shows them",
    )
    options.flag(parser, "--list", "only show the names of all benchmarks")
    parser.add_argument("--rounds", type=int, default=24, help="more are steadier (default: 24)")
    options.add(parser, "--steps", help="of the benchmark memory (default: 20000)")
    missed = "exit with 1 where a threshold is missed or could not be measured"
    options.flag(parser, "--check", missed)
    options.add(parser, "--json")


def run(arguments: argparse.Namespace) -> int:
    """Run the benchmarks and compare them with their thresholds."""
    from microgym.baselines.benchmarks import LONG, find_benchmarks
    from microgym.baselines.benchmarks.timing import Effort, Threshold, run_benchmark

    known = find_benchmarks()
    if arguments.list:
        print(*(f"{name} (long)" if name in LONG else name for name in known), sep="\n")
        return options.OK
    for name in arguments.names:
        if name not in known:
            raise ValueError(f"no benchmark {name!r}{suggestion(name, list(known))}")
    records: list[dict[str, Any]] = []
    checks: list[tuple[str, Threshold]] = []
    complete = True
    effort = Effort(rounds=arguments.rounds, steps=arguments.steps)
    try:
        for name in arguments.names or (name for name in known if name not in LONG):
            with progress_bar(0, name, "round") as progress:
                for result in run_benchmark(known[name], replace(effort, progress=progress)):
                    records.append({"name": name, **result.as_record()})
                    checks += [(result.title, check) for check in result.checks]
                    if not arguments.json:
                        print(result, flush=True)
    except KeyboardInterrupt:
        if not records:
            raise
        complete = False
    about, met = machine(), all(check.met for _, check in checks)
    if arguments.json:
        whole = {"machine": about, "packages": versions(), "met": met, "benchmarks": records}
        print(to_json(whole if complete else whole | {"partial": True}))
    else:
        missed = [f"{title}\n    {one}" for title, one in checks if not one.met]
        print(f"{about['processor']}, {about['cores']} cores, Python {about['python']}")
        print(f"{len(checks) - len(missed)} of {len(checks)} bounds met", *missed, sep="\n  ")
    if not complete:
        return options.interrupted(arguments)
    return options.FAILED if arguments.check and not met else options.OK
