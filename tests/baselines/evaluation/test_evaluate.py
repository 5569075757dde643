from dataclasses import fields

import numpy as np
import pytest

from microgym.agents.core import registry
from microgym.baselines.evaluation.comparison import compare, summary
from microgym.baselines.evaluation.env_config import EnvironmentConfig, environment_id, suggestion
from microgym.baselines.evaluation.evaluate import evaluate_all, run_episodes
from microgym.envs.core.declarations import Metric
from microgym.envs.core.registry import entries
from tests.baselines.stubs import TOY, ToyAgent, make_agent
from tests.conformance.cases import declared
from tests.envs.toy.task import ToyTask

SETTING = EnvironmentConfig(TOY)
NAMES = ("random", "expert", "oracle")


def agents(*names):
    return {name: make_agent(TOY, name, {}) for name in names or NAMES}


def compared(*names):
    return compare(SETTING, {name: [one] for name, one in agents(*names).items()}, episodes=24)


def assert_equal(a, b):
    for part in fields(a):
        x, y = getattr(a, part.name), getattr(b, part.name)
        if isinstance(x, dict):
            assert x.keys() == y.keys()
            assert all(np.array_equal(x[k], y[k]) for k in x)
        else:
            assert np.array_equal(x, y)


@pytest.mark.parametrize("num_envs", [1, 3, 16])
def test_the_result_does_not_depend_on_how_many_play_at_a_time(num_envs):
    one, other = (evaluate_all(SETTING, agents(), episodes=11, num_envs=n) for n in (4, num_envs))
    for name in NAMES:
        assert_equal(one[name], other[name])


def test_episode_i_has_seed_plus_i():
    whole = evaluate_all(SETTING, agents("random"), episodes=6, seed=10)["random"]
    later = evaluate_all(SETTING, agents("random"), episodes=2, seed=14)["random"]
    assert whole.returns[4:].tolist() == later.returns.tolist()
    assert len(set(whole.returns)) == 6


def test_sums_and_last_values_are_those_of_the_single_environment():
    import gymnasium as gym

    found = evaluate_all(SETTING, agents("random"), episodes=3, num_envs=3)["random"]
    for seed in range(3):
        env, agent = gym.make(TOY), make_agent(TOY, "random", {})
        agent.reset(1, [seed])
        _, info = env.reset(seed=seed)
        total, cost, steps, done = 0.0, 0.0, 0, False
        while not done:
            action = agent.act({"vector": np.zeros((1, 3))}, info)[0]
            _, reward, terminated, truncated, info = env.step(action)
            total, cost, steps = total + reward, cost + info["cost"], steps + 1
            done = terminated or truncated
        assert found.returns[seed] == pytest.approx(total)
        assert found.costs[seed] == cost
        assert found.lengths[seed] == steps
        assert found.ledger["dose"][seed] == info["ledger"]["dose"]
        assert found.metrics["best"][seed] == pytest.approx(info["metrics"]["best"])
    assert "map" not in found.metrics


def test_a_vector_reward_counts_as_its_sum():
    setting = EnvironmentConfig(TOY, arguments={"reward_mode": "vector"})
    scalar, vector = (evaluate_all(s, agents("expert"), episodes=4) for s in (SETTING, setting))
    assert vector["expert"].returns == pytest.approx(scalar["expert"].returns)


def test_only_agents_that_need_it_get_the_hidden_state():
    told = {}

    class Curious(ToyAgent):
        def act(self, observation, info):
            told[self.name] = "latent" in info
            return super().act(observation, info)

    group = {name: Curious(name, 0.5) for name in ("expert", "oracle")}
    evaluate_all(SETTING, group, episodes=2)
    assert told == {"expert": False, "oracle": True}


def test_summary_has_the_promised_keys_and_a_paired_score():
    found = evaluate_all(SETTING, agents(), episodes=24)
    result = summary(TOY, compared(*NAMES), "random")
    assert list(result) == [
        "env", "agent", "split", "specimen", "episodes", "seed", "return_mean", "return_interval",
        "score", "score_interval", "cost_mean", "ledger", "outcomes",
    ]  # fmt: skip
    r, e, o = (found[n].returns.mean() for n in NAMES)
    assert result["score"] == pytest.approx((r - e) / (o - e))
    assert result["score_interval"][0] < result["score"] < result["score_interval"][1]
    assert result["return_interval"][0] < result["return_mean"] < result["return_interval"][1]
    assert set(result["ledger"]) == {"time_s", "dose", "exposures", "path_m"}
    assert np.isnan(summary(TOY, compared("random"), "random")["score"])


def test_metrics_beside_the_score_have_intervals():
    found = evaluate_all(SETTING, agents("random"), episodes=24)["random"]
    told = summary(TOY, compared("random"), "random")["outcomes"]
    assert list(told) == [one.label for one in ToyTask(1).outcomes]
    assert told["dose"]["mean"] == found.ledger["dose"].mean()
    assert told["dose"]["interval"][0] < told["dose"]["mean"] < told["dose"]["interval"][1]
    assert (told["dose"]["unit"], told["dose"]["better"]) == ("s", "lower")
    # Costs are summed over the episode, not read at its end.
    assert found.cost_terms["overdose"] == pytest.approx(found.costs)
    assert told["doses too many"]["mean"] == pytest.approx(found.costs.mean())
    assert found.costs.max() > 1


def test_an_outcome_of_no_known_kind_is_refused():
    with pytest.raises(ValueError, match="group='reward_terms' must be one of"):
        Metric("dose", "dose", group="reward_terms")
    with pytest.raises(ValueError, match="better='less' must be one of"):
        Metric("dose", "dose", "s", "less", "ledger")


@pytest.mark.parametrize("entry", entries(), ids=lambda entry: entry.id)
def test_every_environment_says_what_belongs_beside_the_score(entry):
    setting = EnvironmentConfig(entry.id, arguments=declared(entry).get("brief", {}))
    found = evaluate_all(setting, {"random": registry.make_agent(entry.id, "random")}, episodes=1)
    told = setting.outcomes()
    assert len({one.label for one in told}) == len(told) >= 4
    assert all(np.isfinite(found["random"].outcome(one)).all() for one in told)


def test_agents_get_the_rows_that_are_idle():
    heard: list[int] = []

    class Listener(ToyAgent):
        def act(self, observation, info):
            heard.append(int(info["idle"].sum()))
            return super().act(observation, info)

    evaluate_all(SETTING, {"x": Listener("x", 0.5)}, episodes=8, num_envs=8)
    assert heard[0] == 0
    assert heard == sorted(heard)
    assert 0 < heard[-1] < 8


class Interrupter(ToyAgent):
    def __init__(self, name, after):
        super().__init__(name, 0.5)
        self.after = after

    def act(self, observation, info):
        self.after -= 1
        if self.after < 0:
            raise KeyboardInterrupt
        return super().act(observation, info)


def test_an_interruption_leaves_episodes_that_all_have_played():
    group = {"random": ToyAgent("random", 0), "expert": Interrupter("expert", 30)}
    found = evaluate_all(SETTING, group, episodes=100, num_envs=4)
    done = found["expert"].episodes
    assert 0 < done < 100
    assert done == found["random"].episodes
    assert not found["expert"].complete
    group["expert"] = Interrupter("expert", 30)
    partial = compare(SETTING, {n: [one] for n, one in group.items()}, episodes=100, num_envs=4)
    assert summary(TOY, partial, "expert")["partial"] is True
    group["expert"] = Interrupter("expert", 30)
    with pytest.raises(KeyboardInterrupt):
        evaluate_all(SETTING, group, episodes=100, num_envs=4, whole=True)
    whole = evaluate_all(SETTING, agents("random"), episodes=done)["random"]
    assert found["random"].returns.tolist() == whole.returns.tolist()


def test_an_interruption_before_anything_is_done_is_passed_on():
    with pytest.raises(KeyboardInterrupt):
        evaluate_all(SETTING, {"expert": Interrupter("expert", 1)}, episodes=4)


def test_progress_counts_every_episode():
    heard = []
    evaluate_all(SETTING, agents(), episodes=7, num_envs=4, progress=heard.append)
    assert sum(heard) == 21


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({"episodes": 0}, "episodes"), ({"num_envs": 0}, "num_envs"), ({"seed": -1}, "seed")],
)
def test_impossible_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        evaluate_all(SETTING, agents(), **{"episodes": 2, **arguments})


def test_environments_are_closed_also_after_an_error(monkeypatch):
    made = []
    build = EnvironmentConfig.make
    monkeypatch.setattr(
        EnvironmentConfig, "make", lambda *a, **k: made.append(build(*a, **k)) or made[-1]
    )

    class Broken(ToyAgent):
        def act(self, observation, info):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        evaluate_all(SETTING, {"x": Broken("x", 0)}, episodes=2)
    assert [env.closed for env in made] == [True]


def test_one_batch_can_be_run_alone():
    env = SETTING.make(2)
    done = run_episodes(env, ToyAgent("x", 0.2), [3, 1])
    assert done.episodes == 2
    env.close()


def test_settings_refuse_what_the_environment_does_not_know():
    with pytest.raises(ValueError, match="did you mean drift"):
        EnvironmentConfig(TOY, arguments={"drfit": "off"})
    with pytest.raises(ValueError, match="no choice of specimens"):
        EnvironmentConfig(TOY, specimen="grf")
    with pytest.raises(ValueError, match="options of their own"):
        EnvironmentConfig(TOY, arguments={"split": "test"})
    with pytest.raises(ValueError, match="threads"):
        EnvironmentConfig(TOY, arguments={"threads": "many"}).check()


def test_split_and_specimen_reach_an_environment_that_has_them():
    setting = EnvironmentConfig("Ptycho-v0", "validation", "grf", {"exposures": 3})
    assert setting.keywords() == {"split": "validation", "specimen": "grf", "exposures": 3}
    assert EnvironmentConfig("Ptycho-v0").specimen_name == "sparse"
    assert EnvironmentConfig(TOY).keywords() == {}


def test_ids_and_suggestions():
    assert environment_id("microgym:Ptycho-v0") == "Ptycho-v0"
    with pytest.raises(ValueError, match=r"'ptyco'; did you mean Ptycho-v0\?"):
        environment_id("ptyco")
    assert suggestion("zzz", ["b", "a"]) == "; there are a, b"
