import os
import stat

import pytest

from microgym.atomic_io import remove_unfinished, replacing, write_atomically


def test_a_file_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "deep" / "record.json"
    write_atomically(path, "old")

    def fail(*words):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(path, b"new")
    assert path.read_text() == "old"
    assert [one.name for one in path.parent.iterdir()] == ["record.json"]


def test_a_written_file_has_the_usual_rights(tmp_path):
    plain = tmp_path / "plain"
    plain.write_text("x")
    path = write_atomically(tmp_path / "mine", "x")
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE(plain.stat().st_mode)


def test_what_a_killed_writer_leaves_can_be_removed(tmp_path):
    (tmp_path / ".env").write_text("mine")
    with replacing(tmp_path / "record.json") as file:
        file.write(b"half")
        (left,) = set(tmp_path.iterdir()) - {tmp_path / ".env"}
        left.with_name(left.name.replace("record", "killed")).write_bytes(b"half")
    remove_unfinished(tmp_path)
    assert sorted(one.name for one in tmp_path.iterdir()) == [".env", "record.json"]


def test_a_file_is_flushed_before_it_is_moved_and_its_folder_after(tmp_path, monkeypatch):
    calls: list[str] = []
    fsync, replace = os.fsync, os.replace

    def flushed(number):
        calls.append("folder" if stat.S_ISDIR(os.fstat(number).st_mode) else "file")
        fsync(number)

    def moved(*words):
        calls.append("move")
        replace(*words)

    monkeypatch.setattr(os, "fsync", flushed)
    monkeypatch.setattr(os, "replace", moved)
    write_atomically(tmp_path / "record.json", "new")
    assert calls == ["file", "move", "folder"]
