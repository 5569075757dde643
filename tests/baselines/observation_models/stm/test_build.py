"""From a seed to a file of a network: training, calibration, metadata."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from microgym.baselines.cli import main
from microgym.baselines.evaluation.records import versions
from microgym.baselines.observation_models.evaluate import made_from
from microgym.baselines.observation_models.network import read_twin
from microgym.baselines.observation_models.stm import SPEC
from microgym.baselines.observation_models.stm.classical import find
from microgym.baselines.observation_models.stm.dataset import make_dataset
from microgym.baselines.observation_models.stm.train import (
    AdatomUNet,
    DetectionTask,
    calibrate,
    infer,
)
from microgym.baselines.observation_models.train import fit
from microgym.baselines.observation_models.train import train as build
from microgym.reconstruction.adatoms.observation_model import NETWORK
from tests.microgym.reconstruction.adatoms.networks import make_network, tensors_of


@pytest.fixture(scope="module")
def images():
    return make_dataset(3, 2, "train")


def test_training_lowers_the_loss_and_is_of_its_seed(images):
    found = []

    class Noted(DetectionTask):
        def loss(self, net, generator, step, steps):
            loss = super().loss(net, generator, step, steps)
            found.append(loss.item())
            return loss

    fit(Noted(images), seed=1, steps=200)
    assert np.mean(found[100:]) < 0.8 * np.mean(found[:100])
    again = fit(DetectionTask(images), seed=1, steps=3)
    same = fit(DetectionTask(images), seed=1, steps=3)
    other = fit(DetectionTask(images), seed=2, steps=3)
    for a, b, c in zip(*(one.parameters() for one in (again, same, other)), strict=True):
        assert torch.equal(a, b)
        assert a.numel() < 50 or not torch.equal(a, c)


def test_a_network_answers_for_every_pixel(images):
    chance, place, spread = infer(make_network(), images.heights[:3])
    assert chance.shape == spread.shape == (3, 64, 64)
    assert place.shape == (3, 2, 64, 64)
    assert 0.0 < chance.min() < chance.max() < 1.0
    assert spread.min() >= np.exp(-5.0) - 1e-6


def test_calibration_makes_stated_and_found_agree():
    images = make_dataset(4, 3, "validation")
    tensors = tensors_of(read_twin(AdatomUNet))
    # As from a network that is far too sure of itself, and then too little.
    for factor in (3.0, 0.5):
        changed = dict(tensors)
        for kind in ("weight", "bias"):
            changed[f"head.{kind}"] = tensors[f"head.{kind}"].copy()
            changed[f"head.{kind}"][:4] *= np.float32(factor)
        fit = calibrate(changed, images)
        found = find(NETWORK.pack({**changed, "calibration": fit}), images)
        stated = found.spots[found.valid][:, 2]
        assert np.mean(stated) == pytest.approx(np.mean(found.hit[found.valid]), abs=0.03)
        assert np.mean(found.relative < 1.0) == pytest.approx(0.6827, abs=0.03)
        assert 0.2 <= fit[0] <= 0.8


def test_one_call_makes_a_network_that_loads(tmp_path, capsys):
    small = replace(SPEC, validation=1)
    path, scores = build(small, tmp_path, seed=4, groups=1, steps=2)
    assert "2/2" in capsys.readouterr().err
    assert path == tmp_path / NETWORK.file
    assert set(scores) == {"f1", "precision", "recall", "error_pm"}
    facts = made_from(NETWORK, path)
    assert (facts["seed"], facts["groups"], facts["steps"]) == (4, 1, 2)
    assert facts["packages"] == versions()
    command = "microgym observation-model train STM-v0 --seed 4 --groups 1 --steps 2"
    assert facts["command"] == command
    assert len(facts["sha256"]) == 64
    assert len(NETWORK.load(path).table) == len(NETWORK.layers)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--steps", "0"], "steps must be at least 1, got 0"),
        (["--groups", "0"], "groups must be at least 1, got 0"),
        (["--seed", "-1"], "seed must be at least 0, got -1"),
    ],
)
def test_bad_input_is_one_line_and_nothing_is_written(words, message, tmp_path, capsys):
    output = ["--output", str(tmp_path)]
    assert main(["observation-model", "train", "STM-v0", *output, *words]) == 2
    assert message in capsys.readouterr().err.strip().splitlines()[-1]
    assert not list(tmp_path.iterdir())
