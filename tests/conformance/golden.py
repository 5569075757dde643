"""Golden trajectories: what each environment returned when its version was frozen.

    python -m tests.conformance.golden            # print today's trajectories as JSON
    python -m tests.conformance.golden --write    # freeze them (bump the -vN, or say why not)

Fingerprints hold to the bit on x86-64; elsewhere the rewards are compared within a tolerance.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np

from microgym.envs.core.comparison import fingerprint
from microgym.envs.core.registry import Entry
from microgym.envs.core.testing import ActionSource
from tests.conformance.cases import ALL_ENTRIES, Case, of

FOLDER = Path(__file__).parent / "golden"
STEPS = 10
SEED = 2024


def trajectory(case: Case) -> list[dict[str, Any]]:
    """Ten steps, on into the next episodes where one ends."""
    env = gym.make(case.id, **case.arguments)
    source = ActionSource(env.action_space, SEED)
    observation, info = env.reset(seed=SEED)
    record = [_line(observation, 0.0, info)]
    for _ in range(STEPS):
        observation, reward, terminated, truncated, info = env.step(source.one())
        record.append(_line(observation, reward, info))
        if terminated or truncated:
            record.append(_line(*_with_zero(env.reset())))
    env.close()
    return record


def _with_zero(result: tuple[Any, dict[str, Any]]) -> tuple[Any, float, dict[str, Any]]:
    return result[0], 0.0, result[1]


def _line(observation: Any, reward: Any, info: dict[str, Any]) -> dict[str, Any]:
    return {
        "observation": fingerprint(observation)[:16],
        "reward": np.asarray(reward, np.float64).tolist(),
        "info": fingerprint(info)[:16],
    }


def trajectories(entry: Entry) -> dict[str, list[dict[str, Any]]]:
    """All cases of an environment."""
    return {str(case): trajectory(case) for case in of(entry)}


def path(entry: Entry) -> Path:
    """Where an environment's golden trajectories are kept."""
    return FOLDER / f"{entry.id}.json"


def main() -> None:
    """Print or write the trajectories."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("ids", nargs="*", help="only these environments")
    parser.add_argument("--write", action="store_true", help="freeze them")
    arguments = parser.parse_args()
    for entry in ALL_ENTRIES:
        if arguments.ids and entry.id not in arguments.ids:
            continue
        text = json.dumps(trajectories(entry), indent=1)
        if arguments.write:
            FOLDER.mkdir(exist_ok=True)
            path(entry).write_text(text + "\n", encoding="utf-8")
        else:
            print(text)


if __name__ == "__main__":
    main()
