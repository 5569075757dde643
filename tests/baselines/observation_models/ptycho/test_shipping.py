"""From training to a file: calibration, what is stored, what is refused."""

import numpy as np
import pytest

from microgym.baselines.evaluation.records import versions
from microgym.baselines.observation_models.ptycho import build
from microgym.baselines.observation_models.ptycho.build import aligned_error, made_from, make_eye
from microgym.baselines.observation_models.ptycho.dataset import FIELD, MARGIN, REGION, Lessons
from microgym.baselines.observation_models.ptycho.inputs import lit_in
from microgym.reconstruction.nn.network import STATED
from microgym.reconstruction.ptychography.neural import NETWORK

rng = np.random.default_rng(0)


def noise(shape, sigma=1.0):
    """Complex normal numbers with a mean square of sigma^2."""
    return sigma * np.sqrt(0.5) * (rng.normal(size=shape) + 1j * rng.normal(size=shape))


def test_radii_are_those_of_the_errors():
    """|e|/s of complex normal errors stays below r with probability 1 - exp(-r^2)."""
    sigma = rng.uniform(0.1, 3.0, 400_000)
    relative = (np.abs(noise(sigma.size)) * sigma / sigma).astype(np.float32)
    exact = np.sqrt(-np.log(1.0 - np.array(STATED)))
    assert build._radii(relative) == pytest.approx(exact, rel=0.01)
    assert build._radii(3.0 * relative) == pytest.approx(3.0 * exact, rel=0.01)


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
    seen = np.zeros((1, 3, 1, 6), np.float32)
    seen[:, 2] = 0.5 * np.log10(1e-3 + fluence) + 0.5
    assert lit_in(seen)[0, 0].tolist() == [False, False, False, True, True, True]


def test_calibration_makes_stated_bounds_true_of_lessons_with_known_errors(monkeypatch):
    """A network whose errors are known, fed through what `make_eye` does with one."""
    looks = 6
    truth = np.ones((looks, FIELD, FIELD), np.complex64)
    seen = np.zeros((looks, 3, REGION, REGION), np.float16)
    seen[:, 2] = 1.5
    check = Lessons(seen, np.arange(looks), truth, np.zeros(looks, np.int64), truth[:1], [])
    sigma = rng.uniform(0.01, 0.1, (looks, REGION, REGION)).astype(np.float32)
    image = (1.0 + 2.5 * sigma * noise(sigma.shape)).astype(np.complex64)
    found = build._radii((build._errors(check, image) / sigma)[lit_in(check.seen)])
    assert found == pytest.approx(2.5 * np.sqrt(-np.log(1.0 - np.array(STATED))), rel=0.02)
    scores = build._scores(check, image, lit_in(check.seen))
    assert scores["neural"] == pytest.approx(2.5 * np.sqrt(np.mean(sigma**2)), rel=0.02)
    assert scores["classical"] == pytest.approx(0.0, abs=1e-6)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    told = []
    folder = tmp_path_factory.mktemp("eye") / "new"
    made = make_eye(folder, seed=4, groups=1, steps=2, validation=1, progress=told.append)
    return made, told


def test_one_call_makes_a_network_that_loads(made):
    eye, told = made
    assert eye.path.name == NETWORK.file
    assert [path.name for path in eye.path.parent.iterdir()] == [NETWORK.file]
    weights = NETWORK.load(eye.path)
    assert weights.radii[STATED.index(0.68)] == pytest.approx(1.0)
    assert 0.0 < weights.trust < 100.0
    assert told == [1, 1]
    assert set(eye.validation) == {"classical", "neural"}
    facts = made_from(eye.path)
    assert (facts["seed"], facts["groups"], facts["steps"]) == (4, 1, 2)
    assert facts["packages"] == versions()
    assert (
        facts["command"] == "microgym reconstructor train Ptycho-v0 --seed 4 --groups 1 --steps 2"
    )
    assert len(facts["sha256"]) == 64


def test_the_same_seed_makes_the_same_network(made, tmp_path):
    again = make_eye(tmp_path, seed=4, groups=1, steps=2, validation=1)
    first, second = NETWORK.load(made[0].path), NETWORK.load(again.path)
    assert first.values.tobytes() == second.values.tobytes()
    assert first.radii.tobytes() == second.radii.tobytes()
    assert first.trust == second.trust


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"groups": 0}, "groups must be at least 1, got 0"),
        ({"steps": -1}, "steps must be at least 1, got -1"),
        ({"validation": 0}, "validation must be at least 1, got 0"),
        ({"seed": -1}, "seed must be at least 0, got -1"),
    ],
)
def test_bad_numbers_are_refused_before_anything_is_done(tmp_path, wrong, message):
    with pytest.raises(ValueError, match=message):
        make_eye(tmp_path / "new", **({"seed": 0, "groups": 1, "steps": 1} | wrong))
    assert not (tmp_path / "new").exists()


def test_the_margin_around_the_region_is_not_judged():
    truth = np.full((1, FIELD, FIELD), 9.0, np.complex64)
    truth[:, MARGIN : MARGIN + REGION, MARGIN : MARGIN + REGION] = 2.0
    assert np.all(build._of_region(truth) == 2.0)
