"""Piezoresponse force microscope."""
