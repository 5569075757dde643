"""The best constant action and the best open-loop sequence, which look at nothing."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from microgym.baselines.audit import stamps
from microgym.baselines.audit.check import Findings, judge, text
from microgym.baselines.audit.context import TRAINING_SEED, Audit, power_of_two
from microgym.baselines.audit.play import Array, Episodes, play_sequence, watch
from microgym.baselines.audit.policies import wave_numbers, waves
from microgym.baselines.audit.references import interval
from microgym.baselines.audit.search import Found, cross_entropy
from microgym.baselines.evaluation.comparison import SHIPPED
from microgym.baselines.evaluation.env_config import EnvironmentConfig
from microgym.baselines.evaluation.statistics import paired_difference

_CANDIDATES, _LONGEST = 32, 96
_LABELS = {"constant": "blind constant", "blind": "blind sequence"}
_PARTS = {"constant": 0.15, "waves": 0.45, "steps": 0.3}
"""Parts of the time for each family of sequences; the rest chooses among what they find."""


def blind(audit: Audit) -> Findings:
    """The best blind policies, found on training specimens and played on others."""
    checks, data = [], dict[str, Any]()
    seconds = audit.seconds("blind") / len(audit.difficulties)
    for difficulty, arguments in audit.difficulties.items():
        found = searched(audit, difficulty)
        setting = audit.setting(**arguments)
        count = audit.affordable(setting, ["expert"], 0.2 * seconds, 32, 256)
        expert = audit.evaluate(setting, "expert", count)
        test = range(audit.seed, audit.seed + count)
        played = {n: play_sequence(setting, found[n], test) for n in _LABELS}
        data[difficulty] = {"searched": found["tried"], "pattern": found["kind"], "episodes": count}
        for name, one in played.items():
            difference = paired_difference(one.returns[0], expert.returns)
            figure = f"{one.returns.mean():.3f}, less expert {text(difference)}"
            label = _LABELS[name] + (f" {difficulty}" if arguments else "")
            want = "below the expert by interval"
            checks.append(judge(label, difference.below_zero, figure, want))
            data[difficulty][name] = interval(one.returns[0])
            data[difficulty][f"{name}_each"] = one.returns[0].tolist()
            data[difficulty][f"{name}_numbers"] = found[name].tolist()
    return Findings(tuple(checks), data)


def searched(audit: Audit, difficulty: str) -> dict[str, Any]:
    """The best blind policies of a difficulty, as `search` finds them; kept by the audit."""
    seconds = audit.seconds("blind") / len(audit.difficulties)
    words = audit.difficulties[difficulty]
    setting = audit.setting("train", **words)
    known: Any = audit.kept(f"patterns-{difficulty}")
    if known is None:
        patterns, length = recorded(audit, setting)
        known = {"patterns": [one.tolist() for one in patterns], "length": length}
        audit.keep(f"patterns-{difficulty}", known)
    patterns, length = [np.array(one) for one in known["patterns"]], int(known["length"])
    given = [audit.seed, length, known["patterns"]]
    stamp, key = stamps.of_search(audit.env_id, words, given), f"blind-{difficulty}"
    found = audit.kept(key, stamp)
    if found is None or found["seconds"] < seconds:
        found = search(audit, setting, seconds, patterns, length)
        audit.keep(key, found, stamp)
    return {**found, **{name: np.array(found[name]) for name in _LABELS}}


def search(
    audit: Audit, setting: EnvironmentConfig, seconds: float, patterns: list[Array], length: int
) -> dict[str, Any]:
    """Search constants, smooth sequences and single steps on training specimens.

    Args:
        audit: gives the seed.
        setting: the environment.
        seconds: of processor time.
        patterns: sequences to begin with, [1, L, size] each.
        length: steps of the sequences that are searched.

    Returns:
        "constant" and "blind": the best sequences [L, size]; "kind" of the latter; "tried".
    """
    rng = np.random.default_rng(audit.seed)
    episodes = _affordable_episodes(setting, length, seconds)
    size = episodes.codec.size
    final = 0.5 * seconds * (1.0 - sum(_PARTS.values()))
    tried: dict[str, Found] = {}

    def run(kind: str, mean: Array, deviation: float, make: Callable[[Array], Array]) -> Array:
        def score(drawn: Array) -> Array:
            audit.progress(len(drawn))
            return episodes.play(make(drawn)).returns.mean(axis=1)

        tried[kind] = found = cross_entropy(
            score,
            mean,
            deviation,
            candidates=_CANDIDATES,
            seconds=_PARTS[kind] * seconds,
            most=60,
            rng=rng,
        )
        return make(found.candidates)

    def steps(drawn: Array) -> Array:
        return drawn.reshape(len(drawn), -1, size)

    constants = run("constant", np.zeros(size), 0.7, lambda drawn: drawn[:, None])
    smooth = run("waves", np.zeros(wave_numbers(size)), 0.6, lambda z: waves(z, size, length))
    begun = [_best(setting, one, final / 4) for one in (constants, smooth, *patterns)]
    base = max(begun, key=lambda one: one[1])[0]
    base = np.resize(base, (length, size)) if len(base) < length else base
    refined = run("steps", base.ravel(), 0.15, steps)
    episodes.close()
    kinds = {"constant": constants, "waves": smooth, "steps": refined}
    kinds |= {f"pattern {k}": one for k, one in enumerate(patterns)}
    best = {name: _best(setting, one, final / len(kinds)) for name, one in kinds.items()}
    kind = max(best, key=lambda name: best[name][1])
    return {
        "constant": best["constant"][0],
        "blind": best[kind][0],
        "kind": kind,
        "tried": sum(one.tried for one in tried.values()),
        "seconds": seconds,
    }


def recorded(audit: Audit, setting: EnvironmentConfig) -> tuple[list[Array], int]:
    """Sequences of the agents that look at nothing, and steps of the longest usual episode.

    An agent looks at nothing if it acts alike in all episodes.
    """
    patterns: list[Array] = []
    lengths: list[int] = [1]
    codec = Episodes(setting, [0], 1).codec
    known = [n for n in audit.names if n not in ("idle", "random", "oracle", SHIPPED)]
    seeds = range(TRAINING_SEED, TRAINING_SEED + 4)
    for name in known:
        agent = audit.agent(setting, name)
        if agent.uses_privileged_info:
            continue
        steps: list[Array] = []
        running: list[Array] = []

        def look(_: Any, info: Any, steps: Any = steps, running: Any = running) -> None:
            steps.append(codec.encode(info["action"]))
            running.append(~info["idle"])

        watch(setting, agent, seeds, look)
        actions = np.stack(steps)
        lengths.append(len(actions))
        same = [np.ptp(a[r], axis=0).max() < 1e-6 for a, r in zip(actions, running, strict=True)]
        if all(same):
            longest = np.array([one.sum() for one in np.stack(running).T]).argmax()
            patterns.append(actions[None, :, longest])
    return patterns, min(max(lengths), _LONGEST)


def _affordable_episodes(setting: EnvironmentConfig, length: int, seconds: float) -> Episodes:
    """Training episodes for all candidates side by side, such that 32 iterations are possible."""
    first = Episodes(setting, [TRAINING_SEED], _CANDIDATES)
    first.play(np.zeros((1, 1, first.codec.size)))  # compiles
    start = time.process_time()
    rng = np.random.default_rng(0)
    first.play(rng.normal(0.0, 0.5, (_CANDIDATES, length, first.codec.size)))
    cost = time.process_time() - start
    first.close()
    count = power_of_two(seconds * sum(_PARTS.values()) / (32 * max(cost, 1e-4)), 4, 32)
    return Episodes(setting, range(TRAINING_SEED, TRAINING_SEED + count), _CANDIDATES)


def _best(setting: EnvironmentConfig, several: Array, seconds: float) -> tuple[Array, float]:
    """The best of some sequences [C, L, size] on further training episodes, and its return."""
    seeds = range(TRAINING_SEED + 1000, TRAINING_SEED + 1008)
    total = np.zeros(len(several))
    start, batches = time.process_time(), 0
    while batches < 1 or (batches < 8 and time.process_time() - start < seconds):
        total += play_sequence(setting, several, [s + 8 * batches for s in seeds]).returns.mean(1)
        batches += 1
    best = int(total.argmax())
    return several[best], float(total[best] / batches)
