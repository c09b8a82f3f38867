"""Ranks of the variants that compete, with bootstrap intervals, on one data set and over several.

A variant has a rank for each purpose (`bench.analysis.purposes`), by its mean over the seeds that all have, and a mean
rank over the purposes, which orders the board. Intervals resample seeds (splits, where there are several), the same
draw for every variant, because values are paired; deviations are widened by √(n/(n-1)), what resampling n values lacks.
Over data sets, ranks are taken on each and averaged, seeds being resampled within data sets. Whoever does not compete
on one of the data sets has no rank over them: nobody is ranked by the data sets that it survived.

The set that cannot be told from the best rests on one data set on the marks' paired tests (`bench.analysis.leads`), and
over data sets on the difference in mean rank over its bootstrap standard error, with Bonferroni's correction for all
pairs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.stats import rankdata

from bench.analysis.catalogue import Metric
from bench.analysis.pairs import ALPHA, Column
from bench.analysis.purposes import PURPOSES, metric_of
from bench.analysis.sections import TOO_FEW, Section, is_setting, over_data_sets
from bench.analysis.stats import CONFIDENCE, LEAST_SEEDS, two_sided_t

DRAWS = 1000
#: Rows of a data set above which a report leads with its leaderboard and shows only what competes.
FEW = 12


def is_many(section: Section) -> bool:
    """Whether a data set has too many rows to show all of them everywhere."""
    return sum(not row.is_control for row in section.rows) > FEW


@dataclass(frozen=True)
class Rank:
    """A rank with its 95 % bootstrap interval (NaN for one seed), and whether no test tells it from the best."""

    rank: float
    low: float
    high: float
    leads: bool = False

    @property
    def text(self) -> str:
        """As tables show it, e.g. "3 [2, 5]"."""
        ends = "" if np.isnan(self.low) else f" [{self.low:.3g}, {self.high:.3g}]"
        return f"{self.rank:.3g}{ends}"


@dataclass(frozen=True)
class Entry:
    """A variant's ranks by purpose, and their mean where it has all of them."""

    label: str
    ranks: Mapping[str, Rank]
    mean: Rank | None


@dataclass(frozen=True)
class Board:
    """Entries from best to worst.

    Attributes:
        metrics: by purpose, what it is ranked by; where data sets differ in that, the first one's.
        unranked: by variant, why it has no rank at all. datasets: how many it is over.
    """

    metrics: Mapping[str, Metric]
    entries: list[Entry]
    unranked: Mapping[str, str] = field(default_factory=dict)
    datasets: int = 1

    @property
    def labels(self) -> list[str]:
        """Of the entries."""
        return [entry.label for entry in self.entries]


@dataclass(frozen=True)
class _Draws:
    """One purpose on one data set: means (V,) and resampled means (D, V), less is better; n values behind each."""

    labels: list[str]
    metric: Metric
    means: np.ndarray
    drawn: np.ndarray
    n: int
    leads: frozenset[str]

    def only(self, labels: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """Ranks among `labels` alone: (V,) and (D, V)."""
        places = [self.labels.index(label) for label in labels]
        return rankdata(self.means[places]), rankdata(self.drawn[:, places], axis=1)


def board(section: Section) -> Board:
    """The leaderboard of one data set."""
    found = _draws_of(section, 0)
    ranked = {name: draws.only(draws.labels) for name, draws in found.items()}
    entries = _entries({name: (draws.labels, *ranked[name], draws.n, draws.leads) for name, draws in found.items()})
    there = {entry.label for entry in entries}
    unranked = {
        row.label: _why(section, index) for index, row in enumerate(section.rows)
        if not row.is_control and row.label not in there
    }  # fmt: skip
    return Board({name: draws.metric for name, draws in found.items()}, entries, unranked)


def board_over(sections: Sequence[Section]) -> Board | None:
    """The leaderboard over data sets, of variants that have a rank on every one; None for fewer than two data sets."""
    if len(sections) < 2:
        return None
    sections = [over_data_sets(section) for section in sections]
    found = [_draws_of(section, place) for place, section in enumerate(sections)]
    columns, metrics = {}, {}
    for purpose in PURPOSES:
        own = [draws[purpose.name] for draws in found if purpose.name in draws]
        labels = [label for label in own[0].labels if all(label in other.labels for other in own)] if own else []
        if len(own) < 2 or not labels:
            continue
        ranks = [draws.only(labels) for draws in own]
        means, drawn = (np.mean([pair[part] for pair in ranks], axis=0) for part in (0, 1))
        least, degrees = min(draws.n for draws in own), sum(draws.n - 1 for draws in own)
        metrics[purpose.name] = own[0].metric
        columns[purpose.name] = (labels, means, drawn, least, _not_apart(labels, means, drawn, least, degrees))
    entries = _entries(columns)
    there = {entry.label for entry in entries}
    everybody = dict.fromkeys(row.label for s in sections for row in s.rows if not (row.is_control or is_setting(row)))
    unranked = {label: _where_not(label, sections) for label in everybody if label not in there}
    return Board(metrics, entries, unranked, len(sections))


def _draws_of(section: Section, place: int) -> dict[str, _Draws]:
    """By purpose; the n-th data set of a report draws its own seeds."""
    found = {}
    for purpose in PURPOSES:
        metric = metric_of(section, purpose)
        draws = None if metric is None else _drawn(section, metric, place)
        if draws is not None:
            found[purpose.name] = draws
    return found


def _drawn(section: Section, metric: Metric, place: int) -> _Draws | None:
    can_win = np.array([(row, metric.name) not in section.barred for row in range(len(section.rows))])
    column = Column(section.values[metric.name], metric.higher_is_better, can_win, metric.scale, section.design)
    rows, seeds = column.common
    if not rows:
        return None
    sign = -1.0 if metric.higher_is_better else 1.0
    values = sign * section.design.units(np.where(seeds, column.placed.table[rows], np.nan))
    values = values[:, np.isfinite(values).all(0)]  # (V, n)
    means, n = values.mean(1), values.shape[1]
    drawn = np.full((DRAWS, len(rows)), np.nan)
    if n > 1:
        chosen = np.random.default_rng([0, place]).integers(n, size=(DRAWS, n)) + n * np.arange(DRAWS)[:, None]
        counts = np.bincount(chosen.ravel(), minlength=DRAWS * n).reshape(DRAWS, n)
        drawn = means + section.design.widening * np.sqrt(n / (n - 1)) * (counts @ values.T / n - means)
        drawn = drawn.round(12)  # equal variants stay equal
    lead = section.leads[metric.name]
    leads = {row for row in (lead.leader, *lead.tied) if row is not None and row not in lead.noisy}
    labels = [section.rows[row].label for row in rows]
    return _Draws(labels, metric, means, drawn, n, frozenset(section.rows[row].label for row in leads))


def _not_apart(labels: Sequence[str], means: np.ndarray, drawn: np.ndarray, least: int, degrees: int) -> frozenset[str]:
    """Variants that no test over data sets tells from the best."""
    if least < LEAST_SEEDS:
        return frozenset(labels)
    best = int(np.argmin(means))
    pairs = len(labels) * (len(labels) - 1) / 2
    difference, spread = means - means[best], (drawn - drawn[:, [best]]).std(axis=0, ddof=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        p = np.where(difference == 0, 1.0, two_sided_t(difference / spread, np.full(len(labels), degrees)))
    return frozenset(label for label, value in zip(labels, p, strict=True) if not value * pairs < ALPHA)


def _entries(columns: Mapping[str, tuple[list[str], np.ndarray, np.ndarray, int, frozenset[str]]]) -> list[Entry]:
    """Entries from labels, ranks (V,), resampled ranks (D, V), values behind them and leaders, by purpose."""
    labels = list(dict.fromkeys(label for column in columns.values() for label in column[0]))
    entries = []
    for label in labels:
        ranks, points, drawn = {}, [], []
        for name, (own, means, resampled, n, leads) in columns.items():
            if label in own:
                place = own.index(label)
                points.append(float(means[place]))
                drawn.append(resampled[:, place])
                ranks[name] = _rank(points[-1], drawn[-1], n, label in leads)
        least = min(column[3] for column in columns.values())
        mean = _rank(float(np.mean(points)), np.mean(drawn, axis=0), least) if len(points) == len(columns) else None
        entries.append(Entry(label, ranks, mean))
    return sorted(entries, key=lambda one: (one.mean is None, one.mean.rank if one.mean else 0.0))


def _rank(rank: float, drawn: np.ndarray, n: int, leads: bool = False) -> Rank:
    if n < 2:
        return Rank(rank, np.nan, np.nan, leads)
    low, high = np.quantile(drawn, [0.5 - CONFIDENCE / 2, 0.5 + CONFIDENCE / 2], method="inverted_cdf")
    return Rank(rank, float(low), float(high), leads)


def _why(section: Section, index: int) -> str:
    """Why a row has no rank on a data set."""
    metrics = [metric for purpose in PURPOSES if (metric := metric_of(section, purpose)) is not None]
    reasons = [section.cells[index, m.name].barred or section.cells[index, m.name].reason for m in metrics]
    return next((reason for reason in reasons if reason), TOO_FEW if section.rows[index].n_ok else "no result")


def _where_not(label: str, sections: Sequence[Section]) -> str:
    """On which data sets a variant does not compete."""
    where: dict[str, list[str]] = {}
    for section in sections:
        index = next((place for place, row in enumerate(section.rows) if row.label == label), None)
        metrics = [m for purpose in PURPOSES if (m := metric_of(section, purpose)) is not None]
        if index is None:
            where.setdefault("not run", []).append(section.label)
        elif all((index, m.name) in section.barred or not section.cells[index, m.name].n for m in metrics):
            where.setdefault(_why(section, index), []).append(section.label)
    return "; ".join(f"{why} on {', '.join(places)}" for why, places in where.items()) or TOO_FEW
