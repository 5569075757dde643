"""Fields of adatoms: what is where, for whom, and never too close."""

import itertools

import numpy as np
import pytest

from microgym.physics.adatoms import LATTICE_NM, nearest_site, site_place
from microgym.random import episode_key
from microgym.specimens.adatom_fields import (
    ATOMS,
    BYSTANDERS,
    FAMILIES,
    FIELD_NM,
    MARGIN_NM,
    AdatomFields,
)
from microgym.state import allocate

COUNT = 40
CASES = [
    (family, movers, farthest)
    for family in FAMILIES
    for movers, farthest in ((1, 3.0), (2, FIELD_NM), (3, FIELD_NM), (5, FIELD_NM), (3, 1.5))
]


def drawn(family="terrace", movers=1, split="validation", first=0, ways=(1.0, 3.0)):
    fields = allocate(AdatomFields, COUNT)
    keys = np.stack([episode_key(first + k) for k in range(COUNT)])
    fields.fill(np.arange(COUNT), keys, family, split, movers, ways)
    return fields


@pytest.mark.parametrize(("family", "movers", "farthest"), CASES)
def test_everything_is_in_hollows_on_the_field(family, movers, farthest):
    fields = drawn(family, movers, ways=(1.0, farthest))
    edge = FIELD_NM / 2 - MARGIN_NM
    for k in range(COUNT):
        here = fields.present[k]
        low, high = BYSTANDERS[family]
        assert here[:movers].all()
        assert movers + low <= here.sum() <= min(movers + high, ATOMS)
        assert not here[here.sum() :].any()
        for site, place in zip(fields.sites[k][here], fields.places[k][here], strict=True):
            assert place == pytest.approx(site_place(*site.tolist(), LATTICE_NM))
        for target in fields.targets[k, :movers]:
            nearest = site_place(*nearest_site(*target, LATTICE_NM), LATTICE_NM)
            assert target == pytest.approx(nearest, abs=1e-9)
        assert np.abs(fields.places[k][here]).max() < edge
        assert np.abs(fields.targets[k, :movers]).max() < edge
        apart = [np.hypot(*(a - b)) for a, b in itertools.combinations(fields.places[k][here], 2)]
        assert min(apart) > 0.79
        bystanders = fields.places[k][here][movers:]
        for target in fields.targets[k, :movers]:
            assert np.hypot(*(bystanders - target).T).min() > 0.69


def test_the_way_of_one_mover_is_as_asked():
    fields = drawn(ways=(1.5, 2.0))
    ways = np.hypot(*(fields.targets[:, 0] - fields.places[:, 0]).T)
    assert ways.min() > 1.5 - 0.2
    assert ways.max() < 2.0 + 0.2
    assert np.std(ways) > 0.05


@pytest.mark.parametrize("movers", [2, 3, 5])
def test_ways_of_several_movers_are_as_asked(movers):
    """Near their targets with a largest distance, else anywhere."""
    longest = {}
    for farthest in (1.5, 2.5, FIELD_NM):
        fields = drawn(movers=movers, ways=(1.0, farthest))
        gaps = fields.targets[:, :movers] - fields.places[:, :movers]
        longest[farthest] = np.quantile(np.hypot(gaps[..., 0], gaps[..., 1]), 0.9)
    assert longest[1.5] < 1.5 + 0.2
    assert longest[1.5] < longest[2.5] - 0.2 < longest[FIELD_NM]


@pytest.mark.parametrize("movers", [2, 3, 4, 5])
def test_targets_are_dealt_out_for_the_least_way(movers):
    fields = drawn("terrace", movers)
    for k in range(COUNT):
        places, targets = fields.places[k, :movers], fields.targets[k, :movers]
        total = np.hypot(*(targets - places).T).sum()
        for order in itertools.permutations(range(movers)):
            assert total <= np.hypot(*(targets[list(order)] - places).T).sum() + 1e-9


def test_figures_are_of_one_kind_of_hollow_and_apart():
    fields = drawn("terrace", 5)
    for k in range(COUNT):
        kinds = {nearest_site(*target, LATTICE_NM)[2] for target in fields.targets[k]}
        assert len(kinds) == 1
        apart = [np.hypot(*(a - b)) for a, b in itertools.combinations(fields.targets[k], 2)]
        assert min(apart) > 2.9 * LATTICE_NM


def test_steps_and_contamination_are_in_their_family_only():
    flat, stepped = drawn("crowded"), drawn("stepped")
    assert np.isinf(flat.steps[:, 2]).all()
    assert (flat.patches == 0.0).all()
    assert (stepped.patches[:, :, 2] > 0.0).all()
    away = stepped.places @ stepped.steps[:, :2, None]
    below = away[..., 0] - stepped.steps[:, 2:3]
    assert below[stepped.present].max() < -0.69


def test_splits_and_seeds_differ_and_families_are_held_out():
    train, test = drawn(split="train"), drawn(split="test")
    assert not np.array_equal(train.places, test.places)
    again = drawn(split="train")
    assert np.array_equal(train.places, again.places)
    assert not np.array_equal(train.places, drawn(split="train", first=999).places)
    with pytest.raises(ValueError, match="'stepped' is held out from split 'train'"):
        drawn("stepped", split="train")
    with pytest.raises(ValueError, match="unknown specimen family 'sparse': choose one of terrace"):
        drawn("sparse")
