"""`microgym reproduce`: committed results again."""

import argparse
from pathlib import Path

from microgym.baselines.cli import options
from microgym.baselines.evaluation.env_config import EnvironmentConfig, environment_id

_IMAGES = Path("docs/images")
"""Folder of the films in a checkout, from the current folder."""

SUMMARY = "repeat the training and evaluation of the committed results, and compare"
EXAMPLE = "microgym reproduce Ptycho-v0 --small"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    options.add(parser, "env", "--runs", "--jobs")
    options.flag(parser, "--small", "the small agent: minutes, not hours")
    options.flag(parser, "--no-train", "only evaluate the shipped agent and the others")
    options.flag(parser, "--write", "make a new record and film instead of comparing")
    models = "with --write: compare agents trained with different observation models"
    options.flag(parser, "--observation-models", models)
    options.flag(parser, "--reuse", "with --write: take the finished runs of --runs")


def run(arguments: argparse.Namespace) -> int:
    """Compare with a record, or write one."""
    setting = EnvironmentConfig(environment_id(arguments.env))
    from microgym.baselines.cli.record_video import write_film
    from microgym.baselines.evaluation.reproduce import (
        check_record,
        write_comparison,
        write_record,
    )

    small, jobs = arguments.small, arguments.jobs
    runs = arguments.runs or Path("runs") / setting.env_id / "reproduce"
    if arguments.observation_models and not arguments.write:
        raise ValueError("--observation-models needs --write: its record is not checked again")
    if arguments.write and arguments.no_train and (small or arguments.observation_models):
        raise ValueError("what is trained is what these records hold: leave --no-train out")
    if arguments.observation_models:
        print(write_comparison(setting, runs=runs, jobs=jobs, reuse=arguments.reuse))
        return options.OK
    if arguments.write:
        path = write_record(
            setting,
            small=small,
            train=not arguments.no_train,
            runs=runs,
            jobs=jobs,
            reuse=arguments.reuse,
        )
        print(path)
        if not small and _IMAGES.is_dir():
            print(write_film(setting, _IMAGES))
        return options.OK
    train = not arguments.no_train
    checks = check_record(setting, small=small, train=train, runs=runs, jobs=jobs)
    for check in checks:
        print(check)
    return options.OK if all(check.passed for check in checks) else options.FAILED
