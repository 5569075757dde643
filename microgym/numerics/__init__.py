"""Numerics that kernels share: transforms, elementary functions, linear algebra, array views."""
