"""What `microgym reconstructor` does for STM-v0."""

import argparse

from microgym.agents.files import write_atomically
from microgym.baselines.console import progress_bar
from microgym.baselines.records import check_writable, to_json


def train(arguments: argparse.Namespace) -> int:
    """Train a network."""
    from microgym.baselines.adatoms.shipping import GROUPS, STEPS, make_detector
    from microgym.reconstruct.adatoms import FILE

    check_writable(arguments.output / FILE)
    groups = GROUPS if arguments.groups is None else arguments.groups
    steps = STEPS if arguments.steps is None else arguments.steps
    with progress_bar(max(steps, 0), "training the network", "step") as progress:
        made = make_detector(
            arguments.output, seed=arguments.seed, groups=groups, steps=steps, progress=progress
        )
    told = ", ".join(f"{name} {score:.3f}" for name, score in made.validation.items())
    print(f"{made.path}: on images of validation specimens {told}")
    print(f"next: microgym reconstructor assess STM-v0 --weights {made.path}")
    return 0


def assess(arguments: argparse.Namespace) -> int:
    """Judge a network."""
    from microgym.baselines.adatoms.assess import RECORD, Effort, missed, told
    from microgym.baselines.adatoms.assess import assess as measure
    from microgym.baselines.adatoms.figure import draw_figure
    from microgym.reconstruct.adatoms import shipped_file

    if arguments.write and arguments.weights is not None:
        raise ValueError("--write is for the shipped network: leave --weights out")
    if arguments.recording is not None:
        raise ValueError("--recording is for Ptycho-v0: there is no recorded image of STM-v0")
    for path in (RECORD if arguments.write else None, arguments.figure):
        if path is not None:
            check_writable(path)
    weights = arguments.weights or shipped_file()
    effort = Effort() if arguments.specimens is None else Effort(images=arguments.specimens)
    record = measure(weights, effort=effort, seed=arguments.seed)
    print(told(record))
    if arguments.write:
        print(write_atomically(RECORD, to_json(record, indent=1) + "\n"))
    if arguments.figure is not None:
        print(write_atomically(arguments.figure, draw_figure(weights, record)))
    for one in missed(record):
        print(f"does not hold: {one}")
    return 0
