"""The checks catch what they are for: each is run against a task that sins."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.vector import AutoresetMode

from microgym.envs.core import testing
from microgym.envs.core.action_validation import ActionChecker
from microgym.envs.core.comparison import assert_same, fingerprint
from microgym.envs.core.gymnasium_env import MicroscopeVectorEnv
from microgym.envs.core.testing import ActionSource
from tests.envs.toy.task import ToyTask

TOY = "tests.envs.toy:MicrogymToy-v0"
observe, info, arrays = ToyTask.observe, ToyTask.info, ToyTask.arrays
look, reset, renew = ToyTask._look, ToyTask.reset, MicroscopeVectorEnv._renew


def shares_its_image(task: ToyTask) -> Any:
    return observe(task) | {"image": task.state.image}


def shares_its_ledger(task: ToyTask) -> Any:
    return info(task) | {"ledger": {"exposures": task.state.tick}}


def forgets(name: str) -> Callable[[ToyTask], Any]:
    return lambda task: {
        key: array for key, array in arrays(task).items() if key != f"state.{name}"
    }


def knows_the_batch(task: ToyTask, rows: Any, actions: Any) -> None:
    look(task, rows, actions)
    task.state.lamp[rows] += 1e-9 * task.num_envs


def knows_its_piece(task: ToyTask, rows: Any, actions: Any) -> None:
    look(task, rows, actions)
    task.state.lamp[rows] += 1e-9 * rows.size


def repeats_itself(task: ToyTask, rows: Any, keys: Any) -> None:
    reset(task, rows, np.zeros_like(keys))


def keeps_old_dose(task: ToyTask, rows: Any, keys: Any) -> None:
    dose = task.state.dose[rows].copy()
    reset(task, rows, keys)
    task.state.dose[rows] = dose


def marks_all_as_final(envs: MicroscopeVectorEnv) -> dict[str, Any]:
    final = renew(envs)
    return final | {"_final_obs": np.ones_like(final["_final_obs"])}


def does_nothing(task: ToyTask, rows: Any, **values: Any) -> None:
    del task, rows, values


@pytest.mark.filterwarnings("ignore:.*share an object")
@pytest.mark.parametrize(
    ("check", "owner", "method", "sin", "message"),
    [
        (testing.check_fresh_data, ToyTask, "observe", shares_its_image, "changed afterwards"),
        (testing.check_fresh_data, ToyTask, "info", shares_its_ledger, "changed afterwards"),
        (testing.check_deterministic, ToyTask, "reset", repeats_itself, "repeat themselves"),
        (testing.check_deterministic, ToyTask, "reset", keeps_old_dose, "reset again"),
        (testing.check_reset, ToyTask, "reset", keeps_old_dose, r"forgotten at reset: .*dose"),
        (testing.check_snapshot, ToyTask, "arrays", forgets("budget"), "restored after"),
        (testing.check_pickle, ToyTask, "arrays", forgets("lamp"), "pickled after"),
        (testing.check_vector_state, ToyTask, "arrays", forgets("path"), "pickled"),
        (testing.check_vector_env, ToyTask, "_look", knows_the_batch, "N=3"),
        (testing.check_threads_do_not_matter, ToyTask, "_look", knows_its_piece, "2 threads"),
    ],
)
def test_sins_are_found(monkeypatch, check, owner, method, sin, message):
    check(TOY)
    monkeypatch.setattr(owner, method, sin)
    with pytest.raises(AssertionError, match=message):
        check(TOY)


def test_a_wrong_final_mask_is_found(monkeypatch):
    monkeypatch.setattr(MicroscopeVectorEnv, "_renew", marks_all_as_final)
    with pytest.raises(AssertionError, match="_final_obs"):
        testing.check_vector_env(TOY, 3, AutoresetMode.SAME_STEP)


def test_an_idle_intervention_is_found(monkeypatch):
    testing.check_intervention(TOY, "lamp", 0.5)
    monkeypatch.setattr(ToyTask, "intervene", does_nothing)
    with pytest.raises(AssertionError, match="changes nothing"):
        testing.check_intervention(TOY, "lamp", 0.5)


def test_all_checks_together():
    testing.check_all(TOY, action="grid")
    testing.check_all(TOY, action="parts")
    with pytest.raises(AssertionError, match="no episode ended in 1 steps"):
        testing.check_all(TOY, steps=1, drift="off")


@pytest.mark.parametrize(
    ("one", "other", "message"),
    [
        ({"a": 1}, {"b": 1}, "only first"),
        ({"a": [1, 2]}, {"a": [1]}, "lengths"),
        (1, 1.0, "<class 'int'> against"),
        (np.zeros(2), np.zeros(2, np.float32), "float64 against float32"),
        (np.zeros(2), np.zeros((1, 2)), r"\(2,\) against \(1, 2\)"),
        (np.array([[0.0, 0.0]]), np.array([[0.0, -0.0]]), r"\[0, 1\]"),
        (np.array([None, 1], object), np.array([None, 2], object), r"\[1\]: 1 against 2"),
        ((1, "x"), (1, "y"), r"\[1\]"),
    ],
)
def test_differences_are_found_and_placed(one, other, message):
    with pytest.raises(AssertionError, match=message):
        assert_same(one, other)
    assert fingerprint(one) != fingerprint(other)
    assert_same(one, one)


def test_equal_things_are_equal():
    one = {"a": np.array([np.nan, 1.0]), "b": (float("nan"), None, "x")}
    other = {"b": (float("nan"), None, "x"), "a": np.array([np.nan, 1.0])}
    assert_same(one, other)
    assert fingerprint(one) == fingerprint(other)


SPACES = [
    spaces.Box(-2.0, 3.0, (2, 2), np.float32),
    spaces.Box(0, 9, (2,), np.int32),
    spaces.Discrete(5, start=3),
    spaces.MultiDiscrete([2, 3, 4]),
]
PARTS = spaces.Dict({"move": SPACES[0], "look": SPACES[2]})


@pytest.mark.parametrize("space", SPACES, ids=str)
def test_actions_of_every_space(space):
    source, batches = ActionSource(space, 1), ActionSource(space, 1)
    check = ActionChecker(space, 1, single=True)
    many = ActionChecker(space, 4, single=False)
    actions = [source.one() for _ in range(4)]
    for action in actions:
        assert action in space
        checked = check(action)
        assert_same(np.asarray(checked[0]), np.asarray(action, space.dtype))
        assert checked.flags.writeable
    assert_same(many(batches.batch(4)), np.stack(actions).astype(space.dtype))
    assert fingerprint(actions[0]) != fingerprint(actions[1]) or space.shape == ()


@pytest.mark.parametrize(
    ("space", "action", "error", "message"),
    [
        (SPACES[1], [1, 10], ValueError, r"action\[1\] is 10; it must be in \[0, 9\]"),
        (SPACES[1], [1.0, 2.0], TypeError, "integers"),
        (SPACES[2], 2, ValueError, r"action is 2; it must be in \[3, 7\]"),
        (SPACES[3], [1, 3, 0], ValueError, r"action\[1\] is 3; it must be in \[0, 2\]"),
    ],
)
def test_bad_actions_of_every_space(space, action, error, message):
    with pytest.raises(error, match=message):
        ActionChecker(space, 1, single=True)(action)


def test_actions_of_several_parts():
    source, check = ActionSource(PARTS, 1), ActionChecker(PARTS, 3, single=False)
    batch = source.batch(3)
    checked: Any = check(batch)
    assert set(checked) == {"move", "look"}
    assert_same(checked["move"], batch["move"])
    assert all(ActionSource(PARTS, seed).one() in PARTS for seed in range(4))
    ignored: Any = check(batch | {"move": np.full((3, 2, 2), np.nan)}, np.zeros(3, np.bool_))
    assert np.isfinite(ignored["move"]).all()
    for bad in (np.zeros(3), {"move": batch["move"]}):
        with pytest.raises(ValueError, match=r"must map \['look', 'move'\] to values"):
            check(bad)
    with pytest.raises(ValueError, match=r"actions\['look'\]\[0\] is 9"):
        check(batch | {"look": np.array([9, 3, 3])})


def test_unknown_spaces_are_refused():
    space = spaces.Tuple([spaces.Discrete(2)])
    with pytest.raises(TypeError, match="not Tuple"):
        ActionChecker(space, 1, single=True)
    with pytest.raises(TypeError, match="no actions"):
        ActionSource(space, 0).one()


def test_ignored_rows_are_not_looked_at():
    check = ActionChecker(SPACES[0], 2, single=False)
    actions = np.zeros((2, 2, 2))
    actions[1] = np.nan
    used = np.array([True, False])
    assert np.isfinite(check(actions, used)).all()
    assert np.isnan(actions[1]).all()
    with pytest.raises(ValueError, match="NaN"):
        check(actions)
