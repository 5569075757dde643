"""Framework of the environments: tasks, spaces, rewards, rendering, Gymnasium environments."""
