"""Reference policies of STM-v0: geometry of rows, expert, oracle, conditioning."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from microgym.agents.core.registry import make_agent
from microgym.agents.stm.oracle import OracleAgent, drags_left
from microgym.agents.stm.references import (
    ROWS,
    ExpertAgent,
    ExpertConfig,
    RandomAgent,
    legs,
    movers_for,
    side_of_row,
    snapped,
)
from microgym.agents.stm.tip_filter import TipFilter, changes
from microgym.agents.stm.tip_oracle import TipOracleAgent, TipOracleConfig, action_values
from microgym.agents.stm.tip_references import TipExpertAgent, TipRandomAgent
from microgym.baselines.evaluation.env_config import EnvironmentConfig
from microgym.baselines.evaluation.evaluate import evaluate_all
from microgym.envs.stm.observation import DRAG, SCALES, TIP, numbers_of
from microgym.envs.stm.tip_task import ACCEPT, DIP, LOOK, MOVE, PULSE
from microgym.physics import stm_tip
from microgym.physics.adatoms import LATTICE_NM, nearest_site, site_place

QUIET: dict[str, Any] = {"drift": "off", "tip": "off", "noise": "off"}


# --- geometry ------------------------------------------------------------------------------------


def test_legs_add_up_to_the_way():
    ways = np.random.default_rng(0).uniform(-3.0, 3.0, (200, 2))
    number, longer, shorter = legs(ways)
    assert (longer >= shorter).all()
    assert (shorter >= -1e-9).all()
    for way, k, p, q in zip(ways, number, longer, shorter, strict=True):
        rests = [p * ROWS[k] + q * ROWS[(k + turn) % 6] - way for turn in (1, -1)]
        assert min(np.hypot(*rest) for rest in rests) < 1e-9
    assert drags_left(np.zeros((1, 2))).tolist() == [0.0]
    assert drags_left(np.array([[1.0, 0.0], [1.0, 0.8], [2.5, 0.0]])).tolist() == [1.0, 2.0, 2.0]


def test_the_other_hollows_of_a_row_are_on_the_side_that_is_told():
    for s, hollow in ((0, -1.0), (1, 1.0)):
        here = np.array(site_place(0, 0, s, LATTICE_NM))
        for row in range(6):
            left = np.array([-ROWS[row, 1], ROWS[row, 0]])
            side = side_of_row(np.array([hollow]), np.array([row]))[0]
            ahead = here + 0.5 * LATTICE_NM * ROWS[row] + side * LATTICE_NM / (2 * 3**0.5) * left
            there = np.array(site_place(*nearest_site(*ahead, LATTICE_NM), LATTICE_NM))
            assert ahead == pytest.approx(there, abs=1e-9)


@pytest.mark.parametrize("hollow", [-1.0, 1.0])
def test_measured_places_snap_to_hollows(hollow):
    rng = np.random.default_rng(1)
    target = np.array(site_place(0, 0, 0 if hollow < 0 else 1, LATTICE_NM))
    for _ in range(100):
        site = (int(rng.integers(-8, 9)), int(rng.integers(-8, 9)), int(rng.integers(2)))
        place = np.array(site_place(*site, LATTICE_NM))
        measured = place + rng.uniform(-0.03, 0.03, 2)
        way, kind = snapped((target - measured)[None], np.array([hollow]))
        assert way[0] == pytest.approx(target - place, abs=1e-9)
        assert kind[0] == 2 * site[2] - 1


# --- who moves adatoms ---------------------------------------------------------------------------


def played(
    agents: dict[str, Any], episodes: int = 12, env_id: str = "STM-v0", **arguments: Any
) -> dict[str, Any]:
    return evaluate_all(
        EnvironmentConfig(env_id, "validation", None, arguments),
        agents,
        episodes=episodes,
        num_envs=12,
    )


def test_the_expert_needs_no_luck_where_nothing_is_hidden():
    found = played({"expert": ExpertAgent()}, **QUIET)["expert"]
    assert found.metrics["placed"].mean() > 0.9
    assert np.median(found.lengths) <= 3


@pytest.mark.parametrize("env_id", ["STM-v0", "STMBuild-v0"])
def test_the_oracle_is_better_than_the_expert_and_that_than_chance(env_id):
    movers = movers_for(env_id, {})
    agents = {
        "random": RandomAgent(movers),
        "expert": ExpertAgent(movers),
        "oracle": OracleAgent(movers),
    }
    found = played(agents, env_id=env_id)
    returns = [found[name].returns.mean() for name in agents]
    assert returns == sorted(returns)
    assert found["oracle"].metrics["placed"].mean() > 0.9


def changed(observation: Any, **values: float) -> Any:
    """An observation of one STM-v0 with other values of some channels."""
    channels = numbers_of(1)
    found = channels.unpack(observation) | {k: np.array([v]) for k, v in values.items()}
    return channels.pack(**found)


def test_the_expert_looks_where_the_current_says_that_the_adatom_was_lost():
    """The last of the trace: 1 beneath the tip, 0.11 over the bare surface."""
    env: Any = gym.make_vec("STM-v0", 1, **QUIET)
    observation, info = env.reset(seed=3)
    agent = ExpertAgent()
    agent.reset(1, [0])
    for drags, current, looks in ((0, 0.1, False), (1, 0.1, True), (1, 1.0, False), (9, 1.0, True)):
        told = {"stale_0": drags / 4.0, "trace_15": current / 1.5}
        action = agent.act(changed(observation, **told), info)
        assert (action[0, 6] > 1 / 3) == looks


def test_looking_is_a_decision_and_the_current_helps_with_it():
    agents = {
        "reads": ExpertAgent(3),
        "never": ExpertAgent(3, ExpertConfig(wary=False, trusted=99)),
        "always": ExpertAgent(3, ExpertConfig(trusted=1)),
    }
    found = played(agents, episodes=192, env_id="STMBuild-v0")
    returns = {name: one.returns.mean() for name, one in found.items()}
    assert returns["reads"] > max(returns["never"], returns["always"])


def test_the_expert_goes_further_after_a_failure():
    env: Any = gym.make_vec("STM-v0", 1, **QUIET)
    observation, info = env.reset(seed=3)
    agent = ExpertAgent(1, ExpertConfig(conductance=-1.0))
    agent.reset(1, [0])
    first = agent.act(observation, info)
    back = -np.clip(4.0 * first[0, 2:4], -1.0, 1.0)  # 0.5 nm behind the drag's end
    told = dict(zip((f"last_{name}" for name in DRAG), first[0], strict=True))
    behind = changed(observation, landed=1.0, landing_x=back[0], landing_y=back[1], **told)
    second = agent.act(behind, info)
    assert np.hypot(*second[0, 2:4]) > np.hypot(*first[0, 2:4])
    agent.reset_rows(np.array([True]))
    assert agent.act(observation, info) == pytest.approx(first)


def test_the_expert_foresees_drift():
    env: Any = gym.make_vec("STM-v0", 1, **QUIET)
    observation, info = env.reset(seed=3)
    agent = ExpertAgent()
    agent.reset(1, [0])
    still = agent.act(observation, info)
    shifted = agent.act(changed(observation, shift_x=0.2), info)  # 0.1 nm since the image
    assert (shifted - still)[0, 0] * 0.4 == pytest.approx(0.1, abs=1e-6)
    assert (shifted - still)[0, 2] * 2.0 == pytest.approx(0.1, abs=1e-6)
    # Half an image and lowering the tip take 12 s, in which it drifts 0.06 nm at 0.005 nm/s.
    drifting = agent.act(changed(observation, drift_y=0.005 / 0.03), info)
    assert (drifting - still)[0, 1] * 0.4 == pytest.approx(0.06, abs=1e-6)


def test_random_drags_belong_to_the_seed():
    agent = RandomAgent(3)
    agent.reset(3, [1, 2, 3])
    three = agent.act(None, {})
    agent.reset(1, [2])
    assert np.array_equal(agent.act(None, {})[0], three[1])
    assert three.shape == (3, 8)
    assert np.abs(three).max() <= 1.0


# --- who mends tips ------------------------------------------------------------------------------


NOISE = np.array(stm_tip.READING_LEVELS["real"])


def told(count: int, last: int = LOOK, **readings: float) -> dict[str, np.ndarray]:
    """Channels of one observation of a tip: actions so far, and the last reading."""
    known = dict.fromkeys(TIP, 0.0)
    known |= {f"count_{last}": count / 5.0, f"last_{last}": float(count > 0)}
    sharp = {"blur": 0.02, "ghost": 0.0, "flicker": 0.002, "slope": 1.0} | readings
    known |= {name: one / scale for (name, one), scale in zip(sharp.items(), SCALES, strict=True)}
    known["readings"] = (count + 1) / 5.0
    return {name: np.array([one]) for name, one in known.items()}


def test_cells_of_the_filter_are_tips_as_they_are_drawn():
    """Means and variances of readings over the prior of a state, against tips drawn anew."""
    found = TipFilter("off", "real")
    for state in range(len(stm_tip.STATES)):
        cells = found.state == state
        assert found.fresh[cells].sum() == pytest.approx(1.0)
        drawn = np.empty((4000, len(stm_tip.TRAITS)))
        for k in range(len(drawn)):
            stm_tip.draw_traits(1, 2, k, state, stm_tip.APEX_LEVELS["real"].spread(), drawn[k])
        seen = drawn[:, [stm_tip.BLUR, stm_tip.GHOST, stm_tip.FLICKER]]
        cell_means = found.fresh[cells] @ found.readings[cells, :3]
        assert cell_means == pytest.approx(seen.mean(axis=0), rel=0.03, abs=1e-9)
    spread = stm_tip.APEX_LEVELS["real"].hardness_spread
    drawn = stm_tip.HARDNESS_NM * np.exp(spread * np.random.default_rng(0).normal(size=400))
    for action in (DIP + 1, PULSE + 2):
        chances = np.mean([changes(action, one) for one in drawn], axis=0)
        assert found.changes[action].mean(axis=0) == pytest.approx(chances, abs=0.03)


def test_the_filter_is_bayes_rule():
    """One reading, and the transition by a dip, against a plain Monte Carlo of tips."""
    filtering, rng = TipFilter("real", "real"), np.random.default_rng(2)
    spread = stm_tip.APEX_LEVELS["real"].spread()
    count, reading = 40_000, np.array([0.05, 0.05, 0.004, 0.95])
    kinds, traits = rng.integers(1, 5, count), np.empty((count, len(stm_tip.TRAITS)))
    hardness = stm_tip.HARDNESS_NM * np.exp(spread.hardness * rng.normal(size=count))
    weights = np.ones(count)
    belief = np.zeros((1, filtering.cells))
    for turn, action in enumerate((LOOK, DIP + 2)):
        for k in range(count):
            depth, wire = stm_tip.DIPS_NM[2], hardness[k]
            turned = turn > 0 and rng.random() < stm_tip.change_probability(depth, 0.0, wire)
            if turned:
                cause = stm_tip.cause_of(depth, 0.0, wire)
                kinds[k] = stm_tip.next_state(kinds[k], cause, rng.random())
            if turned or turn == 0:
                stm_tip.draw_traits(7, turn, k, kinds[k], spread, traits[k])
        slope = np.where(kinds == stm_tip.CONTAMINATED, stm_tip.FOULED_SLOPE, 1.0)
        true = traits[:, [stm_tip.BLUR, stm_tip.GHOST, stm_tip.FLICKER]]
        away = (np.column_stack([true, slope]) - reading) / NOISE
        weights *= np.exp(-0.5 * (away**2).sum(axis=1))
        names = ("blur", "ghost", "flicker", "slope")
        seen = told(turn, action, **dict(zip(names, reading, strict=True)))
        filtering.update(belief, seen)
        expected = np.bincount(kinds, weights, 5) / weights.sum()
        assert filtering.states(belief)[0] == pytest.approx(expected, abs=0.03)


def observed(**values: float) -> np.ndarray:
    known = told(0, **values)
    return TIP.pack(**known)


@pytest.mark.parametrize(
    ("readings", "actions"),
    [
        ({"blur": 0.2}, {DIP + 3}),
        ({"ghost": 0.6}, {PULSE + 2, PULSE + 3}),
        ({"flicker": 0.02}, {DIP + 2}),
        ({"slope": 0.6, "blur": 0.09, "flicker": 0.007}, {PULSE + 2, PULSE + 3}),
    ],
)
def test_the_expert_reads_the_tip_and_mends_it(readings, actions):
    agent, free = TipExpertAgent(), np.ones((1, 15), np.int8)
    agent.reset(1)
    assert set(agent.act(observed(**readings), {"action_mask": free}).tolist()) <= actions


def test_the_expert_accepts_a_tip_that_stays_sharp_and_never_without_leave():
    env: Any = gym.make_vec("STMTip-v0", 1, noise="off")
    observation, info = env.reset(seed=4)
    agent = TipExpertAgent.for_env("STMTip-v0", {"noise": "off"})
    agent.reset(1)
    for _ in range(40):
        action = agent.act(observation, info)
        sharp = env.unwrapped.task.sharp[0]
        assert info["action_mask"][0, action[0]]
        if action[0] == ACCEPT:
            assert sharp
            return
        observation, _, _, _, info = env.step(action)
    raise AssertionError("never accepted")


def test_without_room_one_goes_elsewhere_or_looks():
    mask = np.ones((1, 15), np.int8)
    mask[0, PULSE:MOVE] = 0
    agent = TipExpertAgent()
    agent.reset(1)
    assert agent.act(observed(blur=0.2), {"action_mask": mask}).tolist() == [MOVE]
    mask[0, MOVE] = 0
    agent.reset(1)
    assert agent.act(observed(blur=0.2), {"action_mask": mask}).tolist() == [LOOK]


def test_who_knows_the_tip_mends_it_sooner():
    agents = {"random": TipRandomAgent(), "expert": TipExpertAgent(), "oracle": TipOracleAgent()}
    found = played(agents, episodes=240, env_id="STMTip-v0")
    returns = [found[name].returns.mean() for name in agents]
    assert returns == sorted(returns)
    assert found["oracle"].metrics["recovered"].mean() > 0.98
    assert found["expert"].metrics["recovered"].mean() > 0.8


def test_the_oracle_renews_a_blunt_tip_and_sharpens_what_it_gets():
    """Values of a plan add up: a sharp tip is accepted, a loose atom is steadied."""
    values = action_values("off", stm_tip.HARDNESS_NM, 2, 900.0)
    best = values[-1, 2, 0].argmax(axis=-1)
    deep = {DIP + k for k in range(6) if stm_tip.DIPS_NM[k] > 1.45 * stm_tip.HARDNESS_NM}
    assert best[stm_tip.SHARP, 1] == ACCEPT
    assert values[-1, 2, 0, stm_tip.SHARP, 1, ACCEPT] == 1.0
    assert best[stm_tip.BLUNT, 0] in deep
    assert best[stm_tip.UNSTABLE, 0] in set(range(DIP, DIP + 6)) - deep
    assert (values[..., 0, ACCEPT] == -np.inf).all()
    # Bellman: a move costs its time and leads to the value of a fresh place.
    after = values[-29, 1, 0, :, 0].max(axis=-1)
    assert values[-1, 2, 9, 1:, 0, MOVE] == pytest.approx(after[1:] - 140.0 / 900.0, abs=0.01)
    # The plan of an agent is for the arguments of its environment.
    config = TipOracleAgent.for_env("STMTip-v0", {"places": 0, "tip": "hard"}).config
    assert config == TipOracleConfig("hard", 0, 900.0)


@pytest.mark.parametrize("env_id", ["STM-v0", "STMBuild-v0", "STMTip-v0"])
def test_the_registry_has_agents_of_every_id(env_id):
    env: Any = gym.make_vec(env_id, 2, reveal=True)
    observation, info = env.reset(seed=1)
    for name in ("random", "expert", "oracle"):
        agent = make_agent(env_id, name)
        agent.reset(2, [1, 2])
        for action in agent.act(observation, info):
            assert env.single_action_space.contains(action)
    assert movers_for("STMBuild-v0", {"atoms": 4}) == 4


def test_the_oracle_does_not_think_for_idle_rows():
    setting = EnvironmentConfig("STMBuild-v0", "train")
    env = setting.make(3, reveal=True)
    observation, info = env.reset(seed=[5, 6, 7])
    agent = OracleAgent(movers_for("STMBuild-v0", {}))
    agent.reset(3, [5, 6, 7])
    whole = agent.act(observation, info)
    some = agent.act(observation, {**info, "idle": np.array([False, True, False])})
    env.close()
    assert np.array_equal(some[[0, 2]], whole[[0, 2]])
    assert whole[1].any()
    assert not some[1].any()
