"""`microgym reproduce`: committed results again."""

import argparse
from pathlib import Path

from microgym.baselines.cli import options
from microgym.baselines.cli.console import one_thread
from microgym.baselines.evaluation.env_config import EnvironmentConfig, environment_id

SUMMARY = "repeat the training and evaluation of the committed results, and compare"
EXAMPLE = "microgym reproduce Ptycho-v0 --small"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    options.add(parser, "env", "--runs", "--jobs")
    parser.add_argument("--small", action="store_true", help="the small agent: minutes, not hours")
    parser.add_argument(
        "--no-train", action="store_true", help="only evaluate the shipped agent and the others"
    )
    parser.add_argument(
        "--write", action="store_true", help="make a new record instead of comparing"
    )
    parser.add_argument(
        "--observation-models",
        action="store_true",
        help="with --write: compare agents trained with different observation models",
    )
    parser.add_argument(
        "--reuse", action="store_true", help="with --write: take the finished runs of --runs"
    )


def run(arguments: argparse.Namespace) -> int:
    """Compare with a record, or write one."""
    setting = EnvironmentConfig(environment_id(arguments.env))
    one_thread()
    from microgym.baselines.evaluation.compare_observations import write_comparison
    from microgym.baselines.evaluation.reproduce import check_record, write_record

    runs = arguments.runs or Path("runs") / setting.env_id / "reproduce"
    jobs = options.read_jobs(arguments, 3)
    if arguments.observation_models and not arguments.write:
        raise ValueError("--observation-models needs --write: its record is not checked again")
    if arguments.write:
        if arguments.no_train:
            raise ValueError("--write needs training: leave --no-train out")
        small, reuse = arguments.small, arguments.reuse
        if arguments.observation_models:
            print(write_comparison(setting, runs=runs, jobs=jobs, reuse=reuse))
            return options.OK
        print(write_record(setting, small=small, runs=runs, jobs=jobs, reuse=reuse))
        return options.OK
    checks = check_record(
        setting, small=arguments.small, train=not arguments.no_train, runs=runs, jobs=jobs
    )
    for check in checks:
        print(check)
    return options.OK if all(check.passed for check in checks) else options.FAILED
