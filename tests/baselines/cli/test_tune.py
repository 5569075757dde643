"""The search for settings of reference policies."""

from dataclasses import dataclass, fields, is_dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from microgym.agents.core.registry import make_agent
from microgym.baselines.cli import tune
from microgym.baselines.evaluation.expert_search import (
    SearchablePolicy,
    searchable_environments,
    searchable_policies,
)


@dataclass(frozen=True)
class Inner:
    gain: float


@dataclass(frozen=True)
class Habits:
    count: int
    inner: Inner


def draw(rng: np.random.Generator) -> Habits:
    return Habits(int(rng.integers(0, 5)), Inner(rng.uniform(0.1, 9.0)))


@pytest.fixture
def peak(monkeypatch) -> list[Habits]:
    """Returns are best at a gain of 3; what was tried, in order."""
    tried: list[Habits] = []

    def evaluate_all(setting: Any, agents: Any, episodes: int) -> Any:
        assert setting.split == "train"
        assert episodes == tune.EPISODES
        habits = agents["tried"]
        tried.append(habits)
        value = -abs(np.log(habits.inner.gain / 3.0))
        return {"tried": SimpleNamespace(returns=np.full(4, value))}

    monkeypatch.setattr(tune, "evaluate_all", evaluate_all)
    return tried


def test_the_search_draws_at_large_then_near_the_best(peak):
    found = tune.search("Ptycho-v0", SearchablePolicy(draw, lambda habits: habits), 60)
    assert [value for value, _ in found] == sorted((value for value, _ in found), reverse=True)
    assert len(found) == len(peak) == 60
    gains = np.array([habits.inner.gain for habits in peak])
    early, late = np.abs(np.log(gains / 3.0)).reshape(2, 30)
    assert np.median(late) < 0.5 * np.median(early)
    assert np.exp(-found[0][0]) > 0.97
    assert all(habits.count >= 0 and isinstance(habits.count, int) for habits in peak)


def test_the_search_repeats_itself(peak):
    first, second = (
        tune.search("Ptycho-v0", SearchablePolicy(draw, lambda habits: habits), 10)
        for _ in range(2)
    )
    assert first == second
    assert peak[:10] == peak[10:]


@pytest.mark.parametrize(
    ("env", "name"), [(e, n) for e in searchable_environments() for n in searchable_policies(e)]
)
def test_what_can_be_tuned_are_settings_of_the_package_s_policies(env, name):
    policy = searchable_policies(env)[name]
    settings = policy.draw(np.random.default_rng(0))
    assert is_dataclass(settings)
    assert fields(settings)
    assert policy.draw(np.random.default_rng(0)) == settings
    assert type(policy.agent(settings)) is type(make_agent(env, name))


def test_mistakes_are_told(capsys):
    with pytest.raises(SystemExit):
        tune.main(["Ptycho-v0", "random"])
    assert "one can tune ['expert', 'oracle'], not 'random'" in capsys.readouterr().err
