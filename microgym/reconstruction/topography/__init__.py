"""Restoration of topography from force-microscope lines."""
