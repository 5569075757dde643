"""Decisions: what an agent may see, do and is paid for; one module an environment."""
