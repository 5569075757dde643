"""The record of the network: what it says of known errors, and the command that makes it."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from microgym.baselines.cli import main
from microgym.baselines.evaluation.records import to_json
from microgym.baselines.observation_models import afm
from microgym.baselines.observation_models.afm import SPEC
from microgym.baselines.observation_models.afm import evaluate as module
from microgym.baselines.observation_models.afm.classical import (
    CORRECTED,
    FLATTENED,
    TRACE,
    RestorationSettings,
)
from microgym.baselines.observation_models.afm.dataset import Conditions, Frames
from microgym.baselines.observation_models.afm.evaluate import (
    Budget,
    claimed,
    compare,
    failed_claims,
    summary,
)
from microgym.baselines.observation_models.evaluate import evaluate, made_from
from microgym.baselines.observation_models.page import network_card, network_page
from tests.microgym.reconstruction.topography.networks import make_weights

BEST = RestorationSettings("lower", 1.0, 0.5, 1.5)
BUDGET = Budget(specimens=40, judges=3, groups=3)
GOOD = (0.52, 0.66, 0.88, 0.94)
WAVE = np.sin(np.linspace(0.0, 6.0 * np.pi, 256, endpoint=False))


@pytest.fixture
def known(monkeypatch):
    """Frames and restorations with known errors: the network wins by 0.04 on average."""
    asked = []
    spread = np.random.default_rng(0).normal(0.0, 0.01, 64)
    sizes = {TRACE: 0.5, FLATTENED: 0.4, CORRECTED: 0.3}

    def scan(conditions, seeds, chance):
        asked.append((conditions, seeds, chance))
        truth = np.tile(WAVE, (len(seeds), 4, 1)).astype(np.float32)
        empty = np.zeros((len(seeds), 4, 5, 256), np.float32)
        dials = np.ones((len(seeds), 4, 4))
        return Frames(empty, truth, dials, np.ones(len(seeds)), conditions)

    def with_error(truth, size):
        return truth + np.asarray(size)[:, None, None] * np.roll(truth, 64 // 3, axis=-1)

    def restore_classically(frames, recipes):
        count = len(frames.truth)
        for one in recipes:
            size = 0.24 + 0.5 * spread[:count] if one == BEST else np.full(count, sizes[one])
            yield one, with_error(frames.truth, size)

    def restore(weights, frames):
        return with_error(frames.truth, 0.2 + spread[: len(frames.truth)]), None

    monkeypatch.setattr(module, "scan_frames", scan)
    monkeypatch.setattr(module, "restore_classically", restore_classically)
    monkeypatch.setattr(module, "restore", restore)
    monkeypatch.setattr(module, "best_settings", lambda judged: BEST)
    return asked


def test_a_comparison_is_the_paired_difference_on_test_frames(known):
    test = Conditions("trenches", "test", rates_hz=(5.0, 20.0))
    found = compare(make_weights(), test, budget=BUDGET, seed=1)
    (judged, few, _), (tested, many, _) = known
    assert (judged.split, tested.split) == ("validation", "test")
    assert (len(few), len(many)) == (3, 40)
    assert judged.rates_hz == tested.rates_hz == (5.0, 20.0)
    assert found["unseen"]
    assert found["recipe"] == vars(BEST)
    values = {name: one["value"] for name, one in found["errors"].items()}
    expected = {"trace": 0.5, "flattened": 0.4, "corrected": 0.3, "tuned": 0.24, "network": 0.2}
    assert values == pytest.approx(expected, abs=0.01)
    assert found["gain"]["value"] == pytest.approx(values["tuned"] - values["network"])
    # The interval is of the differences, which vary half as much as the network's errors.
    width = found["gain"]["high"] - found["gain"]["low"]
    assert width == pytest.approx(2 * 1.96 * 0.005 / np.sqrt(40), rel=0.4)
    assert found["wins"] == 1.0
    assert found["relief_nm"] == pytest.approx(np.sqrt(0.5), rel=1e-3)


def covering(shares):
    return {
        "conditions": 5,
        "found": [{"value": s, "low": s - 0.02, "high": s + 0.02} for s in shares],
    }


def row(family, gain, **more):
    def interval(value):
        return {"value": value, "low": value - 0.01, "high": value + 0.01}

    errors = {"trace": 0.5, "flattened": 0.4, "corrected": 0.3, "tuned": 0.2 + gain, "network": 0.2}
    return {
        "family": family,
        "unseen": family == "trenches",
        "rates_hz": (2.0, 5.0),
        "radii_nm": (6.0, 45.0),
        "split_tips": 0.2,
        "specimens": 40,
        "relief_nm": 3.0,
        "recipe": vars(BEST),
        "errors": {name: interval(value) for name, value in errors.items()},
        "gain": interval(gain),
        "wins": 0.5,
        **more,
    }


def record_with(gains, shares) -> dict[str, Any]:
    return {
        "kind": "reconstructor",
        "command": "microgym observation-model evaluate AFM-v0 --write",
        "commit": "c",
        "date": "d",
        "machine": {"processor": "p", "cores": 2, "system": "s", "python": "3"},
        "packages": {"numpy": "2"},
        "seed": 0,
        "effort": vars(BUDGET),
        "network": {"sha256": "0" * 64},
        "claims": [row(family, gain, speed=speed) for (family, speed), gain in gains.items()],
        "tips": [row("particles", -0.03, tip="double")],
        "coverage": {
            "stated": (0.5, 0.68, 0.9, 0.95),
            "test": covering(shares),
            "unseen": {"trenches": covering((0.1, 0.2, 0.3, 0.4))},
            "by_family": {"mixed": covering(shares)},
        },
        "line_us": 400.0,
    }


def test_families_are_pooled_alike():
    """Four independent means: a quarter of the root of the sum of squared half widths."""
    gains = {(name, "fast"): g for name, g in zip("abcd", (0.1, 0.0, -0.02, 0.04), strict=True)}
    others = {("trenches", "fast"): 9.0, ("a", "slow"): 9.0}
    found = dict(claimed(record_with({**gains, **others}, GOOD)))["learnt families, fast"]
    assert found.value == pytest.approx(0.03)
    assert found.high - found.value == pytest.approx(0.02 / 4)
    assert found.value - found.low == pytest.approx(0.02 / 4)


def test_what_does_not_hold_is_said():
    gains = {("fibres", "slow"): 0.05, ("mixed", "slow"): -0.01, ("trenches", "slow"): 0.02}
    assert failed_claims(record_with(gains, GOOD)) == []
    gains |= {("mixed", "fast"): 0.0, ("trenches", "fast"): 0.005}
    first, second = failed_claims(record_with(gains, GOOD))
    assert first.startswith("the network wins on learnt families, fast")
    assert second.startswith("the network wins on trenches, fast")
    found = failed_claims(record_with({("mixed", "slow"): 0.1}, (0.52, 0.62, 0.88, 0.99)))
    assert [text[:10] for text in found] == ["stated 68%"]


def test_the_text_names_every_comparison():
    text = summary(record_with({("mixed", "slow"): -0.005, ("trenches", "fast"): 0.05}, GOOD))
    assert "-0.0050 [-0.0150, +0.0050]" in text
    assert "particles" in text
    assert "coverage on test: 52.0%, 66.0%, 88.0%, 94.0%" in text
    assert "coverage on trenches: 10.0%, 20.0%, 30.0%, 40.0%" in text


@pytest.mark.parametrize("name", ["specimens", "judges", "groups"])
def test_numbers_of_an_evaluation_must_be_positive(name):
    with pytest.raises(ValueError, match=f"{name} must be at least 1, got 0"):
        Budget(**{name: 0})


# --- page and card -------------------------------------------------------------------------------


def test_page_and_card_show_where_it_loses(tmp_path):
    gains = {("mixed", "slow"): 0.05, ("mixed", "fast"): -0.05, ("trenches", "slow"): 0.005}
    (tmp_path / SPEC.record.name).write_text(to_json(record_with(gains, GOOD)))
    text = network_page(SPEC, tmp_path, figure=True)
    assert "`mixed`, fast; `trenches`, slow; `particles`, tip double." in text
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    assert any("`mixed` | slow" in line and line.endswith("| network |") for line in rows)
    assert any("`mixed` | fast" in line and line.endswith("| **classical** |") for line in rows)
    assert any("(never seen) | slow" in line and line.endswith("| neither |") for line in rows)
    assert BEST.describe() in text
    assert f"images/{SPEC.name}.png" in text
    assert "images/" not in network_page(SPEC, tmp_path, figure=False)
    card = network_card(SPEC, tmp_path)
    assert "error less by: trenches, slow" in card
    assert "10.0%, 20.0%, 30.0%, 40.0%" in card
    made = made_from(SPEC.network, SPEC.network.shipped_file)
    for document in (text, card):
        assert f"{made['steps']:,} steps, seed {made['seed']}" in document


def test_page_and_card_without_a_record_say_so(tmp_path):
    assert "No results are recorded yet" in network_page(SPEC, tmp_path, figure=False)
    assert "No results are recorded yet" in network_card(SPEC, tmp_path)


# --- the command ---------------------------------------------------------------------------------


@pytest.fixture
def quick(monkeypatch, tmp_path):
    """Everything slow is replaced; the record goes to a folder of the test."""
    calls = []

    def compare(weights, test, *, budget, seed):
        calls.append((test, budget, seed))
        return row(test.family, 0.05)

    def coverage_under(weights, seed, family):
        return Conditions(family or "mixed"), np.array(GOOD)

    monkeypatch.setattr(module, "compare", compare)
    monkeypatch.setattr(module, "coverage_under", coverage_under)
    monkeypatch.setattr(module, "frames_of", lambda *_: None)
    monkeypatch.setattr(module, "least_time", lambda *_: 4e-4 * 4 * 32)
    monkeypatch.setattr(afm, "SPEC", replace(SPEC, results=tmp_path))
    return calls


def test_the_command_writes_the_record(quick, capsys):
    words = ["--write", "--seed", "3", "--specimens", "5"]
    assert main(["observation-model", "evaluate", "AFM-v0", *words]) == 0
    written = json.loads(afm.SPEC.record.read_text())
    assert written["seed"] == 3
    assert written["effort"]["specimens"] == 5
    assert len(written["claims"]) == 14
    assert len(written["tips"]) == 12
    assert len(quick) == 26
    assert {budget.specimens for _, budget, _ in quick} == {5, 2}
    assert written["network"] == made_from(SPEC.network, SPEC.network.shipped_file)
    assert written["line_us"] == pytest.approx(400.0)
    said = capsys.readouterr()
    assert "coverage on trenches" in said.out
    assert "does not hold" not in said.out
    assert "states of tips" in said.err


def test_without_write_nothing_is_written(quick):
    assert main(["observation-model", "evaluate", "AFM-v0"]) == 0
    assert not afm.SPEC.record.exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["train", "AFM-v0", "--output", "{}", "--groups", "0"], "groups must be at least 1"),
        (["train", "AFM-v0", "--output", "{}/x", "--steps", "0"], "steps must be at least 1"),
        (["evaluate", "AFM-v0", "--specimens", "0"], "specimens must be at least 1, got 0"),
        (["evaluate", "AFM-v0", "--seed", "-2"], "seed must be at least 0, got -2"),
        (["evaluate", "AFM-v0", "--weights", "{}/none"], "there is no network at"),
        (["evaluate", "AFM-v0", "--recording", "x"], "there is no recorded experiment of AFM-v0"),
        (["evaluate", "AFM-v0", "--weights", "{}/n", "--write"], "--write is for the shipped"),
        (["evaluate", "AFM-v0", "--figure", "{}"], "it is a folder"),
        (["evaluate", "PFM-v0"], "PFM-v0 has no neural observation model"),
        (["train", "AFM-v1"], "AFM-v1"),
    ],
)
@pytest.mark.usefixtures("quick")
def test_bad_input_is_one_line_and_nothing_is_done(words, message, tmp_path, capsys):
    assert main(["observation-model", *(word.format(tmp_path) for word in words)]) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("microgym observation-model: error:")
    assert message in error
    assert not afm.SPEC.record.exists()


def test_training_by_command(tmp_path, monkeypatch, capsys):
    asked = []

    def quick(spec, folder, **options):
        asked.append((spec, folder, options))
        return folder / "net.safetensors", {"trace": 0.3, "neural": 0.2}

    monkeypatch.setattr("microgym.baselines.observation_models.train.train", quick)
    command = ["observation-model", "train", "AFM-v0", "--output", str(tmp_path)]
    assert main([*command, "--seed", "2", "--groups", "7", "--steps", "9"]) == 0
    assert main(command) == 0
    usual = {"seed": 0, "groups": SPEC.groups, "steps": SPEC.steps}
    asked_for = {"seed": 2, "groups": 7, "steps": 9}
    assert asked == [(SPEC, tmp_path, asked_for), (SPEC, tmp_path, usual)]
    said = capsys.readouterr()
    assert "trace 0.300 nm, neural 0.200 nm" in said.out
    assert f"microgym observation-model evaluate AFM-v0 --weights {tmp_path}" in said.out


def test_the_record_of_a_file_that_is_no_network_is_not_begun(tmp_path):
    path = tmp_path / "net.safetensors"
    path.write_bytes(b"nothing")
    with pytest.raises(ValueError, match="is not a network"):
        evaluate(SPEC, path, budget=BUDGET)
