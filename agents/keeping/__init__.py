"""What lets a training run be killed and go on: checkpoints, rows of logs, the learner's state."""
