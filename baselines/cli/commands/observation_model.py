"""`microgym observation-model`: networks of neural observation models."""

import argparse
from pathlib import Path

from microgym.baselines.cli import options
from microgym.baselines.evaluation.env_config import environment_id

SUMMARY = "train the network of a neural observation model, or compare it with classical methods"
EXAMPLE = "microgym observation-model evaluate Ptycho-v0 --specimens 8"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("action", choices=("train", "evaluate"), help="what to do")
    options.add(parser, "env")
    options.add(parser, "--seed", help="of everything")
    train = parser.add_argument_group("train")
    train.add_argument(
        "--output",
        type=Path,
        default=Path("runs/observation-model"),
        metavar="FOLDER",
        help="for the network's file (default: runs/observation-model)",
    )
    train.add_argument("--groups", type=int, metavar="N", help="sets of conditions to learn from")
    train.add_argument("--steps", type=int, metavar="N", help="of training")
    evaluate = parser.add_argument_group("evaluate")
    evaluate.add_argument(
        "--weights", type=Path, metavar="FILE", help="a network (default: the shipped one)"
    )
    evaluate.add_argument(
        "--specimens", type=int, metavar="N", help="under each set of conditions (default: 64)"
    )
    evaluate.add_argument(
        "--recording", type=Path, metavar="FILE", help="the recorded scan to compare on"
    )
    evaluate.add_argument("--write", action="store_true", help="make it the record")
    evaluate.add_argument(
        "--figure", type=Path, metavar="FILE", help="also draw an example here, a PNG"
    )


def run(arguments: argparse.Namespace) -> int:
    """Train a network, or evaluate one."""
    from microgym.baselines.observation_models import cli
    from microgym.baselines.observation_models.specification import specification

    action = {"train": cli.train, "evaluate": cli.evaluate}[arguments.action]
    return action(specification(environment_id(arguments.env)), arguments)
