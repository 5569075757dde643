"""Deciders: reference policies, trained agents and their training."""
