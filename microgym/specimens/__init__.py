"""Specimens: complex transmission functions, surfaces, films, and fields of adatoms."""
