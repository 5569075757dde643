"""Actions of `microgym observation-model`."""

import argparse

from microgym.atomic_io import write_atomically
from microgym.baselines.evaluation.protocols import find_recording
from microgym.baselines.evaluation.records import check_writable, write_json
from microgym.baselines.observation_models.evaluate import evaluate as make_record
from microgym.baselines.observation_models.specification import ObservationModelSpec


def train(spec: ObservationModelSpec, arguments: argparse.Namespace) -> int:
    """Train a network."""
    from microgym.baselines.observation_models import train

    check_writable(arguments.output / spec.network.file)
    groups = spec.groups if arguments.groups is None else arguments.groups
    steps = spec.steps if arguments.steps is None else arguments.steps
    options = {"seed": arguments.seed, "groups": groups, "steps": steps}
    path, validation = train.train(spec, arguments.output, **options)
    meaning, unit = spec.scores
    scores = ", ".join(f"{name} {score:.3f}{unit}" for name, score in validation.items())
    print(f"{path}: {meaning} {scores}")
    print(f"next: microgym observation-model evaluate {spec.env_id} --weights {path}")
    return 0


def evaluate(spec: ObservationModelSpec, arguments: argparse.Namespace) -> int:
    """Compare a network with classical methods."""
    if arguments.write and arguments.weights is not None:
        raise ValueError("--write is for the shipped network: leave --weights out")
    recording = None
    if spec.recorded:
        recording = find_recording(spec.env_id, arguments.recording)
    elif arguments.recording is not None:
        raise ValueError(
            f"--recording={arguments.recording}: there is no recorded experiment of {spec.env_id}"
        )
    for path in (spec.record if arguments.write else None, arguments.figure):
        if path is not None:
            check_writable(path)
    weights = arguments.weights or spec.network.shipped_file
    budget = spec.budget() if arguments.specimens is None else spec.budget(arguments.specimens)
    record = make_record(spec, weights, budget=budget, seed=arguments.seed, recording=recording)
    print(spec.summary(record))
    if arguments.write:
        print(write_json(spec.record, record))
    if arguments.figure is not None:
        picture = spec.draw(spec.network.load(weights), record)
        print(write_atomically(arguments.figure, picture))
    for one in spec.failed_claims(record):
        print(f"does not hold: {one}")
    return 0
