"""Agents by name, as the package of each environment's agents declares them.

`microgym.envs.<env>` has its agents in `microgym.agents.<env>`, which declares by strings:

* `AGENTS`: environment id to names and classes of reference agents, from the simplest to the best
  informed;
* `NETWORKS`: kind, as stored with weights, to the class of a network of its own;
* `ADAPTERS`: kind of a shared network to the adapter between it and the default environment;
* `TEACHERS`: kind to the privileged teacher of its training;
* `RESIDUAL`: environment id to the residual controller, where the expert can be corrected.
"""

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from pkgutil import resolve_name
from types import ModuleType
from typing import Any

from microgym.agents import core
from microgym.agents.core.agent import Agent, IdleAgent
from microgym.agents.core.config import agent_folder
from microgym.agents.core.extras import extra_named
from microgym.envs.core.registry import find

TRAINED = "trained"
"""Name of the agent that comes with the package."""


def agents_package(env_id: str) -> ModuleType:
    """The package of an environment's agents.

    Raises:
        ValueError: no such environment, or it has no package of agents.
    """
    name = find(env_id).package.replace(".envs.", ".agents.", 1)
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        raise ValueError(f"no agents for {env_id!r}: there is no package {name}") from error


def declared(env_id: str, table: str, key: str) -> Any:
    """A class that `microgym.agents.core` or the package of an environment's agents declares.

    Args:
        env_id: the environment.
        table: "NETWORKS", "ADAPTERS", "TEACHERS" or "RESIDUAL".
        key: kind of a network, or id of an environment.

    Returns:
        The class; None if there is none.

    Raises:
        ValueError: no such environment.
    """
    path = getattr(core, table, {}).get(key)
    path = path or getattr(agents_package(env_id), table, {}).get(key)
    return path and resolve_name(path)


def agent_names(env_id: str) -> tuple[str, ...]:
    """Names of the agents that the package has for an environment.

    Returns:
        "idle", reference policies from the simplest to the best informed, then the trained agent
        if there is one.

    Raises:
        ValueError: no such environment.
    """
    trained = (TRAINED,) if shipped_policy(env_id).is_file() else ()
    return (IdleAgent.name, *_references(env_id), *trained)


def shipped_policy(env_id: str) -> Path:
    """Path of the agent that comes with the package; the file may not exist."""
    return agent_folder(env_id) / "weights" / f"{find(env_id).id}.safetensors"


def make_agent(env_id: str, name: str, env_kwargs: Mapping[str, Any] | None = None) -> Agent:
    """Make an agent.

    Args:
        env_id: such as "Ptycho-v0".
        name: "idle", the name of a reference policy, "trained", or the path of a policy.
        env_kwargs: arguments that the environment is made with.

    Returns:
        The agent, for the environment's default action and observation.

    Raises:
        ValueError: an unknown environment, or a file that is no policy for it.
        FileNotFoundError: no such file.
        ImportError: a trained agent, and PyTorch is not installed.
    """
    entry, given, known = find(env_id), env_kwargs or {}, _references(env_id)
    if name == IdleAgent.name:
        return IdleAgent.for_env(env_id, given)
    if name in known:
        with extra_named():
            return resolve_name(known[name]).for_env(entry.id, given)
    # PyTorch is optional and takes seconds to load; few reference agents need it.
    with extra_named():
        from microgym.agents.core.trained_agent import PolicyAgent, load_policy

    path = shipped_policy(entry.id) if name == TRAINED else name
    return PolicyAgent(load_policy(path, entry.id), entry.id, name)


def _references(env_id: str) -> Mapping[str, str]:
    return agents_package(env_id).AGENTS[find(env_id).id]
