"""Training runs of several seeds in parallel, with one progress bar."""

import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import CancelledError, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from microgym.agents.core.config import load_config
from microgym.agents.core.extras import extra_named
from microgym.agents.training.checkpoint import is_unfinished
from microgym.baselines.cli.console import Progress, no_progress, one_thread, progress_bar
from microgym.baselines.cli.workers import end_with_parent
from microgym.baselines.evaluation.protocols import EvaluationProtocol
from microgym.baselines.evaluation.records import provenance, read_record, write_json

RECORD = "training.json"
"""Name of the record in the folder of a run."""

_POLL_S = 0.5

_Task = Callable[[Progress], "Run"]
"""Training of one seed, which reports its progress."""

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
    curve: list[tuple[int, float]]
    duration_s: float
    complete: bool
    resumed: int = 0


def train_runs(
    env_id: str,
    seeds: Sequence[int],
    *,
    steps: int,
    output: Path,
    jobs: int | None = 1,
    config: Mapping[str, Any] | None = None,
    progress: Progress = no_progress,
    resume: bool = False,
    log: Sequence[str] = (),
    trainer: Callable[..., Any] | None = None,
) -> list[Run]:
    """Train once for each seed, in `output/seed-<n>`, and write a record `training.json` there.

    Ctrl-C ends all runs at their next checkpoints; their policies are saved. Runs that were
    interrupted or killed can be resumed.

    Args:
        env_id: such as "Ptycho-v0".
        seeds: of the runs, distinct.
        steps: decisions to learn from, in each run.
        output: folder of the runs.
        jobs: number of processes; 1 trains in this process, None takes one a core.
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
    if steps < 1 or (jobs is not None and jobs < 1):
        raise ValueError(f"steps and jobs must be at least 1, got {steps} and {jobs}")
    check_seeds(seeds)
    words = {"config": config, "resume": resume, "log": log}
    train = partial(_train, trainer, env_id, steps, words)
    tasks = [partial(train, seed, output / f"seed-{seed}") for seed in seeds]
    processes = min(len(tasks), jobs or os.cpu_count() or 1)
    runs = _sequential(tasks, progress) if processes == 1 else _parallel(tasks, processes, progress)
    if not runs:
        raise KeyboardInterrupt
    return runs


def check_seeds(seeds: Sequence[int]) -> None:
    """Raise a ValueError for seeds of training runs that are none, negative, or the same."""
    if not seeds or len(set(seeds)) != len(seeds) or min(seeds) < 0:
        raise ValueError(f"seeds must be distinct and not negative, got {list(seeds)}")


def all_complete(runs: Sequence[Run], seeds: Sequence[int]) -> bool:
    """Whether `train_runs` was not interrupted."""
    return len(runs) == len(seeds) and all(run.complete for run in runs)


def configured_steps(env_id: str, config: Mapping[str, Any] | None = None) -> int:
    """Number of decisions that the agent of an environment learns from, as it is configured.

    Raises:
        ValueError: no training configuration for it, or an unknown setting.
    """
    return int(load_config(env_id, config)["training"]["total_timesteps"])


def trained_runs(
    env_id: str, protocol: EvaluationProtocol, folder: Path, *, reuse: bool = False, **words: Any
) -> list[Run]:
    """Runs of a protocol, trained to the end with a progress bar; none if it has no seeds.

    Unfinished runs in the folder are resumed; otherwise all runs are done anew, or with `reuse`
    the finished runs are taken. Further arguments are those of `train_runs`.

    Raises:
        FileNotFoundError: with `reuse`, a run is missing.
        ValueError: as for `train_runs`; with `reuse`, a run is another environment's, shorter, or
            was interrupted.
        KeyboardInterrupt: interrupted; the policies so far are in `folder`, as a message says.
    """
    seeds = protocol.seeds
    if not seeds:
        return []
    steps = protocol.steps or configured_steps(env_id)
    if reuse:
        return _finished_runs(env_id, seeds, steps, folder)
    resume = any(is_unfinished(folder / f"seed-{seed}") for seed in seeds)
    what = f"training {len(seeds)} agent{'s' * (len(seeds) > 1)}"
    with progress_bar(steps * len(seeds), what, "step") as progress:
        words |= {"progress": progress, "resume": resume}
        runs = train_runs(env_id, seeds, steps=steps, output=folder, **words)
    if not all_complete(runs, seeds):
        print(f"the policies learnt so far are in {folder}", file=sys.stderr)
        raise KeyboardInterrupt
    return runs


def _finished_runs(env_id: str, seeds: Sequence[int], steps: int, folder: Path) -> list[Run]:
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


def _sequential(tasks: Iterable[_Task], progress: Progress) -> list[Run]:
    runs: list[Run] = []
    with suppress(KeyboardInterrupt):
        for task in tasks:
            runs.append(task(progress))
            if not runs[-1].complete:
                break
    return runs


def _parallel(tasks: Sequence[_Task], jobs: int, progress: Progress) -> list[Run]:
    context = multiprocessing.get_context("spawn")
    shared = context.Array("q", [0, 0])
    seen = 0
    with ProcessPoolExecutor(jobs, context, initializer=_join, initargs=(shared,)) as pool:
        futures = [pool.submit(_train_in_worker, task) for task in tasks]
        pending = set(futures)
        try:
            while pending:
                done, pending = wait(pending, _POLL_S)
                steps = int(shared[0])
                progress(steps - seen)
                seen = steps
                for one in done:
                    one.result()
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
    runs: list[Run] = []
    for one in futures:
        with suppress(KeyboardInterrupt, CancelledError):
            runs.append(one.result())
    return runs


def _join(shared: Any) -> None:
    """Initialise a worker, in which the parent handles Ctrl-C."""
    global _shared
    _shared = shared
    end_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    one_thread()


def _train_in_worker(task: _Task) -> Run:
    def advance(steps: int) -> None:
        with _shared.get_lock():
            _shared[0] += steps
        if _shared[1]:
            raise KeyboardInterrupt

    return task(advance)


def _train(
    trainer: Callable[..., Any] | None,
    env_id: str,
    steps: int,
    words: Mapping[str, Any],
    seed: int,
    folder: Path,
    progress: Progress,
) -> Run:
    if trainer is None:
        with extra_named():
            from microgym.agents.training.trainer import train as trainer
    file = folder / RECORD
    recorded = file.is_file() and bool(read_record(file).get("complete"))
    finished = words["resume"] and recorded and not is_unfinished(folder)
    result = trainer(
        env_id, seed=seed, total_timesteps=steps, output=folder, progress=progress, **words
    )
    curve, complete, resumed = list(result.curve), result.complete, result.resumed
    if not finished:
        record = {
            "env": env_id,
            "seed": seed,
            "steps": steps,
            "complete": complete,
            "resumed": resumed,
            "duration_s": round(result.duration_s, 1),
            "curve": curve,
            **provenance(),
        }
        write_json(file, record)
    return Run(seed, steps, Path(result.path), curve, result.duration_s, complete, resumed)
