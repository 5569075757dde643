"""Training of the network: its loss, and the quantities that it does not depend on."""

import numpy as np
import pytest
import torch

from microgym.baselines.observation_models.ptycho import train
from microgym.baselines.observation_models.ptycho.dataset import (
    FIELD,
    MARGIN,
    REGION,
    make_dataset,
)
from microgym.baselines.observation_models.ptycho.train import PtychoUNet, ScanTask, restore
from microgym.baselines.observation_models.train import fit


@pytest.fixture(scope="module")
def data():
    return make_dataset(1, 2, "train", 2)


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    monkeypatch.setattr(train, "_BATCH", 2)
    monkeypatch.setattr(train, "_PLACES", 2)


def numbers_of(net):
    return {name: tensor.detach().clone() for name, tensor in net.state_dict().items()}


def test_training_is_deterministic(data):
    first = fit(ScanTask(data), seed=3, steps=4)
    again, other = (numbers_of(fit(ScanTask(data), seed=s, steps=4)) for s in (3, 4))
    for name, tensor in numbers_of(first).items():
        assert torch.equal(tensor, again[name])
        assert not torch.equal(tensor, other[name])
    assert not first.training


def test_the_loss_falls(data, monkeypatch):
    monkeypatch.setattr(ScanTask, "learning_rate", 5e-3)
    misfit, found = train._misfit, []

    def noted(*arguments):
        loss = misfit(*arguments)
        found.append(loss.item())
        return loss

    monkeypatch.setattr(train, "_misfit", noted)
    fit(ScanTask(data), seed=0, steps=200)
    first, second = np.mean(np.reshape(found, (2, 100)), axis=1)
    assert first > 0.0
    assert 0.0 < second < 0.8 * first


@pytest.fixture
def expected_counts(monkeypatch):
    """Every count is what is expected, so that only the physics is compared."""
    monkeypatch.setattr(torch, "poisson", lambda rates: rates)


def misfit_and_gradient(truth, probe, image):
    wave = torch.from_numpy(image).requires_grad_()
    loss = train._misfit(
        wave, torch.from_numpy(truth), torch.from_numpy(probe), [[20, 30], [60, 90]]
    )
    loss.backward()
    return loss.item(), wave.grad.numpy()


@pytest.mark.usefixtures("expected_counts")
def test_only_the_counts_of_the_truth_matter(data):
    """A phase of the whole specimen, or what no exposure reaches, changes nothing."""
    truth = data.truth[:1]
    probe = data.probes[:1]
    rng = np.random.default_rng(0)
    shape = (1, REGION, REGION)
    image = (1.0 + 0.1 * rng.normal(size=shape) + 0.1j * rng.normal(size=shape)).astype(
        np.complex64
    )
    loss, gradient = misfit_and_gradient(truth, probe, image)
    unreached = truth.copy()
    unreached[:, :20] = 0.3j
    for other in (np.complex64(np.exp(1.3j)) * truth, unreached):
        same_loss, same = misfit_and_gradient(other, probe, image)
        assert same_loss == pytest.approx(loss, rel=1e-4)
        assert same == pytest.approx(gradient, abs=1e-4 * float(np.abs(gradient).max()))
    reached = truth.copy()
    reached[:, 40:80, 40:80] *= 0.8
    assert misfit_and_gradient(reached, probe, image)[0] != pytest.approx(loss, rel=0.01)


@pytest.mark.usefixtures("expected_counts")
def test_a_perfect_image_has_no_misfit_and_no_phase_of_its_own(data):
    inside = slice(MARGIN, MARGIN + REGION)
    truth = data.truth[:1].copy()
    outside = np.ones(truth.shape, np.bool_)
    outside[:, inside, inside] = False
    truth[outside] = 1.0
    image = np.ascontiguousarray(truth[:, inside, inside])
    loss, gradient = misfit_and_gradient(truth, data.probes[:1], image)
    assert loss == pytest.approx(0.0, abs=1e-3)
    worse, other = misfit_and_gradient(truth, data.probes[:1], 0.9 * image)
    assert worse > 1e-3
    assert np.abs(gradient).max() < 0.1 * np.abs(other).max()


@pytest.mark.usefixtures("expected_counts")
def test_detail_in_the_wrong_places_is_not_rewarded(data):
    """Of images with the right power and wrong phases, less contrast predicts no worse."""
    rng = np.random.default_rng(2)
    noise = rng.normal(size=(2, FIELD, FIELD))
    truth = (1.0 + 0.1 * (noise[:1] + 1j * noise[1:])).astype(np.complex64)
    other = rng.normal(size=(2, REGION, REGION))
    wrong = 0.1 * (other[:1] + 1j * other[1:])
    full, weak, none = (
        misfit_and_gradient(truth, data.probes[:1], (1.0 + share * wrong).astype(np.complex64))[0]
        for share in (1.0, 0.3, 0.01)
    )
    assert none < weak < full


def test_rings_are_means_over_directions():
    n = 16
    f = n * np.fft.fftfreq(n)
    radius = np.rint(np.hypot(f[:, None], f))
    patterns = torch.rand(2, 3, n, n)
    found = train._rings(patterns).numpy()
    for r in range(int(radius.max()) + 1):
        on = radius == r
        expected = patterns.numpy()[..., on].mean(axis=-1, keepdims=True)
        assert found[..., on] == pytest.approx(np.broadcast_to(expected, found[..., on].shape))


def test_the_uncertainty_cannot_change_the_image():
    """The gradient of the uncertainty stays in its own layer."""
    net = PtychoUNet()
    _, doubt = net(torch.randn(1, 3, 64, 64))
    doubt.square().sum().backward()
    reached = {name for name, one in net.named_parameters() if one.grad is not None}
    assert reached == {"doubt.weight", "doubt.bias"}


def test_errors_do_not_reach_the_image(data, monkeypatch):
    """One step with true errors or with senseless ones: all layers but one move alike."""
    monkeypatch.setattr(torch.nn.utils, "clip_grad_norm_", lambda *arguments: None)
    honest = numbers_of(fit(ScanTask(data), seed=0, steps=1))
    monkeypatch.setattr(train, "_aligned_error", lambda image, truth, lit: 7.0 * image.abs())
    senseless = numbers_of(fit(ScanTask(data), seed=0, steps=1))
    for name, tensor in honest.items():
        if not name.startswith("doubt"):
            assert torch.equal(tensor, senseless[name])
    assert not torch.equal(honest["doubt.weight"], senseless["doubt.weight"])


def test_errors_are_those_after_the_best_phase():
    rng = np.random.default_rng(1)
    truth = (rng.normal(size=(2, 8, 8)) + 1j * rng.normal(size=(2, 8, 8))).astype(np.complex64)
    turned = truth * np.exp(1j * np.array([0.7, -2.0]))[:, None, None].astype(np.complex64)
    lit = torch.ones(2, 8, 8, dtype=torch.bool)
    error = train._aligned_error(torch.from_numpy(turned), torch.from_numpy(truth), lit)
    assert error.numpy() == pytest.approx(0.0, abs=1e-5)
    dark = train._aligned_error(torch.from_numpy(turned), torch.from_numpy(truth), ~lit)
    assert dark.numpy() == pytest.approx(np.abs(turned - truth) ** 2, rel=1e-4, abs=1e-5)


def test_turned_scans_are_scans(data):
    """A scan seen from another side is a scan: its misfit is the same."""
    image = data.truth[:1, MARGIN : MARGIN + REGION, MARGIN : MARGIN + REGION] * 0.95
    n = data.probes.shape[-1]
    last = REGION + 2 * MARGIN - n
    corner = [20, 90]
    turned = {
        (1, False): [last - 90, 20],
        (2, False): [last - 20, last - 90],
        (0, True): [20, last - 90],
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch, "poisson", lambda rates: rates)
        before = float(
            train._misfit(
                *(
                    torch.from_numpy(a)
                    for a in (np.ascontiguousarray(image), data.truth[:1], data.probes[:1])
                ),
                [corner],
            )
        )
        for (turns, mirrored), other in turned.items():
            planes = (
                train._turned(a, turns, mirrored) for a in (image, data.truth[:1], data.probes[:1])
            )
            after = float(train._misfit(*(torch.from_numpy(a) for a in planes), [other]))
            # The probe's middle lies beside that of its patch by half a pixel.
            assert after == pytest.approx(before, rel=1e-3)


def test_restoring_is_the_network_batch_by_batch(data):
    net = PtychoUNet().eval()
    images, sigmas = restore(net, data.inputs[:3])
    with torch.inference_mode():
        contrast, doubt = net(torch.from_numpy(data.inputs[:3].astype(np.float32)))
    assert images.real == pytest.approx(1.0 + contrast[:, 0].numpy(), abs=1e-6)
    assert images.imag == pytest.approx(contrast[:, 1].numpy(), abs=1e-6)
    assert np.log(sigmas) == pytest.approx(doubt.clamp(-7.0, 1.0).numpy(), abs=1e-5)
