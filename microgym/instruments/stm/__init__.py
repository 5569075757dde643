"""Scanning tunnelling microscope."""
