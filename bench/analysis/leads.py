"""Which variant leads a column, and how sure that is: no mark without a test, none for a collapsed model.

Within a column all pairs of eligible variants are compared by paired t tests over their common seeds, Holm-adjusted.
The leader is marked best when it is separated from every other eligible variant; otherwise those that cannot be
separated from it share the lead, and when that is all of them nobody is marked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from bench.analysis.stats import (
    CONFIDENCE,
    GREATEST_FVU,
    LEAST_DIVERSITY,
    Interval,
    correlation,
    holm,
    mean_interval,
    seeds_to_separate,
    two_sided_t,
)

ALPHA = 1 - CONFIDENCE
#: Variants of which all pairs are tested.
MOST_PAIRED = 40


@dataclass
class Lead:
    """The outcome of one column.

    Attributes:
        leader: position of the variant with the best mean among the eligible, or None.
        tied: positions that cannot be separated from the leader (without it).
        marks: position → "best" or "shared".
        rival: position of the closest other eligible variant (best mean after the leader), or None.
        p: the largest adjusted p of the leader against those it is separated from; NaN without any.
        rival_p: the adjusted p of leader against rival.
        difference: of leader - rival, over common seeds.
        nearest: position of the best of `tied`, with which `more_seeds` deals, or None.
        nearest_p: the adjusted p of leader against nearest.
        more_seeds: seeds in all that would separate leader and nearest with 80 % power, at the level that Holm's
            procedure leaves to the pairs still open; inf for more than anybody counts, None where it is not known.
    """

    leader: int | None = None
    tied: list[int] = field(default_factory=list)
    marks: dict[int, str] = field(default_factory=dict)
    rival: int | None = None
    p: float = np.nan
    rival_p: float = np.nan
    difference: float = np.nan
    nearest: int | None = None
    nearest_p: float = np.nan
    more_seeds: float | None = None


def paired_p_against(values: np.ndarray, base: int) -> np.ndarray:
    """Two-sided paired t tests of each row of (V, S) against row `base`, NaN for missing seeds: (V,), NaN for n < 2."""
    both = np.isfinite(values) & np.isfinite(values[base])
    n = both.sum(1)
    d = np.where(both, values - values[base], 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = d.sum(1) / n
        sd = np.sqrt((np.where(both, d - mean[:, None], 0.0) ** 2).sum(1) / (n - 1))
        t = np.abs(mean) / (sd / np.sqrt(n))
    equal = sd <= 1e-14 * np.abs(mean)  # the same difference in every seed
    t = np.where(equal, np.where(mean == 0, 0.0, np.inf), t)
    return np.where(n > 1, two_sided_t(t, np.maximum(n - 1, 1)), np.nan)


def lead_of(values: np.ndarray, higher_is_better: bool | None, eligible: np.ndarray) -> Lead:
    """The lead of one column.

    Args:
        values: (V, S), variants by seeds, NaN where there is no value.
        eligible: (V,), False for controls and for collapsed or flagged variants.
    """
    can = eligible & (np.isfinite(values).sum(1) >= 1)
    if higher_is_better is None or not can.any():
        return Lead()
    rows = np.flatnonzero(can)
    means = np.nanmean(values[rows], axis=1) * (1 if higher_is_better else -1)
    order = rows[np.argsort(-means, kind="stable")]
    lead = Lead(leader=int(order[0]))
    if len(order) == 1:
        return lead
    lead.rival = int(order[1])
    against, n_open = _adjusted_against_first(values[order])
    separated = against < ALPHA  # False for NaN
    lead.tied = [int(row) for row in order[1:][~separated]]
    lead.p = float(against[separated].max()) if separated.any() else np.nan
    lead.rival_p = float(against[0])
    lead.difference = _paired(values, lead.leader, lead.rival).mean
    if lead.tied:
        lead.nearest = lead.tied[0]
        lead.nearest_p = float(against[~separated][0])
        lead.more_seeds = seeds_needed(_paired(values, lead.leader, lead.nearest), n_open)
    if separated.all():
        lead.marks = {lead.leader: "best"}
    elif separated.any():
        lead.marks = {row: "shared" for row in (lead.leader, *lead.tied)}
    return lead


def _adjusted_against_first(values: np.ndarray) -> tuple[np.ndarray, int]:
    """p of the first row of (V, S) against the others, (V-1,), adjusted for all pairs: the first was chosen by looking.

    Second, how many pairs are not separated. Holm's adjustment; above `MOST_PAIRED` rows Bonferroni's, which is a
    little stricter and needs no other pair.
    """
    n = len(values)
    if n > MOST_PAIRED:
        return np.minimum(paired_p_against(values, 0)[1:] * (n * (n - 1) / 2), 1.0), n * (n - 1) // 2
    p = np.stack([paired_p_against(values, row) for row in range(n)])
    upper = np.triu_indices(n, 1)
    adjusted = np.full(p.shape, np.nan)
    adjusted[upper] = holm(p[upper])
    return adjusted[0, 1:], int(np.sum(adjusted[upper] >= ALPHA))


def _paired(values: np.ndarray, first: int, second: int) -> Interval:
    """First - second row over their common seeds."""
    d = values[first] - values[second]
    return mean_interval(d[np.isfinite(d)])


def seeds_needed(difference: Interval, n_open: int) -> float | None:
    """Seeds in all for 80 % power to see a paired difference at 5 % / `n_open`.

    Of the `n_open` tests that Holm's procedure has not rejected, the least p is held against that level. inf for more
    seeds than `seeds_to_separate` counts; None for fewer than two pairs or no difference.
    """
    if difference.n < 2 or difference.mean == 0:
        return None
    needed = seeds_to_separate(difference.mean, difference.sd, alpha=ALPHA / max(n_open, 1))
    return np.inf if needed is None else needed


def collapse_reason(means: Mapping[str, float]) -> str | None:
    """Why a variant with these mean metrics is collapsed and wins nothing, or None.

    Either its decodes have less than half of the data's variance, or it leaves more than half of it unexplained.
    """
    for name in ("diversity_fit", "diversity_prior"):
        diversity = means.get(name, np.nan)
        if diversity < LEAST_DIVERSITY:
            return (
                f"collapsed: its samples have {diversity:.0%} of the data's variance "
                f"({name} {diversity:.2f} < {LEAST_DIVERSITY:g})"
            )
    fvu = means.get("test_fvu", np.nan)
    if fvu > GREATEST_FVU:
        share = f"{fvu:.0%} of the data's variance unexplained"
        return f"collapsed: it leaves {share} (test_fvu {fvu:.2f} > {GREATEST_FVU:g})"
    return None


@dataclass(frozen=True)
class Difference:
    """A variant against the baseline in one metric, paired by seed.

    Attributes:
        mean, half: of NEW - BASE, with the half-width of its t interval (NaN for fewer than two common seeds).
        n: common seeds. correlation: of the two over them. p: adjusted over the table.
        verdict: "better", "worse", "inconclusive" or "differs" (descriptive metric).
        more_seeds: as `seeds_needed` has it, where it is inconclusive.
    """

    metric: str
    mean: float
    half: float
    relative: float
    n: int
    correlation: float
    p: float
    verdict: str
    more_seeds: float | None


def differences(
    values: Mapping[str, np.ndarray], directions: Mapping[str, bool | None], base: int, rows: Sequence[int]
) -> dict[int, list[Difference]]:
    """Every row of `rows` against row `base`, for each metric's (V, S) values; Holm over all of them together."""
    keys, raw = [], []
    for name, table in values.items():
        p = paired_p_against(table, base)
        for row in rows:
            if row != base:
                keys.append((row, name))
                raw.append(p[row])
    adjusted = holm(np.array(raw, dtype=float))
    n_open = int(np.sum(adjusted >= ALPHA))
    out: dict[int, list[Difference]] = {}
    for (row, name), p in zip(keys, adjusted, strict=True):
        out.setdefault(row, []).append(
            _difference(name, values[name], base, row, float(p), directions.get(name), n_open)
        )
    return out


def _difference(
    name: str, table: np.ndarray, base: int, row: int, p: float, higher_is_better: bool | None, n_open: int
) -> Difference:
    both = np.isfinite(table[base]) & np.isfinite(table[row])
    b, a = table[base][both], table[row][both]
    interval = mean_interval(a - b)
    if p < ALPHA:
        good = None if higher_is_better is None else (interval.mean > 0) == higher_is_better
        verdict = "differs" if good is None else ("better" if good else "worse")
    else:
        verdict = "inconclusive"
    more = seeds_needed(interval, n_open) if verdict == "inconclusive" else None
    scale = abs(float(b.mean())) if len(b) else np.nan
    relative = interval.mean / scale if scale else np.nan
    return Difference(
        name, interval.mean, interval.half_width, relative, interval.n, correlation(b, a), p, verdict, more
    )
