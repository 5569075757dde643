"""Splits: the same seed must not give the same hidden instrument."""

import numpy as np

from microgym.baselines.audit.check import Check, Findings, judge, listed
from microgym.baselines.audit.context import Audit
from microgym.baselines.audit.observations import sample, starts
from microgym.baselines.audit.play import Array
from microgym.specimens.splits import SPLITS

MOST = 0.2
_SURE = 4.5
"""Standard errors at which a correlation is more than chance, as many are looked at; those of 512
episodes are 0.2."""
_DECIDED = 256
"""Episodes from which returns are correlated (design choice)."""


def splits(audit: Audit) -> Findings:
    """Correlation of hidden quantities, and of the expert's returns, on the same seeds."""
    want = f"|r| below {MOST:g} between each two splits"
    if "split" not in audit.arguments:
        return Findings((judge("splits", False, "no argument split", want),))
    count = sample(audit)
    hidden = [starts(audit, count, one)[1] for one in SPLITS]
    found = {name: between([one[name] for one in hidden]) for name in hidden[0]}
    limit = max(MOST, _SURE / np.sqrt(count))
    bad = {n: r for n, r in found.items() if abs(r) >= limit}
    bad = {n: r for n, r in bad.items() if not audit.exemption(f"splits.{n}")}
    most = max((abs(r) for r in found.values()), default=0.0)
    figure = f"{len(found)} hidden quantities, |r| at most {most:.2f}"
    figure = "alike: " + listed(f"{n} {r:.2f}" for n, r in bad.items()) if bad else figure
    checks = [judge("splits hidden", not bad, figure, want)]
    checks += _returns(audit, want)
    return Findings(tuple(checks), {"hidden": found, "episodes": count})


def between(samples: list[Array]) -> float:
    """The correlation of largest size between two of some samples, [n, k] each, of one column."""
    worst = 0.0
    for i, first in enumerate(samples):
        for second in samples[:i]:
            for a, b in zip(first.T, second.T, strict=True):
                if a.std() > 1e-9 and b.std() > 1e-9:
                    r = float(np.corrcoef(a, b)[0, 1])
                    worst = r if abs(r) > abs(worst) else worst
    return worst


def _returns(audit: Audit, want: str) -> list[Check]:
    """The check of the expert's returns; none where the time does not allow enough episodes."""
    seconds = audit.seconds("splits")
    count = audit.affordable(audit.setting(), ["expert"], seconds / len(SPLITS), 1, 512)
    if count < _DECIDED:
        return []
    found = [audit.evaluate(audit.setting(s), "expert", count).returns[:, None] for s in SPLITS]
    worst = between(found)
    figure = f"r {worst:.3f} over {count} episodes"
    return [judge("splits returns", abs(worst) < MOST, figure, want)]
