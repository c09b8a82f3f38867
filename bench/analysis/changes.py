"""One metric of one stack in two runs: its numbers from pairs of seeds, its test, and its mark.

Holm's adjustment is over all tests of one comparison, without rows that are equal to the bit. The marks are those of
`bench.analysis.compare`, which says what becomes a change.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from bench.analysis.design import Design, one_split
from bench.analysis.pairs import ALPHA, side
from bench.analysis.scales import Placed, Scale
from bench.analysis.stats import (
    CONFIDENCE,
    LEAST_SEEDS,
    Interval,
    detectable_effect,
    holm,
    least_spread,
    seeds_to_separate,
    t_quantile,
)

MARKS = {"+": "better", "-": "worse", "~": "same", "?": "inconclusive", "x": "not comparable"}


@dataclass
class Change:
    """One metric of one stack in both runs.

    Attributes:
        mark: of `MARKS`. reason: why it cannot be compared, or what would decide it.
        base, new: means over common seeds. difference, half: NEW - BASE with the half-width of its t interval.
        relative: the difference on the metric's scale as a share of BASE, of_what: what of BASE it is a share of.
        p: Holm-adjusted over the comparison, NaN for identical values; n: common seeds, or what else the interval rests
            on; unit: "seed" or "split".
        worse_by: how much worse NEW is, as `relative` (negative when it is better); worse_most: the upper end of its
            one-sided 95 % interval.
        smallest: the metric's smallest effect of interest, as a share of BASE.
        detectable: the change, as a share of BASE, that these seeds find with 80 % power at Holm's first level.
        lost: why something that BASE has is not compared, or "".
    """

    variant: str
    dataset: str
    metric: str
    mark: str = "x"
    reason: str = ""
    base: float = np.nan
    new: float = np.nan
    difference: float = np.nan
    half: float = np.nan
    relative: float = np.nan
    of_what: str = ""
    p: float = np.nan
    n: int = 0
    worse_by: float = np.nan
    worse_most: float = np.nan
    smallest: float = np.nan
    detectable: float = np.nan
    lost: str = ""
    unit: str = "seed"


@dataclass(frozen=True)
class Tested:
    """Differences NEW - BASE of one change on the metric's scale, (n,), beside that scale, BASE's mean there, and what
    the differences are of."""

    differences: np.ndarray
    scale: Scale
    placed: Placed
    base: float
    design: Design

    @property
    def interval(self) -> Interval:
        """Mean difference with its interval."""
        return self.design.interval(self.differences)

    @property
    def equal(self) -> bool:
        """Whether all values are equal to the bit."""
        return not self.differences.any()

    def share(self, difference: float) -> float:
        """A difference as a share of BASE."""
        return self.scale.share(difference, self.base, self.placed.ratios)


def measure(
    change: Change, pairs: np.ndarray, higher_is_better: bool, scale: Scale, design: Design | None = None
) -> Tested:
    """Fills a change's numbers in from (BASE, NEW) pairs (n, 2), and returns what is to be tested.

    `design`: of the n pairs; None for seeds on one split.
    """
    design = design or one_split(range(len(pairs)))
    raw, placed = design.interval(pairs[:, 1] - pairs[:, 0]), scale.place(pairs)
    tested = Tested(placed.table[:, 1] - placed.table[:, 0], scale, placed, float(placed.table[:, 0].mean()), design)
    if not (pairs[:, 0] != pairs[:, 1]).any():
        tested = replace(tested, differences=np.zeros(len(pairs)))
    change.base, change.new = (float(mean) for mean in pairs.mean(0))
    change.difference, change.half, change.n, change.of_what = raw.mean, raw.half_width, raw.n, scale.of_what
    change.unit = design.unit
    interval, sign = tested.interval, -1.0 if higher_is_better else 1.0
    change.relative = tested.share(interval.mean)
    change.smallest = tested.share(placed.margin)
    # Worse is up: for shares of a "more is better" metric the mirrored difference is taken as it is.
    change.worse_by = _worse(tested, sign * interval.mean, sign)
    if interval.n > 1:
        spread = float(least_spread(interval.sd, interval.mean, placed.resolution)) if not tested.equal else 0.0
        half = float(t_quantile(interval.n, 2 * CONFIDENCE - 1)) * spread / math.sqrt(interval.n)
        change.worse_most = _worse(tested, sign * interval.mean + half, sign)
    return tested


def _worse(tested: Tested, amount: float, sign: float) -> float:
    """An amount of worsening on the scale (positive is worse) as a share of BASE; of a drop, the share that is lost."""
    return sign * tested.share(sign * amount)


def judge(changes: Sequence[tuple[Change, Tested | None]], directions: Mapping[str, bool]) -> None:
    """Marks every change that is tested, with Holm over all of them; `directions`: higher is better.

    Equal rows (an unchanged variant) and fewer than three common seeds are no tests and do not weigh on the others.
    """
    tested = [(change, test) for change, test in changes if test is not None]
    raw = [
        math.nan if test.equal or change.n < LEAST_SEEDS
        else test.design.paired_p(test.differences, test.placed.resolution)
        for change, test in tested
    ]  # fmt: skip
    adjusted = holm(raw)
    size, n_open = int(np.isfinite(adjusted).sum()), int(np.sum(adjusted >= ALPHA))
    for (change, test), p in zip(tested, adjusted, strict=True):
        change.p = float(p)
        change.mark, change.reason = _mark(change, test, directions[change.metric], n_open)
        if math.isfinite(change.p):
            change.detectable = test.share(detectable_effect(change.n, ALPHA / size) * test.interval.sd)


def _mark(change: Change, test: Tested, higher_is_better: bool, n_open: int) -> tuple[str, str]:
    if test.equal:
        return "~", "identical"
    if change.n < 2:
        return "x", f"one common {change.unit} gives no interval"
    found = side(test.interval, change.p, test.placed.margin)
    if found == "same":
        return "~", ""
    if found == "apart":
        return ("+" if (test.interval.mean > 0) == higher_is_better else "-"), ""
    if change.n < LEAST_SEEDS:
        return "?", f"fewer than {LEAST_SEEDS} common {change.unit}s decide nothing"
    if change.p < ALPHA:
        return "?", "it differs, but it is not clear whether by more than the smallest effect of interest"
    if test.design.is_crossed:  # common rows make no number of splits independent
        return "?", ""
    more = seeds_to_separate(test.interval.mean, test.interval.sd, alpha=ALPHA / max(n_open, 1))
    return "?", f"fresh runs of about {more} seeds would decide" if more and change.n < more <= 1000 else ""
