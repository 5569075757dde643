"""Plain NumPy implementations that compiled code is compared with."""
