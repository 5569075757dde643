"""AFM-v0: actions, rewards, costs, observations, hidden state, frames, observation models."""

import itertools
from typing import Any

import numpy as np
import pytest

from microgym.agents.afm.references import line_action
from microgym.envs.afm.config import AFMConfig
from microgym.envs.afm.env import AFMEnv
from microgym.envs.afm.observation import NUMBERS, RESTORED, SIGNALS
from microgym.envs.afm.task import ENGAGE, EXCHANGE, SCAN, SPOILING_NN, WITHDRAW, AFMTask
from microgym.envs.core.docs import tables
from microgym.envs.core.rendering import HEIGHT, WIDTH
from microgym.physics.feedback import DELAY_S, largest_gain
from microgym.specimens.splits import SURFACES

QUIET: dict[str, Any] = {"lines": 8, "drift": "off", "tip": "off", "loop": "off"}


def make(seed: int | None = 1, **arguments: Any) -> Any:
    env = AFMEnv(**{**QUIET, **arguments})
    if seed is not None:
        env.reset(seed=seed)
    return env


def task_of(env: Any) -> AFMTask:
    return env.task


def dials(setpoint=0.7, gain=2000.0, speed=1.0, proportional=0.0):
    return line_action(setpoint, gain, np.array([speed]), proportional)[0]


def at_console(event=SCAN, **settings):
    return {"dials": dials(**settings), "event": event}


def numbers(observation):
    """Values of the numbers, by name."""
    return {name: value[0] for name, value in NUMBERS.unpack(observation["numbers"][None]).items()}


def play(env, actions):
    return [env.step(one) for one in actions]


def test_actions_set_the_dials():
    env = make()
    env.step(dials(0.6, 1500.0, 1.5))
    # Eight lines in two seconds: the even pace is four a second.
    assert task_of(env).state.dials[0] == pytest.approx([0.6, 1500.0, 0.0, 6.0], rel=1e-5, abs=1e-8)
    left = 2.0 - 1.0 / 6.0
    env.step(np.ones(4, np.float32))
    most = [0.85, 6000.0, 0.04, 2.0 * 7.0 / left]
    assert task_of(env).state.dials[0] == pytest.approx(most, rel=1e-5)
    env.step(-np.ones(4, np.float32))
    left -= 1.0 / most[3]
    least = [0.55, 375.0, 0.0, 0.5 * 6.0 / left]
    assert task_of(env).state.dials[0] == pytest.approx(least, rel=1e-5)
    contact = make(imaging="contact")
    contact.step(np.array([1, -1, 0, 0], np.float32))
    assert task_of(contact).state.dials[0] == pytest.approx([15.0, 75.0, 0.02, 4.0], rel=1e-5)


def test_an_action_of_zeros_is_what_a_beginner_would_do():
    env = make(lines=16, loop="easy")
    steps = play(env, [np.zeros(4, np.float32)] * 16)
    assert steps[-1][2]
    assert steps[-1][4]["ledger"]["exposures"] == 16
    assert steps[-1][4]["ledger"]["time_s"] == pytest.approx(4.0)
    assert steps[-1][4]["metrics"]["snr_db"] > 3.0


def test_time_follows_the_line_rate():
    env = make()
    env.step(dials())
    env.step(dials(speed=0.5))
    before = float(task_of(env).ledger.time_s[0])
    assert before == pytest.approx(0.25 + 2.0 * 1.75 / 7.0)
    observation, *_, info = env.step(dials(speed=2.0))
    rate = task_of(env).state.dials[0, 3]
    assert info["ledger"]["time_s"] == pytest.approx(before + 1.0 / rate)
    assert info["ledger"]["exposures"] == 3
    seen = numbers(observation)
    assert seen["lines_left"] == pytest.approx(5.0 / 8.0)
    assert seen["time_left"] == pytest.approx(1.0 - info["ledger"]["time_s"] / 2.0)
    assert seen["pace"] == pytest.approx(np.log(seen["time_left"] / seen["lines_left"]), abs=1e-6)
    assert seen["line_rate"] == pytest.approx(np.log(rate / 4.0), abs=1e-6)


def test_an_episode_ends_with_the_frame_or_with_its_time():
    quick = play(make(), [dials(speed=2.0)] * 8)
    assert [step[2] for step in quick] == [False] * 7 + [True]
    slow = play(make(), [dials(speed=0.5)] * 7)
    assert [step[2] for step in slow] == [False] * 6 + [True]
    assert not any(step[3] for step in (*quick, *slow))


def test_terms_add_up_to_their_documented_sums():
    env = make(lines=16, specimen="particles", tip="easy")
    steps, reliefs = [], []
    for k in range(16):
        steps += play(env, [dials(gain=1000.0 + 300.0 * k)])
        reliefs.append(task_of(env).instrument.state.line.truth[0].astype(float).std())
    sums = {name: sum(step[4]["reward_terms"][name] for step in steps) for name in AFMTask.REWARD}
    task = task_of(env)
    variance = task.instrument.state.surface.variance[0]
    bels = -np.log10(np.clip(task.state.errors[0] / np.square(reliefs), 1e-3, 1.0))
    earned = bels * variance / variance.sum()
    assert bels.max() > 0.5
    assert [step[4]["reward_terms"]["quality"] for step in steps] == pytest.approx(earned, rel=1e-4)
    spoilt = np.array([-step[4]["reward_terms"]["force"] for step in steps])
    last = task.instrument.state.line.excess_nn[0]
    assert spoilt[-1] == pytest.approx(earned[-1] * last / (last + SPOILING_NN))
    assert (spoilt >= 0.0).all()
    assert (spoilt <= earned).all()
    assert sums["exchange"] == 0.0
    # Each line apart earns at least what the whole image has: the logarithm is concave.
    assert sums["quality"] >= steps[-1][4]["metrics"]["snr_db"] / 10.0
    total = sum(step[1] for step in steps)
    assert total == pytest.approx(task.reward_weights @ [sums[name] for name in AFMTask.REWARD])


def test_no_line_is_better_left_out():
    """Whatever the dials, a line earns something or nothing, and a lifted tip earns nothing."""
    rng = np.random.default_rng(0)
    env = make(lines=24, tip="hard", loop="hard", specimen="particles", action="console")
    for _ in range(24):
        paid = env.step({"dials": rng.uniform(-1.0, 1.0, 4).astype(np.float32), "event": SCAN})[1]
        assert paid >= 0.0
    env.reset(seed=2)
    assert env.step(at_console(WITHDRAW))[1] == 0.0
    assert sum(step[1] for step in play(env, [at_console()] * 8)) < 0.02
    assert env.step(at_console(ENGAGE))[1] == 0.0
    assert env.step(at_console(EXCHANGE))[1] == pytest.approx(-0.5)


def test_errors_are_those_of_the_image():
    env = make()
    play(env, [dials()] * 4)
    task = task_of(env)
    for line in range(4):
        off = task.state.image[0, line].astype(float) - task.state.ideal[0, line]
        assert off.std() == pytest.approx(np.sqrt(task.state.errors[0, line]), rel=1e-3)


def test_missing_lines_count_as_error():
    env = make()
    info = env.step(dials())[4]
    variance = task_of(env).instrument.state.surface.variance[0]
    left = (task_of(env).state.errors[0, 0] + variance[1:].sum()) / variance.sum()
    assert info["metrics"]["snr_db"] == pytest.approx(-10.0 * np.log10(left))


def test_the_right_gain_earns_most():
    returns = np.zeros(3)
    for (number, part), seed in itertools.product(enumerate((0.15, 0.7, 2.5)), (4, 5, 6)):
        env = make(seed=seed, loop="easy", lines=16)
        gain = part * task_of(env).instrument.state.hidden.gain_limit[0]
        returns[number] += sum(step[1] for step in play(env, [dials(gain=gain)] * 16)) / 3
    assert returns[1] > returns[0] + 0.1
    assert returns[1] > returns[2] + 0.1


def test_ringing_shows_in_the_observation():
    env = make(seed=4, lines=32)
    limit = task_of(env).instrument.state.hidden.gain_limit[0]
    calm = numbers(play(env, [dials(gain=0.6 * limit)] * 3)[-1][0])
    rings = numbers(play(env, [dials(gain=1.3 * limit)] * 3)[-1][0])
    assert 100.0 ** rings["ripple"] > 2.0 * 100.0 ** calm["ripple"]


def test_signals_are_the_last_line():
    env = make()
    observation = env.step(dials(speed=0.5))[0]
    trace = task_of(env).instrument.state.line.trace[0].astype(float)
    cells = (trace - trace.mean()).reshape(64, 4).mean(axis=1)
    seen = SIGNALS.unpack(observation["signals"][None])["trace"][0]
    assert seen == pytest.approx(cells / (np.abs(cells) + 20.0), abs=1e-5)
    assert observation["signals"].shape == (len(SIGNALS), 64)
    assert observation["numbers"].shape == (len(NUMBERS),)
    assert make(None, observation="features").reset(seed=1)[0].shape == (len(NUMBERS),)


def test_the_image_so_far_is_an_observation_mode():
    env = make(observation="image", lines=16)
    before = env.reset(seed=1)[0]["image"]
    assert not before.any()
    after = play(env, [dials(speed=0.5)] * 2)[-1][0]["image"]
    assert after[:8].any()
    assert not after[8:].any()


def test_events():
    env = make(lines=16, time_budget_s=50.0, action="console")
    env.step(at_console())
    lifted = env.step(at_console(WITHDRAW))
    assert lifted[0]["tip"].tolist() == [0.0, 0.0]
    assert lifted[4]["ledger"]["exposures"] == 1
    empty = env.step(at_console())
    assert not SIGNALS.unpack(empty[0]["signals"][None])["trace"].any()
    back = env.step(at_console(ENGAGE))
    assert back[0]["tip"].tolist() == [1.0, 0.0]
    before = back[4]["ledger"]["time_s"]
    changed = env.step(at_console(EXCHANGE))
    assert changed[4]["cost"] == 1.0
    assert changed[4]["cost_terms"] == {"crash": 0.0, "tip_change": 1.0}
    assert changed[4]["reward_terms"]["exchange"] == -1.0
    assert changed[4]["ledger"]["time_s"] == pytest.approx(before + 600.0)
    assert changed[0]["tip"].tolist() == pytest.approx([1.0, 1.0 / 3.0])
    assert numbers(changed[0])["time_left"] == numbers(back[0])["time_left"]
    assert not changed[2]
    assert not env.step(at_console(EXCHANGE))[2]
    assert env.step(at_console(EXCHANGE))[2]


def test_the_tip_is_not_lifted_by_dials():
    """Gaussian dials of any size scan a line a step."""
    rng = np.random.default_rng(1)
    env = make(lines=16)
    drawn = np.clip(rng.normal(0.0, 1.0, (12, 4)), -1.0, 1.0).astype(np.float32)
    for number, step in enumerate(play(env, drawn)):
        assert step[4]["ledger"]["exposures"] == number + 1
        assert task_of(env).instrument.state.engaged[0]


def test_a_crash_is_a_cost_and_dulls_the_tip():
    env = make(tip="hard", specimen="trenches", split="test", lines=16)
    steps = play(env, [dials(gain=500.0, speed=2.0)] * 16)
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
    env.intervene(strength_gpa=0.1)
    assert env.step(dials())[4]["cost_terms"]["crash"] >= 1.0
    env.intervene(drift_velocity_nm_s=[1.0, 2.0, 3.0])
    assert task_of(env).instrument.state.drift.velocity[0].tolist() == [1.0, 2.0, 3.0]
    for wrong in (
        {"tip_radius_nm": 1.0},
        {"strength_gpa": 0.0},
        {"strength_gpa": float("nan")},
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
    steps = play(env, [dials()] * 8)
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
    env = AFMEnv(**QUIET, action="console", render_mode="rgb_array")
    env.reset(seed=1)
    task = task_of(env)
    frames = [task.render(0)]
    for action in (at_console(), at_console(speed=2.0, gain=400.0), at_console(WITHDRAW)):
        env.step(action)
        before = task.snapshot()
        frames.append(task.render(0))
        after = task.snapshot()
        assert all(before[name].tobytes() == after[name].tobytes() for name in before)
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
    signals, seen, tip, restored, image = found["Observation Space"]
    assert [row[1] for row in signals[1:]] == [f"`{name}`" for name in SIGNALS]
    assert [row[1] for row in seen[1:]] == [f"`{name}`" for name in NUMBERS]
    assert len(tip) == 3
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
        before, paid, *_, info = plain.step(dials(speed=2.0))
        after, same, *_, told = shown.step(dials(speed=2.0))
        assert same == paid
        assert told["metrics"] == info["metrics"]
        for name in ("signals", "numbers"):
            assert np.array_equal(after[name], before[name])
        assert after in shown.observation_space
    assert not np.array_equal(after["image"], before["image"])
    restored = task_of(shown).topography.state.estimate
    cells = restored.heights[0].reshape(64, 4).mean(axis=1, dtype=np.float64)
    seen = RESTORED.unpack(after["restored"][None])
    assert seen["height"][0] == pytest.approx(cells / (np.abs(cells) + 20.0), abs=1e-5)
    doubt = np.sqrt(np.mean(restored.sigma[0].reshape(64, 4).astype(np.float64) ** 2, axis=1))
    assert seen["uncertainty"][0] == pytest.approx(doubt / (doubt + 1.0), abs=1e-5)


def test_restored_lines_are_nearer_to_the_truth_than_the_trace():
    for reconstructor in ("classical", "neural"):
        env = make(reconstructor=reconstructor, specimen="fibres", lines=24, split="test")
        wrong = {"trace": 0.0, "restored": 0.0}
        for _ in range(24):
            env.step(dials(gain=600.0, speed=2.0))
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
        env.step(dials(speed=2.0))
        frames[reconstructor] = env.render()
    changed = np.any(frames["raw"] != frames["neural"], axis=2)
    rows, columns = np.nonzero(changed)
    assert changed.sum() > 200
    assert rows.min() > 320
    assert rows.max() < 480
    assert columns.max() - columns.min() > 400


def test_a_withdrawn_tip_gives_a_flat_line_of_full_uncertainty():
    env = make(reconstructor="neural", action="console")
    env.step(at_console())
    env.step(at_console(WITHDRAW))
    seen, *_ = env.step(at_console())
    restored = RESTORED.unpack(seen["restored"][None])
    assert not restored["height"].any()
    assert np.all(restored["uncertainty"] > 0.99)
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
