"""Checkpoints on disk: whole, known again, or refused."""

import json
import subprocess
import sys
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from microgym.agents.training import checkpoint
from microgym.agents.training.checkpoint import (
    Checkpoint,
    CheckpointStore,
    DamagedError,
    check_same_run,
    claimed,
    is_unfinished,
    read_checkpoint,
    write_checkpoint,
)

RUN = {
    "env": "Ptycho-v0",
    "seed": 3,
    "version": "0.1.0",
    "total_timesteps": 100,
    "environment": {"action": "grid"},
    "training": {"clip_range": 0.2, "width": 24},
}


def sample(step: int = 12, finished: bool = False) -> Checkpoint:
    rng = np.random.default_rng(step)
    arrays = {
        "env/task/object": rng.normal(size=(2, 3)).astype(np.float32),
        "env/flags": np.array([True, False]),
        "random": rng.integers(0, 2**63, 5, np.uint64),
        "nothing": np.zeros((0, 4)),
        "number": np.array(0.1),
    }
    facts = {"loss": [0.1, 1e-300, float("inf")], "rows": [], "text": "σ"}
    return Checkpoint(step, RUN, finished, facts, arrays)


def assert_equal(found: Checkpoint, wanted: Checkpoint) -> None:
    assert (found.step, found.run, found.finished) == (wanted.step, wanted.run, wanted.finished)
    assert found.facts == wanted.facts
    assert found.arrays.keys() == wanted.arrays.keys()
    for name, array in wanted.arrays.items():
        assert found.arrays[name].dtype == array.dtype
        assert found.arrays[name].shape == array.shape
        assert found.arrays[name].tobytes() == array.tobytes()


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_what_is_written_is_read(tmp_path):
    store = CheckpointStore(tmp_path)
    assert store.newest() is None
    path = store.write(sample())
    assert path.name == "checkpoint-000000000012.npz"
    found = CheckpointStore(tmp_path).newest()
    assert found is not None
    assert_equal(found, sample())
    with np.load(path, allow_pickle=False) as content:
        assert json.loads(content["facts"].tobytes())["format"] == checkpoint.FORMAT


def test_the_two_latest_are_kept_until_the_run_is_finished(tmp_path):
    store = CheckpointStore(tmp_path)
    for step in (0, 9, 10, 1000):
        store.write(sample(step))
    assert names(tmp_path) == ["checkpoint-000000000010.npz", "checkpoint-000000001000.npz"]
    assert is_unfinished(tmp_path)
    store.write(sample(1006, finished=True))
    assert names(tmp_path) == ["checkpoint-000000001006.npz"]
    assert not is_unfinished(tmp_path)
    assert not is_unfinished(tmp_path / "nowhere")


def test_a_new_run_replaces_a_finished_one_with_its_first_checkpoint(tmp_path):
    CheckpointStore(tmp_path).write(sample(1006, finished=True))
    store = CheckpointStore(tmp_path)
    assert store.newest() is not None
    store.write(sample(0))
    assert names(tmp_path) == ["checkpoint-000000000000.npz"]
    store.write(sample(6))
    assert len(names(tmp_path)) == 2


def test_other_files_are_left_alone(tmp_path):
    for name in ("policy.safetensors", "training.json", "checkpoint.npz"):
        (tmp_path / name).write_text("mine")
    store = CheckpointStore(tmp_path)
    store.write(sample(1))
    store.write(sample(2, finished=True))
    assert names(tmp_path)[1:] == ["checkpoint.npz", "policy.safetensors", "training.json"]


@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.9, 0.999])
def test_a_truncated_checkpoint_is_passed_over(tmp_path, share):
    store = CheckpointStore(tmp_path)
    store.write(sample(1))
    path = store.write(sample(2))
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    later = CheckpointStore(tmp_path)
    with pytest.warns(RuntimeWarning, match=r"0002\.npz is not .*going on from .*0001\.npz"):
        found = later.newest()
    assert found is not None
    assert_equal(found, sample(1))
    later.write(sample(3))
    assert names(tmp_path) == ["checkpoint-000000000001.npz", "checkpoint-000000000003.npz"]


def test_changed_bytes_do_not_go_unnoticed(tmp_path):
    path = tmp_path / "checkpoint-1.npz"
    write_checkpoint(path, Checkpoint(1, RUN, arrays={"a": np.arange(3), "b": np.zeros(2)}))
    whole = path.read_bytes()
    wanted = read_checkpoint(path)
    found_out = 0
    for place in range(0, len(whole), 2):
        spoilt = bytearray(whole)
        spoilt[place] ^= 1 << place // 2 % 8
        path.write_bytes(spoilt)
        try:
            with warnings.catch_warnings(action="ignore"):
                found = read_checkpoint(path)
        except DamagedError:
            found_out += 1
        else:  # a date, or another part of the container that says nothing about the content
            assert_equal(found, wanted)
    assert found_out > 0.5 * len(range(0, len(whole), 2))


@pytest.mark.parametrize(
    "content", [b"", b"\x80\x04K\x01.", b"PK\x03\x04" + bytes(60), b"checkpoint" * 9]
)
def test_foreign_files(tmp_path, content):
    path = tmp_path / "checkpoint-7.npz"
    path.write_bytes(content)
    with pytest.raises(DamagedError, match=r"checkpoint-7\.npz is not a checkpoint, or a damaged"):
        read_checkpoint(path)
    with pytest.raises(ValueError, match="no checkpoint can be read"):
        CheckpointStore(tmp_path).newest()


def test_foreign_archives(tmp_path):
    path = tmp_path / "checkpoint-7.npz"
    for arrays in ({"weights": np.zeros(3)}, {"facts": np.frombuffer(b"[1", np.uint8)}):
        np.savez(path, **arrays)
        with pytest.raises(DamagedError):
            read_checkpoint(path)
    np.savez(path, facts=np.array([{"format": checkpoint.FORMAT}], object))
    with pytest.raises(DamagedError, match="allow_pickle=False"):
        read_checkpoint(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("facts.txt", "hello")
    with pytest.raises(DamagedError):
        read_checkpoint(path)


def test_objects_are_not_written(tmp_path):
    bad = Checkpoint(1, RUN, arrays={"x": np.array([None])})
    with pytest.raises(TypeError, match=r"'x'.*holds objects"):
        write_checkpoint(tmp_path / "checkpoint-1.npz", bad)
    assert names(tmp_path) == []


def test_another_format_is_not_passed_over(tmp_path, monkeypatch):
    store = CheckpointStore(tmp_path)
    store.write(sample(1))
    monkeypatch.setattr(checkpoint, "FORMAT", "microgym-checkpoint-9")
    store.write(sample(2))
    monkeypatch.undo()
    with pytest.raises(ValueError, match=r"format 'microgym-checkpoint-9'.*'microgym-checkpoint-2"):
        CheckpointStore(tmp_path).newest()


def test_a_full_disk_leaves_the_last_checkpoint(tmp_path, monkeypatch):
    store = CheckpointStore(tmp_path)
    store.write(sample(1))

    def fail(*words: Any, **named: Any) -> None:
        words[0].write(b"PK")
        raise OSError("no space left on device")

    monkeypatch.setattr(checkpoint.np, "savez", fail)
    with pytest.raises(OSError, match="no space left"):
        store.write(sample(2))
    assert names(tmp_path) == ["checkpoint-000000000001.npz"]
    assert store.newest() is not None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"env": "AFM-v0"}, "env='Ptycho-v0', asked was env='AFM-v0'"),
        ({"seed": 4}, "seed=3, asked was seed=4"),
        ({"version": "0.2.0"}, r"version='0\.1\.0', asked was version='0\.2\.0'"),
        ({"total_timesteps": 200}, "total_timesteps=100, asked was total_timesteps=200"),
        (
            {"training": {"clip_range": 0.1, "width": 24}},
            "clip_range=0.2, asked was clip_range=0.1",
        ),
        ({"training": {"clip_range": 0.2, "width": 24, "new": 1}}, "new=None, asked was new=1"),
        ({"environment": {}}, "action='grid', asked was action=None"),
    ],
)
def test_checkpoints_of_other_runs_are_refused(tmp_path, change, message):
    check_same_run(RUN, json.loads(json.dumps(RUN)), tmp_path)
    with pytest.raises(ValueError, match=message):
        check_same_run(RUN, {**RUN, **change}, tmp_path)


def test_one_training_a_folder(tmp_path):
    (tmp_path / ".checkpoint-1.npz.abc.part").write_bytes(b"half")
    with claimed(tmp_path):
        assert names(tmp_path) == []
        (tmp_path / ".checkpoint-1.npz.abc.part").write_bytes(b"half")
        with pytest.raises(BlockingIOError, match="another process is training"), claimed(tmp_path):
            pass
        assert names(tmp_path) != [], "what another process is writing was removed"
    with claimed(tmp_path):
        pass


def test_reading_needs_neither_pytorch_nor_stable_baselines():
    code = "import microgym.agents.training.checkpoint, sys; print(*sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert {"torch", "stable_baselines3", "numba"}.isdisjoint(found.stdout.split())
