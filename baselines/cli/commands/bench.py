"""`microgym bench`: timings of compiled code."""

import argparse
from dataclasses import replace
from typing import Any

from microgym.baselines.cli import options
from microgym.baselines.cli.console import one_thread, progress_bar
from microgym.baselines.evaluation.env_config import suggestion
from microgym.baselines.evaluation.records import machine, to_json, versions

SUMMARY = "time compiled code against plain NumPy, side by side in one process"
EXAMPLE = "microgym bench step fft --check"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help="fft, poisson, step, pulse, force, drag, wrapping, neural, restoration, adatoms, "
        "observation, vector (default: these); memory, start",
    )
    parser.add_argument("--rounds", type=int, default=24, help="more are steadier (default: 24)")
    parser.add_argument(
        "--steps", type=int, metavar="N", help="of the benchmark memory (default: 20000)"
    )
    parser.add_argument(
        "--check",
        action="store_true",
        help="exit with 1 where a threshold is missed or could not be measured",
    )
    options.json(parser)


def run(arguments: argparse.Namespace) -> int:
    """Run the benchmarks and compare them with their thresholds."""
    one_thread()
    from microgym.baselines.benchmarks import BENCHMARKS, LONG
    from microgym.baselines.benchmarks.thresholds import Check, check_text
    from microgym.baselines.benchmarks.timing import Effort, as_record, as_text

    for name in arguments.names:
        if name not in BENCHMARKS:
            raise ValueError(f"no benchmark {name!r}{suggestion(name, list(BENCHMARKS))}")
    records: list[dict[str, Any]] = []
    checks: list[tuple[str, Check]] = []
    complete = True
    effort = Effort(rounds=arguments.rounds, steps=arguments.steps)
    try:
        for name in arguments.names or (name for name in BENCHMARKS if name not in LONG):
            with progress_bar(0, name, "round") as progress:
                for result in BENCHMARKS[name](replace(effort, progress=progress)):
                    records.append({"name": name, **as_record(result)})
                    checks += [(result.title, check) for check in result.checks]
                    if not arguments.json:
                        print(as_text(result), flush=True)
    except KeyboardInterrupt:
        if not records:
            raise
        complete = False
    about, met = machine(), all(check.met for _, check in checks)
    if arguments.json:
        whole = {"machine": about, "packages": versions(), "met": met, "benchmarks": records}
        print(to_json(whole if complete else whole | {"partial": True}))
    else:
        missed = [f"{title}\n    {check_text(one)}" for title, one in checks if not one.met]
        print(f"{about['processor']}, {about['cores']} cores, Python {about['python']}")
        print(f"{len(checks) - len(missed)} of {len(checks)} bounds met", *missed, sep="\n  ")
    if not complete:
        return options.interrupted(arguments)
    return options.FAILED if arguments.check and not met else options.OK
