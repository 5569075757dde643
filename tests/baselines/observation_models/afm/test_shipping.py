"""From training to a file: calibration, what is stored, what is refused."""

import numpy as np
import pytest

from microgym.baselines.observation_models.afm import build
from microgym.baselines.observation_models.afm.build import made_from, make_network
from microgym.baselines.observation_models.afm.train import Trained
from microgym.reconstruction.nn.network import STATED
from microgym.reconstruction.topography.observation_model import NETWORK
from tests.microgym.reconstruction.topography.networks import make_network as network_of


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    told = []
    folder = tmp_path_factory.mktemp("lines") / "new"
    made = make_network(folder, seed=4, groups=1, steps=2, validation=1, progress=told.append)
    return made, told


def test_one_call_makes_a_network_that_loads(made):
    network, told = made
    assert network.path.name == NETWORK.file
    assert [path.name for path in network.path.parent.iterdir()] == [NETWORK.file]
    weights = NETWORK.load(network.path)
    assert weights.radii[STATED.index(0.68)] == pytest.approx(1.0)
    assert weights.trust > 0.0
    assert told == [1, 1]
    assert set(network.validation) == {"trace", "neural"}
    facts = made_from(network.path)
    assert (facts["seed"], facts["groups"], facts["steps"]) == (4, 1, 2)
    words = "reconstructor train AFM-v0 --seed 4 --groups 1 --steps 2"
    assert facts["command"] == f"microgym {words}"
    assert len(facts["sha256"]) == 64


def test_calibration_makes_stated_bounds_true(tmp_path, monkeypatch):
    """A network whose errors are Laplacian, fed through what `make_network` does with one."""
    rng = np.random.default_rng(0)

    def restore(net, looks):
        sigma = rng.uniform(0.1, 1.0, looks.truth.shape).astype(np.float32)
        return looks.truth + 2.5 * rng.laplace(size=sigma.shape) * sigma, sigma

    monkeypatch.setattr(
        "microgym.baselines.observation_models.afm.train.train_lines",
        lambda **_: Trained(network_of(), []),
    )
    monkeypatch.setattr("microgym.baselines.observation_models.afm.train.restore", restore)
    made = make_network(tmp_path, seed=0, groups=1, steps=1, validation=2)
    weights = NETWORK.load(made.path)
    exact = -np.log(1.0 - np.array(STATED))
    assert weights.trust == pytest.approx(2.5 * exact[STATED.index(0.68)], rel=0.02)
    assert weights.trust * weights.radii == pytest.approx(2.5 * exact, rel=0.02)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"groups": 0}, "groups must be at least 1, got 0"),
        ({"steps": -1}, "steps must be at least 1, got -1"),
        ({"validation": 0}, "validation must be at least 1, got 0"),
        ({"seed": -1}, "seed must be at least 0, got -1"),
    ],
)
def test_bad_numbers_are_refused_before_anything_is_done(tmp_path, monkeypatch, wrong, message):
    monkeypatch.setattr(build, "random_frames", None)
    arguments = {"seed": 0, "groups": 1, "steps": 1, "validation": 1} | wrong
    with pytest.raises(ValueError, match=message):
        make_network(tmp_path, **arguments)
    assert list(tmp_path.iterdir()) == []
