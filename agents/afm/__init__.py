"""Agents of AFM-v0."""
