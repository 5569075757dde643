"""Evaluation of agents: episodes, statistics, records, reproduction."""
