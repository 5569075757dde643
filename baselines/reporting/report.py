"""Report of `microgym report`: one HTML file that loads nothing from elsewhere."""

import base64
import math
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from microgym.agents.core.agent import Agent
from microgym.agents.training.video import animation
from microgym.atomic_io import write_atomically
from microgym.baselines.cli.console import progress_bar
from microgym.baselines.cli.record_video import record_episode, still
from microgym.baselines.cli.train import Run, trained_runs
from microgym.baselines.evaluation.comparison import (
    FRESH,
    SHIPPED,
    Comparison,
    compare_case,
)
from microgym.baselines.evaluation.env_config import EnvironmentConfig, all_agents, find_agent
from microgym.baselines.evaluation.protocols import (
    EvaluationCase,
    EvaluationProtocol,
    evaluation_cases,
    find_recording,
)
from microgym.baselines.evaluation.records import check_writable, provenance, read_record
from microgym.baselines.evaluation.reproduce import record_path
from microgym.baselines.reporting.formatting import provenance_rows, render_template
from microgym.baselines.reporting.plots import (
    Points,
    plot_intervals,
    plot_learning_curves,
    to_svg,
)
from microgym.envs.core.registry import find

_PICTURED = 1_000_000
"""Seed of the pictured episode, different from those evaluated."""


ABOUT = {
    "idle": "zero actions",
    "random": "uniformly random actions",
    "expert": "rules of a skilled operator, tuned on training specimens",
    "belief": "greedy on what the embedded network predicts",
    "oracle": "knows the hidden state",
    SHIPPED: "the agent that comes with the package",
    FRESH: "trained in this run",
}
"""Description of each kind of policy; every other one is a fixed policy."""


@dataclass(frozen=True)
class Picture:
    """An image in the report.

    Attributes:
        title: text above it.
        data: WebP file, which may be animated.
        note: text below it.
        still: WebP file shown instead to readers who want no motion; none if empty.
    """

    title: str
    data: bytes
    note: str = ""
    still: bytes = b""


@dataclass
class Report:
    """Page of the report.

    Attributes:
        env_id: the environment.
        summary: its one-line description.
        provenance: names and values of all that the results came from, in order.
        sections: specimens and results on them; the first are the main ones.
        curves: training run to (steps, mean return).
        curves_note: source of the curves.
        pictures: one for each policy, of the same specimen.
        video: animation of one episode, if there is one.
        notes: further remarks, shown at the top.
    """

    env_id: str
    summary: str
    provenance: Mapping[str, str] = field(default_factory=dict)
    sections: list[tuple[EvaluationCase, Comparison]] = field(default_factory=list)
    curves: Mapping[str, Points] = field(default_factory=dict)
    curves_note: str = ""
    pictures: list[Picture] = field(default_factory=list)
    video: Picture | None = None
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Plan:
    """Contents of a report.

    Attributes:
        setting: the environment.
        protocol: amount of training and evaluation.
        train: whether to train from scratch.
        output: the HTML file.
        runs: folder of the training runs.
        seed: of the first evaluated episode.
        jobs: training processes side by side; None for one a core.
        num_envs: environments at a time in the evaluation.
        recording: a recorded scan; None looks in the usual places.
    """

    setting: EnvironmentConfig
    protocol: EvaluationProtocol
    train: bool
    output: Path
    runs: Path
    seed: int = 0
    jobs: int | None = 1
    num_envs: int = 16
    recording: Path | None = None


def make_report(plan: Plan) -> Path:
    """Train if asked for, compare all policies on unseen specimens, and write the report.

    An interruption (Ctrl-C) of the comparison leaves a report of what was finished.

    Returns:
        The report's path.

    Raises:
        ValueError, OSError: the environment, the recording or the output is impossible.
        KeyboardInterrupt: interrupted before there was anything to report.
    """
    start = time.monotonic()
    env_id = plan.setting.env_id
    check_writable(plan.output)
    plan.setting.check()
    recording = find_recording(env_id, plan.recording)
    report = Report(env_id, find(env_id).summary)
    agents, report.notes = all_agents(plan.setting)
    protocol = plan.protocol if plan.train else replace(plan.protocol, seeds=())
    runs = trained_runs(env_id, protocol, plan.runs, jobs=plan.jobs)
    if runs:
        agents[FRESH] = [find_agent(plan.setting, str(run.path)) for run in runs]
    try:
        for case in evaluation_cases(plan.setting, plan.protocol, recording):
            compared = compare_case(case, agents, seed=plan.seed, num_envs=plan.num_envs)
            report.sections.append((case, compared))
            if not compared.complete:
                raise KeyboardInterrupt
            if not report.pictures:
                _add_pictures(report, plan.setting, agents)
    except KeyboardInterrupt:
        if not report.sections:
            raise
        report.notes.append("The run was interrupted; this report shows what was finished by then.")
    _add_curves(report, runs)
    report.provenance = _provenance(plan, runs, time.monotonic() - start)
    return write_atomically(plan.output, render(report))


def render(report: Report) -> str:
    """The whole page, as HTML with all images embedded."""
    _, main = report.sections[0]
    trained = main.score(FRESH) or main.score(SHIPPED)
    scored = trained is not None and math.isfinite(trained.score.value)

    def learning_curves() -> str:
        levels = {s.agent: s.returns.value for s in main.scores if s.agent in ("expert", "oracle")}
        return to_svg(plot_learning_curves(report.curves, levels))

    return render_template(
        "report.html",
        report=report,
        headline=trained if scored else None,
        about=ABOUT,
        fresh=FRESH,
        nan=math.nan,
        intervals=_intervals,
        learning_curves=learning_curves,
        data_url=lambda data: f"data:image/webp;base64,{base64.b64encode(data).decode()}",
    )


def _intervals(comparison: Comparison) -> str:
    """Plot of the mean returns, the best policy first."""
    rows = [(s.agent, s.returns, s.agent in (SHIPPED, FRESH)) for s in reversed(comparison.scores)]
    return to_svg(plot_intervals(rows, "mean return"))


def _add_pictures(
    report: Report, setting: EnvironmentConfig, agents: Mapping[str, Sequence[Agent]]
) -> None:
    """Last frame of every policy's episode on one specimen, and a video of the best policy's."""
    best = next((name for name in (FRESH, SHIPPED, "expert") if name in agents), None)
    with progress_bar(len(agents), "pictures", "policy") as progress:
        for name, group in agents.items():
            frames, outcome = record_episode(setting, group[0], _PICTURED)
            if not outcome["complete"]:
                raise KeyboardInterrupt
            last, note = still(frames[-1]), f"return {outcome['return']:.3g}"
            report.pictures.append(Picture(name, last, note))
            if name == best:
                video = animation(frames, outcome["fps"])
                report.video = Picture(f"One episode of {name}", video, note, last)
            progress(1)


def _add_curves(report: Report, runs: Sequence[Run]) -> None:
    """Learning curves of this run, or else those of the shipped agent."""
    curves: Mapping[Any, Points] = {run.seed: run.curve for run in runs}
    path, source = record_path(report.env_id, "full"), "Trained in this run"
    if not curves and path.is_file() and (training := read_record(path)["training"]):
        curves, source = training["curves"], "The shipped agent's runs"
    report.curves = {f"seed {seed}": points for seed, points in curves.items()}
    report.curves_note = f"{source}, seeds {_listed(curves)}."


def _provenance(plan: Plan, runs: Sequence[Run], seconds: float) -> dict[str, str]:
    made = provenance()
    found = {"command": made["command"], "environment": plan.setting.env_id}
    if plan.setting.arguments:
        found["arguments"] = ", ".join(f"{k}={v}" for k, v in plan.setting.arguments.items())
    if runs:
        found["training seeds"] = _listed([run.seed for run in runs])
        found["training steps"] = f"{runs[0].steps:,} for each seed"
        found["training time"] = ", ".join(_clock(run.duration_s) for run in runs)
    found["first evaluation seed"] = str(plan.seed)
    found["duration"] = _clock(seconds)
    found["date"], found["commit"] = made["date"], made["commit"] or "not in git"
    found["machine"] = dict(provenance_rows(made))["machine"]
    packages = {"python": made["machine"]["python"], **made["packages"]}
    found["versions"] = ", ".join(f"{name} {version}" for name, version in packages.items())
    return found


def _listed(values: Iterable[Any]) -> str:
    return ", ".join(str(one) for one in values)


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60} min {int(seconds) % 60:02d} s"
