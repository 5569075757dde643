import re
import shlex
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any, cast

import gymnasium as gym
import numpy as np
import pytest

from microgym.agents.core.registry import agent_names
from microgym.baselines.cli import main, parser, summaries
from microgym.baselines.evaluation.comparison import Comparison, compare
from microgym.baselines.evaluation.env_config import EnvironmentConfig
from microgym.baselines.evaluation.protocols import evaluation_table
from microgym.baselines.evaluation.records import RESULTS, provenance, to_json
from microgym.baselines.reporting import docs
from microgym.envs.core import docs as task_docs
from microgym.envs.core.registry import entries, find
from microgym.envs.ptycho.config import PtychoConfig
from microgym.envs.ptycho.task import PtychoTask
from tests.baselines.stubs import TOY, make_agent
from tests.conformance.cases import Case

ROOT = Path(__file__).parents[3]
DOCS = ROOT / "docs"
PTYCHO = "Ptycho-v0"


def tables(text: str) -> list[list[list[str]]]:
    """Bodies of the Markdown tables in a text, as cells."""
    blocks = re.findall(r"(?:^\|.*\|\n?)+", text, flags=re.MULTILINE)
    return [
        [[cell.strip() for cell in line.strip("|").split(" | ")] for line in block.splitlines()[2:]]
        for block in blocks
    ]


def section(page: str, name: str) -> str:
    return page.partition(f"\n## {name}\n")[2].partition("\n## ")[0]


@pytest.fixture(scope="module")
def made() -> dict[str, str]:
    return docs.pages(DOCS)


def test_the_pages_are_up_to_date(made):
    there = {p.relative_to(DOCS).as_posix(): p.read_text("utf-8") for p in DOCS.rglob("*.md")}
    there |= {
        p.relative_to(DOCS).as_posix(): p.read_text("utf-8") for p in DOCS.rglob("*.plain.svg")
    }
    there |= {name: (DOCS / name).read_text("utf-8") for name in docs.CARDS}
    assert sorted(there) == sorted(made)
    stale = [name for name, text in made.items() if there[name] != text]
    assert stale == [], "run microgym report --pages"


def test_links_in_the_pages_lead_somewhere(made):
    for name, text in made.items():
        folder = (DOCS / name).parent
        links = re.findall(r"\]\(([^)#:]+)\)", text)
        assert [link for link in links if not (folder / link).exists()] == []


def test_the_index_lists_all_there_is(made):
    index = made["README.md"]
    assert all(f"[{entry.id}](environments/" in index for entry in entries())
    assert all(f"`microgym {name}`" in index for name in summaries())
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert "`make test-independent`" in index
    assert set(re.findall(r"`make ([a-z-]+)` \|", index)) == set(
        re.findall(r"^([a-z-]+):.*##", makefile, re.MULTILINE)
    )


@pytest.mark.parametrize("ids", docs.tasks(), ids=lambda ids: ids[0].id)
def test_every_page_has_all_sections_and_says_what_can_be_intervened_on(made, ids):
    page = made[f"environments/{ids[0].id}.md"]
    found = re.findall(r"^## (.*)$", page, re.MULTILINE)
    assert found == [name for name in docs.SECTIONS if name in found]
    assert set(docs.SECTIONS) - set(found) <= docs.OPTIONAL
    assert all(section(page, name).strip() for name in found)
    for entry in ids:
        assert entry.id in page
        assert all(name in page for name in Case(entry, {}).interventions)
        assert all(
            f"| {name} |" in section(page, "Reference policies") for name in agent_names(entry.id)
        )


def test_every_id_is_on_one_page():
    assert [one for ids in docs.tasks() for one in ids] == list(entries())
    assert all(len({one.package for one in ids}) == 1 for ids in docs.tasks())
    assert len(docs.tasks()) == len({one.package for one in entries()})


def test_every_argument_is_described_once(made):
    names = [one.name for one in fields(PtychoConfig)]
    listed = tables(section(made[f"environments/{PTYCHO}.md"], "Arguments"))[0]
    assert sorted(row[0] for row in listed) == sorted(f"`{name}`" for name in names)
    assert [row[1] for row in listed if row[0] == "`exposures`"] == [
        f"`{PtychoConfig().exposures}`"
    ]
    assert all(row[4] for row in listed)


def test_the_tables_of_the_observation_match_the_space(made):
    space = PtychoTask(1).single_observation_space
    assert isinstance(space, gym.spaces.Dict)
    shown = tables(section(made[f"environments/{PTYCHO}.md"], "Observation Space"))
    declared = cast(Any, PtychoTask).OBSERVATION["compact"]
    for rows, name in zip(shown, ("maps", "numbers"), strict=True):
        assert [row[1] for row in rows] == [f"`{one}`" for one in declared[name]]
        assert len(rows) == space[name].shape[0]


def test_bounds_that_differ_between_entries_are_left_out():
    box = gym.spaces.Box
    mixed = box(np.array([0.0, -1.0], np.float32), np.float32(1.0))
    both = gym.spaces.Dict({"a": mixed, "b": box(-1.0, 1.0, (2,), np.float32)})
    text = "Dict('a': Box(..., (2,), float32), 'b': Box(-1.0, 1.0, (2,), float32))"
    assert docs.space_text(both) == text
    assert docs.space_text(gym.spaces.Discrete(3)) == "Discrete(3)"


def test_the_tables_of_reward_and_info_match_what_is_given(made):
    page = made[f"environments/{PTYCHO}.md"]
    env = gym.make(PTYCHO, exposures=2, action="grid", reveal=True)
    _, info = env.reset(seed=0)
    listed = [row[0] for row in tables(section(page, "Rewards"))[0]]
    assert listed == [f"`{name}`" for name in info["reward_terms"]]
    assert all(f"`{name}`" in section(page, "Info") for name in info)
    for key in ("metrics", "ledger", "latent"):
        assert all(f"`{name}`" in section(page, "Info") for name in info[key])
    assert all(f"`{name}`" in section(page, "Cost") for name in info["cost_terms"])


@pytest.mark.parametrize("ids", docs.tasks(), ids=lambda ids: ids[0].id)
def test_examples_on_the_page_run(made, ids):
    page = made[f"environments/{ids[0].id}.md"]
    (code,) = re.findall(r"```python\n(.*?)```", section(page, "Arguments"), re.DOTALL)
    exec(f"import gymnasium, microgym\n{code}", {})
    (commands,) = re.findall(r"```sh\n(.*?)```", section(page, "Reproducing"), re.DOTALL)
    for line in commands.strip().splitlines():
        program, *words = shlex.split(line)
        assert program == "microgym"
        assert parser().parse_args(words).env == ids[0].id


def test_a_docstring_with_other_sections_is_an_error():
    class Bare:
        """A title.

        ## Description

        Text.
        """

    with pytest.raises(ValueError, match=r"docstring of Bare .*'Action Space'"):
        docs.sections(Bare)


@pytest.fixture(scope="module")
def comparison() -> Comparison:
    agents = {
        name: [make_agent(TOY, name, {})] for name in ("random", "raster", "expert", "oracle")
    }
    return compare(EnvironmentConfig(TOY), agents, episodes=6)


def test_results_stand_where_they_belong(tmp_path, comparison):
    beyond = evaluation_table(PTYCHO).out_of_distribution
    record = {
        **provenance(["reproduce", PTYCHO, "--write"]),
        "training": {"steps": 1200, "seeds": [0, 1, 2]},
        "comparisons": [
            asdict(replace(comparison, specimen=name))
            for name in ("sparse", beyond.specimen, beyond.recording)
        ],
    }
    (tmp_path / f"{PTYCHO}.json").write_text(to_json(record), encoding="utf-8")
    page = docs.page([find(PTYCHO)], DOCS / "images", tmp_path)
    for name, specimen in (
        ("Reference policies", "sparse"),
        ("Where adaptivity does not pay", beyond.specimen),
        ("Recorded scans", beyond.recording),
    ):
        text = section(page, name)
        assert f"specimens `{specimen}`" in text
        assert "| oracle - expert | " in text
    assert "`microgym reproduce Ptycho-v0 --write`" in section(page, "Reproducing")
    assert "1,200 steps, seeds 0, 1, 2" in section(page, "Reproducing")
    reference = section(page, "Reference policies")
    assert "| policy | dose, s ↓ | best signal ↑ | doses too many ↓ | looks |" in reference
    record["training"] = None
    (tmp_path / f"{PTYCHO}.json").write_text(to_json(record), encoding="utf-8")
    untrained = docs.page([find(PTYCHO)], DOCS / "images", tmp_path)
    assert "none for this record" in section(untrained, "Reproducing")
    without = docs.page([find(PTYCHO)], DOCS / "images", tmp_path / "none")
    assert "No results are recorded yet" in section(without, "Reference policies")


def test_the_command_writes_the_pages(tmp_path, capsys):
    with pytest.raises(FileNotFoundError, match="no Makefile beside"):
        docs.update(tmp_path / "docs")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "Makefile").write_text("all: ## everything\n", encoding="utf-8")
    assert main(["report", "--pages", str(tmp_path / "docs")]) == 0
    written = [Path(line) for line in capsys.readouterr().out.split()]
    environments = {f"{ids[0].id}.md" for ids in docs.tasks()}
    networks = {f"{name}.md" for name in ("Ptycho-v0", "AFM-v0", "STM-v0")}
    networks |= {"reconstructor.md", "topography.md", "adatoms.md"}
    curves = {path.name for path in written if path.name.endswith(".plain.svg")}
    audited = {path.name.partition(".")[0] for path in RESULTS.glob("*.audit.json")}
    assert {name.partition(".")[0] for name in curves} <= audited
    assert {path.name for path in written} == {"README.md", *networks, *environments, *curves}
    for name in ("Ptycho-v0", "AFM-v0"):
        assert (tmp_path / f"microgym/reconstruction/weights/{name}.md").is_file()
    assert "| `make all` | everything |" in (tmp_path / "docs" / "README.md").read_text("utf-8")


def test_every_environment_has_tables_for_sections_that_exist():
    for entry in entries():
        task = entry.load().task_class(1)
        given = task_docs.tables(task)
        assert set(given) <= set(docs.SECTIONS)
        for table in (one for many in given.values() for one in many):
            assert len({len(row) for row in table}) == 1
