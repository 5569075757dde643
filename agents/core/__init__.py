"""Agents, policies and networks that environments share."""
