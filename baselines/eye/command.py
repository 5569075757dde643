"""What `microgym reconstructor` does for Ptycho-v0."""

import argparse

from microgym.agents.files import write_atomically
from microgym.baselines.console import progress_bar
from microgym.baselines.records import check_writable, to_json


def train(arguments: argparse.Namespace) -> int:
    """Train a network."""
    from microgym.baselines.eye.shipping import GROUPS, STEPS, make_eye
    from microgym.reconstruct.neural import FILE

    check_writable(arguments.output / FILE)
    groups = GROUPS if arguments.groups is None else arguments.groups
    steps = STEPS if arguments.steps is None else arguments.steps
    with progress_bar(max(steps, 0), "training the network", "step") as progress:
        made = make_eye(
            arguments.output, seed=arguments.seed, groups=groups, steps=steps, progress=progress
        )
    told = ", ".join(f"{name} {error:.3f}" for name, error in made.validation.items())
    print(f"{made.path}: E0 on validation specimens {told}")
    print(f"next: microgym reconstructor assess Ptycho-v0 --weights {made.path}")
    return 0


def assess(arguments: argparse.Namespace) -> int:
    """Judge a network."""
    from microgym.baselines.eye.assess import RECORD, Effort, figure, missed, told
    from microgym.baselines.eye.assess import assess as measure
    from microgym.baselines.policies import find_recording
    from microgym.reconstruct.neural import shipped_file

    if arguments.write and arguments.weights is not None:
        raise ValueError("--write is for the shipped network: leave --weights out")
    for path in (RECORD if arguments.write else None, arguments.figure):
        if path is not None:
            check_writable(path)
    weights = arguments.weights or shipped_file()
    effort = Effort() if arguments.specimens is None else Effort(specimens=arguments.specimens)
    recording = find_recording("Ptycho-v0", arguments.recording)
    record = measure(weights, effort=effort, seed=arguments.seed, recording=recording)
    print(told(record))
    if arguments.write:
        print(write_atomically(RECORD, to_json(record, indent=1) + "\n"))
    if arguments.figure is not None:
        print(write_atomically(arguments.figure, figure(weights, record)))
    for one in missed(record):
        print(f"does not hold: {one}")
    return 0
