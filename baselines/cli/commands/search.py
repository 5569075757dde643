"""`microgym search`: hyperparameters of a training."""

import argparse
from pathlib import Path
from typing import Any

from microgym.baselines.cli import options
from microgym.baselines.cli.console import progress_bar
from microgym.baselines.evaluation import protocols
from microgym.baselines.evaluation.env_config import EnvironmentConfig, environment_id
from microgym.baselines.evaluation.records import to_json

SUMMARY = (
    "search for better hyperparameters, scored on validation specimens; a search that was killed "
    "continues when it is started again"
)
EXAMPLE = "microgym search Ptycho-v0 --trials 20 --steps 20000 --output runs/search"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    options.add(parser, "env")
    options.add(parser, "--trials", default=20, help="settings to try")
    options.add(parser, "--steps", default=protocols.SMALL.steps)
    options.add(parser, "--seeds", default=[0, 1])
    options.add(parser, "--episodes", default=protocols.SMALL.episodes)
    options.add(parser, "--seed", help="of the search")
    folder = "folder of the search (default: runs/ENV/search)"
    options.add(parser, "--output", metavar="FOLDER", help=folder)
    options.add(parser, "--jobs", "--json")


def run(arguments: argparse.Namespace) -> int:
    """Search, and print the best trial."""
    setting = EnvironmentConfig(environment_id(arguments.env), "validation")
    output = arguments.output or Path("runs") / setting.env_id / "search"
    from microgym.baselines.cli.search import BEST, Plan, flags, search, toml

    words = options.chosen(arguments, "trials", "steps", "episodes", "seed", "jobs")
    plan = Plan(setting, output, seeds=tuple(arguments.seeds), **words)
    total = plan.trials * plan.steps * len(plan.seeds)
    with progress_bar(total, f"searching on {setting.env_id}", "step") as progress:
        record = search(plan, progress)
    if arguments.json:
        print(to_json(record))
        return options.OK
    best = record["best"]
    score = f", score {best['score']:.3g}" if "score" in best else ""
    print(f"trial {best['trial']} of {len(record['trials'])} is best: {_return(best)}{score}")
    print(f"  as it is configured: {_return(record['trials'][0])}")
    print(f"next: microgym train {setting.env_id} {flags(best['settings'])}")
    print(f"or, in {output / BEST}:\n\n{toml(best['settings'])}", end="")
    return options.OK


def _return(trial: dict[str, Any]) -> str:
    low, high = trial["return_interval"]
    return f"return {trial['return_mean']:.4g} [{low:.3g}, {high:.3g}]"
