"""The record of the detector: how it is made, summarised and shown."""

import io
import json
import sys
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from microgym.baselines.cli import main
from microgym.baselines.observation_models import stm
from microgym.baselines.observation_models.evaluate import evaluate
from microgym.baselines.observation_models.page import network_card, network_page
from microgym.baselines.observation_models.stm import SPEC
from microgym.baselines.observation_models.stm import evaluate as module
from microgym.baselines.observation_models.stm.dataset import make_dataset
from microgym.baselines.observation_models.stm.evaluate import (
    BASE,
    BOUNDS,
    STATED,
    Budget,
    calibration_of,
    failed_claims,
    summary,
)
from microgym.baselines.observation_models.stm.page import SHOWN
from microgym.reconstruction.adatoms.observation_model import NETWORK

FEW = {name: how for name, how in module.conditions().items() if name in SHOWN}


@pytest.fixture(scope="module")
def record():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "conditions", lambda: FEW)
        return evaluate(SPEC, NETWORK.shipped_file, budget=Budget(4, 4, 1, 2), seed=1)


def test_the_record_holds_every_comparison(record):
    assert [one["name"] for one in record["conditions"]] == list(FEW)
    for one in record["conditions"]:
        assert one["images"] == 4
        assert one["adatoms"] > 8
        assert one["unseen"] == (one["name"] == "step edge")
        for key in ("network", "classical"):
            low, value, high = (one[key]["f1"][end] for end in ("low", "value", "high"))
            assert 0.0 <= low <= value <= high <= 1.0
            assert 0.0 <= one[key]["precision"] <= 1.0
        gain = one["gain"]["f1"]["value"]
        f1 = [one[key]["f1"]["value"] for key in ("network", "classical")]
        assert gain == pytest.approx(f1[0] - f1[1])
    assert set(record["views"]) == {"STM-v0", "STMBuild-v0"}
    for one in record["views"].values():
        assert set(one["returns"]) == {"model", "classical", "neural"}
    assert set(record["times_us"]) == {"network", "classical"}
    assert json.loads(json.dumps(record))["kind"] == "detector"


def test_images_are_of_other_specimens_than_those_settings_are_chosen_by():
    one, other = (module.images_of(BASE, 3, 0, split) for split in ("test", "validation"))
    assert not np.array_equal(one.places, other.places)
    assert not np.array_equal(one.places, module.images_of(BASE, 3, 1).places)


def test_what_is_stated_is_counted():
    images = make_dataset(9, 4, "test")
    found = calibration_of(NETWORK.shipped(), images)
    assert sum(one["spots"] for one in found["bins"]) > 300
    for one in found["bins"]:
        assert one["low"] <= one["stated"] <= one["high"]
        assert one["found"]["low"] <= one["found"]["value"] <= one["found"]["high"]
    shares = [one["value"] for one in found["cover"]]
    assert len(shares) == len(BOUNDS) == len(STATED)
    assert shares == sorted(shares)


def change(record, **values):
    return json.loads(json.dumps(record)) | values


def test_what_does_not_hold_is_said(record):
    fine = change(record)
    for one in fine["conditions"]:
        one["gain"] = {n: {"value": 0.1, "low": 0.05, "high": 0.15} for n in ("f1", "error_pm")}
    test = fine["calibration"]["test"]
    test["cover"] = [{"value": stated} for stated in STATED]
    test["bins"] = [{"spots": 500, "stated": 0.8, "found": {"value": 0.82}}]
    assert failed_claims(fine) == []
    test["bins"][0]["found"]["value"] = 0.5
    test["cover"][0]["value"] = 0.7
    by_name = {one["name"]: one["gain"] for one in fine["conditions"]}
    by_name["double tip"]["f1"]["low"] = by_name["step edge"]["error_pm"]["low"] = -1.0
    by_name["close pairs"]["f1"]["low"] = by_name["double tip"]["error_pm"]["low"] = -1.0
    assert sorted(failed_claims(fine)) == [
        "50% of errors stay below what is stated: 70.0%",
        "mean probability stated 0.80, found 0.50",
        "places are nearer, double tip: 0.1 pm",
        "the network finds more, close pairs: 0.1000",
    ]


def test_the_summary_has_a_line_for_each_set_of_conditions(record):
    lines = summary(record).splitlines()
    assert sum(name in line for line in lines for name in FEW) >= len(FEW)
    assert any("STMBuild-v0, expert with neural less model" in line for line in lines)


def test_page_and_card_show_the_record(record, tmp_path):
    text = network_page(SPEC, tmp_path, figure=False)
    assert "No results are recorded yet" in text
    assert "No results are recorded yet" in network_card(SPEC, tmp_path)
    (tmp_path / SPEC.record.name).write_text(json.dumps(record))
    text, card = network_page(SPEC, tmp_path, figure=True), network_card(SPEC, tmp_path)
    assert f"images/{SPEC.name}.png" in text
    for name in FEW:
        assert name in text
        assert name in card
    assert "step edge (never seen)" in text
    assert "`STM-v0`, `neural` less `classical`" in text
    assert "microgym observation-model train STM-v0 --seed 0" in text


@pytest.fixture
def quick(monkeypatch, tmp_path):
    few = lambda images=3: Budget(images, 3, 1, 1)  # noqa: E731
    monkeypatch.setattr(stm, "SPEC", replace(SPEC, results=tmp_path, budget=few))
    monkeypatch.setattr(module, "conditions", lambda: FEW)
    monkeypatch.setattr("microgym.baselines.observation_models.stm.page.conditions", lambda: FEW)


def test_the_command_writes_record_and_figure(quick, tmp_path, capsys, monkeypatch):
    figure = tmp_path / "figure.png"
    options = ["--write", "--seed", "2", "--specimens", "5", "--figure", str(figure)]
    words = ["observation-model", "evaluate", "STM-v0", *options]
    monkeypatch.setattr(sys, "argv", ["microgym", *words])
    assert main(words) == 0
    written = json.loads(stm.SPEC.record.read_text())
    assert (written["seed"], written["effort"]["images"]) == (2, 5)
    assert written["command"].startswith("microgym observation-model evaluate STM-v0 --write")
    assert "F1 (error, pm)" in capsys.readouterr().out
    with Image.open(io.BytesIO(figure.read_bytes())) as image:
        assert image.width > 900
        assert np.asarray(image.convert("RGB")).std() > 20


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--weights", "nothing.safetensors"], "there is no network at nothing.safetensors"),
        (["--write", "--weights", "x"], "--write is for the shipped network"),
        (["--recording", "x"], "there is no recorded experiment of STM-v0"),
        (["--specimens", "0"], "images must be at least 1, got 0"),
        (["--seed", "-1"], "seed must be at least 0, got -1"),
    ],
)
def test_bad_input_is_one_line_and_nothing_is_done(quick, words, message, capsys):
    assert main(["observation-model", "evaluate", "STM-v0", *words]) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("microgym observation-model: error:")
    assert message in error
    assert not stm.SPEC.record.exists()
