"""What each sub-command of `microgym` does.

Heavy modules are loaded by the commands that need them: `microgym list` and `--help` are typed by
people who wait for the answer.
"""

import argparse
import importlib
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from microgym.agents.training.atomic_io import write_atomically
from microgym.baselines.cli.console import one_thread, progress_bar, read_option
from microgym.baselines.evaluation import protocols
from microgym.baselines.evaluation.env_config import EnvironmentConfig, environment_id, suggestion
from microgym.baselines.evaluation.records import check_writable, machine, to_json, versions
from microgym.envs.core import registry as environments

OK, FAILED = 0, 1
RECONSTRUCTORS = {"Ptycho-v0": "eye", "AFM-v0": "topography", "STM-v0": "adatoms"}
"""Environments with a network that restores what is shown, and the package it is made in."""


def list_(arguments: argparse.Namespace) -> int:
    """Show environments and agents."""
    from microgym.agents.core.registry import agent_names

    found = [
        {"id": entry.id, "summary": entry.summary, "agents": list(agent_names(entry.id))}
        for entry in environments.ENTRIES
    ]
    if arguments.json:
        print(to_json({"environments": found}))
        return OK
    for one in found:
        print(f"{one['id']}  {one['summary']}\n  agents: {', '.join(one['agents'])}")
    return OK


def train(arguments: argparse.Namespace) -> int:
    """Train from scratch."""
    env_id = environment_id(arguments.env)
    output = arguments.output or Path("runs") / env_id
    check_writable(output / "training.json")
    one_thread()
    from microgym.baselines.cli.train import configured_steps, train_runs

    config = dict(read_option(text) for text in arguments.set)
    steps = configured_steps(env_id, config) if arguments.steps is None else arguments.steps
    jobs = _jobs(arguments, len(arguments.seeds))
    total = steps * len(arguments.seeds)
    with progress_bar(total, f"training on {env_id}", "step") as progress:
        runs = train_runs(
            env_id,
            arguments.seeds,
            steps=steps,
            output=output,
            jobs=jobs,
            config=config or None,
            progress=progress,
            resume=arguments.resume,
            log=arguments.log,
        )
    for run in runs:
        last = f", training return {run.curve[-1][1]:.3g} at the end" if run.curve else ""
        word = "" if run.complete else " (interrupted: the policy learnt so far)"
        print(f"{run.path}{word}: {run.duration_s:.0f} s{last}")
    if len(runs) < len(arguments.seeds) or not all(run.complete for run in runs):
        print("next: the same command with --resume goes on where this one stopped")
        return _interrupted(arguments)
    print(f"next: microgym evaluate {env_id} --agent {runs[0].path}")
    return OK


def search(arguments: argparse.Namespace) -> int:
    """Search for better settings of the training."""
    setting = EnvironmentConfig(environment_id(arguments.env), "validation")
    output = arguments.output or Path("runs") / setting.env_id / "search"
    one_thread()
    from microgym.baselines.cli.search import BEST, Plan, flags, toml
    from microgym.baselines.cli.search import search as run

    plan = Plan(
        setting,
        output,
        trials=arguments.trials,
        steps=arguments.steps,
        seeds=tuple(arguments.seeds),
        episodes=arguments.episodes,
        seed=arguments.seed,
        jobs=_jobs(arguments, len(arguments.seeds)),
    )
    total = plan.trials * plan.steps * len(plan.seeds)
    with progress_bar(total, f"searching on {setting.env_id}", "step") as progress:
        record = run(plan, progress=progress)
    if arguments.json:
        print(to_json(record))
        return OK
    best = record["best"]
    score = f", score {best['score']:.3g}" if "score" in best else ""
    print(f"trial {best['trial']} of {len(record['trials'])} is best: {_returned(best)}{score}")
    print(f"  as it is configured: {_returned(record['trials'][0])}")
    print(f"next: microgym train {setting.env_id} {flags(best['settings'])}")
    print(f"or, in {output / BEST}:\n\n{toml(best['settings'])}", end="")
    return OK


def evaluate(arguments: argparse.Namespace) -> int:
    """Score one agent."""
    setting = _setting(arguments)
    from microgym.baselines.evaluation.evaluate import evaluate_all, summary
    from microgym.baselines.evaluation.load_agent import find_agent

    if arguments.output:
        check_writable(arguments.output)
    setting.check()
    beside = set(_agent_names(setting)) & {"expert", "oracle"}
    agents = {n: find_agent(setting, n) for n in sorted({arguments.agent, *beside})}
    total = max(arguments.episodes, 0) * len(agents)
    with progress_bar(total, f"{arguments.agent} on {setting.env_id}", "episode") as progress:
        found = evaluate_all(
            setting,
            agents,
            episodes=arguments.episodes,
            seed=arguments.seed,
            num_envs=arguments.num_envs,
            progress=progress,
        )
    mine = replace(found[arguments.agent], agent=arguments.agent)
    result = summary(setting, mine, found.get("expert"), found.get("oracle"), arguments.seed)
    if arguments.output:
        write_atomically(arguments.output, to_json(result, indent=1) + "\n")
    print(to_json(result) if arguments.json else _told(result))
    return OK if mine.complete else _interrupted(arguments)


def watch(arguments: argparse.Namespace) -> int:
    """Film one episode."""
    setting = _setting(arguments)
    from microgym.baselines.cli.record_video import check_format, film, write_film
    from microgym.baselines.evaluation.load_agent import find_agent

    check_writable(check_format(arguments.output))
    setting.check()
    agent = find_agent(setting, arguments.agent)
    with progress_bar(0, "filming", "decision") as progress:
        frames, outcome = film(setting, agent, arguments.seed, progress)
    write_film(arguments.output, frames, outcome["fps"])
    said = f"{outcome['decisions']} decisions, return {outcome['return']:.3g}"
    print(f"{arguments.output}: {said}, cost {outcome['cost']:.3g}")
    return OK if outcome["complete"] else _interrupted(arguments)


def bench(arguments: argparse.Namespace) -> int:
    """Time alternatives, and hold what must hold against them."""
    one_thread()
    from microgym.baselines.benchmarks import BENCHMARKS, LONG
    from microgym.baselines.benchmarks.thresholds import Check, check_text
    from microgym.baselines.benchmarks.timing import Effort, as_record, as_text

    for name in arguments.names:
        if name not in BENCHMARKS:
            raise ValueError(f"no benchmark {name!r}{suggestion(name, list(BENCHMARKS))}")
    records: list[dict[str, Any]] = []
    checks: list[tuple[str, Check]] = []
    complete = True
    effort = Effort(rounds=arguments.rounds, steps=arguments.steps)
    try:
        for name in arguments.names or (name for name in BENCHMARKS if name not in LONG):
            with progress_bar(0, name, "round") as progress:
                for result in BENCHMARKS[name](replace(effort, progress=progress)):
                    records.append({"name": name, **as_record(result)})
                    checks += [(result.title, check) for check in result.checks]
                    if not arguments.json:
                        print(as_text(result), flush=True)
    except KeyboardInterrupt:
        if not records:
            raise
        complete = False
    about, met = machine(), all(check.met for _, check in checks)
    if arguments.json:
        whole = {"machine": about, "packages": versions(), "met": met, "benchmarks": records}
        print(to_json(whole if complete else whole | {"partial": True}))
    else:
        missed = [f"{title}\n    {check_text(one)}" for title, one in checks if not one.met]
        print(f"{about['processor']}, {about['cores']} cores, Python {about['python']}")
        print(f"{len(checks) - len(missed)} of {len(checks)} bounds met", *missed, sep="\n  ")
    if not complete:
        return _interrupted(arguments)
    return FAILED if arguments.check and not met else OK


def reproduce(arguments: argparse.Namespace) -> int:
    """Do recorded results again."""
    setting = EnvironmentConfig(environment_id(arguments.env))
    one_thread()
    from microgym.baselines.evaluation.compare_observations import write_views
    from microgym.baselines.evaluation.reproduce import check_record, write_record

    runs = arguments.runs or Path("runs") / setting.env_id / "reproduce"
    jobs = _jobs(arguments, 3)
    if arguments.views and not arguments.write:
        raise ValueError("--views needs --write: its record is not checked again")
    if arguments.write:
        if arguments.no_train:
            raise ValueError("--write needs training: leave --no-train out")
        small, reuse = arguments.small, arguments.reuse
        if arguments.views:
            print(write_views(setting, runs=runs, jobs=jobs, reuse=reuse))
            return OK
        print(write_record(setting, small=small, runs=runs, jobs=jobs, reuse=reuse))
        return OK
    checks = check_record(
        setting, small=arguments.small, train=not arguments.no_train, runs=runs, jobs=jobs
    )
    for check in checks:
        print(check)
    return OK if all(check.passed for check in checks) else FAILED


def reconstructor(arguments: argparse.Namespace) -> int:
    """Train the network of a neural observation, or judge one."""
    env_id = environment_id(arguments.env)
    if env_id not in RECONSTRUCTORS:
        known = ", ".join(RECONSTRUCTORS)
        raise ValueError(f"{env_id} has no network that restores what it shows; there are {known}")
    one_thread()
    from microgym.baselines.observation_models import cli

    module = importlib.import_module(f"microgym.baselines.{RECONSTRUCTORS[env_id]}.workshop")
    work = {"train": cli.train, "assess": cli.assess}
    return work[arguments.action](module.workshop(), arguments)


def report(arguments: argparse.Namespace) -> int:
    """Compare all policies and write the report; or the README's table, or the pages."""
    if arguments.readme or arguments.pages:
        from microgym.baselines.reporting import docs, readme

        for path in docs.update(arguments.pages) if arguments.pages else ():
            print(path)
        if arguments.readme:
            print(readme.update(arguments.readme))
        return OK
    if arguments.env is None:
        raise ValueError("name an environment, such as Ptycho-v0 (microgym list)")
    setting = _setting(arguments)
    one_thread()
    from microgym.baselines.reporting.report import Plan, make_report

    recipe = replace(
        protocols.REPORT,
        steps=arguments.steps,
        seeds=tuple(arguments.seeds),
        episodes=arguments.episodes,
        other_episodes=min(arguments.episodes, protocols.REPORT.other_episodes),
    )
    path = make_report(
        Plan(
            setting,
            recipe,
            arguments.train,
            arguments.output,
            arguments.runs or Path("runs") / setting.env_id / "report",
            arguments.seed,
            _jobs(arguments, len(recipe.seeds)),
            arguments.num_envs,
            arguments.recording,
        )
    )
    print(f"The report is in {path.resolve()}")
    return OK


def _setting(arguments: argparse.Namespace) -> EnvironmentConfig:
    options = dict(read_option(text) for text in arguments.set)
    return EnvironmentConfig(
        environment_id(arguments.env), arguments.split, arguments.specimen, options
    )


def _agent_names(setting: EnvironmentConfig) -> tuple[str, ...]:
    from microgym.agents.core.registry import agent_names

    return tuple(agent_names(setting.env_id))


def _jobs(arguments: argparse.Namespace, runs: int) -> int:
    return min(runs, os.cpu_count() or 1) if arguments.jobs is None else arguments.jobs


def _interrupted(arguments: argparse.Namespace) -> int:
    print(f"microgym {arguments.command}: interrupted: this is partial", file=sys.stderr)
    return 130


def _returned(trial: dict[str, Any]) -> str:
    low, high = trial["return_interval"]
    return f"return {trial['return_mean']:.4g} [{low:.3g}, {high:.3g}]"


def _told(result: dict[str, Any]) -> str:
    def interval(ends: Any) -> str:
        return f" [{ends[0]:.3g}, {ends[1]:.3g}]" if ends else ""

    head = f"{result['agent']} on {result['env']}: {result['episodes']} episodes, "
    where = f"split {result['split']}, specimens {result['specimen']}, seed {result['seed']}"
    known = result["score"] == result["score"]
    score = f"{result['score']:.3g}{interval(result['score_interval'])}" if known else "unknown"
    lines = [
        head + where + (" (partial)" if result.get("partial") else ""),
        f"  return  {result['return_mean']:.4g}{interval(result['return_interval'])}",
        f"  score   {score}   (0: expert, 1: oracle)",
        f"  cost    {result['cost_mean']:.3g}",
        *(f"  {name:<12}{value:.4g}" for name, value in result["ledger"].items()),
        *(
            f"  {name}: {one['mean']:.4g}{interval(one['interval'])} {one['unit']}".rstrip()
            for name, one in result["outcomes"].items()
        ),
    ]
    return "\n".join(lines)
