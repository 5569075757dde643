"""Reconstruction of specimens from diffraction patterns."""
