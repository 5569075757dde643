"""Difficulty, and other arguments that change at a reset, by row."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from microgym.envs.core import testing
from microgym.envs.core.base_env import ARGUMENTS
from microgym.envs.core.comparison import assert_same
from microgym.envs.core.config import options
from microgym.envs.core.testing import ActionSource, drive, rollout
from microgym.envs.core.variants import Variants
from tests.conformance.cases import ALL_ENTRIES, DEFAULTS
from tests.envs.toy.env import ToyEnv, ToyVectorEnv
from tests.envs.toy.task import ToyConfig

TOY = "tests.envs.toy:MicrogymToy-v0"


def make(**arguments: Any) -> Any:
    return gym.make(TOY, **arguments).unwrapped


def make_vec(num_envs: int, **arguments: Any) -> Any:
    return gym.make_vec(TOY, num_envs, **arguments)


def test_a_preset_fills_in_what_is_not_given():
    assert ToyConfig.parse({}, "").drift == "real"
    easy = ToyConfig.parse({"difficulty": "easy"}, "")
    assert (easy.drift, easy.sharpness) == ("off", 4.0)
    mixed = ToyConfig.parse({"difficulty": "easy", "drift": "hard"}, "")
    assert (mixed.drift, mixed.sharpness) == ("hard", 4.0)
    with pytest.raises(ValueError, match="difficulty='mild' must be one of"):
        ToyConfig.parse({"difficulty": "mild"}, "")


@pytest.mark.parametrize("entry", ALL_ENTRIES, ids=lambda entry: entry.id)
def test_presets_hold_only_what_may_change_at_a_reset(entry):
    kind = entry.load().task_class.Config
    known = {name for name, one in options(kind).items() if one.at_reset}
    assert "easy" in kind.PRESETS
    for difficulty, preset in kind.PRESETS.items():
        assert preset.keys() <= known
        made = kind.parse({"difficulty": difficulty}, entry.id)
        assert all(getattr(made, name) == value for name, value in preset.items())


def test_a_single_environment_changes_and_stays_changed():
    env, easy, plain = make(), make(difficulty="easy"), make()
    expected = rollout(easy, seed=3, episodes=2)
    env.reset(seed=9)
    env.reset(options={"difficulty": "easy"})
    assert_same(rollout(env, seed=3, episodes=2), expected)
    assert env.config == easy.config
    env.reset(options={"difficulty": "default"})
    assert_same(rollout(env, seed=3), rollout(plain, seed=3))
    assert env.config == plain.config


def test_options_of_one_call_change_what_the_difficulty_sets():
    env = make(spread="near")
    env.reset(seed=1, options={"drift": "easy", "difficulty": "easy"})
    assert (env.config.drift, env.config.sharpness) == ("easy", 4.0)
    env.reset(options={"sharpness": 2})
    assert (env.config.drift, env.config.sharpness) == ("easy", 2.0)
    # The difficulty sets every argument, and what was given to `make` wins.
    env.reset(options={"difficulty": "easy"})
    assert (env.config.drift, env.config.sharpness) == ("off", 4.0)
    assert env.config.spread == "near"


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"drift": "wild"}, ValueError, "drift='wild' must be one of"),
        ({"speed": 1}, ValueError, r"unknown reset options \['speed'\]; known are"),
        ({"threads": 2}, ValueError, r"unknown reset options \['threads'\]"),
        ({"sharpness": 30.0}, ValueError, r"sharpness=30.0 must be in \[1, 20\]"),
        ({"sharpness": "high"}, TypeError, "sharpness must be a real number"),
        ({"spread": "lamp.png"}, ValueError, "spread='lamp.png' must be one of"),
        ({"spread": "near", "drift": "hard"}, ValueError, "spread='near' does not go with"),
        ("easy", TypeError, "options must map names to values, got 'easy'"),
        ({"drift": ["off", "off"]}, ValueError, "drift.*must be one"),
    ],
)
def test_bad_options_change_nothing(given, error, message):
    env, envs = make(), make_vec(3)
    for one in (env, envs):
        one.reset(seed=1)
        before = one.snapshot()
        with pytest.raises(error, match=message):
            one.reset(seed=5, options=given)
        assert_same(one.snapshot(), before)


def test_rows_have_arguments_of_their_own():
    envs = make_vec(3)
    envs.reset(
        seed=1, options={"sharpness": np.array([2.0, 9.0, 4.0]), "drift": ["off", None, "off"]}
    )
    found = [envs.task.variants.of(row).config for row in range(3)]
    assert [one.sharpness for one in found] == [2.0, 9.0, 4.0]
    assert [one.drift for one in found] == ["off", "real", "off"]
    # Only the rows of the mask change, and they stay as they are at a reset without options.
    envs.reset(options={"drift": "hard", "reset_mask": np.array([True, False, False])})
    envs.reset()
    found = [envs.task.variants.of(row).config for row in range(3)]
    assert [one.drift for one in found] == ["hard", "real", "off"]
    assert [one.sharpness for one in found] == [2.0, 9.0, 4.0]
    with pytest.raises(ValueError, match="sharpness must be one value or 3"):
        envs.reset(options={"sharpness": [1.0, 2.0]})


def test_rows_with_equal_arguments_are_played_together():
    envs = make_vec(4)
    task = envs.task
    envs.reset(seed=1)
    assert [one for one, _ in task.variants.parts(np.arange(4))] == [task]
    envs.reset(options={"drift": ["off", "hard", "off", "real"]})
    rows = np.array([0, 2, 3])
    parts = [(one.config.drift, rows[mine].tolist()) for one, mine in task.variants.parts(rows)]
    assert parts == [("off", [0, 2]), ("real", [3])]
    assert envs.config.drift == "real"
    envs.reset(options={"drift": "off"})
    assert envs.config.drift == "off"
    assert len(list(envs.task.variants.parts(rows))) == 1


def test_a_snapshot_holds_the_arguments():
    envs, other = make_vec(3), make_vec(3)
    envs.reset(seed=1, options={"drift": ["off", "hard", "easy"]})
    state = envs.snapshot()
    other.restore(state)
    going_on: dict[str, Any] = {"seed": 2, "steps": 9, "reset": False}
    assert_same(drive(other, **going_on), drive(envs, **going_on))
    fresh = make_vec(3)
    fresh.reset(seed=1)
    envs.restore(fresh.snapshot())
    assert_same(drive(envs, **going_on), drive(fresh, **going_on))
    for bad in (7.0, -2.0, 0.5, np.inf, np.nan):
        broken = {**state, ARGUMENTS: np.full_like(state[ARGUMENTS], bad)}
        before = envs.snapshot()
        with pytest.raises(ValueError, match="must be"):
            envs.restore(broken)
        assert_same(envs.snapshot(), before)


def test_a_snapshot_of_an_environment_with_other_switches_brings_them_along():
    env, other = make(drift="hard"), make(difficulty="easy")
    env.reset(seed=1)
    other.reset(seed=2)
    other.restore(env.snapshot())
    assert other.config.drift == "hard"
    for _ in range(3):
        assert_same(other.step(np.zeros(3)), env.step(np.zeros(3)))


def test_any_number_of_values_is_forgotten_again():
    env = make()
    for value in np.linspace(1.0, 20.0, 600):
        env.reset(seed=1, options={"sharpness": value})
    assert len(env.task.variants._tasks) <= 258
    assert_same(rollout(env, seed=1), rollout(make(sharpness=20.0), seed=1))


def test_a_batch_that_ignores_arguments_is_found(monkeypatch):
    testing.check_arguments(TOY)
    monkeypatch.setattr(Variants, "parts", lambda self, rows: [(self.current, slice(None))])
    with pytest.raises(AssertionError, match="rows of"):
        testing.check_arguments(TOY)


def test_every_environment_has_a_row_for_each_kind_of_argument():
    for case in DEFAULTS:
        sets = testing.argument_sets(case.id, **case.arguments)
        assert {"difficulty": "easy"} in sets
        assert any("hard" in one.values() for one in sets)
    families = testing.argument_sets("microgym:AFM-v0", lines=8, split="test")
    assert {"specimen": "trenches"} in families
    assert {"specimen": "trenches"} not in testing.argument_sets("microgym:AFM-v0", lines=8)


def test_interventions_and_pictures_are_those_of_the_row():
    words: dict[str, Any] = {"lines": 8, "render_mode": "rgb_array"}
    envs: Any = gym.make_vec("microgym:AFM-v0", 2, **words)
    envs.reset(seed=1, options={"tip": ["easy", "hard"]})
    envs.intervene(rows=[1, 0], tip_radius_nm=[40.0, 30.0])
    action = ActionSource(envs.single_action_space, 1).one()
    seen, pictures = envs.step(np.stack([action, action]))[0], envs.render()
    for row, (level, radius) in enumerate((("easy", 30.0), ("hard", 40.0))):
        env: Any = gym.make("microgym:AFM-v0", tip=level, **words)
        env.reset(seed=1 + row)
        env.unwrapped.intervene(tip_radius_nm=radius)
        alone = env.step(action)[0]
        assert_same({name: part[row] for name, part in seen.items()}, alone)
        assert_same(pictures[row], env.render())


def test_a_team_takes_options():
    env: Any = pytest.importorskip("microgym.envs.multi_probe.env").MultiProbeParallelEnv(
        exposures=3
    )
    env.reset(seed=1, options={"drift": "hard", "options": 1})
    assert env.config.drift == "hard"
    with pytest.raises(ValueError, match="unknown reset options"):
        env.reset(options={"speed": 1})


def test_one_group_is_the_task_itself():
    env, envs = ToyEnv(), ToyVectorEnv(2)
    for one in (env, envs):
        task = one.task
        one.reset(seed=1)
        one.reset(options={})
        assert one.task is task
