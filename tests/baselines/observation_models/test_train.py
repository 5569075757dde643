"""The training that all observation models have in common."""

import functools

import numpy as np
import pytest
import torch

from microgym.baselines.observation_models.evaluate import made_from
from microgym.baselines.observation_models.network import TwinNetwork, tensors_of
from microgym.baselines.observation_models.specification import specifications
from microgym.baselines.observation_models.train import TrainingTask, fit, train, write_network
from microgym.reconstruction.nn.network import Layer, Network

NETWORK = Network(
    "Line-v0",
    "test",
    inputs=8,
    dimensions=1,
    layers=(Layer("in", "stem", 8), Layer("out", "head", 8)),
    calibration=(),
)


class Copy(TrainingTask):
    """The output is to be the absolute input."""

    net = functools.partial(TwinNetwork, NETWORK)

    @staticmethod
    def dataset(seed, groups, split):
        return []

    def loss(self, net, generator, step, steps):
        x = torch.from_numpy(generator.normal(size=(4, 8, 5)).astype(np.float32))
        self.data.append((step, steps))
        (y,) = net.run(x)
        return (y - x.abs()).square().mean()

    def calibrate(self, net, data):
        return {}, {}


def test_steps_are_counted(capsys):
    task = Copy([])
    net = fit(task, seed=0, steps=250)
    assert task.data == [(step, 250) for step in range(250)]
    shown = capsys.readouterr().err
    assert "training the network" in shown
    assert "250/250" in shown
    assert not net.training


def test_training_is_of_its_seed_and_learning_rate(monkeypatch):
    def weights(seed=1):
        net = fit(Copy([]), seed=seed, steps=5)
        return np.concatenate([one.ravel() for one in tensors_of(net).values()])

    usual = weights()
    assert np.array_equal(weights(), usual)
    assert not np.array_equal(weights(seed=2), usual)
    monkeypatch.setattr(Copy, "learning_rate", 1e-2)
    assert not np.array_equal(weights(), usual)


def test_a_network_is_written_with_its_provenance(tmp_path):
    tensors = tensors_of(TwinNetwork(NETWORK))
    path = write_network(tmp_path, NETWORK, tensors, {"seed": 3})
    assert path == tmp_path / "Line-v0.safetensors"
    made = made_from(NETWORK, path)
    assert made["seed"] == 3
    changed = {**tensors, "in.bias": tensors["in.bias"] + 1.0}
    other = write_network(tmp_path / "other", NETWORK, changed, {"seed": 3})
    assert made_from(NETWORK, other)["sha256"] != made["sha256"]


@pytest.mark.parametrize("spec", specifications(), ids=lambda spec: spec.env_id)
@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"groups": 0}, "groups must be at least 1, got 0"),
        ({"steps": -1}, "steps must be at least 1, got -1"),
        ({"seed": -1}, "seed must be at least 0, got -1"),
    ],
)
def test_bad_numbers_are_refused_before_anything_is_done(spec, tmp_path, wrong, message):
    arguments = {"seed": 0, "groups": 1, "steps": 1} | wrong
    with pytest.raises(ValueError, match=message):
        train(spec, tmp_path / "new", **arguments)
    assert not (tmp_path / "new").exists()
