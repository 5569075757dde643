"""What the pages and cards of all observation models have in common."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from microgym.baselines.evaluation.records import read_record
from microgym.baselines.observation_models.weights_io import origin_rows
from microgym.baselines.reporting.formatting import markdown

Rows = list[tuple[str, str]]


@dataclass(frozen=True)
class ModelCard:
    """What a page and a card are about.

    Attributes:
        env_id: of the environment that shows what the network says.
        title: of the page.
        what: what the network is for; first paragraph.
        picture: what the picture shows, and what is to be said below it.
        trained: how it was trained; a section.
        limits: what it is not good for; a list.
        page: name of the page.
        picture_file: name of the picture.
        record: name of the record.
        made: what the network's file says of its making.
        facts: what the network is, from `made` and the record, if there is one.
        results: the sections about what was measured, paragraph by paragraph.
        metrics: what the card tells of it.
    """

    env_id: str
    title: str
    what: str
    picture: tuple[str, str]
    trained: str
    limits: tuple[str, ...]
    page: str
    picture_file: str
    record: str
    made: Callable[[], Mapping[str, Any]]
    facts: Callable[[Mapping[str, Any], Mapping[str, Any] | None], Rows]
    results: Callable[[Mapping[str, Any]], Sequence[str]]
    metrics: Callable[[Mapping[str, Any]], Rows]

    @property
    def card(self) -> Path:
        """Where the card is, beside the network's file, from the root of a checkout."""
        return Path("microgym/reconstruction/weights") / f"{self.env_id}.md"

    @property
    def none_yet(self) -> str:
        """What stands where results would."""
        command = f"microgym reconstructor assess {self.env_id} --write"
        return f"No results are recorded yet: `{command}`."


def training_rows(made: Mapping[str, Any]) -> Rows:
    """How a network was made, as rows of a table; `made` is what its file says."""
    return [
        ("training", f"{made['steps']:,} steps, seed {made['seed']}, CPU"),
        ("command", f"`{made['command']}`"),
        ("made on", f"{made['date']}, commit {made['commit']}"),
    ]


def covered(coverage: Mapping[str, Any]) -> Rows:
    """Coverage on test specimens, and on each family that was never seen."""
    found = (("test", coverage["test"]), *coverage["unseen"].items())
    return [coverage_row(coverage["stated"], name, one["found"]) for name, one in found]


def coverage_row(
    stated: Sequence[float], name: str, found: Sequence[Mapping[str, Any]]
) -> tuple[str, str]:
    """Shares of errors that stay below what is stated, as a row of a table."""
    said = ", ".join(f"{one:.0%}" for one in stated)
    return f"coverage of {said}, {name}", ", ".join(f"{one['value']:.1%}" for one in found)


def network_page(subject: ModelCard, results: Path, *, figure: bool) -> str:
    """The page about a network.

    Args:
        subject: what it is about.
        results: folder of the records.
        figure: there is a picture of it among the images.

    Returns:
        Markdown, without the line that says how it was made.
    """
    made, record = subject.made(), _record(subject, results)
    parts = [f"# {subject.title}", subject.what]
    if record is not None and figure:
        shows, below = subject.picture
        parts += [f"![{shows}](images/{subject.picture_file})", below]
    parts += [markdown(subject.facts(made, record)), "## How it was trained", subject.trained]
    if record is None:
        return "\n\n".join([*parts, "## Results", subject.none_yet]) + "\n"
    parts += [
        *subject.results(record),
        "## Limits",
        "\n".join(f"* {one}" for one in subject.limits),
        "## Reproducing",
        f"```sh\nmicrogym reconstructor train {subject.env_id} --seed {made['seed']}\n"
        f"microgym reconstructor assess {subject.env_id}\n```",
        markdown(origin_rows(record)),
    ]
    return "\n\n".join(parts) + "\n"


def network_card(subject: ModelCard, results: Path) -> str:
    """The card that lies beside a network's file; arguments and result as for `network_page`."""
    record = _record(subject, results)
    rows = subject.facts(subject.made(), record)
    rows += subject.metrics(record) if record is not None else [("metrics", subject.none_yet)]
    rows += [
        ("limits", " ".join(subject.limits)),
        ("more", f"`docs/{subject.page}`, `baselines/results/{subject.record}`"),
    ]
    return f"# Network of {subject.env_id}\n\n{markdown(rows)}\n"


def _record(subject: ModelCard, results: Path) -> dict[str, Any] | None:
    path = results / subject.record
    return read_record(path) if path.is_file() else None
