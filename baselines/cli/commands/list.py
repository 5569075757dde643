"""`microgym list`: environments and their agents."""

import argparse

from microgym.baselines.cli import options
from microgym.baselines.evaluation.records import to_json
from microgym.envs.core import registry as environments

SUMMARY = "show environments and agents"
EXAMPLE = "microgym list"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    options.add(parser, "--json")


def run(arguments: argparse.Namespace) -> int:
    """Print every environment with its agents."""
    from microgym.agents.core.registry import agent_names

    found = [
        {"id": entry.id, "summary": entry.summary, "agents": list(agent_names(entry.id))}
        for entry in environments.entries()
    ]
    if arguments.json:
        print(to_json({"environments": found}))
        return options.OK
    for one in found:
        print(f"{one['id']}  {one['summary']}\n  agents: {', '.join(one['agents'])}")
    return options.OK
