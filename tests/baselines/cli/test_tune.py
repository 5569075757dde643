"""The search for settings of reference policies."""

from dataclasses import dataclass, fields, is_dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import optuna
import pytest

from microgym.agents.core.registry import make_agent
from microgym.baselines.cli import tune
from microgym.baselines.cli.tune import (
    SearchablePolicy,
    searchable_environments,
    searchable_policies,
)


@dataclass(frozen=True)
class Inner:
    gain: float


@dataclass(frozen=True)
class Config:
    count: int
    inner: Inner


def suggest(trial: optuna.Trial) -> Config:
    return Config(trial.suggest_int("count", 0, 4), Inner(trial.suggest_float("gain", 0.1, 9.0)))


def first_trial(seed: int) -> optuna.Trial:
    return optuna.create_study(sampler=optuna.samplers.TPESampler(seed=seed)).ask()


@pytest.fixture
def peak(monkeypatch) -> list[Config]:
    """Returns are best at a gain of 3; what was tried, in order."""
    tried: list[Config] = []

    def evaluate_all(setting: Any, agents: Any, episodes: int) -> Any:
        assert setting.split == "train"
        assert episodes == tune.EPISODES
        config = agents["tried"]
        tried.append(config)
        value = -abs(np.log(config.inner.gain / 3.0))
        return {"tried": SimpleNamespace(returns=np.full(4, value))}

    monkeypatch.setattr(tune, "evaluate_all", evaluate_all)
    return tried


def test_the_search_comes_near_the_best(peak):
    found = tune.search("Ptycho-v0", SearchablePolicy(suggest, lambda config: config), 60)
    assert [value for value, _ in found] == sorted((value for value, _ in found), reverse=True)
    assert len(found) == len(peak) == 60
    gains = np.array([config.inner.gain for config in peak])
    early, late = np.abs(np.log(gains / 3.0)).reshape(2, 30)
    assert np.median(late) < np.median(early)
    assert found[0][0] > -0.01
    assert all(config.count >= 0 and isinstance(config.count, int) for config in peak)


def test_the_search_repeats_itself(peak):
    first, second = (
        tune.search("Ptycho-v0", SearchablePolicy(suggest, lambda config: config), 10)
        for _ in range(2)
    )
    assert first == second
    assert peak[:10] == peak[10:]


@pytest.mark.parametrize(
    ("env", "name"), [(e, n) for e in searchable_environments() for n in searchable_policies(e)]
)
def test_what_can_be_tuned_are_settings_of_the_package_s_policies(env, name):
    policy = searchable_policies(env)[name]
    settings, again = (policy.suggest(first_trial(seed=0)) for _ in range(2))
    assert is_dataclass(settings)
    assert fields(settings)
    assert again == settings
    assert type(policy.agent(config=settings)) is type(make_agent(env, name))


def test_mistakes_are_told(capsys):
    with pytest.raises(SystemExit):
        tune.main(["Ptycho-v0", "random"])
    assert "one can tune ['expert', 'oracle'], not 'random'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"survy": {"low": 0, "high": 4}}, "no field 'survy' among"),
        ({"survey": {"low": 0}}, "no range of survey"),
        ({"greedy": {"dwell_s": {"high": 2.0}}}, r"expert.greedy: no range of dwell_s"),
    ],
)
def test_a_table_that_is_no_search_is_refused(monkeypatch, table, message):
    tables = {"expert_search": {"expert": table}}
    monkeypatch.setattr(tune, "find_tables", lambda env_id: tables)
    with pytest.raises(ValueError, match=message):
        searchable_policies("Ptycho-v0")
