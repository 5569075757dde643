"""Ferroelectric films and the patterns to be written into them."""

import numpy as np
import pytest

from microgym.random import episode_key
from microgym.specimens import ferroelectrics, patterns
from microgym.specimens.ferroelectrics import DEAD_PART, FAMILIES, fill_films
from microgym.specimens.patterns import MARGIN, PATTERNS, fill_patterns
from microgym.specimens.splits import SPLITS, specimen_key, validate_family

KEYS = np.stack([episode_key(seed) for seed in range(24)])


def films(family, keys=KEYS, size=64):
    maps = np.full((3, len(keys), size, size), np.nan, np.float32)
    fill_films(family, keys, *maps)
    return maps


def masks(family, keys=KEYS, size=64):
    found = np.full((len(keys), size, size), 7, np.uint8)
    fill_patterns(family, keys, found)
    return found


@pytest.mark.parametrize("family", FAMILIES)
def test_films_are_drawn_from_their_keys_alone(family):
    whole = films(family)
    assert np.isfinite(whole).all()
    assert np.array_equal(films(family, KEYS[5:9]), whole[:, 5:9])
    assert len({film.tobytes() for film in whole[0]}) == len(KEYS)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_film_neither_prefers_a_direction_nor_a_place(family):
    imprint, bond, _ = films(family)
    assert abs(imprint.mean()) < 0.25 * imprint.std()
    assert abs(bond.mean()) < 0.03  # it is cut off at -0.4 and 0.6
    spread = imprint.std(axis=0)
    assert spread[:8].mean() == pytest.approx(spread.mean(), rel=0.2)
    assert np.abs(bond).max() <= 0.6


def test_families_differ_in_what_they_are_named_after():
    spread = {name: films(name)[0].std() for name in FAMILIES}
    assert spread["random_field"] == max(spread.values())
    wells = {name: films(name)[1].std() for name in FAMILIES}
    assert wells["random_bond"] == max(wells.values())
    assert wells["random_field"] == wells["grains"] == wells["twins"] == 0.0
    for name in FAMILIES:
        dead = (films(name)[2] < DEAD_PART).mean()
        assert (dead > 0.03) == (name in ("mixed", "grains", "twins"))
        assert dead < 0.2


@pytest.mark.parametrize("family", ["grains", "twins"])
def test_boundaries_have_gaps_that_close_with_the_disorder(family):
    barrier = films(family)[2]
    edge = barrier < 1.0
    assert np.all(barrier[~edge] == 2.0)
    weak, real, strong = (
        (barrier < DEAD_PART * strength).sum() / edge.sum() for strength in (0.5, 1.0, 1.5)
    )
    assert weak == pytest.approx(0.35, abs=0.03)
    assert real == pytest.approx(0.7, abs=0.03)
    assert strong == 1.0


def test_each_grain_has_its_own_imprint():
    """Across a boundary the imprint jumps, along it it does not."""
    imprint, _, barrier = films("grains")
    edge = barrier < 1.0
    jump = np.abs(np.diff(imprint, axis=2, n=1))
    across = edge[:, :, 1:] | edge[:, :, :-1]
    assert jump[across].mean() > 1.15 * jump[~across].mean()


def test_twins_alternate():
    imprint = films("twins")[0]
    # Stripes of both kinds: the distribution has two modes, wider than its noise alone.
    assert imprint.std() > 0.1
    assert np.mean(imprint > 0.0) == pytest.approx(0.5, abs=0.06)


@pytest.mark.parametrize("family", PATTERNS)
def test_patterns_stay_clear_of_the_border_and_can_be_written(family):
    found = masks(family)
    assert set(np.unique(found)) == {0, 1}
    clear = int(MARGIN) - 1
    inside = found[:, clear:-clear, clear:-clear]
    assert inside.sum() == found.sum()
    share = found.mean(axis=(1, 2))
    assert 0.03 < share.min() < share.max() < 0.3
    assert len({mask.tobytes() for mask in found}) == len(KEYS)
    assert np.array_equal(masks(family, KEYS[3:5]), found[3:5])


def pieces(mask):
    """Number of connected parts of a mask."""
    rest = {(int(y), int(x)) for y, x in np.argwhere(mask)}
    count = 0
    while rest:
        count += 1
        front = [rest.pop()]
        while front:
            y, x = front.pop()
            near = {(y + 1, x), (y - 1, x), (y, x + 1), (y, x - 1)} & rest
            rest -= near
            front += near
    return count


def test_patterns_are_what_they_are_called():
    assert {pieces(mask) for mask in masks("strokes")} == {1}
    assert {pieces(mask) for mask in masks("islands")} <= {2, 3, 4, 5}
    for mask in masks("frames"):
        assert pieces(mask) == 1
        assert pieces(1 - mask) == 2  # around it, and within


@pytest.mark.parametrize(("module", "names"), [(ferroelectrics, FAMILIES), (patterns, PATTERNS)])
def test_one_family_is_never_trained_on(module, names):
    (held,) = module.HELD_OUT
    assert held in names
    with pytest.raises(ValueError, match=f"'{held}' is held out from split 'train'"):
        validate_family(held, "train", names, module.HELD_OUT)
    for split in ("validation", "test"):
        assert validate_family(held, split, names, module.HELD_OUT) == held
    with pytest.raises(ValueError, match=f"choose one of {names[0]}, {names[1]}"):
        validate_family("sparse", "test", names, module.HELD_OUT)


def test_splits_share_no_film_and_no_pattern():
    seen = {
        (split, film.tobytes())
        for split in SPLITS
        for film in films("mixed", specimen_key(KEYS, split))[0]
    }
    assert len({film for _, film in seen}) == len(seen) == 3 * len(KEYS)
