"""Surfaces of force microscopy: heights in nm and reduced moduli in GPa."""
