"""What to take for which purpose: one answer each for reconstruction, sampling, interpolation and anomalies.

An answer rests on one metric, the first of its purpose that somebody competes in, and on that metric's marks: the same
tests, the same settings that validation chose, the same reasons why somebody does not compete. Metrics are correlated,
so that no answer counts how many of them a variant leads. Another purpose is an entry of `PURPOSES`, another sentence
beside answers a function in `REMARKS`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from bench.analysis.across import Across
from bench.analysis.catalogue import Metric
from bench.analysis.numbers import percent
from bench.analysis.pairs import Column
from bench.analysis.sections import Section
from bench.analysis.verdicts import LEVELS, listed, verdict_of


@dataclass(frozen=True)
class Purpose:
    """What somebody wants a model for, and the metrics that answer it, the first with an answer before the others."""

    name: str
    metrics: tuple[str, ...]


@dataclass(frozen=True)
class Answer:
    """What to take for a purpose.

    Attributes:
        purpose: in a word. metric: that it rests on, "" where there is none.
        take: variants, or who is ahead where nothing is decided; "" for nobody.
        value: of the first of them, with the margin. level: "sure", "shared" or "open". certainty: why, in words.
        remarks: further sentences without their full stop.
        best: the label of the one variant to load: the first of `take`; "" where nothing is decided.
    """

    purpose: str
    metric: str
    take: str
    value: str
    level: str
    certainty: str
    remarks: tuple[str, ...] = ()
    best: str = ""

    @property
    def lead_in(self) -> str:
        """The words before `take`."""
        if not self.take:
            return f"For {self.purpose} nobody can be named"
        return f"For {self.purpose} " + ("nothing is decided, ahead is" if self.level == "open" else "take")

    @property
    def rest(self) -> str:
        """The words after `take`: what it reaches, how sure that is, and the remarks."""
        if not self.take:
            return f"{self.certainty}."
        parts = [f"{self.metric} {self.value}" if self.value else "", f"{LEVELS[self.level]}: {self.certainty}"]
        return "; ".join(part for part in (*parts, *self.remarks) if part) + "."

    @property
    def sentence(self) -> str:
        """All of it."""
        return f"{self.lead_in}{' ' if self.take else ''}{self.take}: {self.rest}"


PURPOSES = (
    Purpose("reconstruction", ("test_mse",)),
    Purpose("sampling", ("energy_fit", "energy_prior", "coverage_fit", "coverage_prior")),
    Purpose("interpolation", ("interp_true_distance", "interp_excess", "interp_excess_classifier",
                              "interp_excess_randconv", "interp_unevenness")),
    Purpose("finding anomalies", ("anomaly_auroc",)),
)  # fmt: skip
RECONSTRUCTION = PURPOSES[0]


def cost(section: Section, purpose: Purpose, row: int) -> str:
    """What `row`, taken for `purpose`, costs in reconstruction error against the best there, over common seeds."""
    metric = metric_of(section, RECONSTRUCTION)
    best = None if metric is None else section.leads[metric.name].leader
    if metric is None or best is None or purpose == RECONSTRUCTION:
        return ""
    if best == row:
        return f"it costs nothing in {metric.name}, whose best mean it has too"
    column = Column(section.values[metric.name], metric.higher_is_better, np.ones(len(section.rows), dtype=bool),
                    metric.scale, section.design)  # fmt: skip
    d = column.difference(row, best)
    if d.n == 0:
        return ""
    both = np.isfinite(column.values[row]) & np.isfinite(column.values[best])
    base = float(column.placed.table[best][both].mean())
    ends = [_signed(metric.scale.share(end, base, column.placed.ratios)) for end in (d.mean, d.low, d.high)]
    interval = f" [{ends[1]}, {ends[2]}]" if math.isfinite(d.low) else f" (on one {section.design.unit})"
    where = f"{metric.name}{metric.scale.of_what} against {section.rows[best].label}"
    if d.low < 0 < d.high and math.isfinite(d.low):
        return f"no cost is shown: {ends[0]}{interval} in {where}"
    return f"it costs {ends[0]}{interval} in {where}"


def setting(section: Section, purpose: Purpose, row: int) -> str:
    """That validation data chose the setting, where there were several, and what is to be known of the choice."""
    grid = next((grid for grid in section.grids if grid.chosen is not None and grid.chosen.index == row), None)
    return "" if grid is None else "; ".join(("validation data chose this setting", *(f"⚠ {w}" for w in grid.warnings)))


#: Sentences beside an answer on one data set; each is given the section, the purpose and the row taken.
REMARKS: tuple[Callable[[Section, Purpose, int], str], ...] = (cost, setting)


def _signed(share: float) -> str:
    return f"{'+' if share > 0 else '-' if share < 0 else ''}{percent(abs(share))}"


def metric_of(section: Section, purpose: Purpose) -> Metric | None:
    """The metric that answers on a data set: the first that somebody competes in, else the first with a number."""
    there = [section.metrics[name] for name in purpose.metrics if _measured(section, name)]
    return next((m for m in there if section.leads[m.name].leader is not None), there[0] if there else None)


def _measured(section: Section, name: str) -> bool:
    """Whether a variant that is no control has a number of a metric with a direction."""
    if name not in section.metrics or section.metrics[name].higher_is_better is None:
        return False
    rows = [not row.is_control for row in section.rows]
    return bool(np.isfinite(section.values[name][rows]).any())


def answers(section: Section, purposes: Sequence[Purpose] = PURPOSES) -> list[Answer]:
    """One answer for each purpose that the data set has numbers for."""
    found = [(purpose, metric_of(section, purpose)) for purpose in purposes]
    return [_answer(section, purpose, metric) for purpose, metric in found if metric is not None]


def _answer(section: Section, purpose: Purpose, metric: Metric) -> Answer:
    row, said = section.leads[metric.name].leader, verdict_of(section, metric)
    if row is None or said is None:
        return Answer(purpose.name, metric.name, "", "", "open", _nobody(section, metric.name))
    name = section.rows[row].label if said.level == "open" else said.winner
    value = said.value + (f", {said.margin}" if said.margin not in ("", "–") else "")
    remarks = tuple(text for remark in REMARKS if (text := remark(section, purpose, row)))
    best = section.rows[row].label if said.level != "open" else ""
    return Answer(purpose.name, metric.name, name, value, said.level, said.certainty, remarks, best)


def _nobody(section: Section, name: str) -> str:
    """Why nobody competes in a metric."""
    found: dict[str, list[str]] = {}
    for (row, metric), why in section.barred.items():
        if metric == name and not section.rows[row].is_control and section.cells[row, name].n:
            found.setdefault(why, []).append(section.rows[row].label)
    return "; ".join(f"{listed(names)}: {why}" for why, names in found.items()) or "no variant competes"


def answers_over(out: Across, sections: Sequence[Section], purposes: Sequence[Purpose] = PURPOSES) -> list[Answer]:
    """One answer for each purpose over all data sets: by the common score where there is one, else data set by data
    set."""
    found = []
    for purpose in purposes:
        own = [(s.label, metric) for s in sections if (metric := metric_of(s, purpose)) is not None]
        scored = next((m for m in out.anchored if m.name in purpose.metrics), None)
        if scored is not None:
            found.append(_by_score(out, purpose, scored))
        elif len(own) > 1:
            found.append(_by_data_set(sections, purpose))
    return found


def _by_score(out: Across, purpose: Purpose, metric: Metric) -> Answer:
    rank = [v for v in out.variants if out.of(v, metric).may_win]
    rank.sort(key=lambda variant: -out.of(variant, metric).score.mean)
    if not rank:
        return Answer(purpose.name, metric.name, "", "", "open", "no variant competes on every data set")
    marked = [v for v in rank if out.of(v, metric).mark]
    value = f"score {out.of(rank[0], metric).score_text}"
    where = f"over {out.anchored_on[metric.name]} data sets"
    if not marked:
        why = "there is nothing to compare it with" if len(rank) == 1 else "no test tells it apart from anybody"
        return Answer(purpose.name, metric.name, rank[0], value, "open", f"{why} {where}")
    if out.of(marked[0], metric).mark == "best":
        return Answer(purpose.name, metric.name, marked[0], value, "sure", f"ahead of all others {where}")
    why = f"{listed(marked[1:])} cannot be told apart from it {where}" if marked[1:] else f"best score {where}"
    return Answer(purpose.name, metric.name, listed(marked), value, "shared", why)


#: Data sets that a sentence names.
_MOST_SETS = 6


def _by_data_set(sections: Sequence[Section], purpose: Purpose) -> Answer:
    """Who is to be taken on which data set, where no score is common to them."""
    takes: dict[tuple[str, str], list[str]] = {}
    for section in sections:
        for answer in answers(section, [purpose]):
            key = (answer.take, answer.level) if answer.take and answer.level != "open" else ("undecided", "open")
            takes.setdefault(key, []).append(section.label)
    ((name, level), places), *others = takes.items()
    if not others and level != "open":
        return Answer(purpose.name, "", name, "", level, f"on each of {len(places)} data sets, tested one by one")
    parts = [f"{name} on {listed(places, _MOST_SETS)}" for (name, _), places in takes.items()]
    return Answer(purpose.name, "", "", "", "open", f"the data sets have no common score; {'; '.join(parts)}")


def grouped(sections: Sequence[Section], out: Across | None) -> list[tuple[str, list[Answer]]]:
    """Every answer of a report under its heading: over data sets first, then data set by data set."""
    groups = [(f"Over {len(out.datasets)} data sets", answers_over(out, sections))] if out is not None else []
    return [group for group in [*groups, *((s.label, answers(s)) for s in sections)] if group[1]]


NOTHING = "There is nothing to answer: no variant has a number for any of the purposes, see the tables."
