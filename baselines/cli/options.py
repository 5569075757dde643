"""Command-line options that several sub-commands share, and how their values are read."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from microgym.baselines.cli.console import read_option
from microgym.baselines.evaluation import protocols
from microgym.baselines.evaluation.env_config import EnvironmentConfig, environment_id

OK, FAILED, INTERRUPTED = 0, 1, 130
"""Exit statuses of sub-commands."""


def env(parser: argparse.ArgumentParser, *, optional: bool = False) -> None:
    """Add the id of the environment."""
    parser.add_argument(
        "env",
        nargs="?" if optional else None,
        metavar="ENV",
        help="environment, such as Ptycho-v0 (microgym list)",
    )


def agent(parser: argparse.ArgumentParser) -> None:
    """Add the agent, by name or path."""
    parser.add_argument(
        "--agent",
        default="trained",
        metavar="NAME",
        help="an agent of microgym list, or the path of a policy (default: trained, the one that "
        "comes with the package)",
    )


def setting(parser: argparse.ArgumentParser) -> None:
    """Add specimens, arguments of the environment and the first seed."""
    parser.add_argument(
        "--split",
        choices=("train", "validation", "test"),
        default="test",
        help="split of the specimens (default: test)",
    )
    parser.add_argument(
        "--specimen", metavar="FAMILY", help="family of specimens (default: the environment's)"
    )
    assignments(parser, "an argument of the environment, such as exposures=64")
    seed(parser, "of the first episode")


def assignments(parser: argparse.ArgumentParser, meaning: str) -> None:
    """Add `--set NAME=VALUE`, which may be repeated."""
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help=f"{meaning}; may be repeated",
    )


def seed(parser: argparse.ArgumentParser, meaning: str) -> None:
    """Add one seed, 0 by default."""
    parser.add_argument("--seed", type=int, default=0, metavar="N", help=f"{meaning} (default: 0)")


def seeds(parser: argparse.ArgumentParser, default: Sequence[int]) -> None:
    """Add the seeds of training runs."""
    listed = " ".join(str(one) for one in default)
    parser.add_argument(
        "--seeds",
        type=int,
        nargs="+",
        default=list(default),
        metavar="N",
        help=f"of the training runs, one run each (default: {listed})",
    )


def episodes(parser: argparse.ArgumentParser, protocol: protocols.EvaluationProtocol) -> None:
    """Add the number of episodes; the default is the protocol's."""
    parser.add_argument(
        "--episodes",
        type=int,
        default=protocol.episodes,
        metavar="N",
        help=f"number of episodes (default: {protocol.episodes})",
    )


def steps(parser: argparse.ArgumentParser, protocol: protocols.EvaluationProtocol) -> None:
    """Add the number of training steps; the default is the protocol's."""
    parser.add_argument(
        "--steps",
        type=int,
        default=protocol.steps,
        metavar="N",
        help=f"training steps of each run (default: {protocol.steps or 'as configured'})",
    )


def runs(parser: argparse.ArgumentParser) -> None:
    """Add the folder of the training runs."""
    parser.add_argument("--runs", type=Path, metavar="FOLDER", help="folder of the training runs")


def jobs(parser: argparse.ArgumentParser) -> None:
    """Add the number of training processes."""
    parser.add_argument(
        "--jobs", type=int, metavar="N", help="training runs side by side (default: one a core)"
    )


def num_envs(parser: argparse.ArgumentParser) -> None:
    """Add the number of environments of an evaluation."""
    parser.add_argument(
        "--num-envs",
        type=int,
        default=16,
        metavar="N",
        help="episodes at a time; changes speed, not results (default: 16)",
    )


def recording(parser: argparse.ArgumentParser) -> None:
    """Add the path of a recorded scan."""
    parser.add_argument(
        "--recording", type=Path, metavar="FILE", help="a recorded scan to compare on"
    )


def output(parser: argparse.ArgumentParser, metavar: str, meaning: str, default: str = "") -> None:
    """Add the path of the output.

    Args:
        parser: of the sub-command.
        metavar: "FILE" or "FOLDER".
        meaning: help text; it names the default if that depends on other arguments.
        default: path; none if empty.
    """
    parser.add_argument(
        "--output",
        type=Path,
        default=Path(default) if default else None,
        metavar=metavar,
        help=f"{meaning} (default: {default})" if default else meaning,
    )


def json(parser: argparse.ArgumentParser) -> None:
    """Add machine-readable output."""
    parser.add_argument(
        "--json", action="store_true", help="print one JSON object and nothing else"
    )


def read_setting(arguments: argparse.Namespace) -> EnvironmentConfig:
    """Environment and arguments as given by `env` and `setting`.

    Raises:
        ValueError: an unknown environment or argument.
    """
    chosen = dict(read_option(text) for text in arguments.set)
    return EnvironmentConfig(
        environment_id(arguments.env), arguments.split, arguments.specimen, chosen
    )


def read_jobs(arguments: argparse.Namespace, runs: int) -> int:
    """Number of processes for so many training runs."""
    return min(runs, os.cpu_count() or 1) if arguments.jobs is None else arguments.jobs


def interrupted(arguments: argparse.Namespace) -> int:
    """Say that the output is partial, and return the exit status for it."""
    print(f"microgym {arguments.command}: interrupted: this is partial", file=sys.stderr)
    return INTERRUPTED
