"""Interval estimates for comparisons on shared specimens.

The methods are those of Agarwal et al., "Deep reinforcement learning at the edge of the
statistical precipice", NeurIPS 2021: bootstrap intervals, the interquartile mean, and training
seeds as a source of uncertainty of their own. Their package rliable does not import with
pandas 3.

All comparisons are paired: results come as `[episodes]`, or `[runs, episodes]` for several training
seeds, and column i is the same specimen with the same drift for every policy. A resample draws
columns once for all quantities of a comparison, and rows (training seeds) independently of them.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]
Statistic = Callable[[Array], Array]

CONFIDENCE = 0.95
RESAMPLES = 10_000
"""Monte Carlo error of an end of the interval: about a hundredth of its width (design choice)."""

_BLOCK = 1 << 21
"""Numbers resampled at a time, which limits memory."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """Number with its interval; NaN where the data do not determine it.

    Attributes:
        value: the estimate from all data.
        low: lower end of the interval.
        high: upper end of the interval.
    """

    value: float
    low: float
    high: float

    @property
    def interval(self) -> tuple[float, float]:
        """Both ends."""
        return self.low, self.high

    @property
    def above_zero(self) -> bool:
        """The whole interval lies above zero."""
        return self.low > 0

    @property
    def below_zero(self) -> bool:
        """The whole interval lies below zero."""
        return self.high < 0


def mean(values: ArrayLike) -> Array:
    """Mean over the last axis."""
    return np.asarray(np.mean(np.asarray(values, np.float64), axis=-1))


def interquartile_mean(values: ArrayLike) -> Array:
    """Mean of the middle half along the last axis.

    A quarter of the values, rounded down, is left out at each end: the 25% trimmed mean. It is
    robust against outliers and needs fewer values than the median for the same precision.

    Args:
        values: [..., n].

    Returns:
        [...].
    """
    ordered = np.sort(np.asarray(values, np.float64), axis=-1)
    cut = ordered.shape[-1] // 4
    return np.asarray(ordered[..., cut : ordered.shape[-1] - cut].mean(axis=-1))


def bootstrap(
    values: ArrayLike,
    statistic: Statistic = mean,
    *,
    headroom: ArrayLike = 1.0,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Estimate:
    """Percentile bootstrap of a statistic (Efron and Tibshirani, 1993, chapter 13).

    Args:
        values: [episodes] or [runs, episodes]. Runs and episodes are resampled independently of
            each other. With few runs the interval is somewhat too short.
        statistic: function of all values together, from [..., n] to [...].
        headroom: [episodes]; the values are divided by its mean. Both are resampled together, so
            the interval contains the uncertainty of both.
        resamples: number of resamples, at least 1.
        seed: of the resampling.

    Returns:
        The statistic of the data and its interval; NaN where the headroom is not above 0.

    Raises:
        ValueError: no values, values that are not finite, or no resamples.
    """
    if resamples < 1:
        raise ValueError(f"resamples must be at least 1, got {resamples}")
    table = _table("values", values)
    runs, episodes = table.shape
    room = np.broadcast_to(np.asarray(headroom, np.float64), (episodes,))
    if room.mean() <= 0:
        return Estimate(np.nan, np.nan, np.nan)
    value = float(statistic((table / room.mean()).reshape(-1)))
    generator = np.random.default_rng(seed)
    block = max(1, _BLOCK // table.size)
    drawn: list[Array] = []
    for start in range(0, resamples, block):
        size = min(block, resamples - start)
        rows = generator.integers(runs, size=(size, runs))
        columns = generator.integers(episodes, size=(size, episodes))
        divisor = room[columns].mean(axis=-1, keepdims=True)
        sample = table[rows[:, :, None], columns[:, None, :]].reshape(size, -1)
        drawn.append(statistic(sample / np.where(divisor > 0, divisor, np.nan)))
    found = np.concatenate(drawn)
    known = np.isfinite(found)
    tail = (1 - CONFIDENCE) / 2
    if 1 - known.mean() > tail:
        return Estimate(value, np.nan, np.nan)
    low, high = np.quantile(found[known], [tail, (1 + CONFIDENCE) / 2])
    return Estimate(value, float(low), float(high))


def paired_difference(a: ArrayLike, b: ArrayLike) -> Estimate:
    """Mean of a - b on the same episodes, with its interval.

    Args:
        a: [episodes] or [runs, episodes].
        b: the same shape, or [episodes] to be compared with every run.

    Returns:
        The difference; `above_zero` tells whether a is better.

    Raises:
        ValueError: different numbers of episodes, and as for `bootstrap`.
    """
    first, second = _table("a", a), _table("b", b)
    if first.shape[1] != second.shape[1]:
        raise ValueError(
            f"a and b must be of the same episodes, got {first.shape[1]} and {second.shape[1]}"
        )
    return bootstrap(first - second)


def normalised_score(
    returns: ArrayLike,
    expert: ArrayLike,
    oracle: ArrayLike,
    statistic: Statistic = mean,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Estimate:
    """Score on the scale where the expert is 0 and the oracle 1.

    (returns - expert) / mean(oracle - expert), summarised by the statistic. The divisor is the mean
    headroom, since that of a single specimen may be nearly zero.

    Args:
        returns: [episodes] or [runs, episodes].
        expert: [episodes], the same ones.
        oracle: [episodes], the same ones.
        statistic: `mean` or `interquartile_mean`.
        resamples: as for `bootstrap`.
        seed: as for `bootstrap`.

    Returns:
        Score and interval; NaN where the oracle is not above the expert on these episodes.

    Raises:
        ValueError: different numbers of episodes, and as for `bootstrap`.
    """
    table, base, top = (
        _table("returns", returns),
        _table("expert", expert),
        _table("oracle", oracle),
    )
    if not table.shape[1] == base.shape[1] == top.shape[1] or base.shape[0] + top.shape[0] != 2:
        raise ValueError(
            "expert and oracle must be [episodes], the same episodes as the returns, "
            f"got {base.shape} and {top.shape} beside {table.shape}"
        )
    room = (top - base)[0]
    return bootstrap(table - base, statistic, headroom=room, resamples=resamples, seed=seed)


def summed(a: Estimate, b: Estimate) -> Estimate:
    """Sum of two independent estimates; the halves of their intervals add in quadrature."""
    value = a.value + b.value
    low = np.hypot(a.value - a.low, b.value - b.low)
    high = np.hypot(a.high - a.value, b.high - b.value)
    return Estimate(value, float(value - low), float(value + high))


def score_with_gain(score: Estimate, headroom: Estimate, gain: Estimate) -> Estimate:
    """Score against a better oracle, whose gain is known from other, fewer episodes.

    (returns - expert) / (oracle + gain - expert): the score is multiplied by
    headroom / (headroom + gain), and the error of the gain is propagated to first order.

    Args:
        score: as from `normalised_score`.
        headroom: oracle - expert on the same episodes.
        gain: improved oracle - oracle, on others.

    Returns:
        Score and interval; NaN where the improved oracle is not above the expert by interval.
    """
    if not (room := summed(headroom, gain)).above_zero:
        return Estimate(np.nan, np.nan, np.nan)
    part, value = headroom.value / room.value, score.value * headroom.value / room.value
    error = value * (gain.high - gain.low) / 2 / room.value
    low = np.hypot(part * (score.value - score.low), error)
    high = np.hypot(part * (score.high - score.value), error)
    return Estimate(value, float(value - low), float(value + high))


# Student's t, 99.5% quantile at 1, 2, ... 10 degrees of freedom (standard tables).
_T995 = (63.657, 9.925, 5.841, 4.604, 4.032, 3.707, 3.499, 3.355, 3.250, 3.169)


def prediction_interval(values: ArrayLike) -> tuple[float, float]:
    """Prediction interval that contains one further value of a normal population 99 times in 100.

    Mean ± t s √(1 + 1/n) (Whitmore, "Prediction limits for a univariate normal observation",
    The American Statistician 40, 1986). It is used for the result of one more training run: on
    another processor the same seed gives another run.

    Args:
        values: [n], n from 2 to 11.

    Returns:
        Lower and upper end.

    Raises:
        ValueError: too few or too many values.
    """
    sample = _table("values", values)[0]
    if not 2 <= sample.size <= len(_T995) + 1:
        raise ValueError(f"values must be 2 to {len(_T995) + 1} numbers, got {sample.size}")
    half = _T995[sample.size - 2] * sample.std(ddof=1) * np.sqrt(1 + 1 / sample.size)
    return float(sample.mean() - half), float(sample.mean() + half)


def _table(name: str, values: ArrayLike) -> Array:
    table = np.atleast_2d(np.asarray(values, np.float64))
    if table.ndim != 2 or table.size == 0:
        raise ValueError(f"{name} must be [episodes] or [runs, episodes], got shape {table.shape}")
    if not np.isfinite(table).all():
        raise ValueError(f"{name} must be finite")
    return table
