"""Equal seeds in different splits have nothing in common: no specimen, no instrument, no noise."""

import itertools
from collections.abc import Iterator
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from microgym.specimens.splits import SPLITS
from tests.conformance.cases import REGISTERED, Case

EPISODES, BATCH = 400, 20


def flat(named: Any, prefix: str = "") -> Iterator[tuple[str, np.ndarray]]:
    """Arrays of numbers of a nested dict."""
    if isinstance(named, dict):
        for name, one in named.items():
            if not name.startswith("_"):
                yield from flat(one, f"{prefix}{name}.")
    elif named.dtype != object:
        yield prefix, np.asarray(named, np.float64)


def beginnings(case: Case, split: str) -> dict[str, np.ndarray]:
    """What is observed and hidden in many episodes, (episodes, elements) each.

    At their beginning, and after one step by the same action.
    """
    words = {**case.arguments, "split": split, "reveal": True}
    envs = gym.make_vec(case.id, BATCH, **words)
    found: dict[str, list[np.ndarray]] = {}
    actions = np.zeros_like(envs.action_space.sample())
    if actions.ndim > 1:  # a scan, a look, and probes apart
        actions[:] = np.linspace(-0.6, 0.4, actions[0].size).reshape(actions[0].shape)
    for seed in range(0, EPISODES, BATCH):
        for when, (seen, *_, info) in (("0 ", envs.reset(seed=seed)), ("1 ", envs.step(actions))):
            for name, array in flat({"seen": seen, "latent": info["latent"]}, when):
                found.setdefault(name, []).append(array.reshape(BATCH, -1))
    return {name: np.concatenate(one) for name, one in found.items()}


def varying(found: np.ndarray) -> np.ndarray:
    """Elements that differ from their median in a twentieth of the episodes at least, bool."""
    away = np.abs(found - np.median(found, axis=0)) > 1e-9
    return away.mean(axis=0) >= 0.05


def correlation(one: np.ndarray, other: np.ndarray) -> float:
    """Correlation over the episodes, mean of all elements; each counts alike."""
    x, y = one - one.mean(axis=0), other - other.mean(axis=0)
    return float(((x / x.std(axis=0)) * (y / y.std(axis=0))).mean())


@pytest.mark.parametrize("case", REGISTERED, ids=str)
def test_splits_share_nothing(case):
    found = {split: beginnings(case, split) for split in SPLITS}
    compared: list[str] = []
    for name in found["train"]:
        three = {split: np.nan_to_num(found[split][name], posinf=0.0) for split in SPLITS}
        kept = np.logical_and.reduce([varying(one) for one in three.values()])
        if not kept.any():
            continue
        compared.append(name)
        for one, other in itertools.combinations(SPLITS, 2):
            x, y = three[one][:, kept], three[other][:, kept]
            assert abs(correlation(x, y)) < 0.2, f"{name}: {one} and {other} correlate"
            # The measure sees what splits would share.
            assert correlation(x, x) > 0.99
            assert not np.array_equal(x, y)
    assert any("seen" in name for name in compared)
    assert any("latent" in name for name in compared)
