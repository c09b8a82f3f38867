"""Variants over several data sets: interquartile mean of anchored scores and probability of improvement.

After Agarwal et al. 2021 (arXiv 2108.13264); data sets stand where they have tasks.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from bench.analysis.catalogue import Metric
from bench.analysis.control_scale import NEEDS_CONTROLS, scores
from bench.analysis.numbers import between
from bench.analysis.sections import is_setting, over_data_sets
from bench.analysis.stats import CONFIDENCE, Interval, paired_iqm_p, probability_of_improvement, stratified_bootstrap

if TYPE_CHECKING:
    from bench.analysis.sections import Section

#: Data sets below which ranks over them cannot carry a critical-difference diagram.
LEAST_FOR_RANKS = 10
COLUMNS = ("metric", "variant", "score", "score_low", "score_high", "score_datasets", "score_seeds", "mark",
           "improvement", "improvement_low", "improvement_high", "improvement_datasets", "baseline",
           "collapsed_on")  # fmt: skip
_NONE = Interval(np.nan, np.nan, np.nan, np.nan, 0)


@dataclass
class Standing:
    """One variant in one metric over data sets.

    Attributes:
        score: interquartile mean of the anchored scores with its bootstrap interval; n counts seeds.
            Nobody has one by the data sets that it survived: whoever lacks a result on one of `of` data sets has none.
        on: data sets with a result, of the `of` that have both anchors. may_win: has a score on every anchored data
            set and competes on each of them.
        improvement: probability that a seed beats a seed of the baseline, for whom it is known on each of the
            `compared_of` data sets that the baseline has a result on. compared_on: how many of them it is known on.
        mark: "best", "shared" or "".
    """

    score: Interval = _NONE
    on: int = 0
    may_win: bool = False
    improvement: Interval = _NONE
    compared_on: int = 0
    of: int = 0
    compared_of: int = 0
    mark: str = ""

    @property
    def score_text(self) -> str:
        """The score as tables show it."""
        if self.on < self.of:
            return f"on {self.on} of {self.of}"
        return between(self.score.mean, self.score.low, self.score.high, 3)

    @property
    def improvement_text(self) -> str:
        """The probability as tables show it."""
        if self.compared_on < self.compared_of:
            return f"on {self.compared_on} of {self.compared_of}"
        return between(self.improvement.mean, self.improvement.low, self.improvement.high, 2)


@dataclass
class Across:
    """The section "Across data sets".

    Attributes:
        collapsed: by variant, the data sets on which it is collapsed.
        anchored, compared: metrics with scores, and metrics with a comparison to the baseline.
        anchored_on: by metric, the number of data sets that have both anchors.
        left_out: why metrics or data sets have no score, each reason once. once: variants on one data set alone.
    """

    datasets: list[str]
    variants: list[str]
    collapsed: dict[str, list[str]]
    baseline: str | None
    anchored: list[Metric] = field(default_factory=list)
    compared: list[Metric] = field(default_factory=list)
    anchored_on: dict[str, int] = field(default_factory=dict)
    standings: dict[tuple[str, str], Standing] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)
    once: list[str] = field(default_factory=list)

    def of(self, variant: str, metric: Metric) -> Standing:
        """A variant's standing in a metric."""
        return self.standings.setdefault((variant, metric.name), Standing())

    @property
    def others(self) -> list[str]:
        """Variants but the baseline."""
        return [variant for variant in self.variants if variant != self.baseline]


def across(sections: Sequence[Section]) -> Across | None:
    """What can be said over the data sets of a run; None for fewer than two data sets, or no variant on two."""
    if len(sections) < 2:
        return None
    sections = [over_data_sets(section) for section in sections]
    places = [
        {row.label: place for place, row in enumerate(s.rows) if not row.is_control and not is_setting(row)}
        for s in sections
    ]
    count = Counter(label for place in places for label in place)
    variants = [label for label in count if count[label] > 1]
    if not variants:
        return None
    collapsed = {
        label: [s.label for s, p in zip(sections, places, strict=True) if label in p and s.rows[p[label]].collapsed]
        for label in variants
    }
    baseline = next((s.rows[s.baseline].label for s in sections if s.baseline is not None), None)
    out = Across([s.label for s in sections], variants, collapsed, baseline if baseline in variants else None)
    reasons: dict[str, list[str]] = {}
    for metric in _metrics(sections):
        own = [(s, place) for s, place in zip(sections, places, strict=True) if _has(s, metric)]
        for why in _score(out, metric, own):
            reasons.setdefault(why, []).append(metric.name)
        _compare(out, metric, own)
    out.once = [label for label in count if count[label] == 1]
    out.left_out = [f"No score of {', '.join(names)}: {why}." for why, names in reasons.items()]
    return out


def _has(section: Section, metric: Metric) -> bool:
    """Whether a variant that is no control has a number."""
    if metric.name not in section.values:
        return False
    rows = [not row.is_control for row in section.rows]
    return bool(np.isfinite(section.values[metric.name][rows]).any())


def _metrics(sections: Sequence[Section]) -> list[Metric]:
    """Primary metrics with a direction that two data sets or more have numbers for."""
    found = {m.name: m for s in sections for m in s.primary if m.higher_is_better is not None}
    return [metric for metric in found.values() if sum(_has(s, metric) for s in sections) > 1]


def _score(out: Across, metric: Metric, own: Sequence[tuple[Section, dict[str, int]]]) -> list[str]:
    """Fills in scores and marks of one metric; returns why data sets have none."""
    tables, reasons = [], []
    for section, place in own:
        table = scores(section, metric.name)
        if isinstance(table, str):
            asked = any(row.is_control for other, _ in own for row in other.rows)
            unfinished = asked and table == NEEDS_CONTROLS
            reasons.append(f"the controls have no result on {section.label} yet" if unfinished else table)
        else:
            tables.append((section, place, section.design.units(table)))
    reasons = list(dict.fromkeys(reasons))
    if len(tables) < 2:
        return reasons
    out.anchored.append(metric)
    out.anchored_on[metric.name] = len(tables)
    strata = {}
    for variant in out.variants:
        rows = [table[place[variant]] if variant in place else np.full(1, np.nan) for _, place, table in tables]
        standing = out.of(variant, metric)
        standing.on = sum(bool(np.isfinite(row).any()) for row in rows)
        standing.of = len(tables)
        if standing.on == standing.of:
            standing.score = _widened(stratified_bootstrap(rows, np.random.default_rng(0)), own)
        barred = any(variant in p and (p[variant], metric.name) in s.barred for s, p, _ in tables)
        standing.may_win = standing.on == len(tables) and not barred
        strata[variant] = rows
    _mark(out, metric, strata, _widening(own))
    return reasons


def _widening(own: Sequence[tuple[Section, dict[str, int]]]) -> float:
    """What splits of one data set that share rows add to standard errors; 1 on one split."""
    return max((section.design.widening for section, _ in own), default=1.0)


def _widened(interval: Interval, own: Sequence[tuple[Section, dict[str, int]]], least=-np.inf, most=np.inf) -> Interval:
    by = _widening(own)
    if by == 1.0:
        return interval
    low, high = (interval.mean + by * (end - interval.mean) for end in (interval.low, interval.high))
    return replace(interval, low=max(low, least), high=min(high, most), sd=by * interval.sd)


def _mark(out: Across, metric: Metric, strata: dict[str, list[np.ndarray]], widening: float = 1.0) -> None:
    """★ for the variant whose score is separated from every other that may win, ☆ for those that share the lead.

    Bonferroni's correction for all pairs, because the leader was chosen by looking.
    """
    rank = [v for v in out.variants if out.of(v, metric).may_win]
    rank.sort(key=lambda variant: -out.of(variant, metric).score.mean)
    if len(rank) < 2:
        return
    pairs = len(rank) * (len(rank) - 1) / 2
    best = strata[rank[0]]
    p = [paired_iqm_p(strata[v], best, np.random.default_rng(0), widening=widening) * pairs for v in rank[1:]]
    separated = [value < 1 - CONFIDENCE for value in p]  # False for NaN
    if all(separated):
        out.of(rank[0], metric).mark = "best"
    elif any(separated):
        tied = [other for other, apart in zip(rank[1:], separated, strict=True) if not apart]
        for variant in (rank[0], *tied):
            out.of(variant, metric).mark = "shared"


def _compare(out: Across, metric: Metric, own: Sequence[tuple[Section, dict[str, int]]]) -> None:
    """Fills in the probability of improvement on the baseline; ranks of seeds need no anchors."""
    base = out.baseline
    sign = 1.0 if metric.higher_is_better else -1.0
    found = False
    of = sum(bool(np.isfinite(s.values[metric.name][p[base]]).any()) for s, p in own if base in p)
    for variant in out.others if base is not None else ():
        rows = [(s, [p[base], p[variant]]) for s, p in own if base in p and variant in p]
        both = [sign * s.design.units(s.values[metric.name][two]) for s, two in rows]
        both = [pair for pair in both if np.isfinite(pair).any(1).all()]
        standing = out.of(variant, metric)
        standing.compared_on, standing.compared_of = len(both), of
        if 1 < len(both) == of:
            old, new = zip(*both, strict=True)
            chance = probability_of_improvement(old, new, np.random.default_rng(0))
            standing.improvement = _widened(chance, own, 0.0, 1.0)
            found = True
    if found:
        out.compared.append(metric)


def headline(out: Across) -> str:
    """One sentence: who leads over the data sets, or what is needed to say so."""
    where = f"{len(out.datasets)} data sets"
    if not out.anchored:
        return f"Over {where} nothing has a common score: {_needed(out)}."
    best = {v: [m.name for m in out.anchored if out.of(v, m).mark == "best"] for v in out.variants}
    parts = [f"{v} is ahead of all others in {', '.join(names)}" for v, names in best.items() if names]
    if not parts:
        return f"Over {where} no variant is ahead of all others beyond seed noise in any score."
    rest = len(out.anchored) - sum(map(len, best.values()))
    tail = f"; {rest} {'score is' if rest == 1 else 'scores are'} shared or undecided" if rest else ""
    return f"Over {where} " + "; ".join(parts) + tail + "."


def _needed(out: Across) -> str:
    asked = any(NEEDS_CONTROLS in text for text in out.left_out)
    return NEEDS_CONTROLS if asked else "no metric has both anchors on two of them"


def notes(out: Across) -> list[str]:
    """What the tables mean and what they cannot say."""
    lines = []
    if out.anchored:
        lines.append(
            "Score: PCA = 0, real data = 1 on every data set (from the control models; a reconstruction error of real "
            "data is 0). Interquartile mean over data sets and seeds, with a 95 % stratified bootstrap interval that "
            "draws seeds within data sets. ★ ahead of all others, ☆ shared lead, by paired bootstrap tests with "
            "Bonferroni's correction for all pairs."
        )
    if out.compared:
        lines.append(
            f"Probability of improvement: the chance that a seed of the variant beats a seed of {out.baseline}, mean "
            "over data sets, with a 95 % stratified bootstrap interval; 0.5 is no difference. It says how often, not "
            "by how much, and needs no anchors."
        )
    lines += [
        f"{variant} gets no marks: it is collapsed on {', '.join(where)}."
        for variant, where in out.collapsed.items()
        if where
    ]
    partial = [v for v in out.variants if any(_lacks(out.of(v, m)) for m in {*out.anchored, *out.compared})]
    if partial:
        lines.append(
            "Whoever lacks a result on one of the data sets has no score, mark or chance over them, because a mean "
            f"over those that are left would reward failing; how many there are stands instead: {', '.join(partial)}."
        )
    if out.once:
        lines.append(f"Run on one data set only, and so not here: {', '.join(out.once)}.")
    lines += out.left_out
    lines.append("The data sets are taken as they are: another choice of data sets may rank differently.")
    if len(out.datasets) < LEAST_FOR_RANKS:
        lines.append(
            f"There is no critical-difference diagram: it compares ranks over data sets and needs at least "
            f"{LEAST_FOR_RANKS} of them, here are {len(out.datasets)}."
        )
    return lines


def _lacks(standing: Standing) -> bool:
    return standing.on < standing.of or standing.compared_on < standing.compared_of


def frame(out: Across) -> pd.DataFrame:
    """`across.csv`: one row per metric and variant, empty where there is no number."""
    rows = []
    for metric in dict.fromkeys((*out.anchored, *out.compared)):
        for variant in out.variants:
            s = out.of(variant, metric)
            ends = (s.score.mean, s.score.low, s.score.high)
            chances = (s.improvement.mean, s.improvement.low, s.improvement.high)
            last = (out.baseline or "", "; ".join(out.collapsed[variant]))
            rows.append((metric.name, variant, *ends, s.on, s.score.n, s.mark, *chances, s.compared_on, *last))
    return pd.DataFrame(rows, columns=list(COLUMNS))
