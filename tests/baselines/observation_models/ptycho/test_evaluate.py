"""The record of the network: what it says of known errors, and the command that makes it."""

import json
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from microgym.baselines.cli import main
from microgym.baselines.evaluation.records import to_json
from microgym.baselines.observation_models import ptycho
from microgym.baselines.observation_models.evaluate import evaluate, made_from
from microgym.baselines.observation_models.page import network_card, network_page
from microgym.baselines.observation_models.ptycho import SPEC
from microgym.baselines.observation_models.ptycho import evaluate as module
from microgym.baselines.observation_models.ptycho.classical import INPUT_SWEEPS, SolverSettings
from microgym.baselines.observation_models.ptycho.evaluate import (
    Budget,
    best_sweeps,
    claim,
    claimed,
    failed_claims,
    summary,
)
from microgym.metrics import complex_error
from tests.baselines.observation_models.ptycho.synthetic import taken_with, with_error
from tests.microgym.reconstruction.ptychography.networks import make_weights

BEST = SolverSettings(0.5, 1.0, math.inf, 10)
BUDGET = Budget(specimens=40, judges=2, rows=2, groups=2)


class Known:
    def __init__(self, taken):
        self.count = len(taken.truth)

    def best(self):
        return BEST


@pytest.fixture
def known(monkeypatch):
    """Scans, solver and network with known errors: the network wins by 0.04 on average."""
    asked = []
    spread = np.random.default_rng(0).normal(0.0, 0.01, 64)

    def take(conditions, seeds, places):
        asked.append((conditions, seeds))
        return taken_with(len(seeds))

    def restore(weights, seen):
        truth = taken_with(len(seen)).truth
        return with_error(truth, 0.2 + spread[: len(seen)], 1), np.ones(truth.shape, np.float32)

    def image_of(taken, recipe):
        assert recipe == BEST
        return with_error(taken.truth, 0.24 + spread[: len(taken.truth)] / 2, 2)

    monkeypatch.setattr(module, "take", take)
    monkeypatch.setattr(module, "restore", restore)
    monkeypatch.setattr(module, "image_of", image_of)
    monkeypatch.setattr(module, "SolverGridSearch", Known)
    return asked


def test_a_claim_is_the_paired_difference_on_test_specimens(known):
    found = claim(make_weights(), "siemens_star", 1e3, budget=BUDGET, seed=1)
    (judged, few), (test, many) = known
    assert (judged.split, test.split) == ("validation", "test")
    assert (len(few), len(many)) == (2, 40)
    assert test.exposures == 24
    assert (test.photons, test.drift, test.damage) == (1e3, "easy", "off")
    assert found["unseen"]
    assert found["recipe"] == vars(BEST)
    lit = found["lit"]
    assert lit["errors"]["network"]["value"] == pytest.approx(0.2, abs=0.01)
    assert lit["errors"]["tuned"]["value"] == pytest.approx(0.24, abs=0.005)
    assert lit["errors"]["running"]["value"] == pytest.approx(0.3, abs=0.001)
    difference = lit["errors"]["tuned"]["value"] - lit["errors"]["network"]["value"]
    assert lit["gain"]["value"] == pytest.approx(difference)
    # The interval is of the differences, which vary half as much as the network's errors.
    width = lit["gain"]["high"] - lit["gain"]["low"]
    assert width == pytest.approx(2 * 1.96 * 0.005 / np.sqrt(40), rel=0.4)
    assert lit["wins"] == 1.0
    assert found["region"]["errors"] == lit["errors"]  # all of it is lit


def test_errors_made_to_order_have_the_error_ordered():
    truth = taken_with(3).truth
    wanted = np.array([0.05, 0.2, 0.6])
    assert complex_error(with_error(truth, wanted), truth) == pytest.approx(wanted, abs=1e-4)


def test_the_sweeps_are_chosen_on_validation_scans(monkeypatch):
    taken = taken_with(2)
    good = INPUT_SWEEPS[1]
    inputs = {sweeps: np.full_like(one, sweeps) for sweeps, one in taken.inputs.items()}
    errors = {float(sweeps): 0.1 if sweeps == good else 0.3 for sweeps in inputs}
    monkeypatch.setattr(
        module,
        "restore",
        lambda w, seen: (
            with_error(taken.truth, np.full(2, errors[float(seen[0, 0, 0, 0])])),
            None,
        ),
    )
    changed = type(taken)(**(vars(taken) | {"inputs": inputs}))
    assert best_sweeps(make_weights(), changed) == good


def covering(shares):
    return {
        "conditions": 5,
        "found": [{"value": s, "low": s - 0.02, "high": s + 0.02} for s in shares],
    }


def record_with(gains, shares) -> dict[str, Any]:
    def errors(value):
        return {"value": value, "low": value - 0.01, "high": value + 0.01}

    def area(gain):
        names = {"network": 0.2, "tuned": 0.2 + gain, "running": 0.3, "vacuum": 0.25}
        gains = {"value": gain, "low": gain - 0.01, "high": gain + 0.01}
        return {"errors": {n: errors(v) for n, v in names.items()}, "gain": gains, "wins": 0.5}

    recipe = vars(SolverSettings(0.5, 1.0, math.inf, 5))
    return {
        "kind": "reconstructor",
        "command": "microgym observation-model evaluate --write",
        "commit": "c",
        "date": "d",
        "machine": {"processor": "p", "cores": 2, "system": "s", "python": "3"},
        "packages": {"numpy": "2"},
        "seed": 0,
        "effort": vars(BUDGET),
        "network": {"sha256": "0" * 64},
        "claims": [
            {
                "family": family,
                "unseen": family == "siemens_star",
                "photons": photons,
                "specimens": 40,
                "recipe": recipe,
                "network_sweeps": 0,
                "lit": area(gain),
                "region": area(gain),
            }
            for (family, photons), gain in gains.items()
        ],
        "table": {"times_us": {"update": 20.0, "network": 1000.0}, "rows": []},
        "coverage": {
            "stated": (0.5, 0.68, 0.9, 0.95),
            "test": covering(shares),
            "unseen": {"siemens_star": covering(shares)},
            "by_family": {},
            "by_dose": [],
        },
        "star": None,
    }


GOOD = (0.52, 0.66, 0.88, 0.94)


def test_families_are_pooled_alike():
    """Four independent means: a quarter of the root of the sum of squared half widths."""
    gains = {(name, 1e3): gain for name, gain in zip("abcd", (0.1, 0.0, -0.02, 0.04), strict=True)}
    record = record_with({**gains, ("siemens_star", 1e3): 9.0, ("a", 1e4): 9.0}, GOOD)
    found = dict(claimed(record))["learnt families at 1,000 photons"]
    assert found.value == pytest.approx(0.03)
    assert found.high - found.value == pytest.approx(0.02 / 4)
    assert found.value - found.low == pytest.approx(0.02 / 4)


def test_what_does_not_hold_is_said():
    gains = {("grf", 1e3): -0.005, ("sparse", 1e3): 0.05, ("lines", 1e5): -0.1}
    assert (
        failed_claims(record_with(gains, GOOD)) == []
    )  # on the whole it wins, where it is claimed
    gains |= {("grf", 1e4): 0.001, ("siemens_star", 1e4): 0.005, ("siemens_star", 1e3): 0.02}
    first, second = failed_claims(record_with(gains, GOOD))
    assert first.startswith("the network wins on learnt families at 10,000 photons")
    assert second.startswith("the network wins on siemens_star at 10,000 photons")
    found = failed_claims(record_with({}, (0.52, 0.62, 0.88, 0.99)))
    assert [text[:10] for text in found] == ["stated 68%"]


def test_the_text_names_every_comparison():
    text = summary(record_with({("grf", 1e3): -0.005, ("sparse", 1e4): 0.05}, GOOD))
    assert "grf" in text
    assert "-0.0050 [-0.0150, +0.0050]" in text
    assert "coverage on siemens_star: 52.0%, 66.0%, 88.0%, 94.0%" in text


@pytest.mark.parametrize("name", ["specimens", "judges", "rows", "groups"])
def test_numbers_of_an_evaluation_must_be_positive(name):
    with pytest.raises(ValueError, match=f"{name} must be at least 1, got 0"):
        Budget(**{name: 0})


# --- page and card -------------------------------------------------------------------------------


def test_page_and_card_show_where_it_loses(tmp_path):
    gains = {("grf", 1e3): -0.05, ("sparse", 1e4): 0.05, ("siemens_star", 1e3): 0.005}
    record = record_with(gains, GOOD)
    record["table"]["rows"] = [table_row()]
    record["star"] = {"recording": "star.npz", "share": 0.1, "scans": [star_scan()]}
    (tmp_path / SPEC.record.name).write_text(to_json(record))
    text = network_page(SPEC, tmp_path, figure=True)
    lines = {line.split(" |")[0]: line for line in text.splitlines() if line.startswith("| `")}
    assert "| **classical** |" in lines["| `grf`"]
    assert "| network |" in next(line for line in text.splitlines() if "`sparse` | 10,000" in line)
    assert "| neither |" in lines["| `siemens_star` (never seen)"]
    assert "There it does not win on `grf` at 1,000 photons, `siemens_star` (never seen)" in text
    assert "images/reconstructor.png" in text
    record["table"]["rows"][0]["gain_tuned"] = {"value": -0.2, "low": -0.3, "high": -0.1}
    (tmp_path / SPEC.record.name).write_text(to_json(record))
    lost = network_page(SPEC, tmp_path, figure=True)
    assert "images/" not in network_page(SPEC, tmp_path, figure=False)
    assert "| `lines` | 1,000 | 33% (49) | real | 10% |" in text
    assert "| 0.010 (3.0) | 0.010 (9.0) |" in text
    assert "| **0.010** (3.0) |" in lost
    assert "(100 sweeps, α 0.1, step 1.5)" in text
    card = network_card(SPEC, tmp_path)
    assert "E0, `siemens_star` (never seen), 1,000 photons" in card
    assert "52.0%, 66.0%, 88.0%, 94.0%" in card
    made = made_from(SPEC.network, SPEC.network.shipped_file)
    for document in (text, card):
        assert f"{made['steps']:,} steps, seed {made['seed']}" in document


def test_page_and_card_without_a_record_say_so(tmp_path):
    assert "No results are recorded yet" in network_page(SPEC, tmp_path, figure=False)
    assert "No results are recorded yet" in network_card(SPEC, tmp_path)


def table_row():
    names = ("network", "running", "equal_time", "tuned", "converged", "vacuum")
    interval = {"value": 0.01, "low": 0.005, "high": 0.015}
    return {
        "family": "lines",
        "photons": 1e3,
        "exposures": 49,
        "overlap": 0.33,
        "drift": "real",
        "defocus_error": 0.1,
        "errors": dict.fromkeys(names, interval),
        "time_ratio": {"equal_time": 0.9, "tuned": 3.0, "converged": 9.0},
        "gain": interval,
        "gain_tuned": interval,
    }


def star_scan() -> dict[str, Any]:
    names = ("vacuum", "running_0", "network_0", "running_5", "network_5", "tuned")
    recipe = {"alpha": 0.1, "step": 1.5, "decay": None, "sweeps": 100}
    return {"exposures": 24, "errors": dict.fromkeys(names, 0.2), "recipe": recipe}


# --- the command ---------------------------------------------------------------------------------


@pytest.fixture
def quick(monkeypatch, tmp_path):
    """Everything slow is replaced; the record goes to a folder of the test."""
    record = record_with({("sparse", 1e3): 0.05}, GOOD)
    calls = []

    def claim(weights, family, photons, *, budget, seed):
        calls.append((family, photons, budget, seed))
        return record["claims"][0] | {"family": family, "photons": photons}

    monkeypatch.setattr(module, "claim", claim)
    monkeypatch.setattr(module, "make_table", lambda *_, **__: record["table"])
    monkeypatch.setattr(module, "make_coverage", lambda *_, **__: record["coverage"])
    monkeypatch.setattr(module, "make_star", lambda *_, **__: {"scans": []})
    monkeypatch.setattr(ptycho, "SPEC", replace(SPEC, results=tmp_path))
    monkeypatch.setattr("microgym.baselines.evaluation.protocols.PLACES", ())
    return calls


def test_the_command_writes_the_record(quick, capsys):
    command = [
        "observation-model",
        "evaluate",
        "Ptycho-v0",
        "--write",
        "--seed",
        "3",
        "--specimens",
        "5",
    ]
    assert main(command) == 0
    written = json.loads(ptycho.SPEC.record.read_text())
    assert written["seed"] == 3
    assert written["effort"]["specimens"] == 5
    assert len(written["claims"]) == len(quick) == 20
    assert written["network"] == made_from(SPEC.network, SPEC.network.shipped_file)
    assert written["star"] is None
    said = capsys.readouterr()
    assert "coverage on test" in said.out
    assert "does not hold" not in said.out
    assert "families and doses" in said.err


def test_without_write_nothing_is_written(quick):
    assert main(["observation-model", "evaluate", "Ptycho-v0"]) == 0
    assert not ptycho.SPEC.record.exists()


def test_ctrl_c_leaves_the_old_record(quick, monkeypatch, capsys):
    def interrupted(*arguments, **options):
        raise KeyboardInterrupt

    ptycho.SPEC.record.write_text("old")
    monkeypatch.setattr(module, "make_coverage", interrupted)
    assert main(["observation-model", "evaluate", "Ptycho-v0", "--write"]) == 130
    assert ptycho.SPEC.record.read_text() == "old"
    assert "microgym observation-model: interrupted" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["train", "--output", "{}", "--groups", "0"], "groups must be at least 1, got 0"),
        (["train", "--output", "{}/x", "--steps", "0"], "steps must be at least 1, got 0"),
        (["train", "--output", "{}/x", "--seed", "-1"], "seed must be at least 0, got -1"),
        (["evaluate", "--specimens", "0"], "specimens must be at least 1, got 0"),
        (["evaluate", "--seed", "-2"], "seed must be at least 0, got -2"),
        (["evaluate", "--weights", "{}/none"], "there is no network at"),
        (["evaluate", "--recording", "{}/none"], "no recorded scan at"),
        (["evaluate", "--weights", "{}/none", "--write"], "--write is for the shipped network"),
        (["evaluate", "--figure", "{}"], "it is a folder"),
    ],
)
@pytest.mark.usefixtures("quick")
def test_bad_input_is_one_line_and_nothing_is_done(words, message, tmp_path, capsys):
    assert (
        main(["observation-model", words[0], "Ptycho-v0", *(w.format(tmp_path) for w in words[1:])])
        == 2
    )
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("microgym observation-model: error:")
    assert message in error
    assert not ptycho.SPEC.record.exists()


def test_training_by_command(tmp_path, monkeypatch, capsys):
    asked = []

    def quick(spec, folder, **options):
        asked.append((spec, folder, options))
        return folder / "net.safetensors", {"classical": 0.3, "neural": 0.2}

    monkeypatch.setattr("microgym.baselines.observation_models.train.train", quick)
    words = ["--seed", "2", "--groups", "7", "--steps", "9", "--output", str(tmp_path)]
    assert main(["observation-model", "train", "Ptycho-v0", *words]) == 0
    assert main(["observation-model", "train", "Ptycho-v0", "--output", str(tmp_path)]) == 0
    usual = {"seed": 0, "groups": SPEC.groups, "steps": SPEC.steps}
    asked_for = {"seed": 2, "groups": 7, "steps": 9}
    assert asked == [(SPEC, tmp_path, asked_for), (SPEC, tmp_path, usual)]
    said = capsys.readouterr()
    assert "E0 on validation specimens classical 0.300, neural 0.200" in said.out
    assert f"microgym observation-model evaluate Ptycho-v0 --weights {tmp_path}" in said.out


def test_the_record_of_a_file_that_is_no_network_is_not_begun(tmp_path):
    path = tmp_path / "net.safetensors"
    path.write_bytes(b"nothing")
    with pytest.raises(ValueError, match="is not a network"):
        evaluate(SPEC, path, budget=BUDGET)
