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
    place = Path("runs/observation-model")
    options.add(train, "--output", default=place, metavar="FOLDER", help="for the network's file")
    options.add(train, "--groups", help="sets of conditions to learn from")
    options.add(train, "--steps", help="of training")
    evaluate = parser.add_argument_group("evaluate")
    options.add(evaluate, "--weights", help="a network (default: the shipped one)")
    options.add(evaluate, "--specimens", help="under each set of conditions (default: 64)")
    options.add(evaluate, "--recording", help="the recorded scan to compare on")
    options.flag(evaluate, "--write", "make it the record")
    options.add(evaluate, "--figure", help="also draw an example here, a PNG")


def run(arguments: argparse.Namespace) -> int:
    """Train a network, or evaluate one."""
    from microgym.baselines.observation_models import cli
    from microgym.baselines.observation_models.specification import specification

    action = {"train": cli.train, "evaluate": cli.evaluate}[arguments.action]
    return action(specification(environment_id(arguments.env)), arguments)
