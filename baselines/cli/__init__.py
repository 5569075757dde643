"""The command `microgym`."""

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

import microgym
from microgym.baselines.cli import commands, options
from microgym.baselines.evaluation import protocols

_EXAMPLES = """\
start here:
  microgym list                                  what there is
  microgym watch Ptycho-v0 --agent expert        a film of one episode
  microgym evaluate Ptycho-v0 --agent trained    how good an agent is on unseen specimens
"""


class _Parser(argparse.ArgumentParser):
    """Errors are one line, and say where help is."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: error: {message} (see {self.prog} --help)\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        argv: its arguments; None takes them from the process.

    Returns:
        0 if all went well, 1 if results could not be reproduced or a bound was missed, 2 after a
        mistake in the arguments or files, 130 after Ctrl-C.
    """
    arguments = parser().parse_args(argv)
    name = f"microgym {arguments.command}"
    try:
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


def parser() -> argparse.ArgumentParser:
    """The command line's grammar."""
    top = _Parser(
        prog="microgym",
        description="Train, score and watch agents that run microscopes.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=microgym.__version__)
    top.add_argument(
        "--traceback", action="store_true", help="show where in the program an error arose"
    )
    _add_commands(top)
    return top


def summaries() -> dict[str, str]:
    """Name of each sub-command and what it does, in one sentence."""
    found: Mapping[str, argparse.ArgumentParser] = _add_commands(_Parser()).choices
    return {name: sub.description or "" for name, sub in found.items()}


def _add_commands(top: argparse.ArgumentParser) -> Any:
    subs = top.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for add in (
        _list, _train, _search, _evaluate, _watch, _bench, _reproduce, _reconstructor, _report
    ):  # fmt: skip
        add(subs)
    return subs


def _sub(subs: Any, name: str, run: Any, help_: str, example: str) -> argparse.ArgumentParser:
    sub: argparse.ArgumentParser = subs.add_parser(
        name,
        help=help_,
        description=help_[0].upper() + help_[1:] + ".",
        epilog=f"example:\n  {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    sub.set_defaults(run=run)
    return sub


def _list(subs: Any) -> None:
    sub = _sub(subs, "list", commands.list_, "show environments and agents", "microgym list")
    options.json(sub)


def _train(subs: Any) -> None:
    sub = _sub(
        subs,
        "train",
        commands.train,
        "train an agent from scratch; Ctrl-C stops early and keeps what was learnt",
        "microgym train Ptycho-v0 --seeds 0 1 --output runs/mine",
    )
    options.env(sub)
    options.steps(sub, protocols.FULL)
    sub.add_argument(
        "--seeds", type=int, nargs="+", default=[0], metavar="N", help="one run each (default: 0)"
    )
    sub.add_argument(
        "--output", type=Path, metavar="FOLDER", help="where to save (default: runs/ENV)"
    )
    sub.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a setting of the training, such as learning_rate=0.0003; may be repeated",
    )
    sub.add_argument(
        "--resume",
        action="store_true",
        help="go on with the runs in FOLDER from their last checkpoints",
    )
    sub.add_argument(
        "--log",
        action="append",
        default=[],
        choices=("csv", "tensorboard", "wandb"),
        help="log numbers and films of each run in FOLDER; may be repeated",
    )
    options.jobs(sub)


def _search(subs: Any) -> None:
    sub = _sub(
        subs,
        "search",
        commands.search,
        "search for better settings of the training, scored on validation specimens; when killed "
        "and started again, it goes on",
        "microgym search Ptycho-v0 --trials 20 --steps 20000 --output runs/search",
    )
    options.env(sub)
    sub.add_argument(
        "--trials", type=int, default=20, metavar="N", help="settings to try (default: 20)"
    )
    options.steps(sub, protocols.SMALL)
    sub.add_argument(
        "--seeds", type=int, nargs="+", default=[0, 1], metavar="N",
        help="training runs of each trial (default: 0 1)",
    )  # fmt: skip
    options.episodes(sub, protocols.SMALL)
    sub.add_argument("--seed", type=int, default=0, metavar="N", help="of the search (default: 0)")
    sub.add_argument(
        "--output", type=Path, metavar="FOLDER", help="of the search (default: runs/ENV/search)"
    )
    options.jobs(sub)
    options.json(sub)


def _evaluate(subs: Any) -> None:
    sub = _sub(
        subs,
        "evaluate",
        commands.evaluate,
        "score an agent on unseen specimens, beside the expert (score 0) and the oracle (1)",
        "microgym evaluate Ptycho-v0 --agent trained --split test --episodes 200 --json",
    )
    options.env(sub)
    options.agent(sub)
    options.setting(sub)
    options.episodes(sub, protocols.FULL)
    sub.add_argument("--output", type=Path, metavar="FILE", help="also write the JSON object here")
    options.num_envs(sub)
    options.json(sub)


def _watch(subs: Any) -> None:
    sub = _sub(
        subs,
        "watch",
        commands.watch,
        "film one episode: specimen, reconstruction, dose and path",
        "microgym watch Ptycho-v0 --agent trained --output episode.gif",
    )
    options.env(sub)
    options.agent(sub)
    options.setting(sub)
    sub.add_argument(
        "--output",
        type=Path,
        default=Path("episode.gif"),
        metavar="FILE",
        help="ends in .gif or .mp4 (default: episode.gif)",
    )


def _bench(subs: Any) -> None:
    sub = _sub(
        subs,
        "bench",
        commands.bench,
        "time compiled code against plain NumPy, side by side in one process",
        "microgym bench step fft --check",
    )
    sub.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help="fft, poisson, step, pulse, force, drag, wrapping, neural, restoration, adatoms, "
        "observation, vector (default: these); memory, start",
    )
    sub.add_argument("--rounds", type=int, default=24, help="more are steadier (default: 24)")
    sub.add_argument(
        "--steps", type=int, metavar="N", help="of the benchmark memory (default: 20000)"
    )
    sub.add_argument(
        "--check",
        action="store_true",
        help="exit with 1 where a bound is missed or could not be measured",
    )
    options.json(sub)


def _reproduce(subs: Any) -> None:
    sub = _sub(
        subs,
        "reproduce",
        commands.reproduce,
        "do again what the committed results came from, and compare",
        "microgym reproduce Ptycho-v0 --small",
    )
    options.env(sub)
    sub.add_argument("--small", action="store_true", help="the small agent: minutes, not hours")
    sub.add_argument(
        "--no-train", action="store_true", help="only evaluate the shipped agent and the others"
    )
    sub.add_argument("--write", action="store_true", help="make a new record instead of comparing")
    sub.add_argument(
        "--views",
        action="store_true",
        help="with --write: compare agents that learnt with different observation models",
    )
    sub.add_argument("--runs", type=Path, metavar="FOLDER", help="of the training runs")
    sub.add_argument(
        "--reuse", action="store_true", help="with --write: take the finished runs of --runs"
    )
    options.jobs(sub)


def _reconstructor(subs: Any) -> None:
    sub = _sub(
        subs,
        "reconstructor",
        commands.reconstructor,
        "train the network of a neural observation, or compare it with classical methods",
        "microgym reconstructor assess Ptycho-v0 --specimens 8",
    )
    sub.add_argument("action", choices=("train", "assess"), help="what to do")
    options.env(sub)
    sub.add_argument("--seed", type=int, default=0, metavar="N", help="of everything (default: 0)")
    train = sub.add_argument_group("train")
    train.add_argument(
        "--output",
        type=Path,
        default=Path("runs/reconstructor"),
        metavar="FOLDER",
        help="for the network's file (default: runs/reconstructor)",
    )
    train.add_argument("--groups", type=int, metavar="N", help="sets of conditions to learn from")
    train.add_argument("--steps", type=int, metavar="N", help="of training")
    assess = sub.add_argument_group("assess")
    assess.add_argument(
        "--weights", type=Path, metavar="FILE", help="a network (default: the shipped one)"
    )
    assess.add_argument(
        "--specimens", type=int, metavar="N", help="under each set of conditions (default: 64)"
    )
    assess.add_argument(
        "--recording", type=Path, metavar="FILE", help="the recorded scan to compare on"
    )
    assess.add_argument("--write", action="store_true", help="make it the record")
    assess.add_argument(
        "--figure", type=Path, metavar="FILE", help="also draw an example here, a PNG"
    )


def _report(subs: Any) -> None:
    sub = _sub(
        subs,
        "report",
        commands.report,
        "compare all policies on unseen specimens and write one HTML file",
        "microgym report Ptycho-v0 --train --output report.html",
    )
    sub.add_argument("env", nargs="?", metavar="ENV", help="environment, such as Ptycho-v0")
    sub.add_argument("--train", action="store_true", help="first train agents from scratch")
    sub.add_argument(
        "--output",
        type=Path,
        default=Path("report.html"),
        metavar="FILE",
        help="the HTML file (default: report.html)",
    )
    options.steps(sub, protocols.REPORT)
    sub.add_argument(
        "--seeds", type=int, nargs="+", default=list(protocols.REPORT.seeds), metavar="N",
        help="of the training runs (default: 0 1 2)",
    )  # fmt: skip
    options.setting(sub)
    options.episodes(sub, protocols.REPORT)
    sub.add_argument("--recording", type=Path, metavar="FILE", help="a recorded scan to compare on")
    sub.add_argument("--runs", type=Path, metavar="FOLDER", help="of the training runs")
    sub.add_argument(
        "--readme",
        type=Path,
        nargs="?",
        const=Path("README.md"),
        metavar="FILE",
        help="instead, rewrite the score table of this README from the committed results",
    )
    sub.add_argument(
        "--pages",
        type=Path,
        nargs="?",
        const=Path("docs"),
        metavar="FOLDER",
        help="instead, rewrite the pages in this folder (default: docs) from source and results",
    )
    options.num_envs(sub)
    options.jobs(sub)
