"""Atomic force microscope."""
