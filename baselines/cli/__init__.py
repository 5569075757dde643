"""Command line of the package: `microgym COMMAND ...`.

Each module of `microgym.baselines.cli.commands` is one sub-command, named after its file. The
modules are found by listing that package, so a new command needs a new file and no other edit.
A module holds:

- `SUMMARY`: one sentence for the help, without capital and full stop;
- `EXAMPLE`: a complete command line;
- `add_arguments(parser)`: declares the arguments, and imports nothing heavy;
- `run(arguments)`: does the work and returns the exit status.
"""

import argparse
import importlib
import os
import pkgutil
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import NoReturn

import microgym
from microgym.agents.core.extras import extra_named
from microgym.baselines.cli import commands
from microgym.baselines.cli.console import one_thread

_EXAMPLES = """\
start here:
  microgym list                                  environments and their agents
  microgym record Ptycho-v0 --agent expert       a video of one episode
  microgym evaluate Ptycho-v0 --agent trained    the score of an agent on unseen specimens
"""


class _Parser(argparse.ArgumentParser):
    """Argument parser whose errors are one line that names the help option."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: error: {message} (see {self.prog} --help)\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        argv: its arguments; None takes them from the process.

    Returns:
        0 on success, 1 if results could not be reproduced or a threshold was missed, 2 after a
        mistake in the arguments or files, 130 after Ctrl-C.
    """
    arguments = parser().parse_args(argv)
    name = f"microgym {arguments.command}"
    try:
        one_thread()
        with extra_named():
            return int(arguments.run(arguments))
    except KeyboardInterrupt:
        print(f"{name}: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (ValueError, OSError, ImportError) as error:
        if arguments.traceback:
            raise
        print(f"{name}: error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2


def find_commands() -> dict[str, ModuleType]:
    """All sub-commands by name, in alphabetical order."""
    names = sorted(module.name for module in pkgutil.iter_modules(commands.__path__))
    return {
        name.replace("_", "-"): importlib.import_module(f"{commands.__name__}.{name}")
        for name in names
    }


def parser() -> argparse.ArgumentParser:
    """Parser of the whole command line, with one sub-parser for each command."""
    top = _Parser(
        prog="microgym",
        description="Train, evaluate and record agents that run microscopes.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=microgym.__version__)
    top.add_argument(
        "--traceback", action="store_true", help="show where in the program an error arose"
    )
    subparsers = top.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, command in find_commands().items():
        sub = subparsers.add_parser(
            name,
            help=command.SUMMARY,
            description=_sentence(command.SUMMARY),
            epilog=f"example:\n  {command.EXAMPLE}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        command.add_arguments(sub)
        sub.set_defaults(run=command.run)
    return top


def summaries() -> dict[str, str]:
    """Name of each sub-command and its summary as a sentence."""
    return {name: _sentence(command.SUMMARY) for name, command in find_commands().items()}


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."
