"""`microgym reconstructor`: networks of neural observation models."""

import argparse
import importlib
from pathlib import Path

from microgym.baselines.cli import options
from microgym.baselines.cli.console import one_thread
from microgym.baselines.evaluation.env_config import environment_id

SUMMARY = "train the network of a neural observation model, or compare it with classical methods"
EXAMPLE = "microgym reconstructor assess Ptycho-v0 --specimens 8"
PACKAGES = {"Ptycho-v0": "ptycho", "AFM-v0": "afm", "STM-v0": "stm"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("action", choices=("train", "assess"), help="what to do")
    options.env(parser)
    options.seed(parser, "of everything")
    train = parser.add_argument_group("train")
    train.add_argument(
        "--output",
        type=Path,
        default=Path("runs/reconstructor"),
        metavar="FOLDER",
        help="for the network's file (default: runs/reconstructor)",
    )
    train.add_argument("--groups", type=int, metavar="N", help="sets of conditions to learn from")
    train.add_argument("--steps", type=int, metavar="N", help="of training")
    assess = parser.add_argument_group("assess")
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


def run(arguments: argparse.Namespace) -> int:
    """Train a network, or evaluate one."""
    env_id = environment_id(arguments.env)
    if env_id not in PACKAGES:
        known = ", ".join(PACKAGES)
        raise ValueError(f"{env_id} has no network that restores what it shows; there are {known}")
    one_thread()
    from microgym.baselines.observation_models import cli

    package = f"microgym.baselines.observation_models.{PACKAGES[env_id]}"
    module = importlib.import_module(f"{package}.workshop")
    work = {"train": cli.train, "assess": cli.assess}
    return work[arguments.action](module.workshop(), arguments)
