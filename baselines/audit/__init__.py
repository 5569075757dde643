"""Audit of a task: whether it can be learnt, and whether what is learnt is what it asks for."""
