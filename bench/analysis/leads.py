"""Which variant leads a column, and how sure that is: no mark without a test, none for a collapsed model.

The leader, best by its mean over common seeds, is marked best when it is told apart from every other variant that
competes. Otherwise it shares the lead with those that cannot be told apart from it, when some can. One whose mean is
worse than that of a variant which *is* told apart, or which is worse in every seed, is not at the top, only noisy: it
is called too noisy to judge and carries no mark.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from bench.analysis.design import Design
from bench.analysis.pairs import ALPHA, Column, Family, side
from bench.analysis.scales import LINEAR, Scale
from bench.analysis.stats import LEAST_SEEDS, Interval, correlation, seeds_to_separate


@dataclass
class Lead:
    """The outcome of one column.

    Attributes:
        leader: position of the variant with the best mean among those that compete, or None.
        tied: positions that cannot be told apart from the leader (without it). noisy: those of them that are too noisy
            to judge, each with why. same: those of them whose difference is below the smallest effect of interest.
        marks: position → "best" or "shared".
        rival: position of the closest other variant (best mean after the leader), or None.
        p: the largest adjusted p of the leader against those it is told apart from; NaN without any.
        rival_p: the adjusted p of leader against rival.
        seeds: common to all that compete, or splits where there are several. unit: which of the two.
        left_out: positions with too few seeds to compete.
        difference: of leader - rival in the metric's unit; share: on its scale, as a share of the rival's.
        nearest: position of the best of `tied` that is not the same, with which `more_seeds` deals, or None.
        nearest_p: its adjusted p.
        more_seeds: seeds of a fresh run that would tell leader and nearest apart with 80 % power, at the level that
            Holm's procedure leaves to the pairs still open; inf for more than anybody counts, None where not known.
    """

    leader: int | None = None
    tied: list[int] = field(default_factory=list)
    noisy: dict[int, str] = field(default_factory=dict)
    same: list[int] = field(default_factory=list)
    marks: dict[int, str] = field(default_factory=dict)
    rival: int | None = None
    p: float = np.nan
    rival_p: float = np.nan
    seeds: int = 0
    unit: str = "seed"
    left_out: list[int] = field(default_factory=list)
    difference: float = np.nan
    share: float = np.nan
    nearest: int | None = None
    nearest_p: float = np.nan
    more_seeds: float | None = None


def lead_of(
    values: np.ndarray,
    higher_is_better: bool | None,
    eligible: np.ndarray,
    scale: Scale = LINEAR,
    design: Design | None = None,
) -> Lead:
    """The lead of one column (V, S) that is a family of its own; `eligible` (V,) says who competes."""
    column = Column(values, higher_is_better, eligible, scale, design)
    return lead_in("", column, Family({"": column}))


def lead_in(name: str, column: Column, family: Family) -> Lead:
    """The lead of the column called `name` of a family."""
    order = column.order()
    if not order:
        return Lead()
    rows, seeds = column.common
    leader = order[0]
    lead = Lead(leader=leader, seeds=column.over.count(seeds), unit=column.over.unit)
    lead.left_out = [int(row) for row in np.flatnonzero(column.can_win & np.isfinite(column.values).any(1))
                     if row not in rows]  # fmt: skip
    if len(order) == 1:
        return lead
    against = dict(zip(order[1:], column.differences(leader, order[1:]), strict=True))
    p = {row: family.p(name, leader, row) for row in order[1:]}
    sides = {row: side(against[row], p[row], column.placed.margin) for row in order[1:]}
    lead.rival, lead.rival_p = order[1], p[order[1]]
    lead.difference = column.raw_difference(leader, lead.rival).mean
    base = float(np.mean(column.placed.table[lead.rival][seeds]))
    lead.share = column.scale.share(against[lead.rival].mean, base, column.placed.ratios)
    _place(lead, order, sides, p, column)
    lead.nearest = next((row for row in lead.tied if row not in lead.same), None)
    if lead.nearest is not None:
        lead.nearest_p = p[lead.nearest]
        if not lead.nearest_p < ALPHA:
            lead.more_seeds = _needed(column, against[lead.nearest], family.n_open)
    return lead


def _place(lead: Lead, order: list[int], sides: Mapping[int, str], p: Mapping[int, float], column: Column) -> None:
    """Fills in who is tied, who is noisy, and the marks."""
    apart = [row for row in order[1:] if sides[row] == "apart"]
    lead.tied = [row for row in order[1:] if sides[row] != "apart"]
    lead.same = [row for row in lead.tied if sides[row] == "same"]
    if lead.seeds < LEAST_SEEDS:
        return
    lead.p = max((p[row] for row in apart), default=np.nan)
    for row in lead.tied:
        if row not in lead.same and (why := _noisy(order[0], row, order, apart, column)):
            lead.noisy[row] = why
    if not lead.tied:
        lead.marks = {order[0]: "best"}
    elif apart:
        lead.marks = {row: "shared" for row in (order[0], *lead.tied) if row not in lead.noisy}


def _noisy(leader: int, row: int, order: list[int], apart: Sequence[int], column: Column) -> str:
    """Why a variant that is not told apart from the leader cannot be said to share the lead, or ""."""
    if any(order.index(other) < order.index(row) for other in apart):
        return "its mean is worse than one that is told apart"
    d = (column.values[leader] - column.values[row]) * (1 if column.higher_is_better else -1)
    d = column.over.units(d)
    d = d[np.isfinite(d)]
    # With five seeds one equal variant in 32 is worse in every one: that is no longer a coin's fall.
    return f"worse in all of {len(d)} {column.over.unit}s" if len(d) >= 5 and bool((d > 0).all()) else ""


def _needed(column: Column, difference: Interval, n_open: int) -> float | None:
    """`seeds_needed`; None over several splits, whose common rows no number of splits makes independent."""
    return None if column.over.is_crossed else seeds_needed(difference, n_open)


def seeds_needed(difference: Interval, n_open: int) -> float | None:
    """Seeds of a fresh run for 80 % power to see a paired difference at 5 % / `n_open`.

    Of the `n_open` tests that Holm's procedure has not rejected, the least p is held against that level. inf for more
    seeds than `seeds_to_separate` counts; None for fewer than two pairs or no difference.
    """
    if difference.n < 2 or difference.mean == 0:
        return None
    needed = seeds_to_separate(difference.mean, difference.sd, alpha=ALPHA / max(n_open, 1))
    return np.inf if needed is None else max(needed, LEAST_SEEDS)


@dataclass(frozen=True)
class Difference:
    """A variant against the baseline in one metric, paired by seed.

    Attributes:
        mean, half: of NEW - BASE in the metric's unit, with the half-width of its t interval (NaN for fewer than two
            common seeds).
        relative: on the metric's scale, as a share of BASE. of_what: what of BASE, e.g. " of the excess over 1".
        n: common seeds, or what else the interval rests on. correlation: of the two over them.
        p: adjusted over the headline's family. raw_p: before that.
        verdict: "better", "worse", "same", "inconclusive" or "differs" (descriptive metric).
        more_seeds: as `seeds_needed` has it, where it is inconclusive.
    """

    metric: str
    mean: float
    half: float
    relative: float
    of_what: str
    n: int
    correlation: float
    p: float
    verdict: str
    more_seeds: float | None
    raw_p: float = np.nan


def differences(
    columns: Mapping[str, Column], family: Family, base: int, rows: Sequence[int]
) -> dict[int, list[Difference]]:
    """Every row of `rows` against row `base` in each column, judged by the family that the marks rest on."""
    others = [row for row in rows if row != base]
    out: dict[int, list[Difference]] = {row: [] for row in others}
    for name, column in columns.items():
        pairs = zip(others, column.raw_differences(others, base), column.differences(others, base), strict=True)
        for row, *intervals in pairs:
            out[row].append(_difference(name, column, family, base, row, *intervals))
    return out


def _difference(
    name: str, column: Column, family: Family, base: int, row: int, raw: Interval, placed: Interval
) -> Difference:
    p = family.p(name, row, base)
    found = side(placed, p, column.placed.margin)
    verdict = {"same": "same", "open": "inconclusive", "apart": "differs"}[found]
    if found == "apart" and column.higher_is_better is not None:
        verdict = "better" if (placed.mean > 0) == column.higher_is_better else "worse"
    both = np.isfinite(column.values[base]) & np.isfinite(column.values[row])
    old, new = column.values[base][both], column.values[row][both]
    of = float(column.placed.table[base][both].mean()) if both.any() else np.nan
    more = _needed(column, placed, family.n_open) if verdict == "inconclusive" and not p < ALPHA else None
    return Difference(
        name, raw.mean, raw.half_width, column.scale.share(placed.mean, of, column.placed.ratios),
        column.scale.of_what, raw.n, correlation(old, new), p, verdict, more, family.raw_p(name, row, base),
    )  # fmt: skip
