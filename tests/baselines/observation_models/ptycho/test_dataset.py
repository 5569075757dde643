"""Simulated scans for training and evaluation."""

import numpy as np
import pytest

from microgym.baselines.observation_models.ptycho import dataset
from microgym.baselines.observation_models.ptycho.dataset import (
    FIELD,
    LEARNT,
    MARGIN,
    REGION,
    Conditions,
    Scans,
    make_dataset,
    places,
    random_conditions,
)
from microgym.envs.ptycho.config import PtychoConfig
from microgym.reconstruction.ptychography.unet_kernels import LEAST_FLUENCE
from microgym.specimens.splits import HELD_OUT


@pytest.fixture(scope="module")
def data():
    return make_dataset(5, 2, "train", 2)


def test_the_same_seed_gives_the_same_dataset(data):
    again, other = make_dataset(5, 2, "train", 2), make_dataset(6, 2, "train", 2)
    for name in ("inputs", "specimen", "truth", "optics", "probes"):
        assert getattr(data, name).tobytes() == getattr(again, name).tobytes()
    assert data.conditions == again.conditions
    assert data.conditions != other.conditions
    assert not np.array_equal(data.truth[0], other.truth[0])


def test_the_parts_of_a_dataset_fit_together(data):
    inputs, specimens = len(data.inputs), len(data.truth)
    assert specimens == 4
    assert data.inputs.shape == (inputs, 3, REGION, REGION)
    assert data.truth.shape == (specimens, FIELD, FIELD)
    assert set(data.specimen) == set(range(specimens))
    assert 3 * specimens <= inputs <= 5 * specimens
    assert data.optics.tolist() == [0, 0, 1, 1]
    assert len(data.probes) == len(data.conditions) == 2
    for probe, chosen in zip(data.probes, data.conditions, strict=True):
        assert probe.tobytes() == chosen.settings().probe.tobytes()
        assert chosen.family in LEARNT
        assert chosen.split == "train"


def test_inputs_belong_to_their_specimens(monkeypatch):
    bright = Conditions("lines", "train", 20, 1e6)
    monkeypatch.setattr(dataset, "random_conditions", lambda generator, split: bright)
    data = make_dataset(5, 1, "train", 3)
    inside = slice(MARGIN, MARGIN + REGION)
    contrast = np.abs(data.truth[:, inside, inside] - 1.0)
    for (re, im, light), number in zip(data.inputs.astype(np.float32), data.specimen, strict=True):
        lit = light > 1.5
        if lit.sum() > 1000:
            found = np.hypot(re, im)[lit]
            likeness = [np.corrcoef(found, one[lit])[0, 1] for one in contrast]
            others = np.delete(likeness, number)
            assert likeness[number] > others.max() + 0.1


def test_a_family_may_be_asked_for_and_the_rest_stays():
    drawn = make_dataset(7, 1, "test", 1).conditions[0]
    (family,) = HELD_OUT
    asked = make_dataset(7, 1, "test", 1, family).conditions[0]
    assert asked.family == family
    assert vars(asked) | {"family": drawn.family} == vars(drawn)
    with pytest.raises(ValueError, match="held out"):
        make_dataset(7, 1, "train", 1, family)


def test_conditions_are_as_wide_as_stated():
    generator = np.random.default_rng(0)
    drawn = [random_conditions(generator, "train") for _ in range(400)]
    assert {one.family for one in drawn} == set(LEARNT)
    assert not set(HELD_OUT) & {one.family for one in drawn}
    assert {one.drift for one in drawn} == {"off", "easy", "real"}
    photons = np.log10([one.photons for one in drawn])
    assert photons.min() == pytest.approx(2.7, abs=0.1)
    assert photons.max() == pytest.approx(6.0, abs=0.1)
    assert {min(one.exposures for one in drawn), max(one.exposures for one in drawn)} == {8, 48}
    wrong = [one for one in drawn if one.defocus_error != 0.0]
    assert 0.3 < len(wrong) / len(drawn) < 0.5


@pytest.mark.parametrize("seed", range(6))
def test_places_lie_in_the_region(seed):
    structure = np.zeros((FIELD, FIELD), np.uint8)
    structure[MARGIN + 64 :, MARGIN + 64 :] = 1
    chosen = places(np.random.default_rng(seed), 30, structure)
    assert chosen.shape == (30, 2)
    assert chosen.min() >= MARGIN
    assert chosen.max() <= MARGIN + REGION
    assert len(np.unique(chosen, axis=0)) == 30


def test_a_scan_is_that_of_the_environment():
    """Optics, region and reconstruction are those of Ptycho-v0."""
    settings = PtychoConfig(photons=1e4).settings
    taken = Scans(Conditions(photons=1e4, drift="easy", damage="easy"), np.arange(1))
    ours = taken.instrument.settings
    assert settings.probe.tobytes() == ours.probe.tobytes()
    assert (settings.region_px, settings.geometry) == (ours.region_px, ours.geometry)
    assert (settings.stage, settings.damage) == (ours.stage, ours.damage)


def test_the_operator_knows_a_wrong_probe():
    right = Scans(Conditions(defocus=1.2), np.arange(1))
    wrong = Scans(Conditions(defocus=1.2, defocus_error=0.1), np.arange(1))
    assert right.known.tobytes() == right.probe.tobytes() == wrong.probe.tobytes()
    assert wrong.known.tobytes() == Conditions(defocus=1.2 * 1.1).settings().probe.tobytes()


def test_light_is_the_known_photons_of_each_pixel():
    taken = Scans(Conditions(photons=1e4), np.arange(2))
    dark = taken.inputs()
    assert dark[:, 2] == pytest.approx(0.5 + 0.5 * np.log10(LEAST_FLUENCE), abs=1e-6)
    assert np.all(dark[:, :2] == 0.0)
    where = np.full((2, 2), MARGIN + 40.0)
    taken.expose(where, np.array([1.0, 3.0]))
    fluence = 10.0 ** (2.0 * taken.inputs()[:, 2].astype(np.float64) - 1.0)
    assert fluence.sum(axis=(1, 2)) == pytest.approx([1e4, 3e4], rel=0.01)
    assert np.abs(taken.inputs()[:, :2]).max() > 0.01
