"""From training to a file: calibration, and the contents of the file."""

from dataclasses import replace

import numpy as np
import pytest

from microgym.baselines.evaluation.records import versions
from microgym.baselines.observation_models.evaluate import made_from
from microgym.baselines.observation_models.ptycho import SPEC, train
from microgym.baselines.observation_models.ptycho.dataset import (
    FIELD,
    REGION,
    Dataset,
    aligned_error,
    lit_in,
)
from microgym.baselines.observation_models.train import calibrate_uncertainty
from microgym.baselines.observation_models.train import train as build
from microgym.reconstruction.nn.network import STATED
from microgym.reconstruction.ptychography.neural import NETWORK

rng = np.random.default_rng(0)
SMALL = replace(SPEC, validation=1)


def noise(shape, sigma=1.0):
    """Complex normal numbers with a mean square of sigma^2."""
    return sigma * np.sqrt(0.5) * (rng.normal(size=shape) + 1j * rng.normal(size=shape))


def bounds(calibration):
    return calibration["trust"] * calibration["radii"]


def test_radii_are_those_of_the_errors():
    """|e|/s of complex normal errors stays below r with probability 1 - exp(-r^2)."""
    relative = np.abs(noise(400_000)).astype(np.float32)
    exact = np.sqrt(-np.log(1.0 - np.array(STATED)))
    assert bounds(calibrate_uncertainty(relative)) == pytest.approx(exact, rel=0.01)
    assert bounds(calibrate_uncertainty(3.0 * relative)) == pytest.approx(3.0 * exact, rel=0.01)


def test_errors_are_measured_after_the_best_factor_on_lit_pixels():
    truth = 1.0 + noise((16, 16), 0.3)
    mask = np.zeros((16, 16), np.bool_)
    mask[:8] = True
    image = truth / (0.8 * np.exp(0.5j))
    image[8:] = 0.0
    error = aligned_error(image, truth, mask)
    assert error[:8] == pytest.approx(0.0, abs=1e-6)
    assert error[8:] == pytest.approx(np.abs(truth[8:]), rel=1e-6)
    blind = aligned_error(np.zeros_like(truth), truth, mask)
    assert blind == pytest.approx(np.abs(truth), rel=1e-6)


def test_a_pixel_is_lit_from_one_photon_on():
    fluence = np.array([0.0, 0.5, 0.99, 1.01, 2.0, 1e6])
    inputs = np.zeros((1, 3, 1, 6), np.float32)
    inputs[:, 2] = 0.5 * np.log10(1e-3 + fluence) + 0.5
    assert lit_in(inputs)[0, 0].tolist() == [False, False, False, True, True, True]


def test_calibration_makes_stated_bounds_true_of_scans_with_known_errors(monkeypatch):
    """A network whose errors are known; the margin around the region does not count."""
    count = 6
    truth = np.full((count, FIELD, FIELD), 9.0, np.complex64)
    truth[:, 32:-32, 32:-32] = 1.0
    inputs = np.zeros((count, 3, REGION, REGION), np.float16)
    inputs[:, 2] = 1.5
    data = Dataset(inputs, np.arange(count), truth, np.zeros(count, np.int64), truth[:1], [])
    sigma = rng.uniform(0.02, 0.05, (count, REGION, REGION)).astype(np.float32)
    image = (1.0 + 2.5 * sigma * noise(sigma.shape)).astype(np.complex64)
    monkeypatch.setattr(train, "restore", lambda net, inputs: (image, sigma))
    calibration, scores = train.ScanTask(data).calibrate(train.PtychoUNet(), data)
    exact = 2.5 * np.sqrt(-np.log(1.0 - np.array(STATED)))
    assert bounds(calibration) == pytest.approx(exact, rel=0.02)
    assert scores["neural"] == pytest.approx(2.5 * np.sqrt(np.mean(sigma**2)), rel=0.02)
    assert scores["classical"] == pytest.approx(0.0, abs=1e-6)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("networks") / "new"
    return build(SMALL, folder, seed=4, groups=1, steps=2)


def test_one_call_makes_a_network_that_loads(made):
    path, scores = made
    assert path.name == NETWORK.file
    assert [one.name for one in path.parent.iterdir()] == [NETWORK.file]
    weights = NETWORK.load(path)
    assert weights.radii[STATED.index(0.68)] == pytest.approx(1.0)
    assert 0.0 < weights.trust < 100.0
    assert set(scores) == {"classical", "neural"}
    facts = made_from(NETWORK, path)
    assert (facts["seed"], facts["groups"], facts["steps"]) == (4, 1, 2)
    assert facts["packages"] == versions()
    words = "observation-model train Ptycho-v0 --seed 4 --groups 1 --steps 2"
    assert facts["command"] == f"microgym {words}"
    assert len(facts["sha256"]) == 64


def test_the_same_seed_makes_the_same_network(made, tmp_path):
    again, _ = build(SMALL, tmp_path, seed=4, groups=1, steps=2)
    first, second = NETWORK.load(made[0]), NETWORK.load(again)
    assert first.values.tobytes() == second.values.tobytes()
    assert first.radii.tobytes() == second.radii.tobytes()
    assert first.trust == second.trust
