"""Splits: disjoint keys whatever the seed, families held out, clear errors."""

import numpy as np
import pytest

from microgym.random import episode_key
from microgym.specimens.splits import (
    FAMILIES,
    HELD_OUT,
    SPLITS,
    specimen_key,
    validate_family,
    validate_split,
)


def test_keys_of_different_splits_never_meet() -> None:
    rng = np.random.default_rng(0)
    keys = rng.integers(0, 2**32, (5000, 2), dtype=np.uint32)
    # The worst case too: keys that differ in nothing but the bits of the split.
    keys[:4, 0] = np.array([0, 1, 2, 3], np.uint32) << np.uint32(30)
    keys[:4, 1] = 0
    found = [{(int(a), int(b)) for a, b in specimen_key(keys, split)} for split in SPLITS]
    for i in range(3):
        for j in range(i):
            assert not found[i] & found[j]
    for number, split in enumerate(SPLITS):
        assert np.all(specimen_key(keys, split)[:, 0] >> np.uint32(30) == number)


def test_key_keeps_the_other_bits_and_its_input() -> None:
    key = episode_key(42)
    before = key.copy()
    made = specimen_key(key, "test")
    assert np.array_equal(key, before)
    assert made.shape == (2,)
    assert made.dtype == np.uint32
    assert made[1] == key[1]
    assert (made[0] ^ key[0]) & np.uint32(0x3FFFFFFF) == 0
    assert np.array_equal(specimen_key(key[None], "test")[0], made)


def test_held_out_families_are_not_for_training() -> None:
    for family in FAMILIES:
        for split in SPLITS:
            if family in HELD_OUT and split == "train":
                with pytest.raises(ValueError, match="held out from split 'train'"):
                    validate_family(family, split)
            else:
                assert validate_family(family, split) == family
    assert validate_family("siemens_star") == "siemens_star"


def test_unknown_names() -> None:
    with pytest.raises(ValueError, match="unknown specimen family 'cheese': choose one of sparse"):
        validate_family("cheese", "train")
    with pytest.raises(ValueError, match="unknown split 'exam': choose one of train"):
        validate_family("sparse", "exam")
    with pytest.raises(TypeError, match="must be a string, got int"):
        validate_family(3, "train")  # pyright: ignore[reportArgumentType]
    with pytest.raises(TypeError, match="split must be a string"):
        validate_split(None)  # pyright: ignore[reportArgumentType]


def test_malformed_keys() -> None:
    with pytest.raises(TypeError, match="dtype uint32"):
        specimen_key(np.zeros(2, np.int64), "train")  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="shape"):
        specimen_key(np.zeros((2, 3), np.uint32), "train")
    with pytest.raises(ValueError, match="unknown split"):
        specimen_key(np.zeros(2, np.uint32), "all")
