"""AFM-v0: actions, rewards, costs, observations, hidden state, frames, observation models."""

from typing import Any

import numpy as np
import pytest

from microgym.agents.afm.references import GAINS, RATES_HZ, setpoint_to_action, to_action
from microgym.envs.afm.config import AFMConfig
from microgym.envs.afm.env import AFMEnv
from microgym.envs.afm.observation import NUMBERS, SIGNALS
from microgym.envs.afm.task import EXCHANGE_UNIT_S, AFMTask
from microgym.envs.core.docs import tables
from microgym.envs.core.rendering import HEIGHT, WIDTH
from microgym.physics.feedback import DELAY_S, largest_gain
from microgym.specimens.splits import SURFACES

QUIET: dict[str, Any] = {"lines": 8, "drift": "off", "tip": "off", "loop": "off"}
AT = {name: place for place, name in enumerate(NUMBERS)}
SCAN, ENGAGE, WITHDRAW, EXCHANGE = -1.0, 0.55, 0.75, 0.95


def make(seed: int | None = 1, **arguments: Any) -> Any:
    env = AFMEnv(**{**QUIET, **arguments})
    if seed is not None:
        env.reset(seed=seed)
    return env


def task_of(env: Any) -> AFMTask:
    return env.task


def dials(setpoint=0.7, gain=1200.0, rate=4.0, event=SCAN, proportional=-1.0):
    parts = [
        setpoint_to_action(np.array(setpoint)),
        to_action(GAINS, np.array(gain)),
        proportional,
        to_action(RATES_HZ, np.array(rate)),
        event,
    ]
    return np.array(parts, np.float32)


def play(env, actions):
    return [env.step(one) for one in actions]


def test_actions_set_the_dials():
    env = make()
    env.step(dials(0.6, 1500.0, 2.5))
    assert task_of(env).state.dials[0] == pytest.approx([0.6, 1500.0, 0.0, 2.5], rel=1e-5, abs=1e-9)
    env.step(np.array([1, 1, 1, 1, -1], np.float32))
    assert task_of(env).state.dials[0] == pytest.approx([0.95, 20000.0, 0.99, 20.0], rel=1e-5)
    env.step(np.array([-1, -1, -1, -1, -1], np.float32))
    assert task_of(env).state.dials[0] == pytest.approx([0.3, 200.0, 0.0, 0.5], rel=1e-5, abs=1e-9)
    contact = make(imaging="contact", action="feedback")
    contact.step(np.array([0, 0, 0], np.float32))
    # Eight lines in two seconds: the even pace is four a second.
    assert task_of(contact).state.dials[0] == pytest.approx([5.0, 2000.0, 0.0, 4.0], rel=1e-5)
    contact.step(np.array([0, 0, 1], np.float32))
    assert task_of(contact).state.dials[0, 3] == pytest.approx(16.0, rel=1e-5)
    contact.step(np.array([0, 0, -1], np.float32))
    left = 2.0 - 0.25 - 1.0 / 16.0
    assert task_of(contact).state.dials[0, 3] == pytest.approx(0.25 * 6.0 / left, rel=1e-5)


def test_time_follows_the_line_rate():
    env = make()
    play(env, [dials(rate=2.0), dials(rate=4.0)])
    info = env.step(dials(rate=8.0))[4]
    assert info["ledger"]["time_s"] == pytest.approx(0.875)
    assert info["ledger"]["exposures"] == 3
    observation = env.step(dials(rate=4.0))[0]
    assert observation["numbers"][AT["lines_left"]] == pytest.approx(0.5)
    assert observation["numbers"][AT["time_left"]] == pytest.approx(1.0 - 1.125 / 2.0)


def test_an_episode_ends_with_the_frame_or_with_its_time():
    quick = play(make(), [dials(rate=20.0)] * 8)
    assert [step[2] for step in quick] == [False] * 7 + [True]
    slow = play(make(), [dials(rate=0.9)] * 2)
    assert [step[2] for step in slow] == [False, True]
    assert not any(step[3] for step in (*quick, *slow))


def test_terms_add_up_to_their_documented_sums():
    env = make(lines=16)
    steps = play(env, [dials(gain=1000.0 + 300.0 * k, rate=4.0) for k in range(16)])
    sums = {name: sum(step[4]["reward_terms"][name] for step in steps) for name in AFMTask.REWARD}
    task = task_of(env)
    info = steps[-1][4]
    assert sums["time"] == pytest.approx(-1.0)
    assert sums["resolution"] == pytest.approx(info["metrics"]["snr_db"] / 10.0)
    variance = task.instrument.state.surface.variance[0]
    errors = np.sqrt(task.state.errors[0])
    assert sums["resolution"] == pytest.approx(-np.log10(np.sum(errors**2) / np.sum(variance)))
    relief = np.sqrt(variance.mean())
    assert sums["tracking"] == pytest.approx(-np.mean(np.minimum(errors / relief, 1.0)))
    weights = task.reward_weights
    total = sum(step[1] for step in steps)
    assert total == pytest.approx(weights @ [sums[name] for name in AFMTask.REWARD])


def test_errors_are_those_of_the_image():
    env = make()
    play(env, [dials(rate=3.0)] * 4)
    task = task_of(env)
    for line in range(4):
        off = task.state.image[0, line].astype(float) - task.state.ideal[0, line]
        assert off.std() == pytest.approx(np.sqrt(task.state.errors[0, line]), rel=1e-3)


def test_missing_lines_count_as_error():
    env = make()
    info = env.step(dials(rate=0.5))[4]
    # One line of eight, and time is up.
    variance = task_of(env).instrument.state.surface.variance[0]
    left = (task_of(env).state.errors[0, 0] + variance[1:].sum()) / variance.sum()
    assert info["metrics"]["snr_db"] == pytest.approx(-10.0 * np.log10(left))


def test_the_right_gain_earns_most():
    returns: list[float] = []
    for part in (0.15, 0.7, 2.5):
        env = make(seed=4, loop="easy", lines=16)
        gain = part * task_of(env).instrument.state.hidden.gain_limit[0]
        returns.append(sum(step[1] for step in play(env, [dials(gain=gain)] * 16)))
    assert returns[1] > returns[0] + 0.1
    assert returns[1] > returns[2] + 0.1


def test_ringing_shows_in_the_observation():
    env = make(seed=4, lines=32, time_budget_s=100.0)
    limit = task_of(env).instrument.state.hidden.gain_limit[0]
    calm = play(env, [dials(gain=0.6 * limit)] * 3)[-1][0]["numbers"]
    rings = play(env, [dials(gain=1.3 * limit)] * 3)[-1][0]["numbers"]
    assert 100.0 ** rings[AT["ripple"]] > 2.0 * 100.0 ** calm[AT["ripple"]]


def test_signals_are_the_last_line():
    env = make()
    observation = env.step(dials(rate=2.0))[0]
    trace = task_of(env).instrument.state.line.trace[0].astype(float)
    cells = (trace - trace.mean()).reshape(64, 4).mean(axis=1)
    assert observation["signals"][0] == pytest.approx(cells / (np.abs(cells) + 20.0), abs=1e-5)
    assert observation["signals"].shape == (len(SIGNALS), 64)
    assert observation["numbers"].shape == (len(NUMBERS),)
    assert make(None, observation="features").reset(seed=1)[0].shape == (len(NUMBERS),)


def test_the_image_so_far_is_an_observation_mode():
    env = make(observation="image", lines=16)
    before = env.reset(seed=1)[0]["image"]
    assert not before.any()
    after = play(env, [dials(rate=2.0)] * 2)[-1][0]["image"]
    assert after[:8].any()
    assert not after[8:].any()


def test_events():
    env = make(lines=16, time_budget_s=50.0, reveal=True)
    env.step(dials())
    lifted = env.step(dials(event=WITHDRAW))
    assert lifted[0]["numbers"][AT["engaged"]] == 0.0
    assert lifted[0]["numbers"][AT["event"]] == pytest.approx(2.0 / 3.0)
    assert lifted[4]["ledger"]["exposures"] == 1
    empty = env.step(dials())
    assert not empty[0]["signals"][0].any()
    back = env.step(dials(event=ENGAGE))
    assert back[0]["numbers"][AT["engaged"]] == 1.0
    changed = env.step(dials(event=EXCHANGE))
    assert changed[4]["cost"] == 1.0
    assert changed[4]["cost_terms"] == {"crash": 0.0, "tip_change": 1.0}
    assert changed[4]["reward_terms"]["time"] == pytest.approx(-600.0 / EXCHANGE_UNIT_S)
    assert changed[4]["ledger"]["time_s"] > 600.0
    assert not changed[2]
    assert not env.step(dials(event=EXCHANGE))[2]
    assert env.step(dials(event=EXCHANGE))[2]


def test_a_crash_is_a_cost_and_dulls_the_tip():
    env = make(tip="hard", specimen="trenches", split="test", lines=16)
    steps = play(env, [dials(gain=500.0, rate=20.0)] * 16)
    costs = [step[4]["cost_terms"]["crash"] for step in steps]
    assert sum(costs) >= 1.0
    assert sum(costs) == steps[-1][4]["metrics"]["crashes"]
    assert steps[-1][4]["metrics"]["tip_radius_nm"] > 15.0
    assert sum(step[4]["reward_terms"]["force"] for step in steps) < 0.0


def test_the_latent_state_needs_reveal():
    hidden, shown = make(loop="easy"), make(loop="easy", reveal=True)
    assert "latent" not in hidden.step(dials())[4]
    latent = shown.step(dials())[4]["latent"]
    assert latent["slope"].shape == (8,)
    drawn = task_of(shown).instrument.state.hidden
    assert latent["gain_limit"] == pytest.approx(
        largest_gain(0.0, drawn.resonance_hz[0], drawn.damping[0], DELAY_S)
    )


def test_interventions_set_hidden_quantities():
    env = make(drift="easy", tip="easy")
    env.step(dials())
    env.intervene(tip_radius_nm=60.0)
    assert env.step(dials())[4]["metrics"]["tip_radius_nm"] > 60.0
    env.intervene(crash_nn=1.0)
    assert env.step(dials())[4]["cost_terms"]["crash"] >= 1.0
    env.intervene(drift_velocity_nm_s=[1.0, 2.0, 3.0])
    assert task_of(env).instrument.state.drift.velocity[0].tolist() == [1.0, 2.0, 3.0]
    for wrong in (
        {"tip_radius_nm": 1.0},
        {"crash_nn": 0.0},
        {"crash_nn": float("nan")},
        {"drift_velocity_nm_s": [1.0, 2.0]},
        {"drift_velocity_nm_s": float("inf")},
        {"luck": 1.0},
    ):
        (name,) = wrong
        with pytest.raises(ValueError, match=name):
            env.intervene(**wrong)


@pytest.mark.parametrize("family", [name for name in SURFACES if name != "trenches"])
def test_every_family_can_be_scanned(family):
    env = make(specimen=family, drift="easy", tip="easy", loop="easy")
    steps = play(env, [dials(rate=2.0)] * 8)
    assert steps[-1][2]
    assert steps[-1][4]["metrics"]["snr_db"] > 0.0


def test_bad_arguments_are_refused():
    for given, error, word in (
        ({"lines": 4}, ValueError, "lines"),
        ({"lines": 3.5}, TypeError, "lines"),
        ({"field_nm": 1.0}, ValueError, "field_nm"),
        ({"time_budget_s": 0.0}, ValueError, "time_budget_s"),
        ({"imaging": "shear"}, ValueError, "imaging"),
        ({"action": "grid"}, ValueError, "action"),
        ({"observation": "maps"}, ValueError, "observation"),
        ({"tip": "worse"}, ValueError, "tip"),
        ({"drift": "worse"}, ValueError, "drift"),
        ({"loop": "worse"}, ValueError, "loop"),
        ({"scanner": "worse"}, ValueError, "scanner"),
        ({"specimen": "sparse"}, ValueError, "sparse"),
        ({"specimen": "trenches"}, ValueError, "held out"),
        ({"split": "all"}, ValueError, "split"),
        ({"reveal": 1}, TypeError, "reveal"),
        ({"reward_weights": {"dose": 1.0}}, ValueError, "dose"),
        ({"colour": "red"}, TypeError, "colour"),
    ):
        with pytest.raises(error, match=word):
            AFMTask(1, **given)


def test_frames_change_with_the_scan_and_do_not_change_it():
    env = AFMEnv(**QUIET, render_mode="rgb_array")
    env.reset(seed=1)
    task = task_of(env)
    frames = [task.render(0)]
    for action in (dials(), dials(rate=20.0, gain=400.0), dials(event=WITHDRAW)):
        env.step(action)
        before = task.snapshot()
        frames.append(task.render(0))
        after = task.snapshot()
        assert all(np.array_equal(before[name], after[name]) for name in before)
    assert {frame.shape for frame in frames} == {(HEIGHT, WIDTH, 3)}
    assert len({frame.tobytes() for frame in frames}) == 4


def test_info_has_the_declared_keys():
    task = AFMTask(1, lines=8, reveal=True)
    info = task.info()
    assert set(info["latent"]) == set(task.LATENT)
    assert set(info["metrics"]) == {one.name for one in task.METRICS if one.group == "metrics"}
    assert set(info["reward_terms"]) == set(task.REWARD)
    assert set(info["cost_terms"]) == set(task.COST)


def test_the_tables_follow_from_the_declarations():
    found = tables(AFMTask(1))
    signals, numbers, restored, image = found["Observation Space"]
    assert [row[1] for row in signals[1:]] == [f"`{name}`" for name in SIGNALS]
    assert [row[1] for row in numbers[1:]] == [f"`{name}`" for name in NUMBERS]
    assert len(restored) == 3
    assert len(image) == 2
    switches = {table[0][0] for table in found["Difficulty switches"]}
    assert {"`drift`", "`tip`", "`loop`", "`scanner`", "intervention"} <= switches


# --- restored lines ------------------------------------------------------------------------------


@pytest.mark.parametrize("reconstructor", ["classical", "neural"])
def test_restored_lines_are_shown_and_nothing_else_changes(reconstructor):
    plain = make(lines=16, observation="image")
    shown = make(lines=16, observation="image", reconstructor=reconstructor)
    assert set(shown.observation_space.spaces) == {"signals", "numbers", "image", "restored"}
    before, after = plain.reset(seed=5)[0], shown.reset(seed=5)[0]
    for _ in range(3):
        before, paid, *_, info = plain.step(dials(rate=15.0))
        after, same, *_, told = shown.step(dials(rate=15.0))
        assert same == paid
        assert told["metrics"] == info["metrics"]
        for name in ("signals", "numbers"):
            assert np.array_equal(after[name], before[name])
        assert after in shown.observation_space
    assert not np.array_equal(after["image"], before["image"])
    restored = task_of(shown).topography.state.estimate
    cells = restored.heights[0].reshape(64, 4).mean(axis=1, dtype=np.float64)
    assert after["restored"][0] == pytest.approx(cells / (np.abs(cells) + 20.0), abs=1e-5)
    doubt = np.sqrt(np.mean(restored.sigma[0].reshape(64, 4).astype(np.float64) ** 2, axis=1))
    assert after["restored"][1] == pytest.approx(doubt / (doubt + 1.0), abs=1e-5)


def test_restored_lines_are_nearer_to_the_truth_than_the_trace():
    for reconstructor in ("classical", "neural"):
        env = make(reconstructor=reconstructor, specimen="fibres", lines=24, split="test")
        wrong = {"trace": 0.0, "restored": 0.0}
        for _ in range(24):
            env.step(dials(gain=600.0, rate=15.0))
            task = task_of(env)
            scanned = task.instrument.state.line
            truth = scanned.truth[0] - scanned.truth[0].mean()
            for name, line in (
                ("trace", scanned.trace[0]),
                ("restored", task.topography.state.estimate.heights[0]),
            ):
                wrong[name] += float(np.sum((line - line.mean() - truth) ** 2))
        assert wrong["restored"] < 0.7 * wrong["trace"]


def test_frames_show_the_restored_line_beside_the_trace():
    frames = {}
    for reconstructor in ("raw", "neural"):
        env = make(reconstructor=reconstructor, render_mode="rgb_array")
        env.step(dials(rate=15.0))
        frames[reconstructor] = env.render()
    changed = np.any(frames["raw"] != frames["neural"], axis=2)
    rows, columns = np.nonzero(changed)
    assert changed.sum() > 200
    assert rows.min() > 320
    assert rows.max() < 480
    assert columns.max() - columns.min() > 400


def test_a_withdrawn_tip_gives_a_flat_line_of_full_uncertainty():
    env = make(reconstructor="neural")
    env.step(dials())
    env.step(dials(event=WITHDRAW))
    seen, *_ = env.step(dials())
    assert np.all(seen["restored"][0] == 0.0)
    assert np.all(seen["restored"][1] > 0.99)
    env.reset(seed=2)
    assert not task_of(env).state.restored.any()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"reconstructor": "none"}, "reconstructor='none' must be one of"),
        ({"reconstructor": "neural", "imaging": "contact"}, "learnt from imaging='amplitude'"),
        ({"reconstructor": "classical", "observation": "features"}, "needs an observation of line"),
    ],
)
def test_bad_observation_models_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        AFMConfig(**arguments)
