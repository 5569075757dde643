"""A process that trains a tiny agent again and again, and kills it as it is told.

Importing PyTorch and loading kernels takes seconds, a life of the tiny agent a fraction of one. So
one process does the former and forks for each of the latter; it has no threads that a fork could
cut off. Run as `python -m tests.agents.training.trainee`, it answers each line of JSON with one.
"""

import io
import json
import os
import selectors
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[3]
ENV = "Ptycho-v0"
ARGUMENTS = {"exposures": 4, "final_sweeps": 1}
TINY = {
    "num_envs": 2,
    "n_steps": 3,  # not the length of an episode: checkpoints fall into the middle of one
    "batch_size": 3,
    "aux_batch_size": 4,
    "n_epochs": 1,
    "width": 4,
    "checkpoint_s": 0.0,
    "record_every": 0,
}
DECISIONS = TINY["num_envs"] * TINY["n_steps"]
"""Decisions between two updates."""


@dataclass(frozen=True)
class Life:
    """What became of one process that trained.

    Attributes:
        killed: by SIGKILL.
        saved: steps of the checkpoints that it reported as written.
        seconds: from its first report to its end.
        words: what the training gave back or complained of.
    """

    killed: bool
    saved: list[int]
    seconds: float
    words: dict[str, Any]


class Trainer:
    """The forking process, seen from the tests."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.agents.training.trainee"],
            cwd=ROOT,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def live(self, output: Path, **order: Any) -> Life:
        """Train in `output` until the end, or until death.

        Args:
            output: folder of the run.
            **order: arguments of `train`; "kill_after_s": from the first report on; "die_at": name
                of a point in `POINTS`, and for which time it is come to.
        """
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(json.dumps({"output": str(output), **order}) + "\n")
        stdin.flush()
        return Life(**json.loads(stdout.readline()))

    def close(self) -> None:
        self._process.communicate()


def _die_at(owner: Any, name: str, when: str, about: str, countdown: int) -> None:
    """Have the process die at one call of a function: before it, after it, or half way through."""
    call = getattr(owner, name)

    def standing_in(*words: Any, **named: Any) -> Any:
        nonlocal countdown
        countdown -= _concerns(words, about)
        if countdown:
            return call(*words, **named)
        if when == "half":
            content = io.BytesIO()
            call(content, *words[1:], **named)
            words[0].write(content.getbuffer()[: content.tell() // 2])
            words[0].flush()
        elif when == "after":
            call(*words, **named)
        os.kill(os.getpid(), signal.SIGKILL)
        return None

    setattr(owner, name, standing_in)


def _concerns(words: tuple[Any, ...], about: str) -> bool:
    """Whether a call is about a folder or a file (its number is given), or a file so named."""
    if about in ("file", "folder"):
        return stat.S_ISDIR(os.fstat(words[0]).st_mode) == (about == "folder")
    return about in Path(str(words[-1])).name


POINTS = {
    "half of the checkpoint is written": ("numpy.savez", "half", ""),
    "it is written and not flushed": ("os.fsync", "before", "file"),
    "it is flushed and not in its place": ("os.replace", "before", "checkpoint-"),
    "it is in its place": ("os.replace", "after", "checkpoint-"),
    "its folder is not flushed": ("os.fsync", "before", "folder"),
    "the old one is still there": ("os.unlink", "before", "checkpoint-"),
    "the old one is gone": ("os.unlink", "after", "checkpoint-"),
    "the log is not cut to the checkpoint": ("os.replace", "before", "progress.csv"),
    "the log is cut to the checkpoint": ("os.replace", "after", "progress.csv"),
    "the row is not written": ("microgym.agents.training.loggers.ResumableCSV.write", "before", ""),
    "the row is written": ("microgym.agents.training.loggers.ResumableCSV.write", "after", ""),
    "the policy is not in its place": ("os.replace", "before", "policy.safetensors"),
    "the policy is in its place": ("os.replace", "after", "policy.safetensors"),
}


def _resolve(path: str) -> tuple[Any, str]:
    """The module or class that holds something, and its name there."""
    import importlib

    owner, _, name = path.rpartition(".")
    try:
        return importlib.import_module(owner), name
    except ModuleNotFoundError:
        module, _, inner = owner.rpartition(".")
        return getattr(importlib.import_module(module), inner), name


@contextmanager
def tiny_arguments() -> Generator[None]:
    """The environment's table of the configuration with short episodes."""
    from microgym.agents.training import trainer

    whole = trainer.load_config

    def short(*words: Any) -> Any:
        config = whole(*words)
        config["environment"] |= ARGUMENTS
        return config

    trainer.load_config = short
    try:
        yield
    finally:
        trainer.load_config = whole


def _child(order: dict[str, Any], report: int) -> None:
    """Train in the forked process; what happens is told through the pipe."""
    from microgym.agents.training import trainer
    from microgym.agents.training.checkpoint import CheckpointStore

    def tell(**words: Any) -> None:
        os.write(report, (json.dumps(words) + "\n").encode())

    write = CheckpointStore.write

    def reported(self: CheckpointStore, checkpoint: Any) -> Path:
        path = write(self, checkpoint)
        tell(saved=checkpoint.step)
        return path

    CheckpointStore.write = reported
    begun = False

    def progress(more: int) -> None:
        nonlocal begun
        if not begun:
            tell(begun=more)
        begun = True

    point = order.pop("die_at", None)
    if point:
        name, countdown = point
        path, when, about = POINTS[name]
        _die_at(*_resolve(path), when, about, countdown)
    output = order.pop("output")
    with tiny_arguments():
        try:
            found = trainer.train(ENV, output=output, config=TINY, progress=progress, **order)
        except ValueError as error:
            tell(refused=str(error))
        else:
            tell(complete=found.complete, resumed=found.resumed)


def _life(order: dict[str, Any]) -> dict[str, Any]:
    kill_after_s = order.pop("kill_after_s", None)
    ear, mouth = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.close(ear)
            _child(order, mouth)
            status = 0
        finally:
            os._exit(status)
    os.close(mouth)
    heard = b""
    begun = deadline = None
    with selectors.DefaultSelector() as selector:
        selector.register(ear, selectors.EVENT_READ)
        while True:
            wait_s = None if deadline is None else max(0.0, deadline - time.monotonic())
            if not selector.select(wait_s):
                os.kill(child, signal.SIGKILL)
                deadline = None
                continue
            more = os.read(ear, 65536)
            if not more:
                break
            heard += more
            if begun is None and b"begun" in heard:
                begun = time.monotonic()
                deadline = None if kill_after_s is None else begun + kill_after_s
    os.close(ear)
    _, status = os.waitpid(child, 0)
    seconds = 0.0 if begun is None else time.monotonic() - begun
    told = [json.loads(line) for line in heard.decode().splitlines()]
    saved = [one["saved"] for one in told if "saved" in one]
    killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
    words = {} if killed or not told else told[-1]
    return {"killed": killed, "saved": saved, "seconds": seconds, "words": words}


def main() -> None:
    """Load everything, then live and die to order."""
    import threading
    import warnings

    import torch

    from microgym.agents.core.learner import Learner
    from microgym.agents.training import trainer

    warnings.filterwarnings("ignore", "You have specified a mini-batch size")
    with tiny_arguments():
        config = trainer.load_config(ENV, TINY)
    env: Any = Learner(ENV, config["training"]).environment(config["environment"])
    env.reset(seed=0)
    env.env.unwrapped.restore(env.env.unwrapped.snapshot())
    for _ in range(ARGUMENTS["exposures"] + 1):
        env.step(env.action_space.sample())
    env.close()
    torch.optim.Adam([torch.zeros(1)])  # the first optimiser of a process imports for seconds
    assert threading.active_count() == 1
    for line in sys.stdin:
        print(json.dumps(_life(json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
