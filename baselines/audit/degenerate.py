"""Search for degenerate episodes: an action held for ever, at an extreme or anywhere else."""

import numpy as np

from microgym.baselines.audit.check import Findings, judge, text
from microgym.baselines.audit.context import SHORT_MINUTES, TRAINING_SEED, Audit
from microgym.baselines.audit.play import Episodes, Played, play_sequence
from microgym.baselines.audit.references import interval
from microgym.baselines.evaluation.statistics import paired_difference

_CORNERS, _INSIDE = 24, 32


def degenerate(audit: Audit) -> Findings:
    """Returns of held actions, beside the metrics that say whether the job was done."""
    setting, rng = audit.setting(), np.random.default_rng(audit.seed)
    episodes = audit.affordable(setting, ["expert"], audit.seconds("degenerate"), 16, 256)
    whole = audit.minutes >= SHORT_MINUTES
    seeds = range(TRAINING_SEED, TRAINING_SEED + (4 if whole else 1))
    codec = Episodes(setting, [0], 1).codec
    inside = rng.normal(0.0, 0.5, (_INSIDE if whole else 4, codec.size))
    waiting = np.zeros((1, codec.size))
    held = np.concatenate([waiting, codec.extremes(rng, _CORNERS if whole else 4), inside])[:, None]
    tried: list[Played] = []
    for start in range(0, len(held), 32):
        batch = held[start : start + 32]
        tried.append(play_sequence(setting, batch, seeds))
        audit.progress(len(batch))
    returns, lengths = (
        np.concatenate([getattr(one, name) for one in tried]).mean(axis=1)
        for name in ("returns", "lengths")
    )
    picks = {"best": int(returns.argmax())}
    ends = {"shortest": lengths.min(), "longest": lengths.max()}
    for name, length in ends.items():
        among = np.flatnonzero(np.isclose(lengths, length))
        picks[name] = int(among[returns[among].argmax()])
    first = audit.seed
    test = range(first, first + episodes)
    expert = audit.evaluate(setting, "expert", episodes)
    data: dict[str, dict[str, object]] = {}
    checks = []
    for name, pick in picks.items():
        played = play_sequence(setting, held[pick], test)
        difference = paired_difference(played.returns[0], expert.returns)
        figures = {n: float(np.nanmean(v)) for n, v in played.metrics.items()}
        data[name] = {
            "action": held[pick, 0].tolist(),
            "return": interval(played.returns[0]),
            "length": float(played.lengths.mean()),
            "metrics": figures,
        }
        figure = (
            f"{played.returns.mean():.3f} in {played.lengths.mean():.0f} steps, "
            f"less expert {text(difference)}"
        )
        want = "below the expert by interval"
        checks.append(judge(f"degenerate {name}", difference.below_zero, figure, want))
    return Findings(tuple(checks), {"episodes": episodes, "held": len(held), "found": data})
