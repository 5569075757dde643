"""Agents by name or path, with messages that suggest a name."""

from pathlib import Path

from microgym.agents.core import registry
from microgym.agents.core.agent import Agent
from microgym.baselines.cli.console import one_thread
from microgym.baselines.evaluation.env_config import EnvironmentConfig, suggestion


def find_agent(setting: EnvironmentConfig, name: str) -> Agent:
    """Agent of an environment.

    Args:
        setting: the environment.
        name: of a reference policy, "trained" for the shipped agent, or the path of a policy.

    Returns:
        The agent.

    Raises:
        ValueError: no such agent; the message names those there are.
        OSError: a policy that cannot be read.
    """
    known = list(registry.agent_names(setting.env_id))
    if name not in known and not Path(name).exists():
        raise ValueError(
            f"no agent and no file {name!r} for {setting.env_id}{suggestion(name, known)}"
        )
    one_thread()
    return registry.make_agent(setting.env_id, name, setting.keywords())


def all_agents(setting: EnvironmentConfig) -> tuple[dict[str, list[Agent]], list[str]]:
    """All agents that the package has for an environment.

    Args:
        setting: the environment.

    Returns:
        Name to a list of one agent; and a note about each that is missing.
    """
    found: dict[str, list[Agent]] = {}
    notes: list[str] = []
    for name in registry.agent_names(setting.env_id):
        try:
            found[name] = [find_agent(setting, name)]
        except FileNotFoundError as error:
            notes.append(f"{name} is left out: {error}")
    return found, notes
