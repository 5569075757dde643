"""Each check finds the fault that it is for, and passes a sound task."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from microgym.baselines.audit import (
    blind,
    ceiling,
    credit,
    degenerate,
    observations,
    play,
    references,
    splits,
    switches,
)
from microgym.baselines.audit.check import Check, Findings
from microgym.baselines.audit.context import Audit
from microgym.baselines.audit.policies import ActionCodec
from microgym.baselines.audit.search import cross_entropy
from microgym.baselines.evaluation.evaluate import Evaluation
from microgym.envs.core.config import LEVELS

Make = Callable[..., Audit]


def verdict(found: Findings, name: str) -> Check:
    return next(one for one in found.checks if one.name == name)


def test_the_scale_of_a_tiny_channel_fails_by_name(audit_of: Make) -> None:
    sound = observations.scale(audit_of("Sound"))
    assert verdict(sound, "scale observation").passed
    found = observations.scale(audit_of("Tiny"))
    check = verdict(found, "scale observation")
    assert not check.passed
    assert "left 0.00" in check.figure
    assert "signal" not in check.figure
    assert found.data["deviation"]["observation"]["left"] == pytest.approx(0.0026, rel=0.3)


def test_a_declared_reason_exempts_a_channel(audit_of: Make, monkeypatch: Any) -> None:
    audit = audit_of("Tiny")
    exempt = {"audit": {"exempt": {"scale.observation.left": "a clock"}}}
    monkeypatch.setattr("microgym.baselines.audit.context.find_tables", lambda env_id: exempt)
    check = verdict(observations.scale(audit), "scale observation")
    assert check.passed
    assert "by declaration: left" in check.figure


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.full(100, 3.0), 0.0),
        (np.r_[np.zeros(95), np.ones(5)], 1.0),  # a rare flag is a whole signal
        (np.r_[np.full(90, 0.5), 0.5 + 0.02 * np.tile([-1.0, 1.0], 5)], 0.02),
        (np.linspace(-1.0, 1.0, 101), 0.583),
    ],
)
def test_the_deviation_is_of_the_signal(values: Any, expected: float) -> None:
    assert observations.deviation(values) == pytest.approx(expected, abs=1e-3)


def test_a_leak_is_found_and_none_where_there_is_none(audit_of: Make) -> None:
    sound = observations.leaks(audit_of("Sound"))
    assert verdict(sound, "leaks first observation").passed
    leaky = observations.leaks(audit_of("Leaky"))
    assert not verdict(leaky, "leaks first observation").passed
    assert leaky.data["r2"]["lamp"] > 0.99


def test_splits_that_share_what_is_hidden_fail(audit_of: Make, monkeypatch: Any) -> None:
    audit = audit_of("Sound")
    alike = np.random.default_rng(0).normal(size=(512, 1))
    monkeypatch.setattr(splits, "starts", lambda *_: (alike, {"lamp": alike}))
    check = verdict(splits.splits(audit), "splits hidden")
    assert not check.passed
    assert "lamp 1.00" in check.figure
    assert abs(splits.between([alike, alike[::-1]])) < 0.2


def test_a_switch_that_does_nothing_fails(audit_of: Make) -> None:
    sound = verdict(switches.switches(audit_of("Sound", 1.0)), "switches noise")
    assert sound.passed, sound.figure
    inert = verdict(switches.switches(audit_of("Inert", 1.0)), "switches noise")
    assert not inert.passed
    assert "no effect from off to easy" in inert.figure


def evaluation(returns: Any) -> Evaluation:
    zero = np.zeros(len(returns))
    return Evaluation("expert", np.asarray(returns), zero, zero, {}, {}, {}, len(returns))


def test_a_level_that_makes_the_task_easier_fails_unless_it_is_declared() -> None:
    noise = np.random.default_rng(0).normal(0.0, 0.1, 64)
    falling = {"expert": [evaluation(noise - k) for k in range(len(LEVELS))]}
    assert switches.judged("x", falling, None)[0].passed
    rising = {"expert": [evaluation(noise * 0.9**k + k) for k in range(len(LEVELS))]}
    check, _ = switches.judged("x", rising, None)
    assert not check.passed
    assert "easier from off to easy" in check.figure
    assert switches.judged("x", rising, "more light")[0].passed


def test_a_degenerate_episode_above_the_expert_fails(audit_of: Make) -> None:
    sound = degenerate.degenerate(audit_of("Sound", 1.0))
    assert all(one.passed for one in sound.checks)
    idle = degenerate.degenerate(audit_of("Idle", 1.0))
    assert not verdict(idle, "degenerate best").passed
    assert idle.data["found"]["best"]["length"] == 8
    assert "distance" in idle.data["found"]["best"]["metrics"]


def test_references_fail_where_idle_is_better_than_the_expert(audit_of: Make) -> None:
    sound = references.references(audit_of("Sound"))
    assert verdict(sound, "references idle").passed
    assert verdict(sound, "references oracle").passed
    assert not verdict(references.references(audit_of("Idle")), "references idle").passed


def test_a_task_that_needs_no_observation_fails(audit_of: Make) -> None:
    sound = blind.blind(audit_of("Sound", 0.1))
    assert verdict(sound, "blind sequence").passed
    found = blind.blind(audit_of("Fixed", 0.1))
    assert not verdict(found, "blind sequence").passed
    best = found.data["default"]["blind"][0]
    assert best == pytest.approx(0.45, abs=0.05)  # 0.5 nearer for 0.5 of way, less a tenth of it


def test_terms_and_the_delay_of_the_effect_are_measured(audit_of: Make) -> None:
    found = credit.credit(audit_of("Sound"))
    assert verdict(found, "credit terms").passed
    terms = found.data["terms"]["expert"]
    assert terms["near"]["variance"] + terms["moved"]["variance"] == pytest.approx(1.0)
    assert found.data["delay"]["profile"][0] > 0
    assert 0.5 <= found.data["delay"]["gamma"] < 1.0


def test_a_term_that_is_never_paid_is_inert() -> None:
    ones = np.ones((4, 8))
    sums = credit.shares({"paid": ones, "never": 0 * ones})
    assert sums["never"]["paid"] == 0.0
    assert sums["paid"]["paid"] == 1.0


def test_the_ceiling_is_the_oracles_where_that_is_optimal(audit_of: Make) -> None:
    found = ceiling.ceiling(audit_of("Sound", 0.5))
    assert verdict(found, "ceiling").passed
    assert found.data["gain"][0] == pytest.approx(0.0, abs=0.03)


def test_a_poor_oracle_is_improved(audit_of: Make, monkeypatch: Any) -> None:
    audit = audit_of("Sound", 0.5)
    make = Audit.agent

    def lame(self: Audit, setting: Any, name: str) -> Any:
        agent = make(self, setting, name)
        if name == "oracle":
            agent.part = 0.1
        return agent

    monkeypatch.setattr(Audit, "agent", lame)
    assert ceiling.ceiling(audit).data["gain"][1] > 0.05


def test_alternatives_must_be_surely_better() -> None:
    noise = np.random.default_rng(1).normal(size=(200, 6, 4))
    kept = (ceiling.surely_best(noise) == 0).mean()
    assert kept > 0.6
    better = noise + np.array([0.0, 0.0, 9.0, 0.0])
    assert (ceiling.surely_best(better) == 2).all()


def test_renewed_episodes_keep_what_is_drawn_and_draw_the_rest_afresh(audit_of: Make) -> None:
    setting = audit_of("Sound").setting()
    env = play.begun(setting, [0, 1])
    many = setting.make(8).unwrapped
    state = play.spread(env.snapshot(), many, 4)
    play.renewed(state, np.random.default_rng(0), 2)
    many.restore(state)
    lamp = many.task.state.lamp
    assert (lamp == env.task.state.lamp.repeat(4)).all()
    many.task.step(np.arange(8), np.zeros((8, 1), np.float32))
    seen = (many.task.state.seen - lamp).reshape(4, 2)
    assert (seen[:, 0] == seen[:, 1]).all()  # pairs share their noise
    assert len(np.unique(seen[:, 0])) == 4


def test_common_random_numbers_in_the_batch_of_sequences(audit_of: Make) -> None:
    setting = audit_of("Sound").setting()
    numbers = np.random.default_rng(0).uniform(-1, 1, (3, 8, 1))
    together = play.play_sequence(setting, numbers, range(5))
    alone = play.play_sequence(setting, numbers[1], range(5))
    assert together.returns.shape == (3, 5)
    assert (together.returns[1] == alone.returns[0]).all()
    assert (together.lengths == 8).all()


def test_the_search_finds_a_maximum() -> None:
    aim = np.array([0.7, -0.4, 0.1])
    found = cross_entropy(
        lambda z: -((z - aim) ** 2).sum(axis=1),
        np.zeros(3),
        0.5,
        candidates=32,
        seconds=5.0,
        most=30,
        rng=np.random.default_rng(0),
    )
    assert np.abs(found.candidates[0] - aim).max() < 0.05


def test_actions_and_numbers_translate_both_ways() -> None:
    from gymnasium import spaces

    dials = spaces.Box(np.array([0.0, -2.0], np.float32), np.array([1.0, 2.0], np.float32))
    space = spaces.Dict({"dials": dials, "event": spaces.Discrete(3)})
    codec = ActionCodec(space)
    actions = {"dials": np.array([[0.25, 1.0]], np.float32), "event": np.array([2])}
    again = codec.decode(codec.encode(actions))
    assert (again["dials"] == actions["dials"]).all()
    assert again["event"] == [2]
    choice = ActionCodec(spaces.Discrete(256))
    assert choice.decode(np.array([[-1.0], [1.0]])).tolist() == [0, 255]
    mask = np.zeros((1, 256), np.bool_)
    mask[0, 40] = True
    assert choice.decode(np.array([[0.9]]), mask).tolist() == [40]
