"""Training runs of several seeds in parallel, with one progress bar."""

import multiprocessing
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from microgym.agents.core.config import load_config
from microgym.agents.core.extras import extra_named
from microgym.agents.training.atomic_io import write_atomically
from microgym.agents.training.checkpoint import is_unfinished
from microgym.baselines.cli.console import one_thread, progress_bar
from microgym.baselines.evaluation.records import provenance, read_record, to_json

Trainer = Callable[..., Any]
Curve = list[tuple[int, float]]

RECORD = "training.json"
"""Name of the record in the folder of a run."""

_POLL_S = 0.5

# Memory shared by workers and their parent: [steps done, interruption requested].
_shared: Any = None


@dataclass(frozen=True)
class Run:
    """One training run.

    Attributes:
        seed: of the run.
        steps: number of decisions to learn from.
        path: of the policy, as `microgym evaluate --agent` takes it.
        curve: (step, mean return of the last hundred training episodes).
        duration_s: wall time, s, without the time lost by kills.
        complete: False if the run was interrupted; the policy is then the latest one.
        resumed: number of resumptions from a checkpoint.
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
    """Train once for each seed, in `output/seed-<n>`, and write a record `training.json` there.

    Ctrl-C ends all runs at their next checkpoints; their policies are saved. Runs that were
    interrupted or killed can be resumed.

    Args:
        env_id: such as "Ptycho-v0".
        seeds: of the runs, distinct.
        steps: decisions to learn from, in each run.
        output: folder of the runs.
        jobs: number of processes; 1 trains in this process.
        config: changes to the agent's configuration.
        progress: receives the number of further steps of all runs.
        resume: continue each run from its last checkpoint; finished runs are left as they are.
        log: kinds of logs, as for `microgym.agents.training.trainer.train`.
        trainer: instead of `microgym.agents.training.trainer.train`, in tests.

    Returns:
        The runs in the order of the seeds; after an interruption those that saved a policy.

    Raises:
        ValueError: steps, seeds or jobs out of range; a run in `output` is unfinished and `resume`
            is False, or has other settings and it is True.
        ChildProcessError: one of several processes was killed.
        KeyboardInterrupt: interrupted before any run could save a policy.
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
    one_process = min(jobs, len(tasks)) == 1
    report = progress or _no_progress
    return _sequential(tasks, report) if one_process else _parallel(tasks, jobs, report)


def configured_steps(env_id: str, config: Mapping[str, Any] | None = None) -> int:
    """Number of decisions that the shipped agent of an environment learns from.

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
    """`train_runs` to the end, with a progress bar.

    Unfinished runs in the folder are resumed; otherwise all runs are done anew.

    Args:
        env_id: the environment.
        steps: decisions to learn from, in each run.
        seeds: of the runs.
        folder: of the runs.
        jobs: number of processes.
        config: changes to the agent's configuration.

    Returns:
        The runs in the order of the seeds.

    Raises:
        KeyboardInterrupt: interrupted; the policies so far are in `folder`, as a message says.
    """
    what = f"training {len(seeds)} agent{'s' * (len(seeds) > 1)}"
    words: dict[str, Any] = {"steps": steps, "output": folder, "jobs": jobs, "config": config}
    words["resume"] = any(is_unfinished(folder / f"seed-{seed}") for seed in seeds)
    with progress_bar(steps * len(seeds), what, "step") as progress:
        runs = train_runs(env_id, seeds, progress=progress, **words)
    if len(runs) < len(seeds) or not all(run.complete for run in runs):
        print(f"the policies learnt so far are in {folder}", file=sys.stderr)
        raise KeyboardInterrupt
    return runs


def finished_runs(env_id: str, seeds: Sequence[int], steps: int, folder: Path) -> list[Run]:
    """Finished runs of an earlier `train_runs`.

    Args:
        env_id: the environment.
        seeds: of the runs.
        steps: decisions that each must have learnt from.
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


def _no_progress(steps: int) -> None:
    del steps


def _sequential(tasks: Sequence[Mapping[str, Any]], progress: Callable[[int], None]) -> list[Run]:
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


def _parallel(
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
                "a training process was killed; all checkpoints are kept, and a resumed training "
                "continues from them"
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
    """Initialise a worker, in which the parent handles Ctrl-C."""
    global _shared
    _shared = shared
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    one_thread()


def _train_in_worker(task: Mapping[str, Any]) -> Run:
    def advance(steps: int) -> None:
        with _shared.get_lock():
            _shared[0] += steps
        if _shared[1]:
            raise KeyboardInterrupt

    return _train(task, advance)


def _train(task: Mapping[str, Any], progress: Callable[[int], None]) -> Run:
    names = ("seed", "output", "config", "resume", "log")
    seed, steps, folder = task["seed"], task["steps"], task["output"]
    trainer: Trainer = task["trainer"] or _default_trainer()
    file: Path = folder / RECORD
    recorded = file.is_file() and bool(read_record(file).get("complete"))
    finished = task["resume"] and recorded and not is_unfinished(folder)
    words = {name: task[name] for name in names}
    result = trainer(task["env_id"], total_timesteps=steps, progress=progress, **words)
    curve, complete, resumed = list(result.curve), result.complete, result.resumed
    if not finished:
        record = {
            "env": task["env_id"],
            "seed": seed,
            "steps": steps,
            "complete": complete,
            "resumed": resumed,
            "duration_s": round(result.duration_s, 1),
            "curve": curve,
            **provenance(),
        }
        write_atomically(file, to_json(record, indent=1) + "\n")
    return Run(seed, steps, Path(result.path), curve, result.duration_s, complete, resumed)
