"""Agents: reference policies, trained agents and their training."""

from microgym.agents.core.agent import Agent, BaseAgent
from microgym.agents.core.registry import agent_names, make_agent

__all__ = ["Agent", "BaseAgent", "agent_names", "make_agent"]
