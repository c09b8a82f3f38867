"""The hypotheses that a run declares: each tested on every data set, in a family of their own.

Two-sided paired t tests over the seeds (or splits of the data) that both variants have, on the metric's scale,
Holm-adjusted over the tests of all declared hypotheses and nothing else. Shown: an adjusted p below 5 %, in the
direction stated, by at least the metric's smallest effect of interest. Nobody is shown to be better where one of the
two is collapsed, where its numbers are flagged, or where they are not comparable.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from bench.analysis.eligibility import OTHER_VARIANCE
from bench.analysis.numbers import between_signed, p_value, percent
from bench.analysis.pairs import ALPHA, Column, side
from bench.analysis.sections import Section
from bench.analysis.stats import LEAST_SEEDS, Interval, holm
from bench.errors import UsageError
from bench.spec.hypothesis import MOST, Hypothesis, parse_hypothesis
from bench.text import printable

#: What became of a test.
VERDICTS = ("shown", "opposite", "same", "not shown", "not judged")
_NONE = Interval(math.nan, math.nan, math.nan, math.nan, 0)


@dataclass(frozen=True)
class Tested:
    """One declared test on one data set.

    Attributes:
        text: the hypothesis. dataset, better, worse, metric, unit: labels as reports show them.
        over: what the tests are over, "seeds" or "splits".
        difference: of better - worse in the metric's unit, with its 95 % t interval; n of those that both have.
        relative: on the metric's scale, as a share of worse. of_what: what of it, e.g. " of the excess over 1".
        p, adjusted: raw and corrected; NaN where there is no test. family: tests that the correction is over.
        verdict: of `VERDICTS`. why: of a verdict that is not "shown", in words.
        declared: when the hypothesis was declared, in words.
    """

    text: str
    dataset: str
    better: str
    worse: str
    metric: str
    unit: str
    direction: str
    over: str = "seeds"
    difference: Interval = _NONE
    relative: float = math.nan
    of_what: str = ""
    p: float = math.nan
    adjusted: float = math.nan
    family: int = 0
    verdict: str = "not judged"
    why: str = ""
    declared: str = ""

    @property
    def sentence(self) -> str:
        """All of it in one sentence, as a paper would say it."""
        where = f"{self.better} > {self.worse} on {self.metric} ({self.dataset})"
        if self.verdict == "not judged":
            return f"{where}: not judged: {self.why}."
        d, unit = self.difference, f" {self.unit}" if self.unit else ""
        share = "" if not math.isfinite(self.relative) else f", {_signed_percent(self.relative)}{self.of_what}"
        numbers = (
            f"difference {between_signed(d.mean, d.low, d.high)}{unit}{share}; paired t test over {d.n} {self.over}, "
            f"p {_equals(self.p)}, Holm p {_equals(self.adjusted)} over {_tests(self.family)}"
        )
        why = f" ({self.why})" if self.why else ""
        return f"{where}: {VERDICT_WORDS[self.verdict]}{why}: {numbers}; {self.declared}."


VERDICT_WORDS = {
    "shown": "shown",
    "opposite": "the opposite is shown",
    "same": "no difference of interest",
    "not shown": "not shown",
    "not judged": "not judged",
}


def _equals(p: float) -> str:
    text = p_value(p)
    return text if text.startswith("<") else f"= {text}"


def _tests(n: int) -> str:
    return "the 1 declared test" if n == 1 else f"the {n} declared tests"


def _signed_percent(share: float) -> str:
    return f"{'+' if share > 0 else '-' if share < 0 else ''}{percent(abs(share))}"


def tested(
    spec: Mapping[str, Any], declared: Mapping[str, Mapping[str, Any]], sections: Sequence[Section]
) -> tuple[list[Tested], list[str]]:
    """The outcome of every declared test, data set by data set, and notes on hypotheses that are not tested.

    Args:
        spec: of the run. declared: as `bench.store.hypotheses.declared` reads it.
    """
    asked = spec.get("hypothesis")
    texts = [text for text in asked if isinstance(text, str)] if isinstance(asked, list) else []
    notes = [
        f"the hypothesis {printable(text, 120)} was declared on {printable(entry['at'], 40)} and is no longer tested"
        for text, entry in declared.items()
        if text not in texts
    ]
    found: list[Tested] = []
    for text in texts[:MOST]:
        try:
            asked_for = parse_hypothesis(text)
        except UsageError as error:
            notes.append(str(error))
            continue
        said = _declared(declared.get(text))
        found += [_one(asked_for, metric, section, said) for section in sections for metric in asked_for.metrics]
    return _judged(found, {section.label: section for section in sections}), notes


def _declared(entry: Mapping[str, Any] | None) -> str:
    """When a hypothesis was declared, and what that means."""
    if entry is None:
        return "when it was declared is not recorded"
    if entry["results"] <= 0:
        return f"declared before any result ({printable(entry['at'], 40)})"
    n = entry["results"]
    cells = "1 cell had its result" if n == 1 else f"{n:,} cells had their results"
    return f"declared when {cells} already ({printable(entry['at'], 40)}), so it may have been chosen by them"


def _one(asked: Hypothesis, name: str, section: Section, declared: str) -> Tested:
    """A test with its raw p, before the correction."""
    metric = section.metrics.get(name)
    unit, direction = (metric.unit, metric.direction) if metric else ("", "")
    over = "splits" if section.design.is_crossed else "seeds"
    better_label, worse_label = printable(asked.better), printable(asked.worse)
    one = Tested(printable(str(asked)), section.label, better_label, worse_label, printable(name), unit, direction,
                 over, declared=declared)  # fmt: skip
    places = {label: section.place_of(label) for label in (one.better, one.worse)}
    if missing := [label for label, place in places.items() if place is None]:
        return replace(one, why=f"there is no result of {missing[0]}")
    better, worse = (place for place in places.values() if place is not None)
    one = replace(one, better=section.rows[better].label, worse=section.rows[worse].label)
    if metric is None or metric.higher_is_better is None:
        return replace(one, why="no cell has a number" if metric is None else "the metric ranks nobody")
    if why := _not_comparable(section, name, better, worse):
        return replace(one, why=why)
    column = _column(section, name)
    difference = column.raw_difference(better, worse)
    if difference.n < LEAST_SEEDS:
        return replace(one, difference=difference, why=_too_few(section, name, difference.n, over, better, worse))
    both = np.isfinite(column.values[better]) & np.isfinite(column.values[worse])
    of = float(column.placed.table[worse][both].mean())
    share = column.scale.share(column.difference(better, worse).mean, of, column.placed.ratios)
    p = column.p_against(worse, [better])[better]
    return replace(one, difference=difference, relative=share, of_what=column.scale.of_what, p=p)


def _column(section: Section, name: str) -> Column:
    metric, values = section.metrics[name], section.values[name]
    return Column(values, metric.higher_is_better, np.ones(len(values), dtype=bool), metric.scale, section.design)


def _not_comparable(section: Section, name: str, better: int, worse: int) -> str:
    """Why two rows cannot be compared in a metric, or ""."""
    for index in (better, worse):
        if (index, name) in section.unfit:
            return f"{section.rows[index].label}: {section.unfit[index, name]}"
    variances = {section.rows[index].decoder_variance_value for index in (better, worse)}
    return OTHER_VARIANCE if "likelihood" in section.metrics[name].needs and len(variances) > 1 else ""


def _too_few(section: Section, name: str, n: int, over: str, better: int, worse: int) -> str:
    seeds = f"1 {over[:-1]}" if n == 1 else f"{n} {over}"
    why = next((reason for index in (better, worse) if (reason := section.cells[index, name].reason)), "")
    return f"both have numbers for {seeds} in common, and a test needs {LEAST_SEEDS}" + (f" ({why})" if why else "")


def _judged(found: Sequence[Tested], sections: Mapping[str, Section]) -> list[Tested]:
    """The same tests, adjusted over all of them, with their verdicts."""
    adjusted = holm([one.p for one in found])
    family = int(np.isfinite(adjusted).sum())
    return [
        _verdict(replace(one, adjusted=float(p), family=family), sections[one.dataset]) if math.isfinite(p) else one
        for one, p in zip(found, adjusted, strict=True)
    ]


def _verdict(one: Tested, section: Section) -> Tested:
    rows = {row.label: index for index, row in enumerate(section.rows)}
    column = _column(section, one.metric)
    placed = column.difference(rows[one.better], rows[one.worse])
    outcome = side(placed, one.adjusted, column.placed.margin)
    if outcome == "same":
        why = "the interval lies within the smallest effect of interest, or all values are equal"
        return replace(one, verdict="same", why=why)
    if outcome == "open":
        small = one.adjusted < ALPHA
        why = "by less than the smallest effect of interest" if small else "not beyond seed noise"
        return replace(one, verdict="not shown", why=why)
    return replace(one, verdict="shown" if (placed.mean > 0) == column.higher_is_better else "opposite")
