"""Returns of the policies that need no search, on the same episodes."""

import numpy as np

from microgym.baselines.audit.check import Check, Findings, judge, text
from microgym.baselines.audit.context import Audit
from microgym.baselines.evaluation.comparison import SHIPPED
from microgym.baselines.evaluation.evaluate import Evaluation
from microgym.baselines.evaluation.statistics import bootstrap, paired_difference

_BELOW = ("idle", "gaussian", "random")
_ABOVE = ("oracle", SHIPPED)


def references(audit: Audit) -> Findings:
    """Returns of idle, a fresh Gaussian policy, and all agents of the package."""
    setting, names, count = audit.setting(), [*audit.names, "gaussian"], episodes(audit)
    found = {name: audit.evaluate(setting, name, count) for name in names}
    checks = judged(found)
    if SHIPPED not in found:
        checks.append(judge(f"references {SHIPPED}", False, "no agent is shipped", "one is"))
    data = {"episodes": count, "returns": {n: interval(e.returns) for n, e in found.items()}}
    return Findings(tuple(checks), data | {"metrics": {n: metrics(e) for n, e in found.items()}})


def episodes(audit: Audit) -> int:
    """Episodes on which the agents are compared."""
    names = [*audit.names, "gaussian"]
    return audit.affordable(audit.setting(), names, audit.seconds("references"), 16, 512)


def judged(found: dict[str, Evaluation]) -> list[Check]:
    """Order of the policies by paired differences from the expert, on the same episodes."""
    checks: list[Check] = []
    if "expert" not in found:
        return checks
    expert = found["expert"].returns
    for name, one in found.items():
        difference = paired_difference(one.returns, expert)
        figure = f"{one.returns.mean():.3f}, less expert {text(difference)}"
        if name in _BELOW:
            want, passed = "below the expert by interval", difference.below_zero
        elif name in _ABOVE:
            want, passed = "above the expert by interval", difference.above_zero
        elif name not in ("expert", "belief"):
            want, passed = "not above the expert by interval", not difference.above_zero
        else:
            continue
        checks.append(judge(f"references {name}", passed, figure, want))
    if SHIPPED in found and "belief" in found:
        difference = paired_difference(found[SHIPPED].returns, found["belief"].returns)
        figure = f"less belief {text(difference)}"
        above = difference.above_zero
        checks.append(judge("references belief", above, figure, "shipped above it by interval"))
    return checks


def interval(returns: np.ndarray) -> list[float]:
    """Mean, and the ends of its interval."""
    found = bootstrap(returns)
    return [found.value, found.low, found.high]


def metrics(one: Evaluation) -> dict[str, float]:
    """Means of the metrics at the end of the episodes."""
    return {n: float(np.mean(v)) for n, v in {**one.metrics, "length": one.lengths}.items()}
