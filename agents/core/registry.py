"""Agents by name, for every environment."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from microgym.agents.afm import references as afm
from microgym.agents.core.agent import Agent
from microgym.agents.core.extras import extra_named
from microgym.agents.core.folders import agent_folder
from microgym.agents.pfm import oracle as pfm_oracle
from microgym.agents.pfm import references as pfm
from microgym.agents.ptycho import references as ptycho
from microgym.agents.stm import oracle as stm_oracle
from microgym.agents.stm import references as stm
from microgym.agents.stm import tip_references as stm_tip
from microgym.envs.core.registry import find, named
from microgym.envs.pfm.config import PFMConfig, PFMLoopConfig

TRAINED = "trained"
"""Name of the agent that comes with the package."""

Maker = Callable[[Mapping[str, Any]], Agent]

_PTYCHO: dict[str, Maker] = {
    "random": lambda _: ptycho.RandomAgent(),
    **{
        name: lambda kwargs, name=name: ptycho.PatternAgent(
            name, int(kwargs.get("exposures", ptycho.EXPOSURES))
        )
        for name in ptycho.PATTERNS
    },
    "expert": lambda _: ptycho.ExpertAgent(),
    "oracle": lambda _: ptycho.OracleAgent(),
}
_ADATOMS: dict[str, Maker] = {
    "random": lambda kwargs: stm.RandomAgent(stm.goal_of(kwargs)),
    "expert": lambda kwargs: (
        stm_tip.TipExpertAgent()
        if stm.goal_of(kwargs) == "tip"
        else stm.ExpertAgent(stm.movers_of(kwargs))
    ),
    "oracle": lambda kwargs: (
        stm_tip.TipOracleAgent()
        if stm.goal_of(kwargs) == "tip"
        else stm_oracle.OracleAgent(stm.movers_of(kwargs))
    ),
}
_PULSES: dict[str, Maker] = {
    "random": lambda _: pfm.RandomAgent(),
    "expert": lambda _: pfm.ExpertAgent(),
    "oracle": lambda kwargs: pfm_oracle.OracleAgent(PFMConfig.parse(kwargs, "PFMEnv")),
}
_LOOPS: dict[str, Maker] = {
    "random": lambda _: pfm.RandomAgent(),
    "expert": lambda _: pfm.ExpertAgent(goal="loop"),
    "oracle": lambda kwargs: pfm_oracle.OracleAgent(PFMLoopConfig.parse(kwargs, "PFMLoopEnv")),
}
_REFERENCES: dict[str, dict[str, Maker]] = {
    "Ptycho-v0": _PTYCHO,
    "STM-v0": _ADATOMS,
    "STMBuild-v0": _ADATOMS,
    "STMTip-v0": _ADATOMS,
    "PFM-v0": _PULSES,
    "PFMLoop-v0": _LOOPS,
    "AFM-v0": {
        "random": lambda _: afm.RandomAgent(),
        "steady": lambda _: afm.ConstantAgent(),
        "expert": lambda _: afm.ExpertAgent(),
        "oracle": lambda _: afm.OracleAgent(),
    },
}


def agent_names(env_id: str) -> tuple[str, ...]:
    """Names of the agents that the package has for an environment.

    Args:
        env_id: such as "Ptycho-v0".

    Returns:
        Reference policies from the simplest to the best informed, then the trained one if there is
        one.

    Raises:
        ValueError: no such environment.
    """
    known = _references(env_id)
    return (*known, *((TRAINED,) if shipped_policy(env_id).is_file() else ()))


def shipped_policy(env_id: str) -> Path:
    """Where the agent that comes with the package is.

    Args:
        env_id: such as "Ptycho-v0".

    Returns:
        Path of the file; it may not exist.
    """
    return agent_folder(env_id) / "weights" / f"{env_id}.safetensors"


def make_agent(env_id: str, name: str, env_kwargs: Mapping[str, Any] | None = None) -> Agent:
    """Make an agent.

    Args:
        env_id: such as "Ptycho-v0".
        name: of a reference policy, "trained", or the path of a policy.
        env_kwargs: arguments that the environment is made with.

    Returns:
        The agent, for the environment's default action and observation.

    Raises:
        ValueError: an unknown environment, or a file that is no policy for it.
        FileNotFoundError: no such file.
        ImportError: a policy is asked for and PyTorch is not installed.
    """
    known = _references(env_id)
    if name in known:
        return known[name]({**find(env_id).kwargs, **(env_kwargs or {})})
    # PyTorch is optional and takes seconds to load; reference policies need none.
    with extra_named():
        from microgym.agents.core.trained_agent import PretrainedAgent

    if name == TRAINED:
        same = named(env_id, env_kwargs or {}).id
        return PretrainedAgent(shipped_policy(same), same)
    return PretrainedAgent(name, env_id, name)


def _references(env_id: str) -> dict[str, Maker]:
    if env_id not in _REFERENCES:
        raise ValueError(f"no agents for {env_id!r}; there are some for {sorted(_REFERENCES)}")
    return _REFERENCES[env_id]
