"""Training with Stable-Baselines3: trainer, checkpoints, callbacks, loggers."""
