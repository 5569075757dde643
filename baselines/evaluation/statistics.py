"""Interval estimates for comparisons on shared specimens.

The methods are those of Agarwal et al., "Deep reinforcement learning at the edge of the
statistical precipice", NeurIPS 2021: bootstrap intervals, the interquartile mean, and training
seeds as a source of uncertainty of their own. Their package rliable fails to import beside pandas
3, and `scipy.stats.bootstrap` resamples one axis, not training seeds and episodes independently.

All comparisons are paired: results come as `[episodes]`, or `[runs, episodes]` for several training
seeds, and column i is the same specimen with the same drift for every policy. A resample draws
columns once for all quantities of a comparison, and rows (training seeds) independently of them.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

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
    strata: ArrayLike | None = None,
    confidence: float = CONFIDENCE,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Estimate:
    """Percentile bootstrap of a statistic (Efron and Tibshirani, 1993, chapter 13).

    Args:
        values: [episodes] or [runs, episodes]. Runs and episodes are resampled independently of
            each other. With few runs the interval is somewhat too short.
        statistic: function of all values together, from [..., n] to [...].
        strata: [episodes], labels; each label keeps its number of episodes in every resample.
        confidence: of the interval, between 0 and 1.
        resamples: number of resamples, at least 1.
        seed: of the resampling.

    Returns:
        The statistic of the data and its interval.

    Raises:
        ValueError: no values, values that are not finite, or an argument out of range.
    """
    table = _table("values", values)
    drawn = [
        statistic(_flat(table[rows[:, :, None], columns[:, None, :]]))
        for rows, columns in _draws(table.shape, _labels(strata, table), resamples, seed)
    ]
    return _estimate(float(statistic(table.reshape(-1))), np.concatenate(drawn), confidence)


def paired_difference(a: ArrayLike, b: ArrayLike, **arguments: Any) -> Estimate:
    """Mean of a - b on the same episodes, with its interval.

    Args:
        a: [episodes] or [runs, episodes].
        b: the same shape, or [episodes] to be compared with every run.
        **arguments: of `bootstrap`.

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
    return bootstrap(first - second, **arguments)


def normalised_score(
    returns: ArrayLike,
    expert: ArrayLike,
    oracle: ArrayLike,
    statistic: Statistic = mean,
    *,
    confidence: float = CONFIDENCE,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Estimate:
    """Score on the scale where the expert is 0 and the oracle 1.

    (returns - expert) / mean(oracle - expert), summarised by the statistic. The divisor is the mean
    headroom, since that of a single specimen may be nearly zero. Numerator and divisor are
    resampled together, so the interval contains the uncertainty of both.

    Args:
        returns: [episodes] or [runs, episodes].
        expert: [episodes], the same ones.
        oracle: [episodes], the same ones.
        statistic: `mean` or `interquartile_mean`.
        confidence: of the interval, between 0 and 1.
        resamples: number of resamples, at least 1.
        seed: of the resampling.

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
    gain, room = table - base, (top - base)[0]
    drawn: list[Array] = []
    for rows, columns in _draws(table.shape, _labels(None, table), resamples, seed):
        divisor = room[columns].mean(axis=-1, keepdims=True)
        divisor = np.where(divisor > 0, divisor, np.nan)
        drawn.append(statistic(_flat(gain[rows[:, :, None], columns[:, None, :]]) / divisor))
    values = np.concatenate(drawn)
    if room.mean() <= 0:
        return Estimate(np.nan, np.nan, np.nan)
    score = float(statistic((gain / room.mean()).reshape(-1)))
    if np.isnan(values).mean() > (1 - confidence) / 2:
        return Estimate(score, np.nan, np.nan)
    return _estimate(score, values[np.isfinite(values)], confidence)


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


def _labels(strata: ArrayLike | None, table: Array) -> NDArray[Any]:
    labels = np.zeros(table.shape[1]) if strata is None else np.asarray(strata)
    if labels.shape != table.shape[1:]:
        raise ValueError(f"strata must be [{table.shape[1]}], got shape {labels.shape}")
    return labels


def _flat(values: Array) -> Array:
    return values.reshape(len(values), -1)


def _draws(
    shape: tuple[int, ...], labels: NDArray[Any], resamples: int, seed: int
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Row and column indices of resamples, [block, runs] and [block, episodes], in blocks."""
    if resamples < 1:
        raise ValueError(f"resamples must be at least 1, got {resamples}")
    runs, episodes = shape
    groups = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    generator = np.random.default_rng(seed)
    left, block = resamples, max(1, _BLOCK // (runs * episodes))
    while left > 0:
        size = min(block, left)
        rows = generator.integers(runs, size=(size, runs))
        picks = [group[generator.integers(group.size, size=(size, group.size))] for group in groups]
        yield rows, np.concatenate(picks, axis=1)
        left -= size


def _estimate(value: float, drawn: Array, confidence: float) -> Estimate:
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must be between 0 and 1, got {confidence}")
    low, high = np.quantile(drawn, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Estimate(value, float(low), float(high))
