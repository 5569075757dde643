"""Training: it gets better than doing nothing, and starts where the simple restorations are."""

import numpy as np
import pytest
import torch

from microgym.baselines.observation_models.afm import train
from microgym.baselines.observation_models.afm.dataset import Conditions, make_inputs, scan_frames
from microgym.baselines.observation_models.afm.train import LineTask, TopographyNet, level, restore
from microgym.baselines.observation_models.train import fit
from microgym.reconstruction.topography.convnet_kernels import LAG_SHARE, LEAST_NM


@pytest.fixture(scope="module")
def inputs():
    return make_inputs([scan_frames(Conditions("fibres", lines=8), np.arange(2), 0)])


def error_of(net, inputs):
    return np.sqrt(np.mean((restore(net, inputs)[0] - inputs.truth) ** 2, axis=-1))


def test_residuals_have_no_offset():
    truth = torch.zeros(2, 8)
    found = torch.arange(16.0).reshape(2, 8)
    assert level(found - truth).numpy() == pytest.approx(np.tile(np.arange(8) - 3.5, (2, 1)))


def test_candidates_are_the_simple_restorations(inputs):
    lines, _, lag_px = (torch.from_numpy(one) for one in inputs.arrays())
    candidates, base = TopographyNet._candidates(lines, lag_px)
    z, y, e, f = (lines[:, 0, i].double().numpy() for i in range(4))
    ahead = LAG_SHARE * lag_px[:, :1].double().numpy()
    a = z - e - ahead * np.gradient(e, axis=-1)
    b = y - f + ahead * np.gradient(f, axis=-1)
    middle = (0.5 * (a + b)).mean(axis=-1, keepdims=True)
    for found, expected in zip(candidates.unbind(1), (z, y, a, b), strict=False):
        assert found.numpy() == pytest.approx(expected - middle, abs=1e-3)
    mean = np.pad(0.5 * (a + b) - middle, ((0, 0), (1, 1)), mode="edge")
    near = 0.25 * (mean[:, :-2] + 2.0 * mean[:, 1:-1] + mean[:, 2:])
    assert candidates[:, 4].numpy() == pytest.approx(near, abs=1e-3)
    assert base[:, 0].numpy() == pytest.approx(mean[:, 1:-1], abs=1e-3)


def test_uncertainties_are_in_units_of_what_the_signals_leave_open(inputs):
    lines, settings, lag_px = (torch.from_numpy(one) for one in inputs.arrays())
    quiet = torch.zeros_like(lines)
    net = TopographyNet().eval()
    with torch.inference_mode():
        loud = net(lines, settings, lag_px)[1].exp()
        still = net(quiet, settings, lag_px)[1].exp()
    assert still.max() < 10.0 * LEAST_NM
    assert loud.mean() > 3.0 * still.mean()


@pytest.mark.slow
def test_training_makes_lines_better(monkeypatch):
    asked = []

    def fibres(seed, groups, split):
        asked.append((groups, split))
        return [scan_frames(Conditions("fibres", split, lines=16), np.arange(16), 0)]

    monkeypatch.setattr(train, "random_frames", fibres)
    trained = fit(LineTask(70), seed=1, steps=100)
    assert asked == [(32, "train")] * 2
    check = make_inputs(fibres(0, 1, "validation"))
    torch.manual_seed(1)
    before, after = (np.log(error_of(net, check)).mean() for net in (TopographyNet(), trained))
    assert after < before - 0.05


def test_the_same_seed_trains_the_same_network():
    short, again = (fit(LineTask(1), seed=1, steps=2) for _ in range(2))
    for one, other in zip(short.parameters(), again.parameters(), strict=True):
        assert torch.equal(one, other)
