"""`microgym train`: agents from scratch."""

import argparse
from pathlib import Path

from microgym.baselines.cli import options
from microgym.baselines.cli.console import progress_bar, read_option
from microgym.baselines.evaluation.env_config import environment_id
from microgym.baselines.evaluation.records import check_writable

SUMMARY = "train an agent from scratch; Ctrl-C stops early and keeps the policy learnt so far"
EXAMPLE = "microgym train Ptycho-v0 --seeds 0 1 --output runs/mine"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    options.add(parser, "env", "--jobs")
    options.add(parser, "--steps", help="training steps of each run (default: as configured)")
    options.add(parser, "--seeds", default=[0])
    folder = "folder of the runs (default: runs/ENV)"
    options.add(parser, "--output", metavar="FOLDER", help=folder)
    setting = "a hyperparameter, such as learning_rate=0.0003; may be repeated"
    options.add(parser, "--set", help=setting)
    options.flag(parser, "--resume", "continue the runs in FOLDER from their last checkpoints")
    parser.add_argument(
        "--log",
        action="append",
        default=[],
        choices=("csv", "tensorboard", "wandb"),
        help="log metrics and videos of each run in FOLDER; may be repeated",
    )


def run(arguments: argparse.Namespace) -> int:
    """Train once for each seed."""
    env_id = environment_id(arguments.env)
    output = arguments.output or Path("runs") / env_id
    check_writable(output / "training.json")
    from microgym.baselines.cli.train import all_complete, configured_steps, train_runs

    config = dict(read_option(text) for text in arguments.set)
    steps = configured_steps(env_id, config) if arguments.steps is None else arguments.steps
    total = steps * len(arguments.seeds)
    with progress_bar(total, f"training on {env_id}", "step") as progress:
        runs = train_runs(
            env_id,
            steps=steps,
            output=output,
            config=config or None,
            progress=progress,
            **options.chosen(arguments, "seeds", "jobs", "resume", "log"),
        )
    for one in runs:
        last = f", training return {one.curve[-1][1]:.3g} at the end" if one.curve else ""
        word = "" if one.complete else " (interrupted: the policy learnt so far)"
        print(f"{one.path}{word}: {one.duration_s:.0f} s{last}")
    if not all_complete(runs, arguments.seeds):
        print("next: the same command with --resume continues the training")
        return options.interrupted(arguments)
    print(f"next: microgym evaluate {env_id} --agent {runs[0].path}")
    return options.OK
