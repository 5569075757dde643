"""Results that anyone can have again: how they are recorded, and how they are checked.

A record holds what was trained (steps, seeds, curves, mean return of each run), what was measured
(every policy on the same episodes), and what it was made with (command, commit, machine, package
versions). Training is a chaotic thing: the same seed on another processor gives another agent. So
a retrained agent is compared with the interval in which one further run is expected 99 times in
100; a policy that is only evaluated again, with the interval of its mean.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from microgym.agents.files import write_atomically
from microgym.baselines.comparison import FRESH, Comparison, Held, compare
from microgym.baselines.console import progress_bar
from microgym.baselines.policies import all_agents, find_agent, find_recording
from microgym.baselines.recipes import BEYOND, Recipe, full, reduced
from microgym.baselines.records import RESULTS, check_writable, provenance, read_record, to_json
from microgym.baselines.settings import Setting
from microgym.baselines.statistics import prediction_interval
from microgym.baselines.train import Run, configured_steps, finished_runs, train_with_bar


@dataclass(frozen=True)
class Check:
    """One number had again.

    Attributes:
        name: what it is.
        value: as found now.
        low: lower end of what the record allows.
        high: upper end.
    """

    name: str
    value: float
    low: float
    high: float

    @property
    def passed(self) -> bool:
        """The number is where it should be."""
        return self.low <= self.value <= self.high

    def __str__(self) -> str:
        word = "ok  " if self.passed else "FAIL"
        return f"{word} {self.name}: {self.value:.4g}, recorded {self.low:.4g} to {self.high:.4g}"


def record_path(env_id: str, small: bool, folder: Path = RESULTS) -> Path:
    """Where an environment's record is.

    Args:
        env_id: the environment.
        small: the small agent's, which the tests retrain.
        folder: of the records.

    Returns:
        The path.
    """
    return folder / f"{env_id}{'.small' if small else ''}.json"


def write_record(
    setting: Setting,
    *,
    small: bool,
    runs: Path,
    jobs: int = 1,
    recipe: Recipe | None = None,
    folder: Path = RESULTS,
    reuse: bool = False,
) -> Path:
    """Train, measure and record.

    Args:
        setting: the environment.
        small: the small agent, several times, for the interval of its result.
        runs: folder of the training runs.
        jobs: training processes side by side.
        recipe: instead of the committed one.
        folder: of the records.
        reuse: take the finished runs in `runs` instead of training anew.

    Returns:
        The record's path.

    Raises:
        KeyboardInterrupt: interrupted; the old record stays, and policies are in `runs`.
    """
    path = check_writable(record_path(setting.env_id, small, folder))
    setting.check()
    chosen = recipe or (reduced if small else full)(setting.env_id)
    steps = chosen.steps or configured_steps(setting.env_id)
    if reuse:
        trained = finished_runs(setting.env_id, chosen.seeds, steps, runs)
    else:
        trained = train_with_bar(setting.env_id, steps, chosen.seeds, runs, jobs)
    comparisons = [_measure(setting, chosen.episodes, 0, trained)]
    if not small and setting.env_id in BEYOND:
        other = setting.with_(specimen=BEYOND[setting.env_id].specimen)
        comparisons.append(_measure(other, chosen.other_episodes, 0, trained))
        recording = find_recording(setting.env_id)
        if recording is not None:
            beyond = BEYOND[setting.env_id]
            replayed = setting.with_(arguments=beyond.replayed(recording))
            scan = _measure(replayed, chosen.other_episodes, 0, trained, beyond.held)
            comparisons.append(replace(scan, specimen=recording.name))
    score = comparisons[0].score(FRESH)
    means = list(score.run_means) if score else []
    record = {
        "env": setting.env_id,
        "kind": "small" if small else "full",
        **provenance(),
        "training": {
            "steps": steps,
            "seeds": chosen.seeds,
            "returns": means,
            "accepted": prediction_interval(means) if len(means) > 1 else None,
            "duration_s": [round(run.duration_s, 1) for run in trained],
            "curves": {str(run.seed): run.curve for run in trained},
        },
        "comparisons": [one.as_record() for one in comparisons],
    }
    return write_atomically(path, to_json(record, indent=1) + "\n")


def check_record(
    setting: Setting,
    *,
    small: bool,
    train: bool,
    runs: Path,
    jobs: int = 1,
    folder: Path = RESULTS,
) -> list[Check]:
    """Do again what a record says, and compare.

    Args:
        setting: the environment.
        small: the small agent's record; one run is retrained, not all.
        train: retrain; otherwise only evaluate the shipped agent and the reference policies.
        runs: folder of the training runs.
        jobs: training processes side by side.
        folder: of the records.

    Returns:
        The checks, passed or not.

    Raises:
        FileNotFoundError: there is no record.
        ValueError: a bad record.
        KeyboardInterrupt: interrupted before the end.
    """
    record = read_record(record_path(setting.env_id, small, folder))
    try:
        training: Mapping[str, Any] = record["training"]
        before = Comparison.from_record(record["comparisons"][0])
        seeds, steps = list(training["seeds"]), int(training["steps"])
        accepted = training["accepted"]
    except (KeyError, IndexError, TypeError) as error:
        raise ValueError(f"the record of {setting.env_id} lacks {error}") from error
    wanted = seeds[:1] if small else seeds
    trained = train_with_bar(setting.env_id, steps, wanted, runs, jobs) if train else []
    setting = setting.with_(split=before.split, specimen=before.specimen)
    after = _measure(setting, before.episodes, before.seed, trained)
    return _checks(before, after, wanted if train else [], accepted)


def _checks(
    before: Comparison, after: Comparison, seeds: Sequence[int], accepted: Sequence[float] | None
) -> list[Check]:
    checks: list[Check] = []
    for old in before.scores:
        new = after.score(old.agent)
        if old.agent != FRESH and new is not None:
            checks.append(Check(f"{old.agent} again", new.returns.value, *old.returns.interval))
    fresh, floor = after.score(FRESH), after.score("random")
    for seed, value in zip(seeds, fresh.run_means if fresh else (), strict=True):
        if accepted is not None:
            checks.append(Check(f"retrained, seed {seed}", value, *accepted))
        if floor is not None:
            name = f"retrained, seed {seed}, above random"
            checks.append(Check(name, value, floor.returns.high, float("inf")))
    return checks


def _measure(
    setting: Setting,
    episodes: int,
    seed: int,
    trained: Sequence[Run],
    held: Mapping[int, float] | None = None,
) -> Comparison:
    agents, _ = all_agents(setting)
    if trained:
        agents[FRESH] = [find_agent(setting, str(run.path)) for run in trained]
    if held:
        agents = {name: [Held(one, held) for one in group] for name, group in agents.items()}
    total = episodes * sum(len(group) for group in agents.values())
    with progress_bar(total, f"specimens {setting.specimen_name}", "episode") as progress:
        found = compare(setting, agents, episodes=episodes, seed=seed, progress=progress)
    if not found.complete:
        raise KeyboardInterrupt
    return found
