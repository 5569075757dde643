"""Where a logbook's rows go: a CSV file, TensorBoard's event files, a wandb run."""
