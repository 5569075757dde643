"""Belief of a film in PFM-v0: simulated pulses, images, their sharpening, the network's fit."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch

from microgym.agents.core.trained_agent import load_policy, save_policy
from microgym.agents.pfm import film_network
from microgym.agents.pfm.domain_model import CELLS, to_action
from microgym.agents.pfm.film import FilmBelief, FilmSimulator, refined, seen, sharpened
from microgym.agents.pfm.film_network import FilmNet, ImageReader
from microgym.envs.pfm.observation import MAPS, NUMBERS
from microgym.instruments.pfm.state import SIZE
from microgym.metrics.incremental import block_means
from microgym.state import allocate

PERFECT: dict[str, Any] = {"drift": "off", "disorder": "off", "tip": "off", "readout": "off"}


def disk(y: float, x: float, radius: float) -> Any:
    at = np.arange(SIZE)
    return (at[:, None] - y) ** 2 + (at - x) ** 2 < radius**2


def values(observation: Any) -> tuple[Any, Any]:
    maps = MAPS.unpack(observation["maps"].astype(np.float64))
    return maps, NUMBERS.unpack(observation["numbers"].astype(np.float64))


def test_on_a_perfect_film_the_belief_is_the_truth():
    """Without disorder, heat, drift and hidden domains, pulses do what is simulated."""
    env: Any = gym.make_vec("PFM-v0", 2, reveal=True, heat="off", domains=0, **PERFECT)
    observation, info = env.reset(seed=1)
    belief, simulator = allocate(FilmBelief, 2), FilmSimulator()
    simulator.update(belief, values(observation)[1])
    places = np.array([[20.0, 20.0], [23.0, 40.0], [26.0, 21.0], [24.0, 39.0]])
    for place, volts in zip(places, (8.0, 5.0, -6.0, 0.0), strict=True):
        at = np.stack([place, 60.0 - place])
        action = to_action(at, np.full(2, volts), np.zeros(2, np.bool_))
        observation, _, _, _, info = env.step(action)
        assert not simulator.update(belief, values(observation)[1]).any()
        wrong = (belief.p > 0.0) != (info["latent"]["p"] > 0.0)
        assert wrong.sum(axis=(1, 2)).max() <= 4
    assert (belief.p > 0.0).sum(axis=(1, 2)).min() > 50


def test_the_search_improves_on_its_first_proposals():
    belief, target = allocate(FilmBelief, 2), np.stack([disk(20.7, 25.4, 5.6), disk(40, 33, 3)])
    belief.p[:], belief.rested_s[:] = -1.0, 1e3
    pattern = np.count_nonzero(target, axis=(1, 2))
    worth = []
    for rounds in (0, 2):
        best = FilmSimulator(rounds).propose(belief, target, 3)
        hit, spilt = np.moveaxis(best.written, 2, 0)
        value = hit / (pattern[:, None] + spilt)
        assert (np.diff(value, axis=1) <= 0.02).all()
        worth.append(value[:, 0])
    assert (worth[1] > worth[0]).any()
    assert (worth[1] >= worth[0]).all()
    again = FilmSimulator().propose(belief, target, 3)
    assert all(np.array_equal(a, b) for a, b in zip(best, again, strict=True))


def test_sharpening_finds_the_edges_of_domains():
    """An image is blurred by the tip; its edges are found to less than a cell of the image."""
    up = disk(20, 25, 6) | disk(44, 40, 3.5)
    p = np.where(up, 1.0, -1.0).astype(np.float32)[None]
    image = seen(p)
    assert image.shape == (1, CELLS, CELLS)
    assert np.abs(image - block_means(p, CELLS)).max() > 0.3
    nothing = np.full_like(p, -1.0)
    wrong = [
        np.count_nonzero((one > 0.0) != up) for one in (refined(image), sharpened(image, nothing))
    ]
    assert wrong[1] < 0.5 * wrong[0]
    assert refined(block_means(p, CELLS)).mean() == pytest.approx(p.mean(), abs=0.01)


def test_an_image_replaces_the_belief_and_a_network_is_fitted(monkeypatch, tmp_path):
    monkeypatch.setattr(film_network, "FILMS", 4)
    torch.manual_seed(0)
    net = FilmNet(8)
    data = film_network.gather(ImageReader(net.eval()), 0)
    assert data["truth"].shape[0] <= 4 * film_network.IMAGES
    assert data["truth"].shape[1:] == (SIZE, SIZE)
    tensors = {name: torch.from_numpy(part) for name, part in data.items()}
    first = film_network.fit(net, tensors, 1)
    assert film_network.fit(net, tensors, 40) < 0.9 * first
    save_policy(tmp_path / "film.safetensors", net, "PFM-v0", 0, 4)
    stored = load_policy(tmp_path / "film.safetensors", "PFM-v0")
    batch = {name: part.float() for name, part in tensors.items()}
    assert torch.equal(stored.decide(batch), net.eval().decide(batch))
    belief, maps = (
        allocate(FilmBelief, 2),
        {name: np.zeros((2, CELLS, CELLS)) for name in MAPS.names},
    )
    maps["response"] += seen(np.where(disk(30, 30, 8), 1.0, -1.0).astype(np.float32)[None])
    belief.p[:] = -1.0
    ImageReader(net).enter(belief, maps, np.array([True, False]))
    assert list(belief.images) == [1, 0]
    assert belief.p[0, 30, 30] > 0.0 > belief.p[0, 5, 5]
    assert (belief.p[1] == -1.0).all()
    assert belief.surprise[0, 15, 15] > 0.5


def test_the_network_of_the_package_reads_better_than_sharpening():
    """On validation films, written at random: cells that point the wrong way."""
    env: Any = gym.make_vec("PFM-v0", 16, split="validation", reveal=True)
    observation, info = env.reset(seed=5)
    rng, belief, simulator = np.random.default_rng(0), allocate(FilmBelief, 16), FilmSimulator()
    maps, told = values(observation)
    looked = simulator.update(belief, told)
    for step in range(5):
        places, look = rng.uniform(10.0, 54.0, (16, 2)), np.full(16, step == 4)
        observation, _, _, _, info = env.step(to_action(places, np.full(16, 7.0), look))
        maps, told = values(observation)
        looked = simulator.update(belief, told)
    assert looked.all()
    truth = info["latent"]["p"] > 0.0
    plain = sharpened(maps["response"].astype(np.float32), belief.p) > 0.0
    ImageReader().enter(belief, maps, looked)
    wrong = [np.count_nonzero(one != truth, axis=(1, 2)) for one in (plain, belief.p > 0.0)]
    gain = wrong[0] - wrong[1]
    assert gain.mean() > 3.0 * gain.std() / 4.0
