import re
from dataclasses import asdict, replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from microgym.baselines.evaluation.comparison import (
    FRESH,
    Comparison,
    PairedDifference,
    compare,
    gaps,
)
from microgym.baselines.evaluation.env_config import EnvironmentConfig
from microgym.baselines.evaluation.evaluate import evaluate_all
from microgym.baselines.evaluation.protocols import REPORT, EvaluationCase, find_recording
from microgym.baselines.evaluation.records import to_json
from microgym.baselines.evaluation.statistics import Estimate, bootstrap
from microgym.baselines.reporting import report
from microgym.baselines.reporting.docs import BEGIN, END, update_readme
from microgym.baselines.reporting.formatting import decimals, outcome_table, signed, written
from microgym.baselines.reporting.report import (
    Picture,
    Plan,
    Report,
    make_report,
    render,
)
from microgym.baselines.reporting.summary import summary
from tests.baselines.stubs import TOY, ToyAgent, make_agent
from tests.envs.toy.task import ToyTask

AGENTS = {name: [make_agent(TOY, name, {})] for name in ("random", "raster", "expert", "oracle")}


class Page(HTMLParser):
    """Links, open tags and words of a page."""

    VOID = frozenset({"meta", "img", "source", "br"})

    def __init__(self, text):
        super().__init__()
        self.fetched, self.open, self.words, self.tags, self.within = [], [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        if tag not in self.VOID:
            self.open.append(tag)
        self.fetched += [v for k, v in attrs if k in ("src", "href", "srcset", "data", "action")]
        self.within += [v for k, v in attrs if k == "xlink:href"]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


def plan(tmp_path, **changes):
    protocol = replace(REPORT, steps=40, seeds=(0, 1, 2), episodes=8, other_episodes=4)
    words = {
        "setting": EnvironmentConfig(TOY),
        "protocol": protocol,
        "train": True,
        "output": tmp_path / "report.html",
        "runs": tmp_path / "runs",
    }
    return Plan(**{**words, **changes})


@pytest.fixture(scope="module")
def comparison() -> Comparison:
    return compare(EnvironmentConfig(TOY), AGENTS, episodes=24)


def assert_self_contained(text):
    page = Page(text)
    assert page.open == []
    assert all(one.startswith("data:image/webp;base64,") for one in page.fetched)
    assert not {"script", "link", "iframe", "object"} & set(page.tags)
    assert all(text.count(f' id="{one[1:]}"') == 1 for one in page.within if one.startswith("#"))
    names = r'src(set)?="data:[^"]*"|xmlns(:xlink)?="http://www.w3.org/[^"]*"'
    assert not re.search(r"@import|url\((?!#)|https?:", re.sub(names, "", text))
    assert not [one for one in page.within if not one.startswith("#")]
    return page


def test_the_report_is_one_file_with_everything_in_it(toy, tmp_path):
    path = make_report(plan(tmp_path))
    page = assert_self_contained(path.read_text(encoding="utf-8"))
    words = " ".join(page.words)
    for expected in ("random", "raster", "expert", "oracle", "trained now", "normalised score"):
        assert expected in words
    assert "0, 1, 2" in words
    assert "paired difference" in words
    for one in ToyTask(1).outcomes:
        assert one.label in words
    assert page.tags.count("svg") == 2
    assert page.tags.count("img") == 7
    assert [one.name for one in tmp_path.glob("*")] == ["runs", "report.html"] or (
        {one.name for one in tmp_path.glob("*")} == {"runs", "report.html"}
    )


def test_without_training_there_is_no_fresh_agent(toy, tmp_path):
    page = Page(make_report(plan(tmp_path, train=False)).read_text(encoding="utf-8"))
    assert FRESH not in page.words
    assert not (tmp_path / "runs").exists()


def test_a_missing_agent_is_left_out_and_said_to_be(toy, tmp_path, monkeypatch):
    def lacking(env_id, name, env_kwargs):
        if name == "trained":
            raise FileNotFoundError("no weights for this environment")
        return make_agent(env_id, name, env_kwargs)

    monkeypatch.setattr("microgym.agents.core.registry.make_agent", lacking)
    text = make_report(plan(tmp_path, train=False)).read_text(encoding="utf-8")
    assert "trained is left out: no weights for this environment" in text


def test_an_interrupted_comparison_leaves_a_report(toy, tmp_path, monkeypatch):
    left = 500

    class Tired(ToyAgent):
        def act(self, observation, info):
            nonlocal left
            left -= 1
            if left < 0:
                raise KeyboardInterrupt
            return super().act(observation, info)

    monkeypatch.setattr(
        "microgym.agents.core.registry.make_agent", lambda *words: Tired(words[1], 0.5)
    )
    protocol = replace(REPORT, episodes=400)
    text = make_report(plan(tmp_path, train=False, protocol=protocol)).read_text(encoding="utf-8")
    assert "these are partial results" in text
    assert "was interrupted" in text


def test_an_interruption_before_anything_is_known_writes_nothing(toy, tmp_path, monkeypatch):
    def interrupted(*words, **more):
        raise KeyboardInterrupt

    monkeypatch.setattr(report, "compare_case", interrupted)
    with pytest.raises(KeyboardInterrupt):
        make_report(plan(tmp_path, train=False))
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_written_is_found_before_the_work(toy, tmp_path, monkeypatch):
    monkeypatch.setattr(report, "trained_runs", None)
    with pytest.raises(OSError, match="it is a folder"):
        make_report(plan(tmp_path, output=tmp_path))


def test_a_recording_is_found_where_it_usually_is(toy, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert find_recording("Ptycho-v0", None) is None
    Path("data").mkdir()
    usual = Path("data/siemens-star-small.npz.bz2")
    usual.write_bytes(b"")
    assert find_recording("Ptycho-v0", None) == usual
    assert find_recording(TOY, None) is None
    with pytest.raises(FileNotFoundError, match="no recorded scan at"):
        find_recording("Ptycho-v0", Path("nowhere.npz"))


def test_names_from_outside_cannot_break_the_page(comparison):
    bad = "<script>alert(1)</script>"
    case = EvaluationCase(EnvironmentConfig(TOY), bad, bad, bad, 1)
    section = (case, replace(comparison, specimen=bad))
    picture = Picture(bad, b"x", bad, b"y")
    text = render(Report(bad, bad, {bad: bad}, [section], {bad: [(0, 1)]}, bad, [picture], picture))
    assert_self_contained(text)


def test_the_ladder_and_its_gaps(comparison):
    pairs = [(one.better, one.worse) for one in comparison.gaps]
    assert pairs == [("raster", "random"), ("expert", "raster"), ("oracle", "expert")]
    returns = {one.agent: one.returns.value for one in comparison.scores}
    for one in comparison.gaps:
        assert one.difference.value == pytest.approx(returns[one.better] - returns[one.worse])
    assert [one.returns.value for one in comparison.scores] == sorted(returns.values())


def test_the_best_fixed_pattern_is_the_one_compared():
    import numpy as np

    values = {"random": 0, "spiral": 2, "raster": 1, "idle": 3}
    returns = {name: np.full((1, 3), value) for name, value in values.items()}
    (only,) = gaps(returns)
    assert (only.better, only.worse, only.difference.value) == ("spiral", "random", 2.0)


def test_a_comparison_survives_json(comparison):
    import json

    record = json.loads(to_json(asdict(comparison)))
    assert Comparison.from_record(record) == comparison
    del record["scores"][0]["returns"]
    with pytest.raises(ValueError, match="lacks or does not know"):
        Comparison.from_record(record)


def test_outcomes_stand_beside_the_scores(comparison):
    heads, *rows = outcome_table(comparison)
    assert heads == ("policy", "dose, s ↓", "best signal ↑", "doses too many ↓", "looks")
    assert [row[0] for row in rows] == [one.agent for one in reversed(comparison.scores)]
    found = evaluate_all(EnvironmentConfig(TOY), {n: g[0] for n, g in AGENTS.items()}, episodes=24)
    for name, *cells in rows:
        for one, cell in zip(ToyTask(1).outcomes, cells, strict=True):
            told = [float(word) for word in re.findall(r"[0-9.]+", cell)]
            estimate = bootstrap(found[name].outcome(one))
            assert told[0] == pytest.approx(estimate.value, rel=0.006, abs=6e-4)
            assert told[1:] == pytest.approx(estimate.interval, rel=0.01, abs=0.01)
    assert outcome_table(replace(comparison, outcomes=())) == []


def test_training_seeds_are_kept_apart_in_the_record():
    group = [ToyAgent("a", skill) for skill in (0.2, 0.9)]
    found = compare(EnvironmentConfig(TOY), {**AGENTS, FRESH: group}, episodes=12)
    fresh = found.score(FRESH)
    assert fresh is not None
    assert fresh.runs == 2
    assert fresh.returns.value == pytest.approx(sum(fresh.run_means) / 2)
    for agent, value in zip(group, fresh.run_means, strict=True):
        alone = compare(EnvironmentConfig(TOY), {"a": [agent]}, episodes=12).score("a")
        assert alone is not None
        assert value == alone.returns.value


def test_held_components_are_held():
    import numpy as np

    actions = np.random.default_rng(0).uniform(-1, 1, (4, 2, 3)).astype(np.float32)
    held = actions.copy()
    held[..., 2] = 0.25
    given = actions.copy()
    rewards = []
    for setting, some in (
        (EnvironmentConfig(TOY, fixed_action={2: 0.25}), given),
        (EnvironmentConfig(TOY), held),
    ):
        env = setting.make(2)
        env.reset(seed=[0, 1])
        rewards.append([env.step(one)[1].tolist() for one in some])
        env.close()
    assert rewards[0] == rewards[1]
    assert np.array_equal(given, actions)


@pytest.mark.parametrize(
    ("estimate", "text"),
    [
        (Estimate(0.123, 0.1, 0.15), "0.123 [0.100, 0.150]"),
        (Estimate(-0.0001, -0.06, 0.06), "0.000 [−0.060, 0.060]"),
        (Estimate(1.0, 1.0, 1.0), "1"),
        (Estimate(float("nan"), 0, 0), "–"),
        (Estimate(2.0, float("nan"), float("nan")), "2.000"),
        (Estimate(2400.0, 2390.0, 2410.0), "2,400.000 [2,390.000, 2,410.000]"),
    ],
)
def test_estimates_are_written_plainly(estimate, text):
    assert written(estimate, 3) == text


def test_digits_follow_the_intervals():
    assert decimals([Estimate(5, 4, 6)]) == 1
    assert decimals([Estimate(5, 4.98, 5.02)]) == 3
    assert decimals([Estimate(500, 400, 600)]) == 0
    assert decimals([]) == 2


def test_a_verdict_needs_an_interval_on_one_side_of_zero():
    assert PairedDifference("a", "b", Estimate(1, 0.1, 2)).verdict == "higher"
    assert PairedDifference("a", "b", Estimate(-1, -2, -0.1)).verdict == "lower"
    assert PairedDifference("a", "b", Estimate(1, -0.1, 2)).verdict == "not significant"


def test_the_readme_table_comes_from_the_records(comparison, tmp_path):
    results, readme = tmp_path / "results", tmp_path / "README.md"
    results.mkdir()
    (results / "Toy-v0.json").write_text(
        to_json({"env": "Toy-v0", "comparisons": [asdict(comparison)]})
    )
    for kind in ("small", "observation models", "reconstructor"):  # not for this table
        other = {"env": "Toy-v0", "kind": kind, "comparisons": []}
        (results / f"Toy-v0.{kind}.json").write_text(to_json(other))
    readme.write_text(f"# head\n{BEGIN}\nold\n{END}\ntail\n")
    lines: list[str] = []
    for _ in range(2):  # safe to repeat
        update_readme(readme, results)
        lines = readme.read_text(encoding="utf-8").splitlines()
        assert (lines[0], lines[1], lines[-2], lines[-1]) == ("# head", BEGIN, END, "tail")
        assert lines[2:-2] == summary(results).splitlines()
    assert lines[2].startswith("| environment | random | best blind | plain PPO | expert |")
    assert lines[4].startswith("| `Toy-v0` † | ")  # made before records knew their environment
    cells = [cell.strip() for cell in lines[4].strip("|").split("|")]
    assert cells[2:4] == ["–", "–"]  # no audit yet
    audit = {
        "references": {"returns": {"random": [0.1, 0.0, 0.2], "oracle": [2.0, 1.9, 2.1]}},
        "blind": {"default": {"constant": [0.2, 0.1, 0.3], "blind": [0.3, 0.2, 0.4]}},
        "plain": {"default": {"PPO": {"return": [0.5, 0.4, 0.6]}}},
        "ceiling": {
            "best": "oracle improved",
            "improved": [2.5, 2.4, 2.6],
            "gain": [0.5, 0.4, 0.6],
        },
    }
    (results / "Toy-v0.audit.json").write_text(
        to_json({"env": "Toy-v0", "kind": "audit", "groups": audit})
    )
    row = summary(results).splitlines()[2]
    assert "| 0.30 [0.20, 0.40] | 0.50 [0.40, 0.60] |" in row
    # The record's returns come first; the oracle's gain counts in its return and in the score.
    expert, oracle = (comparison.score(name).returns.value for name in ("expert", "oracle"))
    trained = comparison.score("raster")
    assert f"| {expert:.2f} [" in row
    assert f"| {oracle + 0.5:.2f} [" in row
    shipped = replace(comparison, scores=(*comparison.scores, replace(trained, agent="trained")))
    (results / "Toy-v0.json").write_text(
        to_json({"env": "Toy-v0", "comparisons": [asdict(shipped)]})
    )
    row, room = summary(results).splitlines()[2], oracle - expert
    assert f"| {signed(trained.score.value * room / (room + 0.5), 2)} [" in row


def test_a_readme_without_marks_or_records_is_left_alone(comparison, tmp_path):
    readme = tmp_path / "README.md"
    with pytest.raises(FileNotFoundError, match="no file"):
        update_readme(readme, tmp_path)
    readme.write_text("no marks")
    with pytest.raises(ValueError, match="once each"):
        update_readme(readme, tmp_path)
    readme.write_text(f"{BEGIN}{END}")
    with pytest.raises(FileNotFoundError, match="no records"):
        update_readme(readme, tmp_path)
    assert readme.read_text() == f"{BEGIN}{END}"
