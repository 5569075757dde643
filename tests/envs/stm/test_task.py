"""STM-v0: what is seen, done and paid for, and what is refused."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from microgym.envs.core import drawing
from microgym.envs.core.config import options
from microgym.envs.core.docs import tables
from microgym.envs.core.rendering import HEIGHT, WIDTH
from microgym.envs.stm.env import STMBuildEnv, STMEnv, STMTipEnv
from microgym.envs.stm.move_task import ON_TARGET_NM, STMTask
from microgym.envs.stm.observation import ACTIONS, TIP, numbers_of
from microgym.envs.stm.observation import DRAG as DRAGGED
from microgym.envs.stm.tip_task import ACCEPT, DIP, LOOK, MOVE, PULSE, SPOILT
from microgym.physics import stm_tip
from microgym.physics.adatoms import nearest_site

QUIET: dict[str, Any] = {"drift": "off", "tip": "off", "noise": "off"}
DRAG, BOTH, ONLY_LOOK = -1.0, 0.0, 1.0


def make(seed: int = 1, env: Any = STMEnv, **arguments: Any) -> Any:
    made = env(**{**QUIET, **arguments})
    made.reset(seed=seed)
    return made


def task_of(env: Any) -> Any:
    return env.task


def drag(start: Any, end: Any, look: float, *which: float) -> np.ndarray:
    """A drag from and to places in nm, seen from the adatom."""
    at = [*(np.asarray(start) / 0.4), *(np.asarray(end) / 2.0), 0.0, 1.0, look, *which]
    return np.array(at, np.float32)


def named(env: Any, observation: Any) -> dict[str, float]:
    vector = observation["numbers"] if isinstance(observation, dict) else observation
    task = task_of(env)
    channels = numbers_of(task.movers) if isinstance(task, STMTask) else TIP
    assert len(channels) == vector.size
    return {name: float(one[0]) for name, one in channels.unpack(vector[None]).items()}


def put_on_target(env: Any) -> None:
    """Set every mover one hop from nothing: on its target."""
    fields = task_of(env).instrument.state.field
    for k in range(task_of(env).movers):
        fields.places[0, k] = fields.targets[0, k]
        fields.sites[0, k] = nearest_site(*fields.targets[0, k], 0.288)


# --- what is seen --------------------------------------------------------------------------------


def test_the_vector_tells_the_way_and_the_place():
    env = make()
    observation, _ = env.reset(seed=5)
    fields = task_of(env).instrument.state.field
    seen = named(env, observation)
    way = fields.targets[0, 0] - fields.places[0, 0]
    assert [seen["way_x_0"], seen["way_y_0"]] == pytest.approx(way / 3.0, abs=1e-6)
    assert [seen["x_0"], seen["y_0"]] == pytest.approx(fields.places[0, 0] / 4.0, abs=1e-6)
    others = fields.places[0][fields.present[0]][1:] - fields.places[0, 0]
    nearest = others[np.hypot(*others.T).argmin()]
    found = np.array([seen["near_x_0"], seen["near_y_0"]])
    assert found == pytest.approx(np.clip(nearest / 2.0, -2, 2), abs=1e-6)
    kind = nearest_site(*fields.targets[0, 0], 0.288)[2]
    assert seen["hollow"] == pytest.approx(2 * kind - 1)
    assert seen["time_left"] == pytest.approx(1 - 40.0 / 200.0), "two images before the first step"


@pytest.mark.parametrize("strength", [1.5, 0.05])
def test_without_an_image_the_adatom_is_believed_where_the_current_said(strength):
    """At the end of a drag that it followed; where it was if it was never beneath the tip."""
    env = make()
    task = task_of(env)
    task.instrument.state.tip.traits[0, stm_tip.STRENGTH] = strength
    start = task.instrument.state.field.places[0, 0].copy()
    seen = named(env, env.step(drag((0.0, 0.0), (2.0, 0.1), DRAG))[0])
    place = task.instrument.state.field.places[0, 0]
    found = np.array([seen["x_0"], seen["y_0"]]) * 4.0
    assert np.hypot(*(found - place)) < 0.45, "within the width of its image"
    assert (np.hypot(*(place - start)) > 1.0) == (strength > 1.0)


def test_after_a_drag_that_it_followed_the_adatom_is_believed_at_its_end():
    env = make()
    start = task_of(env).instrument.state.field.places[0, 0].copy()
    seen = named(env, env.step(drag((0.0, 0.0), (0.6, 0.1), DRAG))[0])
    assert [seen["x_0"], seen["y_0"]] == pytest.approx(
        (start + np.array([0.6, 0.1])) / 4.0, abs=1e-6
    )
    assert seen["stale_0"] == pytest.approx(0.25)
    assert seen["landed"] == 0.0
    seen = named(env, env.step(drag((0, 0), (0, 0), ONLY_LOOK))[0])
    place = task_of(env).instrument.state.field.places[0, 0]
    assert [seen["x_0"], seen["y_0"]] == pytest.approx(place / 4.0, abs=1e-6)
    assert seen["stale_0"] == 0.0
    assert seen["landed"] == pytest.approx(1.0)
    landing = np.array([seen["landing_x"], seen["landing_y"]]) * 0.5
    assert landing == pytest.approx(place - start - [0.6, 0.1], abs=1e-6)


def test_look_alone_does_not_drag_and_both_does_both():
    env = make()
    ledger = [env.step(drag((0, 0), (1, 0), look))[4]["ledger"] for look in (DRAG, BOTH, ONLY_LOOK)]
    assert [one["exposures"] for one in ledger] == [2, 3, 4]
    seconds = np.diff([40.0, *(one["time_s"] for one in ledger)])
    assert seconds == pytest.approx([3.0, 23.0, 20.0])


def test_expected_drift_is_told():
    env = make(drift="real")
    task = task_of(env)
    task.instrument.state.drift.settling[:] = 0.0
    env.intervene(drift_velocity_nm_s=(0.01, -0.005))
    env.step(drag((0, 0), (0, 0), ONLY_LOOK))
    seen = named(env, env.step(drag((0, 0), (0, 0), ONLY_LOOK))[0])
    assert seen["drift_x"] * 0.03 == pytest.approx(0.01, abs=0.004)
    assert seen["drift_y"] * 0.03 == pytest.approx(-0.005, abs=0.004)
    seen = named(env, env.step(drag((0, 0), (1, 0), DRAG))[0])
    assert seen["shift_x"] * 0.5 == pytest.approx(3.0 * seen["drift_x"] * 0.03, rel=1e-3)


def test_build_lists_those_not_in_place_first():
    env = make(env=STMBuildEnv)
    task = task_of(env)
    fields = task.instrument.state.field
    fields.places[0, 1], fields.sites[0, 1] = (
        fields.targets[0, 1],
        nearest_site(*fields.targets[0, 1], 0.288),
    )
    seen = named(env, env.step(drag((0, 0), (0, 0), ONLY_LOOK, -1.0))[0])
    assert task.order[0, -1] == 1
    assert [seen[f"placed_{k}"] for k in range(3)] == pytest.approx([0.0, 0.0, 1.0])
    ways = [np.hypot(seen[f"way_x_{k}"], seen[f"way_y_{k}"]) for k in range(3)]
    assert ways[0] <= ways[1]


def test_which_adatom_is_dragged():
    for slot, which in enumerate((-0.9, 0.0, 0.9)):
        env = make(env=STMBuildEnv)
        task = task_of(env)
        mover = task.order[0, slot]
        env.step(drag((0, 0), (0.3, 0), DRAG, which))
        assert task.state.stale[0].tolist() == [int(k == mover) for k in range(3)]


def test_images_are_shown_where_asked_for():
    env = make(observation="image")
    observation, _ = env.reset(seed=2)
    assert observation["image"].shape == (1, 64, 64)
    place = task_of(env).instrument.state.field.places[0, 0]
    j, i = np.floor((place / 8 + 0.5) * 64).astype(int)
    assert observation["image"][0, i, j] == pytest.approx(0.1 / 0.3, abs=0.05)


# --- what is paid --------------------------------------------------------------------------------


def test_terms_add_up_to_what_was_reached():
    env = make(4)
    begun = task_of(env).distances[0]
    sums: dict[str, float] = {}
    total, steps = 0.0, np.random.default_rng(0)
    over: bool = False
    info: dict[str, Any] = {}
    while not over:
        way = task_of(env).state.goals[0, 0] - task_of(env).state.believed[0, 0]
        toward = np.clip(way, -1.0, 1.0) + steps.uniform(-0.5, 0.5, 2)
        _, reward, over, _, info = env.step(drag((0, 0), toward, DRAG))
        total += reward
        for name, value in info["reward_terms"].items():
            sums[name] = sums.get(name, 0.0) + value
    nearest = task_of(env).state.nearest[0]
    assert sums["approach"] == pytest.approx((1 / (1 + nearest)).mean() - (1 / (1 + begun)).mean())
    assert nearest.min() < 0.8 * begun.min()
    assert sums["agreement"] == info["metrics"]["placed"]
    assert sums["time"] == pytest.approx(-(info["ledger"]["time_s"] - 40.0) / 200.0)
    weights = {name: term.weight for name, term in STMTask.REWARD.items()}
    assert total == pytest.approx(sum(weights[n] * v for n, v in sums.items()))


def test_only_an_image_ends_what_is_done():
    env = make()
    put_on_target(env)
    far = drag((0, 0), (0, 0), DRAG)
    fields = task_of(env).instrument.state.field
    task_of(env).state.believed[0] = -3.5  # the tip goes where nothing is
    fields.present[0, 1:] = False
    _, _, over, _, info = env.step(far)
    assert info["metrics"]["placed"] == 1.0
    assert not over
    assert env.step(drag((0, 0), (0, 0), ONLY_LOOK))[2]


def test_moved_bystanders_are_counted_once_and_cost():
    env = make(7)
    task = task_of(env)
    fields = task.instrument.state.field
    task.instrument.state.tip.traits[0, stm_tip.STRENGTH] = 4.0
    task.state.believed[0, 0] = fields.places[0, 1]
    _, _, _, _, info = env.step(drag((0, 0), (1.0, 0.0), DRAG))
    assert info["cost_terms"]["bystanders"] == 1.0
    assert info["reward_terms"]["safety"] == -1.0
    assert info["metrics"]["bystanders_moved"] == 1.0
    task.state.believed[0, 0] = fields.places[0, 1]
    info = env.step(drag((0, 0), (0.5, 0.0), DRAG))[4]
    assert info["cost"] == 0.0


def test_a_crash_ends_the_episode_and_costs():
    env = make()
    task_of(env).instrument.state.tip.traits[0, stm_tip.CONTACT] = 1.0
    _, _, over, _, info = env.step(drag((0, 0), (1, 0), BOTH))
    assert over
    assert info["cost_terms"]["crash"] == info["cost"] == 1.0
    assert info["reward_terms"]["time"] == pytest.approx(-160.0 / 200.0), "all that is left"


def test_time_ends_the_episode():
    env = make(time_budget_s=70.0)
    assert not env.step(drag((0, 0), (0, 0), ONLY_LOOK))[2]
    assert env.step(drag((0, 0), (0, 0), ONLY_LOOK))[2]


# --- the tip -------------------------------------------------------------------------------------


def test_a_tip_is_never_sharp_at_first_and_its_readings_say_how_it_is():
    env = make(env=STMTipEnv)
    for seed in range(10):
        observation, info = env.reset(seed=seed)
        task = task_of(env)
        assert info["metrics"]["sharp"] == 0.0
        seen, traits = named(env, observation), task.instrument.state.tip.traits[0]
        assert seen["blur"] * 0.2 == pytest.approx(traits[stm_tip.BLUR], abs=1e-6)
        assert seen["ghost"] == pytest.approx(traits[stm_tip.GHOST], abs=1e-6)
        dirty = task.instrument.state.tip.kind[0] == stm_tip.CONTAMINATED
        assert seen["slope"] == pytest.approx(0.75 if dirty else 1.0)
        assert TIP["slope"].centre == 1.0


def test_surface_is_spoilt_masked_and_had_anew():
    env = make(env=STMTipEnv, places=1)
    deep = DIP + 5
    masks = [env.step(deep)[4]["action_mask"] for _ in range(2)]
    assert masks[0][deep]
    assert not masks[1][deep], "25 nm discs: two fit into a place"
    assert masks[1][DIP]
    assert masks[1][MOVE]
    info = env.step(MOVE)[4]
    assert info["action_mask"][deep]
    assert not info["action_mask"][MOVE]
    assert SPOILT[deep] == pytest.approx(np.pi * 25**2 / 5000)
    # What there is no room for is a look: time passes, and nothing else.
    for _ in range(2):
        env.step(deep)
    spoilt = task_of(env).state.spoilt[0]
    env.step(deep)
    assert task_of(env).state.spoilt[0] == spoilt
    assert task_of(env).state.last[0] == LOOK


@pytest.mark.parametrize(("state", "paid"), [("sharp", 1.0), ("blunt", -1.0)])
def test_acceptance_is_paid_by_the_truth_and_needs_evidence(state, paid):
    env = make(env=STMTipEnv)
    env.intervene(tip_state=state)
    task_of(env).state.readings[0] = 0
    assert not task_of(env).action_masks()[0, ACCEPT]
    assert not env.step(ACCEPT)[2], "an image instead"
    _, _, over, _, info = env.step(ACCEPT)
    assert over
    assert info["reward_terms"]["agreement"] == paid
    assert info["cost_terms"]["accepted_bad"] == (paid < 0.0)


def test_a_session_without_an_accepted_tip_is_paid_like_a_bad_one():
    env = make(env=STMTipEnv, time_budget_s=50.0)
    assert env.step(LOOK)[4]["reward_terms"]["agreement"] == 0.0
    _, _, over, _, info = env.step(LOOK)
    assert over
    assert info["reward_terms"]["agreement"] == -1.0


def test_means_are_over_the_images_since_the_tip_was_touched():
    env = make(env=STMTipEnv, noise="real")
    state = task_of(env).state
    readings = [state.reading[0].copy()]
    for _ in range(3):
        env.step(LOOK)
        readings.append(state.reading[0].copy())
    assert state.mean[0] == pytest.approx(np.mean(readings, axis=0))
    env.step(PULSE)
    assert state.mean[0] == pytest.approx(state.reading[0])


# --- interventions, pictures, refusals -----------------------------------------------------------


def test_a_tip_that_is_set_shows_in_images():
    """All that follows from the state: an image of a blunt tip is blurred, and read so."""
    env = make(env=STMTipEnv, observation="image")
    shown, gains = {}, []
    for seed in range(8):
        highest = {}
        for state in ("sharp", "blunt"):
            env.reset(seed=seed)
            env.intervene(tip_state=state)
            highest[state] = float(env.step(LOOK)[0]["image"].max())
        gains.append(highest["sharp"] - highest["blunt"])
    assert min(gains) > 0.0
    assert np.mean(gains) > 0.02
    for state in stm_tip.STATES:
        env.reset(seed=3)
        env.intervene(tip_state=state)
        seen = env.step(LOOK)[0]
        shown[state] = named(env, seen)
    factors = stm_tip.OF_STATE / stm_tip.OF_STATE[stm_tip.SHARP]
    for number, state in enumerate(stm_tip.STATES):
        for reading, column in (("blur", 2), ("flicker", 3)):
            expected = factors[number, column] * shown["sharp"][reading]
            assert shown[state][reading] == pytest.approx(expected, rel=1e-5)
        assert (shown[state]["ghost"] > 0.0) == (state == "double")
        assert (shown[state]["slope"] < 0.8) == (state == "contaminated")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"tip_state": "fine"}, "tip_state='fine' must be one of"),
        ({"well_width_nm": -0.1}, "well_width_nm=-0.1 must be above 0"),
        ({"drift_velocity_nm_s": np.inf}, "drift_velocity_nm_s=inf must be finite"),
        ({"settling_nm": (1, 2, 3)}, r"settling_nm=\(1, 2, 3\) must be numbers of shape \(2,\)"),
        ({"colour": 1}, "unknown intervention 'colour'"),
    ],
)
def test_bad_interventions_change_nothing(values, message):
    env = make()
    before = env.snapshot()
    with pytest.raises(ValueError, match=message):
        env.intervene(well_strength_ev=3.0, **values)
    after = env.snapshot()
    assert all(before[name].tobytes() == after[name].tobytes() for name in before)


@pytest.mark.parametrize(
    ("env_id", "arguments", "error", "message"),
    [
        ("STM-v0", {"specimens": "terrace"}, TypeError, r"argument 'specimens'; .*'specimen'"),
        ("STM-v0", {"goal": "build"}, TypeError, "argument 'goal'"),
        ("STM-v0", {"specimen": "sparse"}, ValueError, "unknown specimen family 'sparse'"),
        ("STM-v0", {"specimen": "stepped"}, ValueError, "'stepped' is held out from split 'train'"),
        ("STM-v0", {"atoms": 3}, TypeError, "argument 'atoms'"),
        ("STMBuild-v0", {"atoms": 6}, ValueError, r"atoms=6 must be in \[2, 5\]"),
        ("STM-v0", {"farthest_nm": 0.5}, ValueError, r"farthest_nm=0.5 must be in \[1, 5\]"),
        ("STM-v0", {"time_budget_s": 0.0}, ValueError, "time_budget_s=0.0 must be above zero"),
        ("STMTip-v0", {"places": -1}, ValueError, r"places=-1 must be in \[0, 20\]"),
        ("STMTip-v0", {"reconstructor": "neural"}, TypeError, "argument 'reconstructor'"),
        ("STM-v0", {"observation": "maps"}, ValueError, "observation='maps' must be one of"),
        ("STM-v0", {"tip": "broken"}, ValueError, "tip='broken' must be one of"),
        ("STM-v0", {"reveal": 1}, TypeError, "reveal must be True or False, got 1"),
        ("STM-v0", {"reward_weights": {"damage": 1.0}}, ValueError, "unknown reward terms damage"),
        ("STM-v0", {"split": "dev"}, ValueError, r"split='dev' must be one of"),
    ],
)
def test_bad_arguments_are_refused(env_id, arguments, error, message):
    with pytest.raises(error, match=message):
        gym.make(env_id, **arguments)


@pytest.mark.parametrize("env_id", ["STM-v0", "STMBuild-v0", "STMTip-v0"])
def test_frames_change_with_the_episode_and_do_not_change_it(env_id):
    env: Any = gym.make(env_id, render_mode="rgb_array")
    env.reset(seed=1)
    action = DIP if env_id == "STMTip-v0" else np.full(env.action_space.shape, 0.1, np.float32)
    frames = [env.render()]
    for _ in range(2):
        before = env.unwrapped.snapshot()
        assert np.array_equal(env.render(), env.render())
        after = env.unwrapped.snapshot()
        assert all(before[name].tobytes() == after[name].tobytes() for name in before)
        env.step(action)
        frames.append(env.render())
    assert {frame.shape for frame in frames} == {(HEIGHT, WIDTH, 3)}
    assert len({frame.tobytes() for frame in frames}) == 3


def test_what_is_in_place_and_what_was_disturbed_is_marked():
    env = STMEnv(render_mode="rgb_array", **QUIET)
    env.reset(seed=1)

    def holds(color: drawing.Color) -> bool:
        return bool((env.render().reshape(-1, 3) == color).all(axis=1).any())

    assert not holds(drawing.BAD)
    task_of(env).state.disturbed[0, 1] = True
    assert holds(drawing.BAD)
    full = (env.render().reshape(-1, 3) == drawing.GOOD).all(axis=1).sum()
    put_on_target(env)
    assert task_of(env).distances.max() < ON_TARGET_NM
    placed = (env.render().reshape(-1, 3) == drawing.GOOD).all(axis=1).sum()
    assert placed > full, "the bar of merit and the adatom are green"


@pytest.mark.parametrize("env", [STMEnv, STMBuildEnv, STMTipEnv])
def test_every_argument_term_and_action_is_in_the_tables(env):
    task = task_of(make(env=env))
    text = str(tables(task))
    for name in (*options(type(task.config)), *task.REWARD, *task.COST, *task.LATENT):
        assert f"`{name}`" in text, name
    actions = ACTIONS if env is STMTipEnv else DRAGGED
    assert all(name in text for name in actions)
    assert len(ACTIONS) == gym.make("STMTip-v0").action_space.n
