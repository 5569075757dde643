"""Options that several sub-commands share, worded once."""

import argparse

from microgym.baselines.evaluation import protocols


def env(sub: argparse.ArgumentParser) -> None:
    """The environment, by its id."""
    sub.add_argument("env", metavar="ENV", help="environment, such as Ptycho-v0 (microgym list)")


def agent(sub: argparse.ArgumentParser) -> None:
    """An agent, by name or path."""
    sub.add_argument(
        "--agent",
        default="trained",
        metavar="NAME",
        help="an agent of microgym list, or the path of a policy (default: trained, the one that "
        "comes with the package)",
    )


def setting(sub: argparse.ArgumentParser) -> None:
    """Specimens, arguments of the environment, first seed."""
    sub.add_argument(
        "--split",
        choices=("train", "validation", "test"),
        default="test",
        help="which specimens (default: test)",
    )
    sub.add_argument(
        "--specimen", metavar="FAMILY", help="family of specimens (default: the environment's)"
    )
    sub.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="an argument of the environment, such as exposures=64; may be repeated",
    )
    sub.add_argument(
        "--seed", type=int, default=0, metavar="N", help="of the first episode (default: 0)"
    )


def episodes(sub: argparse.ArgumentParser, recipe: protocols.Recipe) -> None:
    """How many episodes; the default is the recipe's."""
    sub.add_argument(
        "--episodes",
        type=int,
        default=recipe.episodes,
        metavar="N",
        help=f"how many (default: {recipe.episodes})",
    )


def steps(sub: argparse.ArgumentParser, recipe: protocols.Recipe) -> None:
    """How long to train; the default is the recipe's."""
    sub.add_argument(
        "--steps",
        type=int,
        default=recipe.steps,
        metavar="N",
        help=f"decisions to learn from (default: {recipe.steps or 'as configured'})",
    )


def jobs(sub: argparse.ArgumentParser) -> None:
    """How many processes train."""
    sub.add_argument(
        "--jobs", type=int, metavar="N", help="training runs side by side (default: one a core)"
    )


def num_envs(sub: argparse.ArgumentParser) -> None:
    """How many episodes run at a time."""
    sub.add_argument(
        "--num-envs",
        type=int,
        default=16,
        metavar="N",
        help="episodes at a time; changes speed, not results (default: 16)",
    )


def json(sub: argparse.ArgumentParser) -> None:
    """Machine-readable output."""
    sub.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
