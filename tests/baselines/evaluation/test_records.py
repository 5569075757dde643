import json
import os

import numpy as np
import pytest

from microgym.baselines.cli.console import progress_bar, read_option
from microgym.baselines.evaluation import records
from tests.baselines.stubs import TOY


def test_places_that_cannot_be_written_are_found_early(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="it is a folder"):
        records.check_writable(tmp_path)
    with pytest.raises(OSError, match="cannot write"):
        records.check_writable(tmp_path / "file" / "report.html")
    assert records.check_writable(tmp_path / "new" / "report.html").parent.is_dir()
    assert list((tmp_path / "new").iterdir()) == []


def test_json_has_neither_nan_nor_numpy():
    value = {"a": np.float64("nan"), "b": [np.int64(3), float("inf")], "c": np.arange(2), 4: None}
    assert json.loads(records.to_json(value)) == {"a": None, "b": [3, None], "c": [0, 1], "4": None}


def test_a_record_that_is_none_is_named(tmp_path):
    path = tmp_path / "x.json"
    with pytest.raises(FileNotFoundError, match="no record at"):
        records.read_record(path)
    for text in ("{", "[]"):
        path.write_text(text)
        with pytest.raises(ValueError, match="is not a record"):
            records.read_record(path)


def test_provenance_says_what_is_needed_and_not_who(monkeypatch):
    made = records.provenance(["train", "Ptycho-v0", "--output", "a b"])
    assert made["command"] == "microgym train Ptycho-v0 --output 'a b'"
    assert set(made["packages"]) == {"microgym", *records.PACKAGES}
    assert made["machine"]["cores"] == os.cpu_count()
    assert os.uname().nodename not in records.to_json(made)


@pytest.mark.parametrize(
    ("text", "value"),
    [("a=3", 3), ("a=off", "off"), ("a=true", True), ("a=", ""), ('a={"x": 1}', {"x": 1})],
)
def test_options_are_json_or_words(text, value):
    assert read_option(text) == ("a", value)


@pytest.mark.parametrize("text", ["a", "=3", "a b=1"])
def test_what_is_no_option_is_refused(text):
    with pytest.raises(ValueError, match="NAME=VALUE"):
        read_option(text)


def test_progress_goes_to_standard_error(capsys):
    with progress_bar(3, "working", "piece") as progress:
        progress(3)
    out, err = capsys.readouterr()
    assert out == ""
    assert "working" in err
    assert "3/3" in err


def test_a_record_is_current_as_long_as_its_environment_behaves_as_then():
    made = {"env": TOY, "behaviour": records.behaviour(TOY)}
    assert records.is_current(made)
    assert not records.is_current(made | {"behaviour": "of before"})
    assert not records.is_current({"env": TOY})
