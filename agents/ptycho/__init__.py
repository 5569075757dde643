"""Agents of Ptycho-v0."""
