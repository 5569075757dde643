"""From training to a file: calibration, and the contents of the file."""

from dataclasses import replace

import numpy as np
import pytest

from microgym.baselines.observation_models.afm import SPEC, train
from microgym.baselines.observation_models.afm.train import LineTask
from microgym.baselines.observation_models.evaluate import made_from
from microgym.baselines.observation_models.train import train as build
from microgym.reconstruction.nn.network import STATED
from microgym.reconstruction.topography.observation_model import NETWORK
from tests.microgym.reconstruction.topography.networks import make_network


def test_one_call_makes_a_network_that_loads(tmp_path):
    folder = tmp_path / "new"
    small = replace(SPEC, validation=1)
    path, scores = build(small, folder, seed=4, groups=1, steps=2)
    assert path.name == NETWORK.file
    assert [one.name for one in folder.iterdir()] == [NETWORK.file]
    weights = NETWORK.load(path)
    assert weights.radii[STATED.index(0.68)] == pytest.approx(1.0)
    assert weights.trust > 0.0
    assert set(scores) == {"trace", "neural"}
    facts = made_from(NETWORK, path)
    assert (facts["seed"], facts["groups"], facts["steps"]) == (4, 1, 2)
    words = "observation-model train AFM-v0 --seed 4 --groups 1 --steps 2"
    assert facts["command"] == f"microgym {words}"
    assert len(facts["sha256"]) == 64


def test_calibration_makes_stated_bounds_true(monkeypatch):
    """A network whose errors are Laplacian."""
    rng = np.random.default_rng(0)

    def restore(net, inputs):
        sigma = rng.uniform(0.1, 1.0, inputs.truth.shape).astype(np.float32)
        return inputs.truth + 2.5 * rng.laplace(size=sigma.shape) * sigma, sigma

    monkeypatch.setattr(train, "restore", restore)
    calibration, _ = LineTask(1).calibrate(make_network(), LineTask.dataset(0, 2, "validation"))
    exact = -np.log(1.0 - np.array(STATED))
    assert calibration["trust"] == pytest.approx(2.5 * exact[STATED.index(0.68)], rel=0.02)
    bounds = calibration["trust"] * calibration["radii"]
    assert bounds == pytest.approx(2.5 * exact, rel=0.02)
