"""Sub-commands of `microgym`, one a module; see `microgym.baselines.cli`."""
