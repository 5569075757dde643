"""Reference policies, one module a task: random, expert, oracle, fixed patterns."""
