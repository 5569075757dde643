"""`microgym report`: one HTML file about an environment, or the pages of the documentation."""

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

from microgym.baselines.cli import options
from microgym.baselines.evaluation import protocols

SUMMARY = "compare all policies on unseen specimens and write one HTML file"
EXAMPLE = "microgym report Ptycho-v0 --train --output report.html"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    options.add(parser, "env", nargs="?")
    options.flag(parser, "--train", "first train agents from scratch")
    options.add(parser, "--output", default=Path("report.html"), help="the HTML file")
    options.add(parser, "--steps", default=protocols.REPORT.steps)
    options.add(parser, "--seeds", default=list(protocols.REPORT.seeds))
    options.add(parser, "--episodes", default=protocols.REPORT.episodes)
    options.add(parser, *options.SETTING, "--recording", "--runs", "--num-envs", "--jobs")
    file: dict[str, Any] = {"type": Path, "nargs": "?"}
    text = "instead, rewrite the score table of this README from the committed results"
    parser.add_argument("--readme", const=Path("README.md"), metavar="FILE", help=text, **file)
    text = "instead, rewrite the pages in this folder (default: docs) from source and results"
    parser.add_argument("--pages", const=Path("docs"), metavar="FOLDER", help=text, **file)


def run(arguments: argparse.Namespace) -> int:
    """Write the report, or rewrite the score table of the README or the pages."""
    if arguments.readme or arguments.pages:
        from microgym.baselines.reporting import docs

        for path in docs.update(arguments.pages) if arguments.pages else ():
            print(path)
        if arguments.readme:
            print(docs.update_readme(arguments.readme))
        return options.OK
    if arguments.env is None:
        raise ValueError("name an environment, such as Ptycho-v0 (microgym list)")
    setting = options.read_setting(arguments)
    from microgym.baselines.reporting.report import Plan, make_report

    protocol = replace(
        protocols.REPORT,
        steps=arguments.steps,
        seeds=tuple(arguments.seeds),
        episodes=arguments.episodes,
        other_episodes=min(arguments.episodes, protocols.REPORT.other_episodes),
    )
    runs = arguments.runs or Path("runs") / setting.env_id / "report"
    words = options.chosen(arguments, "train", "output", "seed", "jobs", "num_envs", "recording")
    path = make_report(Plan(setting, protocol, runs=runs, **words))
    print(f"The report is in {path.resolve()}")
    return options.OK
