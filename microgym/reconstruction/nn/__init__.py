"""Compiled inference of small neural networks."""
