"""What `microgym reconstructor` does for AFM-v0."""

import argparse

from microgym.agents.files import write_atomically
from microgym.baselines.console import progress_bar
from microgym.baselines.records import check_writable, to_json


def train(arguments: argparse.Namespace) -> int:
    """Train a network."""
    from microgym.baselines.topography.shipping import GROUPS, STEPS, make_network
    from microgym.reconstruct.topography import FILE

    check_writable(arguments.output / FILE)
    groups = GROUPS if arguments.groups is None else arguments.groups
    steps = STEPS if arguments.steps is None else arguments.steps
    with progress_bar(max(steps, 0), "training the network", "step") as progress:
        made = make_network(
            arguments.output, seed=arguments.seed, groups=groups, steps=steps, progress=progress
        )
    told = ", ".join(f"{name} {error:.3f} nm" for name, error in made.validation.items())
    print(f"{made.path}: median error of lines of validation surfaces: {told}")
    print(f"next: microgym reconstructor assess AFM-v0 --weights {made.path}")
    return 0


def assess(arguments: argparse.Namespace) -> int:
    """Judge a network."""
    from microgym.baselines.topography.assess import RECORD, Effort, figure, missed, told
    from microgym.baselines.topography.assess import assess as measure
    from microgym.reconstruct.topography import shipped_file

    if arguments.write and arguments.weights is not None:
        raise ValueError("--write is for the shipped network: leave --weights out")
    if arguments.recording is not None:
        raise ValueError("--recording is for Ptycho-v0: there is no recorded scan of AFM-v0")
    for path in (RECORD if arguments.write else None, arguments.figure):
        if path is not None:
            check_writable(path)
    weights = arguments.weights or shipped_file()
    effort = Effort() if arguments.specimens is None else Effort(specimens=arguments.specimens)
    record = measure(weights, effort=effort, seed=arguments.seed)
    print(told(record))
    if arguments.write:
        print(write_atomically(RECORD, to_json(record, indent=1) + "\n"))
    if arguments.figure is not None:
        print(write_atomically(arguments.figure, figure(weights, record)))
    for one in missed(record):
        print(f"does not hold: {one}")
    return 0
