"""Stock algorithms in audits: when a training ends, and for how long its result holds."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from microgym.baselines.audit import plain, stamps, training
from microgym.baselines.audit.context import Audit
from tests.baselines.audit.faulty import ENTRIES

Make = Callable[..., Audit]
SOUND = ENTRIES["Sound"].id


def test_plain_rows_are_trained_once(audit_of: Make, monkeypatch: Any) -> None:
    monkeypatch.setattr(training, "EPISODES", 32)
    audit = audit_of("Sound", 0.1)
    found = plain.plain(audit)
    rows = found.data["default"]["PPO"]
    assert len(rows["runs"]) == len(plain.SEEDS)
    assert all(steps > 0 for steps in rows["steps"])
    assert rows["reasons"] == ["time"] * 3
    assert all(one.passed for one in found.checks)  # seconds decide only what they reach
    monkeypatch.setattr(training, "train", lambda task: pytest.fail("trained again"))
    assert plain.plain(audit).data["default"]["PPO"]["runs"] == rows["runs"]


def test_a_training_ends_when_it_has_learnt_enough(audit_of: Make, monkeypatch: Any) -> None:
    monkeypatch.setattr(plain, "SEEDS", (0,))
    monkeypatch.setattr(training, "EPISODES", 32)
    audit = audit_of("Sound", 0.1)
    poor = np.full(training.EPISODES, -9.0)
    monkeypatch.setattr(plain, "_levels", lambda *_: {"blind": poor, "expert": poor})
    found = plain.plain(audit).data["default"]["PPO"]
    assert found["reasons"] == ["reached"]
    assert len(found["looks"][0]) == 1
    assert found["minutes"][0] < 0.2 * audit.minutes  # a twentieth, and the rollout that had begun
    # It must be trained again when more is wanted.
    trained = []
    train = training.train
    monkeypatch.setattr(training, "train", lambda task: trained.append(task.run) or train(task))
    plain.plain(audit)
    assert not trained
    monkeypatch.setattr(plain, "_levels", lambda *_: {"blind": poor, "expert": poor + 99.0})
    assert plain.plain(audit).data["default"]["PPO"]["reasons"] == ["time"]
    assert trained == [0, 0]  # easy, and by default


def test_enough_is_judged_with_a_margin() -> None:
    noise = np.random.default_rng(0).normal(0.0, 0.1, training.EPISODES)
    blind, oracle = noise, noise + 1.0
    easy = {"blind": blind, "oracle": oracle}
    assert not training.reached(noise + 0.55, easy)
    assert training.reached(noise + 0.65, easy)
    wide = np.random.default_rng(1).normal(0.0, 2.0, training.EPISODES)
    assert not training.reached(noise + 0.65 + wide, easy)
    default = {"blind": blind, "expert": noise + 0.5}
    assert not training.reached(noise + 0.45, default)
    assert training.reached(noise + 0.55, default)
    assert training.reached(noise + 0.05, {"blind": blind})
    assert not training.reached(noise - 0.05, {"blind": blind})


def test_a_result_holds_until_what_it_depends_on_changes(monkeypatch: Any, tmp_path: Path) -> None:
    table = {"settings": {"gamma": 0.9}, "minutes": {"easy": 1.0}}
    first, whole = stamps.of_training(SOUND, {}, table), stamps.of_results(SOUND, [{}])
    assert stamps.of_training(SOUND, {}, table | {"minutes": {}}) == first
    assert stamps.of_training(SOUND, {}, {"settings": {"gamma": 0.8}}) != first
    policy = {**table, "policy": "microgym.agents.core.grid_actor_critic:GridPolicy"}
    assert stamps.of_training(SOUND, {}, policy) != first
    assert stamps.of_training(SOUND, {"noise": "hard"}, table) != first
    assert stamps.of_training(ENTRIES["Fixed"].id, {}, table) != first
    # An agent's file changes the stamp of results, not that of trainings.
    folder = tmp_path / "faulty"
    folder.mkdir()
    monkeypatch.setattr(stamps, "agent_folder", lambda _: folder)
    bare = stamps.of_results(SOUND, [{}])
    (folder / "STM-v0.toml").write_text("[plain]")  # of another environment
    assert stamps.of_results(SOUND, [{}]) == bare
    (folder / "references.py").write_text("SKILL = 1")
    assert stamps.of_results(SOUND, [{}]) not in (bare, whole)
    assert stamps.of_training(SOUND, {}, table) == first
