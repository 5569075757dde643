"""Training runs with several seeds, side by side, with one progress bar."""

import multiprocessing
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from microgym.agents.core.extras import extra_named
from microgym.agents.training.atomic_io import write_atomically
from microgym.agents.training.checkpoint import is_unfinished
from microgym.agents.training.config import load_config
from microgym.baselines.cli.console import one_thread, progress_bar
from microgym.baselines.evaluation.records import provenance, read_record, to_json

Trainer = Callable[..., Any]
Curve = list[tuple[int, float]]

RECORD = "training.json"
"""What is known about a run, in its folder."""

_POLL_S = 0.5

# What a worker process shares with its parent: [steps done, parent was interrupted].
_shared: Any = None


@dataclass(frozen=True)
class Run:
    """One training run.

    Attributes:
        seed: of everything random in it.
        steps: decisions it was to learn from.
        path: the policy, as `microgym evaluate --agent` takes it.
        curve: (steps, mean return of recent training episodes).
        duration_s: wall time, without what was lost where it was killed.
        complete: False if it was interrupted; the policy is then the latest one.
        resumed: how often it was taken up from a checkpoint.
    """

    seed: int
    steps: int
    path: Path
    curve: Curve
    duration_s: float
    complete: bool
    resumed: int = 0


def train_runs(
    env_id: str,
    seeds: Sequence[int],
    *,
    steps: int,
    output: Path,
    jobs: int = 1,
    config: Mapping[str, Any] | None = None,
    progress: Callable[[int], None] | None = None,
    resume: bool = False,
    log: Sequence[str] = (),
    trainer: Trainer | None = None,
) -> list[Run]:
    """Train once for each seed, each in `output/seed-<n>`, with a record `training.json` beside.

    Ctrl-C ends all runs; what they have learnt by then is saved and returned, and they can be
    resumed, as those that were killed can.

    Args:
        env_id: such as "Ptycho-v0".
        seeds: of the runs, distinct.
        steps: decisions to learn from, in each run.
        output: folder of the runs.
        jobs: processes side by side; 1 stays in this one.
        config: changes to the agent's configuration.
        progress: is told of every further step, of all runs together.
        resume: go on with each run from its last checkpoint; those that are finished are left as
            they are, and those that were not begun are begun.
        log: where each run logs to, as for `microgym.agents.training.trainer.train`.
        trainer: instead of `microgym.agents.training.trainer.train`, in tests.

    Returns:
        The runs in the order of the seeds; after an interruption those that saved something.

    Raises:
        ValueError: steps, seeds or jobs out of range; a run in `output` is unfinished and `resume`
            is False, or has other settings and it is True.
        ChildProcessError: a process of several side by side was killed.
        KeyboardInterrupt: interrupted before anything could be saved.
    """
    if steps < 1 or jobs < 1:
        raise ValueError(f"steps and jobs must be at least 1, got {steps} and {jobs}")
    if not seeds or len(set(seeds)) != len(seeds) or min(seeds) < 0:
        raise ValueError(f"seeds must be distinct and not negative, got {list(seeds)}")
    common = {"env_id": env_id, "steps": steps, "config": config, "resume": resume, "log": log}
    tasks = [
        {**common, "trainer": trainer, "seed": seed, "output": output / f"seed-{seed}"}
        for seed in seeds
    ]
    if min(jobs, len(tasks)) == 1:
        return _one_by_one(tasks, progress or _unheard)
    return _side_by_side(tasks, jobs, progress or _unheard)


def configured_steps(env_id: str, config: Mapping[str, Any] | None = None) -> int:
    """How many decisions the shipped agent of an environment learns from.

    Args:
        env_id: the environment.
        config: changes to its training configuration.

    Raises:
        ValueError: no training configuration for it, or an unknown setting.
    """
    return int(load_config(env_id, config)["training"]["total_timesteps"])


def _default_trainer() -> Trainer:
    with extra_named():
        from microgym.agents.training.trainer import train

    return train


def train_with_bar(
    env_id: str,
    steps: int,
    seeds: Sequence[int],
    folder: Path,
    jobs: int,
    config: Mapping[str, Any] | None = None,
) -> list[Run]:
    """`train_runs` under a progress bar, to the end or not at all.

    Where it was interrupted or killed before, in the same folder, it goes on; otherwise it is done
    anew.

    Args:
        env_id: the environment.
        steps: decisions to learn from, in each run.
        seeds: of the runs.
        folder: of the runs.
        jobs: processes side by side.
        config: changes to the agent's configuration.

    Returns:
        The runs in the order of the seeds.

    Raises:
        KeyboardInterrupt: interrupted; what was learnt until then is in `folder`, and it is said.
    """
    what = f"training {len(seeds)} agent{'s' * (len(seeds) > 1)}"
    words: dict[str, Any] = {"steps": steps, "output": folder, "jobs": jobs, "config": config}
    words["resume"] = any(is_unfinished(folder / f"seed-{seed}") for seed in seeds)
    with progress_bar(steps * len(seeds), what, "step") as progress:
        runs = train_runs(env_id, seeds, progress=progress, **words)
    if len(runs) < len(seeds) or not all(run.complete for run in runs):
        print(f"what was learnt until now is in {folder}", file=sys.stderr)
        raise KeyboardInterrupt
    return runs


def finished_runs(env_id: str, seeds: Sequence[int], steps: int, folder: Path) -> list[Run]:
    """Runs that `train_runs` has finished before.

    Args:
        env_id: the environment.
        seeds: of the runs.
        steps: each must have learnt from so many decisions.
        folder: `output` of that training.

    Returns:
        The runs in the order of the seeds.

    Raises:
        FileNotFoundError: a run is missing.
        ValueError: a run is another environment's, shorter, or was interrupted.
    """
    runs: list[Run] = []
    for seed in seeds:
        path = folder / f"seed-{seed}"
        record = read_record(path / RECORD)
        asked = {"env": env_id, "seed": seed, "steps": steps, "complete": True}
        found = {name: record.get(name) for name in asked}
        if found != asked:
            raise ValueError(f"{path} holds {found}, wanted {asked}")
        curve = [(int(step), float(value)) for step, value in record["curve"]]
        times = int(record.get("resumed", 0))
        runs.append(Run(seed, steps, path, curve, float(record["duration_s"]), True, times))
    return runs


def _unheard(more: int) -> None:
    del more


def _one_by_one(tasks: Sequence[Mapping[str, Any]], progress: Callable[[int], None]) -> list[Run]:
    runs: list[Run] = []
    for task in tasks:
        try:
            runs.append(_train(task, progress))
        except KeyboardInterrupt:
            if not runs:
                raise
            break
        if not runs[-1].complete:
            break
    return runs


def _side_by_side(
    tasks: Sequence[Mapping[str, Any]], jobs: int, progress: Callable[[int], None]
) -> list[Run]:
    context = multiprocessing.get_context("spawn")
    shared = context.Array("q", [0, 0])
    pool = ProcessPoolExecutor(jobs, context, initializer=_join, initargs=(shared,))
    seen = 0

    def watch(futures: Sequence[Future[Run]]) -> None:
        nonlocal seen
        pending = set(futures)
        while pending:
            done, pending = wait(pending, _POLL_S)
            steps = int(shared[0])
            progress(steps - seen)
            seen = steps
            for one in done:
                one.result()

    with pool:
        futures = [pool.submit(_train_in_worker, task) for task in tasks]
        try:
            watch(futures)
        except BrokenProcessPool as error:
            raise ChildProcessError(
                "a training process was killed; what all had learnt by their last checkpoints is "
                "kept, and a resumed training goes on from there"
            ) from error
        except BaseException as error:
            shared[1] = 1
            for one in futures:
                one.cancel()
            wait(futures)
            if not isinstance(error, KeyboardInterrupt):
                raise
    progress(int(shared[0]) - seen)
    runs = [one.result() for one in futures if not one.cancelled() and one.exception() is None]
    for one in futures:
        error = None if one.cancelled() else one.exception()
        if error is not None and not isinstance(error, KeyboardInterrupt):
            raise error
    if not runs:
        raise KeyboardInterrupt
    return runs


def _join(shared: Any) -> None:
    """Begin a worker: the parent alone hears Ctrl-C, and passes it on."""
    global _shared
    _shared = shared
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    one_thread()


def _train_in_worker(task: Mapping[str, Any]) -> Run:
    def advance(more: int) -> None:
        with _shared.get_lock():
            _shared[0] += more
        if _shared[1]:
            raise KeyboardInterrupt

    return _train(task, advance)


def _train(task: Mapping[str, Any], progress: Callable[[int], None]) -> Run:
    words = {name: task[name] for name in ("seed", "output", "config", "resume", "log")}
    trainer: Trainer = task["trainer"] or _default_trainer()
    file: Path = task["output"] / RECORD
    told = file.is_file() and bool(read_record(file).get("complete"))
    ended = task["resume"] and told and not is_unfinished(task["output"])
    steps = task["steps"]
    result = trainer(task["env_id"], total_timesteps=steps, progress=progress, **words)
    run = Run(
        task["seed"],
        task["steps"],
        Path(result.path),
        list(result.curve),
        result.duration_s,
        result.complete,
        result.resumed,
    )
    record = {
        "env": task["env_id"],
        "seed": run.seed,
        "steps": run.steps,
        "complete": run.complete,
        "resumed": run.resumed,
        "duration_s": round(run.duration_s, 1),
        "curve": run.curve,
        **provenance(),
    }
    if not ended:
        write_atomically(file, to_json(record, indent=1) + "\n")
    return run
