"""Comparison of policies on the same episodes: scores and paired differences."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from microgym.agents.core.agent import Agent
from microgym.baselines.cli.console import progress_bar
from microgym.baselines.evaluation.env_config import EnvironmentConfig
from microgym.baselines.evaluation.evaluate import Evaluation, evaluate_all
from microgym.baselines.evaluation.protocols import EvaluationCase
from microgym.baselines.evaluation.records import from_plain
from microgym.baselines.evaluation.statistics import (
    Estimate,
    bootstrap,
    interquartile_mean,
    normalised_score,
    paired_difference,
)
from microgym.envs.core.declarations import Metric

SHIPPED = "trained"
"""Name of the agent that comes with the package."""
FRESH = "trained now"
"""Name of the agents that were trained in this run, all seeds together."""

_LADDER = ("idle", "random", "expert", "belief", "oracle", SHIPPED, FRESH)
_UNKNOWN = Estimate(math.nan, math.nan, math.nan)


@dataclass(frozen=True)
class PolicyScore:
    """Results of one policy.

    Attributes:
        agent: its name.
        run_means: mean return of each training run; of the policy itself if it is not trained.
        returns: mean return.
        score: mean score, 0 the expert and 1 the oracle; NaN where the oracle is not above the
            expert by interval.
        score_iqm: interquartile mean of the scores.
        cost: mean cost.
        metrics: means at the end of the episode.
        ledger: means at the end of the episode.
        outcomes: metrics shown beside the score, by label.
        kept: returns of the first episodes, one by one, to be reproduced to the bit; empty for
            agents that are not shipped.
    """

    agent: str
    run_means: tuple[float, ...]
    returns: Estimate
    score: Estimate
    score_iqm: Estimate
    cost: float
    metrics: Mapping[str, float] = field(default_factory=dict)
    ledger: Mapping[str, float] = field(default_factory=dict)
    outcomes: Mapping[str, Estimate] = field(default_factory=dict)
    kept: tuple[float, ...] = ()

    @property
    def runs(self) -> int:
        """Number of training runs."""
        return len(self.run_means)


@dataclass(frozen=True)
class PairedDifference:
    """Paired difference of the returns of two policies.

    Attributes:
        better: the one expected to be better.
        worse: the other.
        difference: better − worse.
    """

    better: str
    worse: str
    difference: Estimate

    @property
    def verdict(self) -> str:
        """Sign of the difference as far as the interval determines it."""
        if self.difference.above_zero:
            return "higher"
        return "lower" if self.difference.below_zero else "not significant"


@dataclass(frozen=True)
class Comparison:
    """Policies on the same episodes.

    Attributes:
        split: of the specimens.
        specimen: their family.
        episodes: number for each policy.
        seed: of the first episode.
        complete: all episodes asked for were played.
        scores: one for each policy, in ascending order of return.
        gaps: the differences that the claims rest on.
        outcomes: metrics shown beside the scores.
    """

    split: str
    specimen: str | None
    episodes: int
    seed: int
    complete: bool
    scores: tuple[PolicyScore, ...]
    gaps: tuple[PairedDifference, ...]
    outcomes: tuple[Metric, ...] = ()

    def score(self, agent: str) -> PolicyScore | None:
        """Results of the policy of this name, if it took part."""
        return next((one for one in self.scores if one.agent == agent), None)

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> "Comparison":
        """Comparison from its record, as `asdict` made it and JSON holds it.

        Raises:
            ValueError: something is missing.
        """
        try:
            return from_plain(cls, record)
        except (KeyError, TypeError) as error:
            raise ValueError(f"the record lacks or does not know {error}") from error


def compare(
    setting: EnvironmentConfig,
    agents: Mapping[str, Sequence[Agent]],
    *,
    episodes: int,
    seed: int = 0,
    kept: int = 0,
    title: str = "evaluation",
    **words: Any,
) -> Comparison:
    """Evaluate policies on the same episodes and estimate scores and paired differences.

    Args:
        setting: the environment.
        agents: name to agents, one for each training seed; a policy that is not trained has one.
        episodes: number for each agent.
        seed: of the first episode.
        kept: number of first episodes of which every return is kept.
        title: of the progress bar.
        **words: further arguments of `evaluate_all`, whose errors are raised.

    Returns:
        The comparison, of fewer episodes if it was interrupted.
    """
    flat: dict[str, Agent] = {
        f"{name}/{i}": one for name, group in agents.items() for i, one in enumerate(group)
    }
    with progress_bar(episodes * len(flat), title, "episode") as progress:
        found = evaluate_all(
            setting, flat, episodes=episodes, seed=seed, progress=progress, **words
        )
    played = {
        name: [found[f"{name}/{i}"] for i in range(len(group))] for name, group in agents.items()
    }
    first = next(iter(found.values()))
    returns = {name: np.stack([one.returns for one in runs]) for name, runs in played.items()}
    outcomes = setting.outcomes()
    scores = [_score(name, runs, returns, outcomes, kept) for name, runs in played.items()]
    return Comparison(
        setting.split,
        setting.specimen_name,
        first.episodes,
        seed,
        first.complete,
        tuple(sorted(scores, key=lambda one: one.returns.value)),
        gaps(returns),
        outcomes,
    )


def compare_case(
    case: EvaluationCase, agents: Mapping[str, Sequence[Agent]], **words: Any
) -> Comparison:
    """Comparison on one case; further arguments as for `compare`."""
    found = compare(
        case.setting, agents, episodes=case.episodes, kept=case.kept, title=case.name, **words
    )
    return replace(found, specimen=case.specimen or found.specimen)


def summary(env_id: str, comparison: Comparison, agent: str) -> dict[str, Any]:
    """Object that `microgym evaluate --json` prints.

    Intervals are 95%; "outcomes" are the metrics shown beside the score; "partial" is there if the
    comparison was interrupted.

    Args:
        env_id: the environment.
        comparison: of the agent with the expert and the oracle, as far as there are any.
        agent: its name in the comparison.
    """
    found = next(one for one in comparison.scores if one.agent == agent)
    result: dict[str, Any] = {
        "env": env_id,
        "agent": agent,
        "split": comparison.split,
        "specimen": comparison.specimen,
        "episodes": comparison.episodes,
        "seed": comparison.seed,
        "return_mean": found.returns.value,
        "return_interval": found.returns.interval,
        "score": found.score.value,
        "score_interval": None if math.isnan(found.score.low) else found.score.interval,
        "cost_mean": found.cost,
        "ledger": found.ledger,
        "outcomes": {
            metric.label: {
                "mean": found.outcomes[metric.label].value,
                "interval": found.outcomes[metric.label].interval,
                "unit": metric.unit,
                "better": metric.better,
            }
            for metric in comparison.outcomes
        },
    }
    return result if comparison.complete else result | {"partial": True}


def gaps(returns: Mapping[str, NDArray[np.float64]]) -> tuple[PairedDifference, ...]:
    """Differences that the claims rest on, of the policies that took part.

    They are best fixed policy - random, expert - best fixed policy, oracle - expert, each trained
    agent - expert, and shipped agent - belief. Every policy that is none of the others is fixed;
    the best of them on these episodes is taken, which favours it.

    Args:
        returns: policy to [runs, episodes].
    """
    fixed = [name for name in returns if name not in _LADDER]
    best = max(fixed, key=lambda name: returns[name].mean(), default="")
    steps = [
        (best, "random"),
        ("expert", best or "random"),
        ("oracle", "expert"),
        (SHIPPED, "expert"),
        (FRESH, "expert"),
        (SHIPPED, "belief"),
    ]
    return tuple(
        PairedDifference(better, worse, paired_difference(returns[better], returns[worse]))
        for better, worse in steps
        if better in returns and worse in returns
    )


def _score(
    name: str,
    runs: Sequence[Evaluation],
    returns: Mapping[str, NDArray[np.float64]],
    outcomes: Sequence[Metric],
    kept: int,
) -> PolicyScore:
    mine, score, robust = returns[name], _UNKNOWN, _UNKNOWN
    if "expert" in returns and "oracle" in returns:
        expert, oracle = returns["expert"][0], returns["oracle"][0]
        if paired_difference(oracle, expert).above_zero:  # else the scale has no length
            score = normalised_score(mine, expert, oracle)
            robust = normalised_score(mine, expert, oracle, interquartile_mean)
    return PolicyScore(
        name,
        tuple(float(one.returns.mean()) for one in runs),
        bootstrap(mine),
        score,
        robust,
        float(np.mean([one.costs.mean() for one in runs])),
        _means([one.metrics for one in runs]),
        _means([one.ledger for one in runs]),
        {one.label: bootstrap(np.stack([run.outcome(one) for run in runs])) for one in outcomes},
        () if name == FRESH else tuple(mine[0, :kept].tolist()),
    )


def _means(columns: Sequence[Mapping[str, NDArray[np.float64]]]) -> dict[str, float]:
    return {name: float(np.mean([one[name] for one in columns])) for name in columns[0]}
