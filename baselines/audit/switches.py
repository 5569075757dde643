"""Switches: each level acts, and harder is not easier."""

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np

from microgym.baselines.audit.check import Check, Findings, judge
from microgym.baselines.audit.context import Audit
from microgym.baselines.audit.play import Array
from microgym.baselines.evaluation.evaluate import Evaluation
from microgym.envs.core.config import LEVELS

_POLICIES = ("random", "expert")
_SURE = 3.3
"""Standard errors by which a mean difference must leave zero: one in a thousand by chance, as
several quantities are looked at."""


def switches(audit: Audit) -> Findings:
    """Effect of each switch on returns and metrics of random and expert play."""
    names = [name for name, one in audit.arguments.items() if one.levels]
    policies = [name for name in _POLICIES if name in audit.names]
    runs = max(len(names) * len(LEVELS), 1)
    seconds = audit.seconds("switches") / runs
    count = audit.affordable(audit.setting(), policies, seconds, 8, 512)
    checks, data = [], dict[str, Any]()
    for name in names:
        found = {
            policy: [audit.evaluate(audit.setting(**{name: at}), policy, count) for at in LEVELS]
            for policy in policies
        }
        check, figures = judged(name, found, audit.exemption(f"switches.{name}"))
        checks.append(check)
        data[name] = figures
    return Findings(tuple(checks), {"episodes": count, "switches": data})


def judged(
    name: str, found: Mapping[str, list[Evaluation]], reason: str | None
) -> tuple[Check, dict[str, Any]]:
    """Verdict on one switch, from the evaluations of each policy at each level in order."""
    pairs = list(pairwise(LEVELS))
    acts = {pair: "" for pair in pairs}
    rises: list[str] = []
    for policy, levels in found.items():
        for k, pair in enumerate(pairs):
            for quantity, one in quantities(levels[k]).items():
                z = certainty(quantities(levels[k + 1])[quantity] - one)
                if abs(z) > _SURE and not acts[pair]:
                    acts[pair] = f"{policy}'s {quantity}"
                if quantity == "return" and policy == "expert" and z > _SURE:
                    rises.append(" to ".join(pair))
    means = {p: [float(one.returns.mean()) for one in levels] for p, levels in found.items()}
    dead = [" to ".join(pair) for pair, quantity in acts.items() if not quantity]
    wrong = [f"no effect from {one}" for one in dead] + [f"easier from {one}" for one in rises]
    shown = " / ".join(f"{one:.3f}" for one in means.get("expert", next(iter(means.values()))))
    figure = f"expert's return {shown} at off / easy / real / hard"
    figure += f": {', '.join(wrong)}" if wrong else ""
    figure += f"; by declaration: {reason}" if wrong and reason else ""
    want = "each level acts on returns or metrics, and none is easier than the one before"
    check = judge(f"switches {name}", not wrong or bool(reason), figure, want)
    return check, {"returns": means, "acts": {" to ".join(p): q for p, q in acts.items()}}


def quantities(one: Evaluation) -> dict[str, Array]:
    """Return, length, costs and metrics of each episode."""
    return {"return": one.returns, "length": one.lengths, "cost": one.costs, **one.metrics}


def certainty(differences: Array) -> float:
    """Mean over its standard error; 0 where nothing differs."""
    known = differences[np.isfinite(differences)]
    if not known.any():
        return 0.0
    error = known.std(ddof=1) / np.sqrt(known.size) if known.size > 1 else np.inf
    return float(known.mean() / max(error, 1e-12))
