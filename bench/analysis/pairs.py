"""Pairs of variants in the columns of one table, judged as one family.

The same family stands behind marks, verdicts and the differences from the baseline, so that a pair never has two
answers in one report. Each pair is a paired t test over the seeds that both have, on the metric's scale, Holm-adjusted
over the whole family. A pair is "apart" when its adjusted p is below 5 % and the measured difference is at least the
smallest effect of interest; the "same" when its 95 % interval lies within ± that effect or all values are equal; else
"open". Fewer than three common seeds decide nothing. Over several splits of the data, splits stand where seeds do
(`bench.analysis.design`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from bench.analysis.design import Design, one_split
from bench.analysis.scales import LINEAR, Placed, Scale
from bench.analysis.stats import CONFIDENCE, LEAST_SEEDS, Interval, holm, least_spread, two_sided_t

ALPHA = 1 - CONFIDENCE
#: Variants of which all pairs are tested; above, pairs without the leader count in the family and are not carried out.
MOST_PAIRED = 40


def paired_p_against(values: np.ndarray, base: int, resolution: float = 0.0) -> np.ndarray:
    """Two-sided paired t tests of each row of (V, S) against row `base`, NaN for missing seeds: (V,).

    NaN for fewer than two common seeds; 1 where all values are equal. `resolution` as in `stats.paired_p`.
    """
    both = np.isfinite(values) & np.isfinite(values[base])
    n = both.sum(1)
    d = np.where(both, values - values[base], 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = d.sum(1) / n
        sd = np.sqrt((np.where(both, d - mean[:, None], 0.0) ** 2).sum(1) / (n - 1))
        t = np.abs(mean) / (least_spread(sd, mean, resolution) / np.sqrt(n))
    t = np.where(d.any(1), t, 0.0)
    return np.where(n > 1, two_sided_t(t, np.maximum(n - 1, 1)), np.nan)


def side(difference: Interval, p: float, margin: float) -> str:
    """ "apart", "same" or "open" for a paired difference with its adjusted p (see the module)."""
    if difference.n >= 2 and difference.mean == 0 and difference.sd == 0:
        return "same"
    if difference.n < LEAST_SEEDS:
        return "open"
    if max(abs(difference.low), abs(difference.high)) <= margin:
        return "same"
    return "apart" if p < ALPHA and abs(difference.mean) >= margin else "open"


@dataclass
class Column:
    """One metric of a table.

    Attributes:
        values: (V, S), variants by seeds (or by seeds of each split), NaN where there is no value.
        higher_is_better: None for a descriptive metric. can_win: (V,), who competes.
        scale: on which differences count. placed: the values there.
        design: what the columns are; None for seeds on one split. over: the same, never None.
    """

    values: np.ndarray
    higher_is_better: bool | None
    can_win: np.ndarray
    scale: Scale = LINEAR
    design: Design | None = None
    placed: Placed = field(init=False, repr=False)
    over: Design = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.placed = self.scale.place(self.values)
        self.over = self.design or one_split(range(self.values.shape[1]))

    @cached_property
    def common(self) -> tuple[list[int], np.ndarray]:
        """Rows that compete and the seeds (S,) that all of them have.

        A variant that lost so many seeds that fewer than three would be common to all is left out, the one with fewest
        values first, and with it any with fewer than half of the seeds that the fullest one has.
        """
        has = np.isfinite(self.values)
        count = has.sum(1)
        able = self.can_win & (count > 0)
        rows = np.flatnonzero(able & (2 * count >= count[able].max(initial=0))).tolist()
        least = min(LEAST_SEEDS, max((self.over.count(has[row]) for row in rows), default=0))
        while len(rows) > 1 and self.over.count(has[rows].all(0)) < least:
            rows.remove(min(rows, key=lambda row: (count[row], -row)))
        return rows, has[rows].all(0) if rows else np.zeros(self.values.shape[1], dtype=bool)

    def order(self) -> list[int]:
        """Competing rows from best to worst mean over the common seeds."""
        rows, seeds = self.common
        if self.higher_is_better is None or not rows:
            return []
        means = self.placed.table[rows][:, seeds].mean(1) * (1 if self.higher_is_better else -1)
        return [rows[place] for place in np.argsort(-means, kind="stable")]

    def difference(self, first: int, second: int) -> Interval:
        """First - second row over the seeds both have, on the scale."""
        return self.over.interval(self.placed.table[first] - self.placed.table[second])

    def raw_difference(self, first: int, second: int) -> Interval:
        """The same in the metric's own unit."""
        return self.over.interval(self.values[first] - self.values[second])

    def differences(self, first: int | list[int], second: int | list[int]) -> list[Interval]:
        """`difference` of one row and each of several, or the other way round, to the same bits."""
        return self.over.intervals(self.placed.table[first] - self.placed.table[second])

    def raw_differences(self, first: int | list[int], second: int | list[int]) -> list[Interval]:
        """The same in the metric's own unit."""
        return self.over.intervals(self.values[first] - self.values[second])

    def p_against(self, base: int, rows: Sequence[int]) -> dict[int, float]:
        """Unadjusted p of row `base` against each of `rows`."""
        table, resolution = self.placed.table, self.placed.resolution
        if self.over.is_crossed:
            return {row: self.over.paired_p(table[row] - table[base], resolution) for row in rows}
        p = paired_p_against(table, base, resolution)
        return {row: float(p[row]) for row in rows}


class Family:
    """Adjusted p of every pair of a set of columns.

    Attributes:
        size: tests in the family. n_open: tests that were not rejected.
    """

    def __init__(self, columns: Mapping[str, Column], base: int | None = None, others: Sequence[int] = ()):
        """All pairs of competing rows of every column with a direction, and row `base` against `others` in each."""
        raw: dict[tuple[str, int, int], float] = {}
        left = 0
        for name, column in columns.items():
            pairs, untested = _pairs(column, base, others)
            left += untested
            for first in sorted({first for first, _ in pairs}):
                p = column.p_against(first, [second for one, second in pairs if one == first])
                raw |= {(name, first, second): value for second, value in p.items()}
        few = {key for key in raw if _differences(columns[key[0]], *key[1:]) < LEAST_SEEDS}
        adjusted = holm([np.nan if key in few else p for key, p in raw.items()], left)
        self._p = dict(zip(raw, adjusted.tolist(), strict=True))
        self._raw = {key: np.nan if key in few else p for key, p in raw.items()}
        self.size = int(np.isfinite(adjusted).sum()) + left
        self.n_open = int(np.sum(adjusted >= ALPHA)) + left

    def p(self, name: str, first: int, second: int) -> float:
        """The adjusted p of a pair, in any order; NaN where it was not tested."""
        return self._p.get((name, min(first, second), max(first, second)), np.nan)

    def raw_p(self, name: str, first: int, second: int) -> float:
        """The same without the adjustment."""
        return self._raw.get((name, min(first, second), max(first, second)), np.nan)


def _pairs(column: Column, base: int | None, others: Sequence[int]) -> tuple[set[tuple[int, int]], int]:
    """Pairs (smaller, larger row) to test, and how many more belong to the family untested."""
    order = column.order()
    n = len(order)
    whole = n <= MOST_PAIRED
    pairs = {(min(a, b), max(a, b)) for place, a in enumerate(order[: n if whole else 1]) for b in order[place + 1 :]}
    untested = 0 if whole else n * (n - 1) // 2 - len(pairs)
    if base is not None:
        pairs |= {(min(base, row), max(base, row)) for row in others if row != base}
    return pairs, untested


def _differences(column: Column, first: int, second: int) -> int:
    """How many seeds (or splits) a pair has in common; 0 where all their values are equal, which is no test."""
    both = np.isfinite(column.values[first]) & np.isfinite(column.values[second])
    equal = bool((column.values[first][both] == column.values[second][both]).all())
    return 0 if equal else column.over.count(both)
