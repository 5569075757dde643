"""Agents of PFM-v0 and PFMLoop-v0."""
