"""Scanning coherent-diffraction microscope."""
