"""What the columns of a table of values are, and what its intervals rest on: seeds, or seeds crossed with splits.

On one split of the data a column is a seed, and seeds are independent. With K random splits a column is a seed on a
split, and columns that share a split share its rows: taken as independent they would give intervals that are too
narrow. So with y_ks the value of seed s on split k, K splits and S seeds,

    Var(ȳ) = var_k(ȳ_k) (1/K + n_test/n_train) + max(0, var_s(ȳ_s) - MS/K) / S.

The first term is the spread of the splits' means. Random splits of one pool share rows, so that their means are
correlated and 1/K alone is too little; n_test/n_train is the correction of Nadeau and Bengio (Machine Learning 52,
2003, 239-281, their corrected resampled t test). The second is what seeds have in common over splits, because the same
seeds come again on each: the usual estimate for a two-way crossed layout, MS being its residual mean square. The
interval is Student's with K - 1 degrees of freedom, or min(K, S) - 1 where the second term counts.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from bench.analysis.stats import Interval, mean_interval, mean_intervals, paired_p, t_of_interval, t_quantile


@dataclass(frozen=True, eq=False)
class Design:
    """The columns of a table.

    Attributes:
        seeds, splits: seed and split number of each column, (S,).
        overlap: test rows per training row.
    """

    seeds: np.ndarray
    splits: np.ndarray
    overlap: float = 0.0

    @cached_property
    def n_splits(self) -> int:
        """K, the number of splits."""
        return len(np.unique(self.splits))

    @property
    def is_crossed(self) -> bool:
        """Whether there are several splits, so that they are what intervals rest on."""
        return self.n_splits > 1

    @property
    def unit(self) -> str:
        """What counts as one independent value."""
        return "split" if self.is_crossed else "seed"

    @property
    def repeats(self) -> str:
        """What the columns are, in words."""
        return "splits × seeds" if self.is_crossed else "seeds"

    @property
    def pairing(self) -> str:
        """What pairs have in common, in words."""
        return "split and seed" if self.is_crossed else "seed"

    @property
    def widening(self) -> float:
        """How much wider intervals over splits are than if their rows were their own."""
        return math.sqrt(1 + self.n_splits * self.overlap) if self.is_crossed else 1.0

    def count(self, has: np.ndarray) -> int:
        """Independent values among the columns of a mask (S,)."""
        return len(np.unique(self.splits[has])) if self.is_crossed else int(has.sum())

    def units(self, values: np.ndarray) -> np.ndarray:
        """The independent values behind (…, S): the means of splits over the seeds that have a value, (…, K)."""
        if not self.is_crossed:
            return values
        places = [np.flatnonzero(self.splits == split) for split in np.unique(self.splits)]
        return np.stack([_mean(values[..., place]) for place in places], axis=-1)

    def interval(self, values: np.ndarray) -> Interval:
        """Mean of (S,) with its interval; NaN for no value. `n` counts what its degrees of freedom rest on."""
        return self._over_splits(values) if self.is_crossed else mean_interval(values)

    def intervals(self, values: np.ndarray) -> list[Interval]:
        """`interval` of every row of (V, S)."""
        return [self._over_splits(row) for row in values] if self.is_crossed else mean_intervals(values)

    def paired_p(self, differences: np.ndarray, resolution: float = 0.0) -> float:
        """Two-sided p of mean 0 for differences (S,), NaN for no value; otherwise as `stats.paired_p`."""
        if not self.is_crossed:
            return paired_p(differences[np.isfinite(differences)], resolution)
        known = differences[np.isfinite(differences)]
        if len(known) and not known.any():
            return 1.0
        return t_of_interval(self._over_splits(differences), resolution)

    def spreads(self, values: np.ndarray) -> tuple[float, float]:
        """The sd of the splits' means, and that of seeds on one split (pooled), of (S,); NaN where there is none."""
        table = self._table(values)
        means = _mean(table)
        known = means[np.isfinite(means)]
        within = (table - means[:, None])[np.isfinite(table)]
        degrees = len(within) - len(known)
        return (
            float(known.std(ddof=1)) if len(known) > 1 else math.nan,
            math.sqrt(float((within**2).sum()) / degrees) if degrees > 0 else math.nan,
        )

    def _table(self, values: np.ndarray) -> np.ndarray:
        """(S,) as (splits, seeds)."""
        rows, row = np.unique(self.splits, return_inverse=True)
        columns, column = np.unique(self.seeds, return_inverse=True)
        table = np.full((len(rows), len(columns)), np.nan)
        table[row, column] = values
        return table

    def _over_splits(self, values: np.ndarray) -> Interval:
        table = self._table(values)
        table = table[np.isfinite(table).any(1)]
        k, means = len(table), _mean(table)
        if k < 2:
            return mean_interval(means)
        common, n = _of_seeds(table[:, np.isfinite(table).all(0)]), k
        if common > 0:
            n = min(k, int(np.isfinite(table).all(0).sum()))
        mean = float(means.mean())
        variance = float(means.var(ddof=1)) * (1 / k + self.overlap) + common
        half = float(t_quantile(n)) * math.sqrt(variance)
        return Interval(mean, mean - half, mean + half, math.sqrt(variance * n), n)


def _of_seeds(table: np.ndarray) -> float:
    """The variance of the mean of a complete table (K, S) that comes from what its seeds have in common over splits."""
    k, s = table.shape
    if s < 2:
        return 0.0
    own = table.mean(0)
    rest = table - own - table.mean(1, keepdims=True) + table.mean()
    residual = float((rest**2).sum()) / ((k - 1) * (s - 1))
    excess = float(own.var(ddof=1)) - residual / k
    # Rounding leaves some 1e-16 of the values where seeds have nothing in common.
    return max(0.0, excess) / s if excess > 1e-12 * float(own.var(ddof=1)) else 0.0


def _mean(values: np.ndarray) -> np.ndarray:
    """Mean over the last axis of what is finite; NaN without any."""
    has = np.isfinite(values)
    n = has.sum(-1)
    total = np.where(has, values, 0.0).sum(-1)
    return np.where(n > 0, total / np.maximum(n, 1), np.nan)


def one_split(seeds: Iterable[int]) -> Design:
    """The design of a table whose columns are seeds."""
    seeds = np.array(list(seeds), dtype=np.int64)
    return Design(seeds, np.zeros(len(seeds), dtype=np.int64))


def design_of(cells: pd.DataFrame) -> Design:
    """The columns of a table of the values of `cells` (of one data set), in order of split and seed.

    Args:
        cells: columns seed and split_number, and split with its sizes as JSON text.
    """
    pairs = sorted(set(zip(cells["split_number"].astype(int), cells["seed"].astype(int), strict=True)))
    splits, seeds = (np.array(column, dtype=np.int64) for column in (zip(*pairs, strict=True) if pairs else ((), ())))
    return Design(seeds, splits, max(map(overlap_of, cells["split"].unique()), default=0.0))


def overlap_of(split: str) -> float:
    """Test rows per training row of a split, whose sizes are JSON text; 0 where they are not known."""
    sizes = json.loads(split)
    n_test, n_train = sizes.get("n_test"), sizes.get("n_train")
    return n_test / n_train if isinstance(n_test, int) and isinstance(n_train, int) and n_train > 0 else 0.0
