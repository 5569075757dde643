import os
import stat

import pytest

from microgym.agents.files import write_atomically


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
