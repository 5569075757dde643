"""Train, compare and show: all that `microgym report` does."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from microgym.agents.core.agent import Agent
from microgym.agents.training.atomic_io import write_atomically
from microgym.agents.training.video import animation, still
from microgym.baselines.cli.console import progress_bar
from microgym.baselines.cli.record_video import film
from microgym.baselines.cli.train import Run, configured_steps, train_with_bar
from microgym.baselines.evaluation.comparison import (
    FRESH,
    SHIPPED,
    Comparison,
    FixedActionAgent,
    compare,
)
from microgym.baselines.evaluation.env_config import EnvironmentConfig
from microgym.baselines.evaluation.load_agent import all_agents, find_agent, find_recording
from microgym.baselines.evaluation.protocols import BEYOND, EvaluationProtocol
from microgym.baselines.evaluation.records import RESULTS, check_writable, provenance, read_record
from microgym.baselines.reporting.report_html import Family, Picture, Report, render
from microgym.envs.core.registry import find

Group = dict[str, list[Agent]]

_PICTURED = 1_000_000  # seed of the pictured episode, clear of those evaluated


@dataclass(frozen=True)
class Plan:
    """What a report is made of.

    Attributes:
        setting: the environment.
        recipe: how much to train and to evaluate.
        train: whether to train from scratch.
        output: the HTML file.
        runs: folder of the training runs.
        seed: of the first evaluated episode.
        jobs: training processes side by side.
        num_envs: environments at a time in the evaluation.
        recording: a recorded scan; None looks in the usual places.
    """

    setting: EnvironmentConfig
    recipe: EvaluationProtocol
    train: bool
    output: Path
    runs: Path
    seed: int = 0
    jobs: int = 1
    num_envs: int = 16
    recording: Path | None = None


def make_report(plan: Plan) -> Path:
    """Train if asked for, compare all policies on unseen specimens, and write the report.

    An interruption (Ctrl-C) of the comparison leaves a report of what was finished.

    Args:
        plan: what to do.

    Returns:
        The report's path.

    Raises:
        ValueError, OSError: the environment, the recording or the output is impossible.
        KeyboardInterrupt: interrupted before there was anything to report.
    """
    start = time.monotonic()
    check_writable(plan.output)
    plan.setting.check()
    recording = find_recording(plan.setting.env_id, plan.recording)
    agents, notes = all_agents(plan.setting)
    runs = _train(plan) if plan.train else []
    if runs:
        agents[FRESH] = [find_agent(plan.setting, str(run.path)) for run in runs]
    families: list[Family] = []
    pictures: list[Picture] = []
    moving: Picture | None = None
    interrupted = False
    try:
        families.append(_main(plan, agents))
        if families[0].comparison.complete:
            pictures, moving = _pictures(plan, agents)
            families += _beyond(plan, agents, recording)
    except KeyboardInterrupt:
        if not families:
            raise
        interrupted = True
    if interrupted or not all(one.comparison.complete for one in families):
        notes.append("The run was interrupted; this report shows what was finished by then.")
    curves, curves_note = _curves(plan, runs)
    report = Report(
        plan.setting.env_id,
        find(plan.setting.env_id).summary,
        _ran(plan, runs, time.monotonic() - start),
        families,
        curves,
        curves_note,
        pictures,
        moving,
        notes,
    )
    return write_atomically(plan.output, render(report))


def run_comparison(
    what: str,
    setting: EnvironmentConfig,
    agents: Mapping[str, Sequence[Agent]],
    episodes: int,
    plan: Plan,
) -> Comparison:
    """Compare policies with a progress bar.

    Args:
        what: is done, for the bar.
        setting: the environment.
        agents: name to agents.
        episodes: for each agent.
        plan: its seed and number of environments.

    Returns:
        The comparison.
    """
    total = episodes * sum(len(group) for group in agents.values())
    with progress_bar(total, what, "episode") as progress:
        return compare(
            setting,
            agents,
            episodes=episodes,
            seed=plan.seed,
            num_envs=plan.num_envs,
            progress=progress,
        )


def _train(plan: Plan) -> list[Run]:
    recipe, env_id = plan.recipe, plan.setting.env_id
    steps = recipe.steps or configured_steps(env_id)
    return train_with_bar(env_id, steps, recipe.seeds, plan.runs, plan.jobs)


def _main(plan: Plan, agents: Group) -> Family:
    comparison = run_comparison(
        "unseen specimens", plan.setting, agents, plan.recipe.episodes, plan
    )
    text = "Every policy on specimens that no agent was trained on, nor any rule tuned on."
    return Family("Scores", text, comparison)


def _beyond(plan: Plan, agents: Group, recording: Path | None) -> list[Family]:
    beyond = BEYOND.get(plan.setting.env_id)
    if beyond is None:
        return []
    episodes = plan.recipe.other_episodes
    setting = plan.setting.with_(specimen=beyond.specimen)
    other = run_comparison(f"specimens {beyond.specimen}", setting, agents, episodes, plan)
    families = [Family(f"Where adaptivity should not pay: {beyond.specimen}", beyond.text, other)]
    if recording is None or not other.complete:
        return families
    arguments = {**plan.setting.arguments, **beyond.replayed(recording)}
    replayed = plan.setting.with_(arguments=arguments)
    held = {
        name: [FixedActionAgent(one, beyond.held) for one in group]
        for name, group in agents.items()
    }
    scan = run_comparison("recorded scan", replayed, held, episodes, plan)
    text = (
        "The instrument is replaced by a recorded scan: the nearest recorded exposure is replayed, "
        "thinned to the dose asked for. Every policy has equally many exposures of equal length. "
        "The specimen is always the same one, so the intervals speak of noise and of a policy's "
        "own chance, not of specimens; a policy without chance, on counts that need no thinning, "
        "always ends alike, and its interval has no width."
    )
    return [*families, Family("A recorded scan", text, replace(scan, specimen=recording.name))]


def _pictures(plan: Plan, agents: Group) -> tuple[list[Picture], Picture | None]:
    """The last frame of every policy's episode on one specimen, and the best policy's film."""
    star = next((name for name in (FRESH, SHIPPED, "expert") if name in agents), None)
    pictures: list[Picture] = []
    moving: Picture | None = None
    with progress_bar(len(agents), "pictures", "policy") as progress:
        for name, group in agents.items():
            frames, outcome = film(plan.setting, group[0], _PICTURED)
            if not outcome["complete"]:
                raise KeyboardInterrupt
            note = f"return {outcome['return']:.3g}"
            pictures.append(Picture(name, still(frames[-1]), note))
            if name == star:
                title = f"One episode, decided by {name}"
                data = animation(frames, outcome["fps"])
                moving = Picture(title, data, note, still(frames[-1]))
            progress(1)
    return pictures, moving


def _curves(plan: Plan, runs: Sequence[Run]) -> tuple[dict[str, list[tuple[float, float]]], str]:
    if runs:
        curves = {f"seed {run.seed}": [(float(x), y) for x, y in run.curve] for run in runs}
        return curves, f"Trained in this run, seeds {_listed([run.seed for run in runs])}."
    path = RESULTS / f"{plan.setting.env_id}.json"
    if not path.is_file():
        return {}, ""
    training = read_record(path)["training"]
    if training is None:
        return {}, ""
    curves = {f"seed {seed}": points for seed, points in training["curves"].items()}
    return curves, f"The shipped agent's runs, seeds {_listed(training['seeds'])}."


def _ran(plan: Plan, runs: Sequence[Run], seconds: float) -> dict[str, str]:
    made = provenance()
    ran = {"command": made["command"], "environment": plan.setting.env_id}
    if plan.setting.arguments:
        ran["arguments"] = ", ".join(f"{k}={v}" for k, v in plan.setting.arguments.items())
    if runs:
        ran["training seeds"] = _listed([run.seed for run in runs])
        ran["training steps"] = f"{runs[0].steps:,} for each seed"
        ran["training time"] = ", ".join(_clock(run.duration_s) for run in runs)
    ran["first evaluation seed"] = str(plan.seed)
    ran["duration"] = _clock(seconds)
    ran["date"], ran["commit"] = made["date"], made["commit"] or "not in git"
    machine = made["machine"]
    ran["machine"] = f"{machine['processor']}, {machine['cores']} cores, {machine['system']}"
    packages = {"python": machine["python"], **made["packages"]}
    ran["versions"] = ", ".join(f"{name} {version}" for name, version in packages.items())
    return ran


def _listed(values: Sequence[int]) -> str:
    return ", ".join(str(one) for one in values)


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60} min {int(seconds) % 60:02d} s"
