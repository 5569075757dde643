"""`microgym record`: a video of one episode."""

import argparse
from pathlib import Path

from microgym.baselines.cli import options
from microgym.baselines.cli.console import progress_bar
from microgym.baselines.evaluation.records import check_writable

SUMMARY = "record a video of one episode: specimen, reconstruction, dose and path"
EXAMPLE = "microgym record Ptycho-v0 --agent trained --output episode.gif"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    options.add(parser, "env", "--agent", *options.SETTING)
    options.add(parser, "--output", default=Path("episode.gif"), help="ends in .gif or .mp4")


def run(arguments: argparse.Namespace) -> int:
    """Play one episode and write its frames."""
    setting = options.read_setting(arguments)
    from microgym.baselines.cli.record_video import check_format, record_episode, write_video
    from microgym.baselines.evaluation.env_config import find_agent

    check_writable(check_format(arguments.output))
    setting.check()
    agent = find_agent(setting, arguments.agent)
    with progress_bar(0, "recording", "step") as progress:
        frames, outcome = record_episode(setting, agent, arguments.seed, progress)
    write_video(arguments.output, frames, outcome["fps"])
    result = f"{outcome['steps']} steps, return {outcome['return']:.3g}"
    print(f"{arguments.output}: {result}, cost {outcome['cost']:.3g}")
    return options.OK if outcome["complete"] else options.interrupted(arguments)
