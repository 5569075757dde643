"""Training and evaluation of the neural observation models."""
