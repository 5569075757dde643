"""Reference policies of Ptycho-v0: patterns, expert and oracle on observations made by hand."""

import math
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from microgym.agents.core.registry import agent_names, make_agent
from microgym.agents.ptycho.references import (
    CELLS,
    PATTERN_S,
    ExpertAgent,
    ExpertConfig,
    HaltonAgent,
    OracleAgent,
    OracleConfig,
    RandomAgent,
    RasterAgent,
    SpiralAgent,
)
from microgym.envs.ptycho.config import PtychoConfig
from microgym.envs.ptycho.observation import MAPS

PATTERNS = {agent.name: agent for agent in (RasterAgent, SpiralAgent, HaltonAgent)}
NAMES = ("random", "raster", "spiral", "halton", "expert", "belief", "oracle")


def observed(count: int = 1, **maps: Any) -> dict[str, Any]:
    """Observations of vacuum, except where told."""
    planes = {name: np.zeros((count, CELLS, CELLS)) for name in MAPS}
    planes["amplitude"][:] = 0.5
    for name, plane in maps.items():
        planes[name][:] = plane
    return {"maps": MAPS.pack(**planes), "numbers": np.zeros((count, 7), np.float32)}


def fresh(agent: Any, count: int = 1) -> Any:
    agent.reset(count)
    return agent


def at(cell: tuple[int, int]) -> np.ndarray:
    return 2 * (np.asarray(cell) + 0.5) / CELLS - 1


# --- patterns ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(PATTERNS))
@pytest.mark.parametrize("count", [1, 7, 24, 36, 100])
def test_patterns_are_distinct_positions_on_the_field(name, count):
    points = PATTERNS[name].pattern(count)
    assert points.shape == (count, 2)
    assert np.abs(points).max() <= 1.06
    if count > 1:
        away = np.hypot(*(points[:, None] - points[None]).T) + 9 * np.eye(count)
        assert away.min() > 0.5 / np.sqrt(count), "two positions nearly coincide"


def test_raster_goes_to_and_fro():
    points = RasterAgent.pattern(9)
    third = 2 / 3
    rows = [[-third, x] for x in (-third, 0, third)]
    rows += [[0, x] for x in (third, 0, -third)]
    rows += [[third, x] for x in (-third, 0, third)]
    assert points == pytest.approx(np.array(rows))
    uneven = RasterAgent.pattern(7)
    assert [int(np.sum(uneven[:, 0] == y)) for y in np.unique(uneven[:, 0])] == [3, 2, 2]


def test_spiral_is_fermats():
    points = SpiralAgent.pattern(50)
    radius = np.hypot(*points.T)
    assert np.all(np.diff(radius) > 0)
    # Equal areas: the square of the radius grows evenly.
    assert np.diff(radius**2) == pytest.approx(1.05**2 / 50)
    angle = np.unwrap(np.arctan2(points[:, 0], points[:, 1]))
    golden = np.pi * (3 - np.sqrt(5))
    assert np.diff(angle) == pytest.approx(golden, abs=1e-9)


def test_halton_is_van_der_corput_in_two_bases():
    points = (HaltonAgent.pattern(4) + 1) / 2
    assert points[:, 0] == pytest.approx([1 / 2, 1 / 4, 3 / 4, 1 / 8])
    assert points[:, 1] == pytest.approx([1 / 3, 2 / 3, 1 / 9, 4 / 9])


@pytest.mark.parametrize("name", sorted(PATTERNS))
def test_pattern_agents_play_their_pattern_from_the_start(name):
    agent = PATTERNS[name](PtychoConfig(exposures=5))
    for _ in range(2):
        agent.reset(3, [0, 1, 2])
        points = [agent.act(None, {}) for _ in range(6)]
        wanted = np.clip(PATTERNS[name].pattern(5), -1, 1)
        for k, actions in enumerate(points):
            assert actions.dtype == np.float32
            place = [*wanted[k % 5], math.log10(PATTERN_S)]
            assert actions == pytest.approx(np.tile(place, (3, 1)), abs=1e-6)


# --- random --------------------------------------------------------------------------------------


def draws(agent: RandomAgent, seeds: list[int], count: int) -> np.ndarray:
    agent.reset(len(seeds), seeds)
    return np.stack([agent.act(None, {}) for _ in range(count)], axis=1)


def test_random_positions_are_uniform_and_belong_to_the_seed():
    agent = RandomAgent()
    three = draws(agent, [5, 6, 7], 400)
    assert three[..., 2] == pytest.approx(math.log10(PATTERN_S))
    assert np.array_equal(draws(agent, [6], 400)[0], three[1])
    assert np.array_equal(draws(RandomAgent(), [7, 5, 6], 400)[0], three[2])
    places = three[..., :2].reshape(-1, 2)
    for axis in range(2):
        counted = np.histogram(places[:, axis], 10, (-1, 1))[0]
        chi2 = np.sum((counted - 120) ** 2 / 120)
        assert chi2 < 33.7  # 99.99% point at 9 degrees of freedom
    assert abs(np.corrcoef(places.T)[0, 1]) < 0.15


# --- expert and oracle ---------------------------------------------------------------------------


def after_survey(agent: ExpertAgent, count: int = 1) -> None:
    agent.reset(count, list(range(count)))
    for _ in range(ExpertConfig().survey ** 2):
        agent.act(observed(count), {})


def spot(cell: tuple[int, int], value: float, background: float = 0.0) -> np.ndarray:
    plane = np.full((CELLS, CELLS), background, np.float32)
    plane[cell[0] - 1 : cell[0] + 2, cell[1] - 1 : cell[1] + 2] = value
    return plane


def test_the_expert_surveys_first():
    agent = ExpertAgent(ExpertConfig(survey=3, survey_s=0.5))
    agent.reset(2, [0, 1])
    for point in RasterAgent.pattern(9):
        actions = agent.act(observed(2, phase=spot((5, 5), 0.2)), {})
        assert actions == pytest.approx(np.tile([*point, np.log10(0.5)], (2, 1)), abs=1e-6)


def test_the_expert_goes_on_where_structure_shows():
    agent = ExpertAgent()
    after_survey(agent)
    # Half covered there, and structure seen: worth a second look, more than empty known field.
    seen = observed(phase=spot((20, 9), 0.15), coverage=np.full((CELLS, CELLS), 0.5))
    action = agent.act(seen, {})[0]
    assert np.hypot(*(action[:2] - at((20, 9)))) < 4 * 2 / CELLS
    assert -1.0 <= action[2] <= 1.0


def test_the_expert_leaves_what_is_known():
    agent = ExpertAgent()
    after_survey(agent)
    phase = spot((20, 9), 0.15) + spot((8, 25), 0.1)
    coverage = np.full((CELLS, CELLS), 0.5, np.float32)
    coverage[14:27, 3:16] = 0.9999
    action = agent.act(observed(phase=phase, coverage=coverage), {})[0]
    assert np.hypot(*(action[:2] - at((8, 25)))) < 5 * 2 / CELLS


def test_the_expert_looks_where_nothing_is_known_if_nothing_was_found():
    agent = ExpertAgent()
    after_survey(agent)
    coverage = np.full((CELLS, CELLS), 0.999, np.float32)
    coverage[4:12, 18:26] = 0.0
    action = agent.act(observed(coverage=coverage), {})[0]
    assert np.hypot(*(action[:2] - at((7, 21)))) < 4 * 2 / CELLS


def plan(truth: np.ndarray, exposures: int) -> np.ndarray:
    """Places (N, exposures, 2) in cells that the oracle exposes one after the other."""
    info = {"latent": {"structure": truth, "drift_px": np.zeros((len(truth), 2))}}
    agent = fresh(OracleAgent(OracleConfig(exposures=exposures)), len(truth))
    places = [agent.act(observed(len(truth)), info)[:, :2] for _ in range(exposures)]
    return 0.5 * (np.stack(places, axis=1) + 1.0) * CELLS - 0.5


def test_the_oracle_exposes_all_of_the_structure_evenly():
    truth = np.zeros((2, CELLS, CELLS), np.float32)
    truth[0, 6:10, 4:28] = 1.0
    truth[1, 20:28, 20:28] = 1.0
    line, square = plan(truth, 6), plan(truth, 4)[1]
    # A line is cut into equal parts, and the path along it does not turn more than once.
    assert line[0][:, 0] == pytest.approx(7.5, abs=0.01)
    along = np.sort(line[0][:, 1])
    assert np.diff(along) == pytest.approx(4.0, abs=1.0)
    assert along[[0, -1]] == pytest.approx([5.5, 25.5], abs=1.0)
    turns = np.diff(np.sign(np.diff(line[0][:, 1])))
    assert np.count_nonzero(turns) <= 1
    quarters = [[y, x] for y in (21.5, 25.5) for x in (21.5, 25.5)]
    assert sorted(square.round(1).tolist()) == quarters


def test_the_oracle_covers_an_empty_specimen():
    places = plan(np.zeros((1, CELLS, CELLS), np.float32), 16)[0]
    apart = np.hypot(*(places[:, None] - places[None]).T) + 99.0 * np.eye(16)
    assert apart.min() > 5.0


def test_the_oracle_aims_against_the_drift():
    truth = np.zeros((1, CELLS, CELLS), np.float32)
    truth[0, 10:15, 20:25] = 1.0
    aims = []
    for drift in ([0.0, 0.0], [6.4, -3.2]):
        info = {"latent": {"structure": truth, "drift_px": np.array([drift])}}
        aims.append(fresh(OracleAgent()).act(observed(), info)[0, :2])
    # The field is 128 px wide and the action 2: a pixel is 1/64.
    assert aims[0] - aims[1] == pytest.approx([0.1, -0.05], abs=1e-6)


# --- all of them ---------------------------------------------------------------------------------


def test_the_registry_knows_them():
    assert agent_names("Ptycho-v0") == ("idle", *NAMES, "trained")
    for name in NAMES:
        agent = make_agent("Ptycho-v0", name)
        assert agent.name == name
        assert agent.uses_privileged_info == (name == "oracle")
    with pytest.raises(FileNotFoundError, match="wizard"):
        make_agent("Ptycho-v0", "wizard")


def test_patterns_are_laid_out_for_the_episode():
    agent: Any = make_agent("Ptycho-v0", "raster", {"exposures": 9})
    assert agent.points == pytest.approx(RasterAgent.pattern(9))


def actions_of(name: str, rows: list[int], steps: int = 6) -> np.ndarray:
    """What an agent does in environments seeded with these numbers."""
    arguments: dict[str, Any] = {"exposures": 8, "reveal": name == "oracle"}
    envs = gym.make_vec("microgym:Ptycho-v0", len(rows), **arguments)
    agent = make_agent("Ptycho-v0", name, arguments)
    observation, info = envs.reset(seed=rows)
    agent.reset(len(rows), rows)
    taken = []
    for _ in range(steps):
        taken.append(agent.act(observation, info))
        assert envs.action_space.contains(taken[-1])
        observation, *_, info = envs.step(taken[-1])
    return np.stack(taken, axis=1)


@pytest.mark.parametrize("name", NAMES)
def test_decisions_do_not_depend_on_the_batch(name):
    together = actions_of(name, [3, 4, 5])
    for k, seed in enumerate((3, 4, 5)):
        assert np.array_equal(actions_of(name, [seed])[0], together[k])
    if name not in PATTERNS:
        assert not np.array_equal(together[0], together[1])


# --- belief --------------------------------------------------------------------------------------


def test_the_belief_is_near_the_structure_and_exposes_it():
    agent = make_agent("Ptycho-v0", "belief")
    env: Any = gym.make_vec("Ptycho-v0", 8, reveal=True, split="test", final_sweeps=0)
    agent.reset(8)
    observation, info = env.reset(seed=3)
    for _ in range(16):
        observation, *_, info = env.step(agent.act(observation, info))
    truth = info["latent"]["structure"] > 0.5
    belief = agent.belief({name: observation[name] for name in ("maps", "numbers")})
    assert belief.shape == truth.shape
    assert belief[truth].mean() > 0.6
    assert belief[~truth].mean() < 0.25
    assert info["metrics"]["found"].mean() > 0.6


def test_the_belief_of_a_row_does_not_depend_on_the_batch():
    agent = make_agent("Ptycho-v0", "belief")
    env: Any = gym.make_vec("Ptycho-v0", 3, split="test")
    observation, _ = env.reset(seed=5)
    together = agent.belief(observation)
    for row in range(3):
        alone = agent.belief({name: part[row : row + 1] for name, part in observation.items()})
        np.testing.assert_array_equal(alone[0], together[row])


def test_the_belief_policy_leaves_what_is_covered():
    agent = fresh(make_agent("Ptycho-v0", "belief"))
    agent.belief = lambda observation: np.ones((1, CELLS, CELLS))
    covered = np.full((1, CELLS, CELLS), 0.95)
    covered[0, 20:28, 4:12] = 0.0
    action = agent.act(observed(coverage=covered))
    np.testing.assert_allclose(action[0, :2], at((23.5, 7.5)), atol=0.1)
