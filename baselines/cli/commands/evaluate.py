"""`microgym evaluate`: one agent on unseen specimens."""

import argparse
from typing import Any

from microgym.baselines.cli import options
from microgym.baselines.evaluation import protocols
from microgym.baselines.evaluation.records import check_writable, to_json, write_json

SUMMARY = "score an agent on unseen specimens, beside the expert (score 0) and the oracle (1)"
EXAMPLE = "microgym evaluate Ptycho-v0 --agent trained --split test --episodes 200 --json"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    options.add(parser, "env", "--agent", *options.SETTING, "--num-envs", "--json")
    options.add(parser, "--episodes", default=protocols.FULL.episodes)
    options.add(parser, "--output", help="also write the JSON object here")


def run(arguments: argparse.Namespace) -> int:
    """Evaluate the agent, the expert and the oracle on the same episodes."""
    setting = options.read_setting(arguments)
    from microgym.agents.core.registry import agent_names
    from microgym.baselines.evaluation.comparison import compare, summary
    from microgym.baselines.evaluation.env_config import find_agent

    if arguments.output:
        check_writable(arguments.output)
    setting.check()
    beside = {"expert", "oracle"} & set(agent_names(setting.env_id))
    agents = {n: [find_agent(setting, n)] for n in sorted({arguments.agent, *beside})}
    words = options.chosen(arguments, "episodes", "seed", "num_envs")
    found = compare(setting, agents, title=f"{arguments.agent} on {setting.env_id}", **words)
    result = summary(setting.env_id, found, arguments.agent)
    if arguments.output:
        write_json(arguments.output, result)
    print(to_json(result) if arguments.json else _text(result))
    return options.OK if found.complete else options.interrupted(arguments)


def _text(result: dict[str, Any]) -> str:
    """Result as lines of text."""

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
