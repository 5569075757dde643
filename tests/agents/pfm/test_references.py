"""Reference policies of PFM-v0, and what the network chooses."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from microgym.agents.core.registry import agent_names, make_agent
from microgym.agents.pfm.domain_model import (
    CELLS,
    DomainBelief,
    DomainModel,
    coordinates,
)
from microgym.agents.pfm.references import (
    ExpertAgent,
    ExpertConfig,
    LoopExpertAgent,
    LoopExpertConfig,
    OracleAgent,
    RandomAgent,
    pulsed,
    written,
)
from microgym.envs.core.comparison import assert_same
from microgym.envs.pfm.config import PFMConfig
from microgym.envs.pfm.observation import LOOP_MAPS, LOOP_NUMBERS, MAPS, NUMBERS
from microgym.instruments.pfm.instrument import PFMInstrument
from microgym.random import episode_key
from microgym.state import allocate

RESPONSE, WANTED = MAPS.index("response"), MAPS.index("wanted")


def observation(count: int = 1) -> dict[str, Any]:
    """A film that points down, nothing wanted."""
    maps = np.zeros((count, len(MAPS), CELLS, CELLS), np.float32)
    maps[:, RESPONSE] = -1.0
    return {"maps": maps, "numbers": np.zeros((count, len(NUMBERS)), np.float32)}


def shown(values: dict[str, Any]) -> dict[str, Any]:
    """The observation of some values."""
    return {"maps": MAPS.scaled(values["maps"]), "numbers": NUMBERS.scaled(values["numbers"])}


def place(action: Any) -> Any:
    """Commanded place of an action, cells of the maps."""
    return (31.5 * (np.asarray(action)[:2] + 1.0) + 0.5) / 2.0 - 0.5


def fresh(agent: Any, count: int = 1) -> Any:
    agent.reset(count, list(range(count)))
    return agent


# --- random --------------------------------------------------------------------------------------


def test_chance_depends_on_the_episode_alone():
    many, one = fresh(RandomAgent(), 3), RandomAgent()
    one.reset(1, [2])
    actions = np.zeros((3, 5))
    for tick in range(5):
        actions, alone = many.act(shown(observation(3)), {}), one.act(shown(observation()), {})
        assert np.array_equal(actions[2:], alone)
        assert np.all(np.abs(actions) <= 1.0)
        assert (actions[0, 4] > 0.0) == (tick == 3)
    assert not np.array_equal(actions[0], actions[1])


# --- expert --------------------------------------------------------------------------------------


def test_a_stronger_pulse_is_thought_to_write_a_larger_domain():
    radii = [DomainModel(coercive=0.134).radius(volts) for volts in (1.0, 2.0, 4.0, 8.0)]
    assert radii[0] == 0.0
    assert radii == sorted(radii)
    assert DomainModel(coercive=0.134).radius(-8.0) == radii[-1]
    # Where the field of 8 V has fallen to that of 1.34 V.
    d, r = 3.5, radii[-1]
    assert 8.0 * d**3 / (r * r + d * d) ** 1.5 == pytest.approx(1.34)


def test_the_calibration_is_that_of_the_films():
    """Half of the cells at the reckoned radius are switched, give or take what disorder does."""
    instrument = PFMInstrument(24, PFMConfig().settings)
    rows, n = np.arange(24), 24
    keys = np.stack([episode_key(k) for k in range(n)])
    for volts in (5.0, 8.0):
        instrument.reset(rows, keys, "mixed", "train")
        before = (instrument.state.p > 0.0).sum(axis=(1, 2))
        instrument.pulse(rows, np.full((n, 2), 31.5), np.full(n, volts), np.full(n, 1e-2))
        area = ((instrument.state.p > 0.0).sum(axis=(1, 2)) - before).mean()
        found = np.sqrt(area / np.pi)
        assert found == pytest.approx(DomainModel().radius(volts), abs=1.0)


def test_the_expert_pulses_in_the_middle_of_what_is_missing():
    agent, seen = fresh(ExpertAgent()), observation()
    seen["maps"][0, WANTED, 8:13, 20:25] = 1.0
    action = agent.act(shown(seen), {})[0]
    assert place(action) == pytest.approx([10, 22], abs=1.0)
    assert action[2] > 0.0
    assert action[3] == 0.0


def test_the_expert_takes_back_what_is_too_much():
    agent, seen = fresh(ExpertAgent()), observation()
    seen["maps"][0, RESPONSE, 5:9, 5:9] = 1.0
    action = agent.act(shown(seen), {})[0]
    assert place(action) == pytest.approx([6.5, 6.5], abs=1.0)
    assert action[2] < 0.0


def tell_pulse(seen: dict[str, Any], at: tuple[int, int], volts: float, age: float = 0.1) -> None:
    """Say that a pulse was given at a cell of the maps, so long after the last look."""
    where = 2.0 * coordinates(np.array([at[0] * CELLS + at[1]]))[0] / 63.0 - 1.0
    told = {"y": where[0], "x": where[1], "volts": volts / 10.0, "age": age, "time_left": 0.9}
    for name, value in {**told, "pulses_left": 0.9}.items():
        seen["numbers"][:, NUMBERS.index(name)] = value


def test_the_expert_trusts_what_it_did_over_an_old_image():
    agent, seen = fresh(ExpertAgent()), observation()
    seen["maps"][0, WANTED, 4:9, 4:9] = 1.0
    seen["maps"][0, WANTED, 20:24, 20:24] = 1.0
    tell_pulse(seen, (6, 6), 8.0)
    assert place(agent.act(shown(seen), {})[0]) == pytest.approx([21.5, 21.5], abs=1.0)


def test_pulses_switch_disks_in_the_belief_and_images_correct_it():
    model, seen = DomainModel(), observation(2)
    belief = allocate(DomainBelief, 2)

    def see() -> None:
        model.update(belief, **shown(seen))

    tell_pulse(seen, (10, 20), 8.0)
    see()
    radius = model.radius(8.0)
    assert 4.0 * belief.up[0].sum() == pytest.approx(np.pi * radius**2, rel=0.1)
    assert belief.up[0, 10, 20] == 1.0
    before = belief.up.copy()
    tell_pulse(seen, (10, 20), 0.5)
    see()
    assert np.array_equal(belief.up, before), "too weak to switch anything"
    tell_pulse(seen, (10, 20), -8.0)
    see()
    assert belief.up[0, 10, 20] == 0.0
    assert belief.up.max() <= 0.25, "a rim that either pulse may have reached"
    belief.up[:] = 0.0
    # An image shows more than was believed in the first row, and what was believed in the second.
    seen["maps"][0, RESPONSE, 3:5, 3:5] = 0.8
    tell_pulse(seen, (10, 20), 0.0, age=0.0)
    see()
    assert belief.up[0].sum() == 4.0
    assert belief.surprise[0, 3:5, 3:5] == pytest.approx(0.9)
    assert np.abs(belief.surprise[0]).sum() == pytest.approx(3.6)
    assert not belief.surprise[1].any()
    agent = fresh(ExpertAgent(ExpertConfig(first_look=7)), 2)
    agent.act(shown(seen), {})
    agent.reset_rows(np.array([True, False]))
    assert not any(array[0].any() for array in agent.state_arrays().values())
    assert agent.state.since[1] == 1


def test_the_expert_waits_and_looks_where_nothing_is_missing():
    agent = fresh(ExpertAgent(ExpertConfig(first_look=7)))
    first, second = (agent.act(shown(observation()), {})[0] for _ in range(2))
    assert first[2] == second[2] == 0.0
    assert first[4] < 0.0 < second[4]


def test_the_expert_looks_after_so_many_pulses():
    agent, seen = fresh(ExpertAgent(ExpertConfig(first_look=3, look_every=2))), observation()
    seen["maps"][0, WANTED] = 1.0
    looks = [bool(agent.act(shown(seen), {})[0, 4] > 0.0) for _ in range(7)]
    assert looks == [False, False, True, False, True, False, True]


def test_for_a_loop_the_expert_first_takes_one_then_goes_against_the_error():
    agent = fresh(LoopExpertAgent())
    maps = np.full((1, len(LOOP_MAPS), CELLS, CELLS), -1.0, np.float32)
    maps[0, 0, :16] = 1.0

    def act(excess: float) -> Any:
        numbers = np.zeros((1, len(LOOP_NUMBERS)), np.float32)
        numbers[0, LOOP_NUMBERS.index("excess")] = excess
        seen = {"maps": LOOP_MAPS.scaled(maps), "numbers": LOOP_NUMBERS.scaled(numbers)}
        return agent.act(seen, {})[0]

    first, second, third, small = (act(excess) for excess in (0.0, 0.3, -0.3, 0.01))
    assert first[2] == 0.0
    assert small[2] == 0.0
    assert min(first[4], second[4], third[4]) > 0.0
    for one, sign in ((second, 1.0), (third, -1.0)):
        assert one[2] * sign > 0.0
        distance = 2.0 * np.hypot(*(place(one) - 15.5))
        assert distance == pytest.approx(LoopExpertConfig().ring_cells, abs=0.3)
    assert place(second)[0] > 16.0, "up is written where the image is down"
    assert place(third)[0] < 16.0, "and down where it is up"


# --- oracle --------------------------------------------------------------------------------------


def returns(name: str, count: int, env_id: str = "PFM-v0", **arguments: Any) -> Any:
    """Returns of `count` episodes on validation films."""
    env: Any = gym.make_vec(
        f"microgym:{env_id}", count, split="validation", reveal=name == "oracle",
        autoreset_mode="Disabled", **arguments,
    )  # fmt: skip
    agent = make_agent(env_id, name, arguments)
    seen, info = env.reset(seed=0)
    agent.reset(count, list(range(count)))
    total, live = np.zeros(count), np.ones(count, np.bool_)
    while live.any():
        seen, reward, terminated, truncated, info = env.step(agent.act(seen, info))
        total += np.where(live, reward, 0.0)
        over = terminated | truncated
        live &= ~over
        if over.any() and live.any():
            seen, info = env.reset(options={"reset_mask": over})
    env.close()
    return total


def test_those_who_know_more_do_better():
    found = {name: returns(name, 12) for name in ("random", "expert", "oracle")}
    assert found["random"].mean() < 0.0 < found["expert"].mean() < found["oracle"].mean()
    gap = found["oracle"] - found["expert"]
    assert gap.mean() > 2.0 * gap.std(ddof=1) / np.sqrt(12)


def test_the_oracle_knows_how_loops_shift():
    found = {name: returns(name, 8, "PFMLoop-v0", pulses=10) for name in ("expert", "oracle")}
    gap = found["oracle"] - found["expert"]
    assert gap.mean() > 0.0


def test_the_oracle_aims_against_the_drift_and_leaves_the_film_alone():
    env: Any = gym.make_vec("microgym:PFM-v0", 2, reveal=True, drift="hard")
    _, info = env.reset(seed=3)
    agent = fresh(OracleAgent(PFMConfig(drift="hard")), 2)
    before = env.unwrapped.snapshot()
    still = agent.act(None, info)
    after = env.unwrapped.snapshot()
    assert_same(after, before)
    info["latent"]["drift_cells"] = np.full((2, 2), 3.0)
    moved = agent.act(None, info)
    assert 31.5 * (still[:, :2] - moved[:, :2]) == pytest.approx(3.0, abs=1e-4)


def test_what_is_tried_on_a_copy_is_what_happens():
    """Where there is no heat, drift or wear; each copy has its own pulse."""
    quiet: dict[str, Any] = {"drift": "off", "tip": "off", "heat": "off"}
    env: Any = gym.make_vec("microgym:PFM-v0", 2, reveal=True, **quiet)
    _, info = env.reset(seed=3)
    latent = info["latent"]
    places = np.array([[[30.0, 30.0], [20.0, 40.0]]] * 2)
    volts = np.array([[8.0, 5.0]] * 2)
    config = PFMConfig(**quiet)
    found = written(pulsed(config, latent, places, volts).state.p, latent["target"])
    turned = pulsed(config, latent, places[:, ::-1], volts[:, ::-1])
    assert np.array_equal(found, written(turned.state.p, latent["target"])[:, ::-1])
    action = np.zeros((2, 5), np.float32)
    action[:, :2], action[:, 2], action[:, 4] = 2.0 * places[:, 1] / 63.0 - 1.0, 0.5, -1.0
    _, _, _, _, info = env.step(action)
    size = np.count_nonzero(latent["target"], axis=(1, 2))
    # Between rest and pulse the film of the environment may relax a little.
    assert size * info["metrics"]["written"] == pytest.approx(found[:, 1, 0], abs=2)
    assert size * info["metrics"]["spilt"] == pytest.approx(found[:, 1, 1], abs=2)


def test_the_registry_knows_them():
    assert agent_names("PFM-v0") == ("idle", "random", "expert", "oracle", "trained")
