"""Statistics over seeds: pure functions of numbers. Intervals are conditional on the one data split.

`bench.analysis.design` has those over several splits.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special
from scipy import stats as scipy_stats

CONFIDENCE = 0.95
#: Fewer common seeds give no verdict: two equal differences are no evidence.
LEAST_SEEDS = 3
#: A model whose decodes have less than this share of the data's variance is collapsed and wins nothing.
LEAST_DIVERSITY = 0.5
#: A model that leaves more than this share of the data's variance unexplained wins nothing.
GREATEST_FVU = 0.5


@dataclass(frozen=True)
class Interval:
    """Mean of n values with its t interval; sd, low and high are NaN where n is too small for them."""

    mean: float
    low: float
    high: float
    sd: float
    n: int

    @property
    def half_width(self) -> float:
        """Half the width of the interval."""
        return (self.high - self.low) / 2


def t_quantile(n: int | np.ndarray, confidence: float = CONFIDENCE) -> np.ndarray:
    """The two-sided t quantile for n values; NaN for n < 2.

    >>> round(float(t_quantile(10)), 3)
    2.262
    """
    n = np.asarray(n, dtype=float)
    return special.stdtrit(np.where(n > 1, n - 1, np.nan), 0.5 + confidence / 2)


def two_sided_t(statistic: np.ndarray | float, degrees: np.ndarray | int) -> np.ndarray:
    """P(|T| > statistic) of Student's t, elementwise."""
    return 2 * special.stdtr(degrees, -np.abs(statistic))


def mean_interval(values: Sequence[float] | np.ndarray, confidence: float = CONFIDENCE) -> Interval:
    """Mean ± t interval of finite values (n,). One value has a mean and no interval; none has neither.

    >>> interval = mean_interval([1.0, 2.0, 3.0])
    >>> interval.mean, round(float(interval.half_width), 2)
    (2.0, 2.48)
    """
    x = np.asarray(values, dtype=float)
    x = x[np.isfinite(x)]
    n = len(x)
    if n == 0:
        return Interval(np.nan, np.nan, np.nan, np.nan, 0)
    with np.errstate(over="ignore", invalid="ignore"):  # of values near the largest number, the spread is infinite
        mean, sd = float(x.mean()), float(x.std(ddof=1)) if n > 1 else np.nan
    if n == 1:
        return Interval(mean, np.nan, np.nan, np.nan, 1)
    half = float(t_quantile(n, confidence)) * sd / np.sqrt(n)
    return Interval(mean, mean - half, mean + half, sd, n)


def mean_intervals(values: np.ndarray, confidence: float = CONFIDENCE) -> list[Interval]:
    """`mean_interval` of every row of (V, S), to the same bits, with complete rows taken together."""
    values = np.ascontiguousarray(values, dtype=float)
    n = values.shape[1]
    whole = np.isfinite(values).all(1)
    if n < 2 or not whole.any():
        return [mean_interval(row, confidence) for row in values]
    with np.errstate(all="ignore"):  # rows that are not whole are done below
        mean, sd = values.mean(1), values.std(1, ddof=1)
        half = float(t_quantile(n, confidence)) * sd / np.sqrt(n)
    columns = (column.tolist() for column in (mean, mean - half, mean + half, sd))
    rows = zip(values, whole.tolist(), *columns, strict=True)
    return [
        Interval(mean, low, high, sd, n) if ok else mean_interval(row, confidence)
        for row, ok, mean, low, high, sd in rows
    ]


def correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Pearson correlation of two arrays (n,); NaN for n < 3 or when one of them is constant."""
    if len(a) < 3 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return float("nan")
    return float(np.corrcoef(a, b)[0, 1])


def paired_p(differences: np.ndarray, resolution: float = 0.0) -> float:
    """Two-sided p of the t test of mean 0 for differences (n,); NaN for n < 2, 1 for all-zero differences, never 0.

    Args:
        resolution: of the values, as `lattice` finds it; their spread counts as no smaller (see `least_spread`).

    >>> round(paired_p(np.array([1.0, 2.0, 3.0])), 3)
    0.074
    """
    d = np.asarray(differences, dtype=float)
    if len(d) < 2:
        return float("nan")
    if not d.any():
        return 1.0
    mean = float(d.mean())
    return t_of_interval(Interval(mean, np.nan, np.nan, float(d.std(ddof=1)), len(d)), resolution)


def t_of_interval(interval: Interval, resolution: float = 0.0) -> float:
    """Two-sided p of the t test of mean 0, from an interval's mean, sd and n; NaN for n < 2."""
    if interval.n < 2:
        return float("nan")
    sd = float(least_spread(interval.sd, interval.mean, resolution))
    return float(two_sided_t(interval.mean / (sd / np.sqrt(interval.n)), interval.n - 1))


def least_spread(sd: np.ndarray | float, mean: np.ndarray | float, resolution: float = 0.0) -> np.ndarray:
    """The sd of differences with what rounding hides: values in steps of r have an error of r/√12 each, r/√6 in pairs.

    Equal non-zero differences of values without known steps: all that is known is that they differ by one step, so that
    |mean| stands for r.
    """
    sd, size = np.asarray(sd, dtype=float), np.abs(mean)
    equal = sd <= 1e-12 * size
    step = np.where(equal & (resolution <= 0), size, resolution)
    return np.maximum(sd, step / np.sqrt(6.0))


def lattice(values: np.ndarray) -> float:
    """The step r of values that are all multiples of r apart (shares of few rows, counts); 0 where there is none."""
    x = np.unique(np.asarray(values, dtype=float)[np.isfinite(values)])
    gaps = np.diff(x)
    gaps = gaps[gaps > 1e-9 * np.abs(x).max()] if len(gaps) else gaps
    if len(gaps) == 0:
        return 0.0
    multiples = gaps / gaps.min()
    return float(gaps.min()) if bool(np.all(np.abs(multiples - np.round(multiples)) <= 0.01)) else 0.0


def holm(p_values: Sequence[float] | np.ndarray, more: int = 0) -> np.ndarray:
    """Holm's adjusted p values (m,), in the order given; NaN entries stay NaN and do not count.

    Args:
        more: tests of the family that were not carried out; they count as if none of them had rejected.

    >>> holm([0.01, 0.04, 0.03]).tolist()
    [0.03, 0.06, 0.06]
    """
    p = np.asarray(p_values, dtype=float)
    adjusted = np.full(p.shape, np.nan)
    known = np.flatnonzero(np.isfinite(p))
    order = known[np.argsort(p[known], kind="stable")]
    steps = len(order) + more - np.arange(len(order))
    adjusted[order] = np.minimum(np.maximum.accumulate(steps * p[order]), 1.0)
    return adjusted


def seeds_to_separate(
    difference: float, sd: float, power: float = 0.8, alpha: float = 1 - CONFIDENCE, most: int = 10_000
) -> int | None:
    """Seeds that a paired t test needs to see `difference` with `power`, given the sd of the differences.

    The least n whose power under the non-central t is at least `power`, up to n = 200; above, the normal approximation
    (within 1 %). None when it exceeds `most` or when difference or sd are not known.
    """
    if not (np.isfinite(difference) and np.isfinite(sd)) or difference == 0:
        return None
    if sd == 0:
        return 2
    effect = abs(difference) / sd
    quantile = special.ndtri(1 - alpha / 2)
    guess = ((quantile + special.ndtri(power)) / effect) ** 2 + quantile**2 / 2
    if guess > 200:
        return math.ceil(guess) if guess <= most else None
    n = max(2, math.floor(guess) - 2)
    while n > 2 and _power(effect, n - 1, alpha) >= power:
        n -= 1
    while _power(effect, n, alpha) < power:
        n += 1
    return n


def _power(effect: float, n: int, alpha: float) -> float:
    """P(|T| > critical) for a non-central t with n-1 degrees of freedom, integrated over the chi of its denominator.

    (scipy's non-central t gives NaN in parts of the tail.)
    """
    bound, shift = _bounds(n, alpha), effect * np.sqrt(n)
    return float(np.mean(special.ndtr(shift - bound) + special.ndtr(-shift - bound)))


@functools.lru_cache(maxsize=512)
def detectable_effect(n: int, alpha: float = 1 - CONFIDENCE, power: float = 0.8) -> float:
    """The least true difference, in sd of the paired differences, that n seeds see with `power`; inf for n < 2."""
    if n < 2:
        return math.inf
    low, high = 0.0, 1.0
    while _power(high, n, alpha) < power:
        low, high = high, 2 * high
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if _power(middle, n, alpha) < power else (low, middle)
    return high


@functools.lru_cache(maxsize=512)
def _bounds(n: int, alpha: float) -> np.ndarray:
    """The critical value times equally likely values of the denominator, (256,)."""
    levels = (np.arange(256) + 0.5) / 256
    return scipy_stats.t.ppf(1 - alpha / 2, n - 1) * np.sqrt(scipy_stats.chi2.ppf(levels, n - 1) / (n - 1))


def interquartile_mean(values: np.ndarray) -> float:
    """Mean of the middle half of the finite values (any shape), as in Agarwal et al. 2021 (arXiv 2108.13264).

    >>> interquartile_mean(np.array([0.0, 1.0, 2.0, 100.0]))
    1.5
    """
    x = np.asarray(values, dtype=float).ravel()
    x = x[np.isfinite(x)]
    return float(scipy_stats.trim_mean(x, 0.25)) if len(x) else float("nan")


def stratified_bootstrap(
    scores: Sequence[np.ndarray], rng: np.random.Generator, draws: int = 2000, confidence: float = CONFIDENCE
) -> Interval:
    """Interquartile mean over data sets with a percentile interval that resamples seeds within each data set.

    Args:
        scores: one array (n_seeds,) per data set, anchor-normalised.
    """
    strata = [np.asarray(part, dtype=float) for part in scores]
    strata = [part[np.isfinite(part)] for part in strata if np.isfinite(part).any()]
    if not strata:
        return Interval(np.nan, np.nan, np.nan, np.nan, 0)
    pooled = np.concatenate(strata)
    resampled = np.concatenate([part[rng.integers(len(part), size=(draws, len(part)))] for part in strata], axis=1)
    means = scipy_stats.trim_mean(resampled, 0.25, axis=1)
    low, high = np.quantile(means, [0.5 - confidence / 2, 0.5 + confidence / 2])
    alone = max(len(part) for part in strata) < 2
    ends = (np.nan, np.nan, np.nan) if alone else (float(low), float(high), float(means.std(ddof=1)))
    return Interval(interquartile_mean(pooled), *ends, len(pooled))


def paired_iqm_p(
    base: Sequence[np.ndarray],
    new: Sequence[np.ndarray],
    rng: np.random.Generator,
    draws: int = 1000,
    widening: float = 1.0,
) -> float:
    """Two-sided p that two variants have the same interquartile mean over data sets, seeds resampled in pairs.

    The difference over its bootstrap standard error, against Student's t. Resampling n seeds shows (n-1)/n of their
    variance, which is corrected; bootstrap percentiles could not reach the small p that many pairs ask for.

    Args:
        base, new: one array (n_seeds,) per data set each, matched by position; pairs with a missing value are left out.
        widening: of the standard error, for values that share rows.

    Returns:
        p; NaN unless every data set has two pairs.
    """
    pairs = [np.stack([np.asarray(b, float), np.asarray(n, float)]) for b, n in zip(base, new, strict=True)]
    pairs = [pair[:, np.isfinite(pair).all(0)] for pair in pairs]  # (2, n_seeds)
    if not pairs or min(pair.shape[1] for pair in pairs) < 2:
        return float("nan")
    rows = [rng.integers(pair.shape[1], size=(draws, pair.shape[1])) for pair in pairs]
    resampled = np.concatenate([pair[:, chosen] for pair, chosen in zip(pairs, rows, strict=True)], axis=2)
    means = scipy_stats.trim_mean(resampled, 0.25, axis=2)  # (2, draws)
    seeds = sum(pair.shape[1] for pair in pairs)
    degrees = seeds - len(pairs)
    error = widening * float((means[1] - means[0]).std(ddof=1)) * np.sqrt(seeds / degrees)
    pooled = np.concatenate(pairs, axis=1)
    difference = interquartile_mean(pooled[1]) - interquartile_mean(pooled[0])
    if difference == 0:
        return 1.0
    error = float(least_spread(error * np.sqrt(seeds), difference)) / np.sqrt(seeds)
    return float(two_sided_t(difference / error, degrees))


def probability_of_improvement(
    base: Sequence[np.ndarray], new: Sequence[np.ndarray], rng: np.random.Generator, draws: int = 2000
) -> Interval:
    """P(a seed of NEW scores above a seed of BASE), averaged over data sets, with a stratified bootstrap interval.

    Args:
        base, new: one array (n_seeds,) per data set each, higher is better; missing values do not count, nor do data
            sets where either has none. Ties count half.

    Returns:
        Its interval with the seeds of NEW as n; without ends where no data set has two seeds of each.
    """
    chances, samples, seeds, resampled = [], np.zeros(draws), 0, False
    key = int(rng.integers(2**63))
    for place, (b, n) in enumerate(zip(base, new, strict=True)):
        b, n = (x[np.isfinite(x)] for x in (np.asarray(b, float), np.asarray(n, float)))
        if len(b) == 0 or len(n) == 0:
            continue
        wins = (n[:, None] > b[None, :]) + 0.5 * (n[:, None] == b[None, :])  # (n_new, n_base)
        chances.append(float(wins.mean()))
        b_counts, n_counts = (_resampled_counts(key, 2 * place + side, len(x), draws) for side, x in enumerate((b, n)))
        samples += ((n_counts @ wins) * b_counts).sum(1) / wins.size
        seeds += len(n)
        resampled = resampled or min(len(b), len(n)) > 1
    if not chances:
        return Interval(np.nan, np.nan, np.nan, np.nan, 0)
    samples /= len(chances)
    low, high = np.quantile(samples, [0.5 - CONFIDENCE / 2, 0.5 + CONFIDENCE / 2])
    ends = (float(low), float(high), float(samples.std(ddof=1))) if resampled else (np.nan, np.nan, np.nan)
    return Interval(float(np.mean(chances)), *ends, seeds)


@functools.lru_cache(maxsize=128)  # a report compares many variants under the same draws
def _resampled_counts(key: int, place: int, n: int, draws: int) -> np.ndarray:
    """How often each of n values is drawn when n are drawn with replacement, (draws, n)."""
    chosen = np.random.default_rng([key, place]).integers(n, size=(draws, n)) + n * np.arange(draws)[:, None]
    return np.bincount(chosen.ravel(), minlength=draws * n).reshape(draws, n).astype(float)


def coverage_null(n_real: int, n_fake: int, k: int = 5) -> float:
    """Expected coverage when real and fake come from one continuous distribution: 1 - Π_{i=1}^{k} (N-i)/(M+N-i)."""
    return 1 - math.prod((n_real - i) / (n_fake + n_real - i) for i in range(1, k + 1))
