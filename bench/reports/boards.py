"""The leaderboards of a report as rows: ranks, values and cost of every variant that competes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from bench.analysis import numbers
from bench.analysis.improvement import improvement
from bench.analysis.leaderboard import Board, Entry, board, board_over, is_many
from bench.analysis.purposes import PURPOSES
from bench.analysis.sections import Section
from bench.analysis.verdicts import listed
from bench.reports.families import OTHER, origins
from bench.reports.rows import Value, sortable

if TYPE_CHECKING:
    from bench.reports.model import Report

#: Rows of a data set up to which tables show what does not compete too.
MOST_LISTED = 40
#: Variants of a matrix of all pairs.
MOST_PAIRS = 24
BOARD_NOTE = (
    "Ranks among those that compete (of each variant the setting that validation data choose), with 95 % bootstrap "
    "intervals over seeds. The board is ordered by the mean rank over the purposes. ☆ cannot be told from the best, "
    "by the tests behind the marks; over data sets by the difference in mean rank over its bootstrap standard error, "
    "with Bonferroni's correction for all pairs."
)
OVER_NOTE = (
    "Over data sets, ranks are averaged, and a variant that does not compete on one of them has no rank: nobody is "
    "ranked by the data sets that it survived."
)
PAIRS_NOTE = (
    "How often a seed of the row beats a seed of the column, mean over data sets; 0.5 is no difference. It says how "
    "often, not by how much."
)


@dataclass(frozen=True)
class BoardRow:
    """A variant's row: its family, whether it is the family's best, its cells in the order of `Leaders.names`."""

    label: str
    family: str
    first: bool
    cells: list[Value]


@dataclass(frozen=True)
class Pairs:
    """The chance (V, V) that a row's seed beats a column's, of variants in the order of their rank."""

    purpose: str
    metric: str
    labels: list[str]
    chances: np.ndarray


@dataclass(frozen=True)
class Leaders:
    """A leaderboard ready to be written: its heading, column names, rows, and why others have no rank."""

    heading: str
    names: list[str]
    rows: list[BoardRow]
    unranked: list[str]
    labels: list[str]


class Boards:
    """The leaderboards of a report; none of a data set with few rows."""

    def __init__(self, report: Report):
        self._sections = report.sections
        data = report.data.cells
        names = dict(zip(data["variant_label"], data["variant"], strict=True))
        plugins = [path for path in report.spec.get("plugins") or [] if isinstance(path, str)]
        of = origins(dict.fromkeys(names.values()), plugins) if self.many else {}
        self.families = {label: of[name].family for label, name in names.items()} if of else {}

    @property
    def many(self) -> list[Section]:
        """Data sets that have a leaderboard."""
        return [section for section in self._sections if is_many(section)]

    @cached_property
    def over(self) -> Leaders | None:
        """That over data sets."""
        found = board_over(self._sections) if self.many else None
        return None if found is None else self._leaders(f"Over {found.datasets} data sets", found, None)

    @cached_property
    def of(self) -> Mapping[str, Leaders]:
        """That of each data set which has one, by its label."""
        return {s.label: self._leaders(s.label, board(s), s) for s in self.many}

    def shown(self, section: Section) -> list[int]:
        """Rows that tables show: of many those on the board, best first, then controls, then others where they fit."""
        if section.label not in self.of:
            return list(range(len(section.rows)))
        place = {row.label: index for index, row in enumerate(section.rows)}
        ranked = [place[label] for label in self.of[section.label].labels]
        controls = [index for index, row in enumerate(section.rows) if row.is_control]
        rest = [index for index in range(len(section.rows)) if index not in {*ranked, *controls}]
        return [*ranked, *controls, *(rest if len(section.rows) <= MOST_LISTED or not ranked else ())]

    @cached_property
    def pairs(self) -> list[Pairs]:
        """All pairs of the best variants for each purpose, over all data sets."""
        if not self.many:
            return []
        leaders = self.over if self.over is not None and self.over.rows else self.of[self.many[0].label]
        labels = leaders.labels[:MOST_PAIRS]
        found = []
        for purpose in PURPOSES if labels else ():
            chances = improvement(self._sections, purpose, labels)
            if np.isfinite(chances).any():
                found.append(Pairs(purpose.name, purpose.name, labels, chances))
        return found

    def _leaders(self, heading: str, found: Board, section: Section | None) -> Leaders:
        purposes = [*found.metrics]
        names = ["Mean rank", *(f"{purpose}" for purpose in purposes)]
        if section is not None:
            names += [f"{found.metrics[purpose].name} {found.metrics[purpose].direction}" for purpose in purposes]
            names += ["Parameters", "FLOPs", "Training", *(("Rate",) if "rate" in section.metrics else ())]
        rows, seen = [], set()
        for entry in found.entries:
            family = self.families.get(entry.label, OTHER)
            cells = [_rank_cell(entry.mean), *(_rank_cell(entry.ranks.get(purpose)) for purpose in purposes)]
            cells += [] if section is None else _own(section, entry, found)
            rows.append(BoardRow(entry.label, family, family not in seen, cells))
            seen.add(family)
        reasons: dict[str, list[str]] = {}
        for label, why in found.unranked.items():
            reasons.setdefault(why, []).append(label)
        unranked = [f"No rank for {listed(labels)}: {why}." for why, labels in reasons.items()]
        return Leaders(heading, names, rows, unranked, found.labels)


def _rank_cell(rank) -> Value:
    return Value("–", "") if rank is None else Value(rank.text + (" ☆" if rank.leads else ""), sortable(rank.rank))


def _own(section: Section, entry: Entry, found: Board) -> list[Value]:
    """Values and costs of a variant on one data set; FLOPs as a multiple of the cheapest on the board."""
    place = {row.label: index for index, row in enumerate(section.rows)}
    index = place[entry.label]
    cells = [section.cells[index, metric.name] for metric in found.metrics.values()]
    values = [Value(cell.text, cell.sort_value) for cell in cells]
    cost = section.costs[index]
    flops = [section.costs[place[label]]["flops"] for label in found.labels]
    ratio = cost["flops"] / min((x for x in flops if x > 0), default=math.nan)
    values.append(Value(numbers.count(cost["n_params"]), sortable(cost["n_params"])))
    values.append(Value(f"{ratio:.2g} ×" if math.isfinite(ratio) else "–", sortable(ratio)))
    values.append(Value(numbers.seconds(cost["t_train"]), sortable(cost["t_train"])))
    if "rate" in section.metrics:
        rate = section.cells[index, "rate"]
        values.append(Value(rate.text, rate.sort_value))
    return values
