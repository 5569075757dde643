"""Command-line options that several sub-commands share, and how their values are read."""

import argparse
import sys
from pathlib import Path
from typing import Any

from microgym.baselines.cli.console import read_option
from microgym.baselines.evaluation.env_config import EnvironmentConfig, environment_id
from microgym.specimens.splits import SPLITS

OK, FAILED, INTERRUPTED = 0, 1, 130
"""Exit statuses of sub-commands."""

SETTING = ("--split", "--specimen", "--set", "--seed")
"""Options that `read_setting` reads besides the environment."""

_INTEGER: dict[str, Any] = {"type": int, "metavar": "N"}
_FOLDER: dict[str, Any] = {"type": Path, "metavar": "FOLDER"}
_FILE: dict[str, Any] = {"type": Path, "metavar": "FILE"}

_OPTIONS: dict[str, dict[str, Any]] = {
    "env": {"metavar": "ENV", "help": "environment, such as Ptycho-v0 (microgym list)"},
    "--agent": {
        "default": "trained",
        "metavar": "NAME",
        "help": "an agent of microgym list, where trained is the one that comes with the package, "
        "or the path of a policy",
    },
    "--split": {"choices": SPLITS, "default": "test", "help": "split of the specimens"},
    "--specimen": {"metavar": "FAMILY", "help": "family of specimens (default: the environment's)"},
    "--set": {
        "action": "append",
        "default": [],
        "metavar": "NAME=VALUE",
        "help": "an argument of the environment, such as exposures=64; may be repeated",
    },
    "--seed": {**_INTEGER, "default": 0, "help": "of the first episode"},
    "--seeds": {**_INTEGER, "nargs": "+", "help": "of the training runs, one run each"},
    "--episodes": {**_INTEGER, "help": "number of episodes"},
    "--steps": {**_INTEGER, "help": "training steps of each run"},
    "--trials": _INTEGER,
    "--groups": _INTEGER,
    "--specimens": _INTEGER,
    "--runs": {**_FOLDER, "help": "folder of the training runs"},
    "--jobs": {**_INTEGER, "help": "training runs side by side (default: one a core)"},
    "--num-envs": {
        **_INTEGER,
        "default": 16,
        "help": "episodes at a time; changes speed, not results",
    },
    "--recording": {**_FILE, "help": "a recorded scan to compare on"},
    "--weights": _FILE,
    "--figure": _FILE,
    "--output": _FILE,
    "--json": {"action": "store_true", "help": "print one JSON object and nothing else"},
}


def add(parser: Any, *names: str, **changes: Any) -> None:
    """Add shared options to the parser of a sub-command; their help ends with the default.

    Args:
        parser: of the sub-command, or a group of its arguments.
        *names: "env", or an option such as "--agent".
        **changes: arguments of `add_argument` instead of the usual ones.
    """
    for name in names:
        option = _OPTIONS[name] | changes
        default = option.get("default")
        if default not in (None, []):
            listed = " ".join(map(str, default)) if isinstance(default, list) else default
            option["help"] = f"{option['help']} (default: {listed})"
        parser.add_argument(name, **option)


def flag(parser: Any, name: str, text: str) -> None:
    """Add an option without a value to the parser of a sub-command."""
    parser.add_argument(name, action="store_true", help=text)


def read_setting(arguments: argparse.Namespace) -> EnvironmentConfig:
    """Environment and arguments as given by `env` and `SETTING`.

    Raises:
        ValueError: an unknown environment or argument.
    """
    given = dict(read_option(text) for text in arguments.set)
    env_id = environment_id(arguments.env)
    return EnvironmentConfig(env_id, arguments.split, arguments.specimen, given)


def chosen(arguments: argparse.Namespace, *names: str) -> dict[str, Any]:
    """Values of some options, to be passed on under their names."""
    return {name: getattr(arguments, name) for name in names}


def interrupted(arguments: argparse.Namespace) -> int:
    """Say that the output is partial, and return the exit status for it."""
    print(f"microgym {arguments.command}: interrupted: this is partial", file=sys.stderr)
    return INTERRUPTED
