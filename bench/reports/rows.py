"""Rows of the smaller tables, formatted once for Markdown and HTML."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bench.analysis import numbers
from bench.analysis.eligibility import of_prior
from bench.analysis.hypotheses import VERDICT_WORDS, Tested
from bench.analysis.sections import Row, Section
from bench.analysis.verdicts import listed

if TYPE_CHECKING:
    from bench.reports.model import Failure

#: Rows and failures that a table shows; CSV files have the rest.
MOST_ROWS = 80
MOST_FAILURES = 200
COST_NAMES = ("Variant", "λ", "s²", "Parameters", "FLOPs per example", "Training per seed", "Evaluation per seed",
              "Examples/s", "Peak memory", "Timing valid")  # fmt: skip


@dataclass(frozen=True)
class Value:
    """A table cell: text as shown and the number it is sorted by ("" for none)."""

    text: str
    value: float | str


@dataclass(frozen=True)
class DifferenceRow:
    """A variant against the baseline in one metric, as text and as numbers to sort by."""

    variant: str
    metric: str
    mean: float
    difference: str
    relative_value: float | str
    relative: str
    verdict: str
    p_value: float | str
    p: str
    correlation_value: float | str
    correlation: str
    more_value: float | str
    more: str


HYPOTHESIS_NAMES = (
    "Hypothesis",
    "Data",
    "Metric",
    "Difference [95 %]",
    "Relative",
    "p",
    "p (Holm)",
    "Tests",
    "Outcome",
)
HYPOTHESES_NOTE = (
    "What was declared, tested alone: two-sided paired t tests over common seeds, Holm-adjusted over the declared "
    "tests and nothing else. Shown needs an adjusted p below 5 %, the direction stated, and the smallest effect of "
    "interest at least; > is better, whether high or low values are."
)


def hypothesis_rows(found: Sequence[Tested]) -> list[tuple[str, ...]]:
    """One row per declared test under `HYPOTHESIS_NAMES`."""
    rows: list[tuple[str, ...]] = []
    for one in found:
        d, share = one.difference, "–"
        if math.isfinite(one.relative):
            sign = "+" if one.relative > 0 else "-" if one.relative < 0 else ""
            share = f"{sign}{numbers.percent(abs(one.relative))}{one.of_what}"
        difference = numbers.between_signed(d.mean, d.low, d.high) if math.isfinite(d.low) else "–"
        outcome = VERDICT_WORDS[one.verdict] + (f": {one.why}" if one.why else "")
        metric = f"{one.metric}{f' ({one.unit})' if one.unit else ''} {one.direction}".strip()
        p = (numbers.p_value(one.p), numbers.p_value(one.adjusted), str(one.family or "–"))
        rows.append((f"{one.better} > {one.worse}", one.dataset, metric, difference, share, *p, outcome))
    return rows


def sortable(value: float) -> float | str:
    """A number to sort by; "" where there is none."""
    return value if math.isfinite(value) else ""


def difference_rows(section: Section) -> list[DifferenceRow]:
    """Every variant against the baseline; a gain of a collapsed variant, or over one, is called what it is."""
    rows = []
    for index, found in section.differences.items():
        row = section.rows[index]
        for d in found:
            if d.n == 0:
                continue
            assert section.baseline is not None
            verdict = said(d.verdict, row, section.rows[section.baseline], d.metric)
            sign = "+" if d.relative > 0 else "-" if d.relative < 0 else ""
            share = f"{sign}{numbers.percent(abs(d.relative))}{d.of_what}"
            relative = share if math.isfinite(d.relative) else "–"
            rows.append(
                DifferenceRow(
                    row.label,
                    d.metric,
                    d.mean,
                    numbers.signed(d.mean, d.half),
                    sortable(d.relative),
                    relative,
                    verdict,
                    sortable(d.p),
                    numbers.p_value(d.p),
                    sortable(d.correlation),
                    numbers.number(d.correlation, 2),
                    "" if d.more_seeds is None else min(d.more_seeds, numbers.MOST_SEEDS + 1),
                    numbers.seeds_cell(d.more_seeds),
                )
            )
    return rows


def said(verdict: str, row: Row, base: Row, metric: str) -> str:
    """A verdict, but nobody is better where one of the two is collapsed."""
    if verdict == "better" and (row.collapsed or (of_prior(metric) and row.prior_collapsed)):
        return "collapsed"
    if verdict == "better" and (base.collapsed or (of_prior(metric) and base.prior_collapsed)):
        return "baseline collapsed"
    return verdict


def cost_rows(section: Section) -> list[list[Value]]:
    """One row per variant under `COST_NAMES`."""
    formats = (
        ("n_params", numbers.count),
        ("flops", numbers.count),
        ("t_train", numbers.seconds),
        ("t_eval", numbers.seconds),
        ("samples_per_second", numbers.count),
        ("peak_rss", numbers.size),
    )
    rows = []
    for row, cost in zip(section.rows, section.costs, strict=True):
        cells = [Value(row.label, row.label), Value(row.kl_weight, row.kl_weight_value)]
        cells.append(Value(row.decoder_variance, row.decoder_variance_value))
        cells += [Value(show(cost[name]), sortable(cost[name])) for name, show in formats]
        valid = cost["timing_valid"]  # NaN of rows that were not timed here
        said = "–" if math.isnan(valid) else "yes" if valid else "no"
        rows.append([*cells, Value(said, sortable(valid))])
    return rows


@dataclass
class _Reason:
    """Whom and what a reason concerns, in the order of the report."""

    rows: dict[str, None] = field(default_factory=dict)
    metrics: dict[str, None] = field(default_factory=dict)
    places: dict[str, None] = field(default_factory=dict)


def missing(sections: Sequence[Section]) -> list[str]:
    """Why numbers are missing (n/a), flagged (†) or carry no mark (°), each reason once with whom and what it concerns.

    A reason stands once however many cells of however many data sets share it.
    """
    found: dict[str, _Reason] = {}
    for section in sections:
        for (index, name), cell in section.cells.items():
            row, said = section.rows[index], []
            if cell.reason and (cell.n == 0 or cell.flagged):
                said.append(f"{'†' if cell.n else 'n/a'} {cell.reason}")
            if cell.barred and not row.is_control:
                said.append(f"° no mark: {cell.barred}")
            for text in said:
                entry = found.setdefault(text, _Reason())
                entry.rows[row.label] = entry.metrics[name] = entry.places[section.label] = None
    everybody = {row.label for section in sections for row in section.rows if not row.is_control}
    lines = []
    for text, entry in found.items():
        who = "every variant" if everybody <= set(entry.rows) and len(everybody) > 1 else listed([*entry.rows], 6)
        where = f" on {listed([*entry.places], 6)}" if len(sections) > 1 else ""
        lines.append(f"{text} ({who}{where}: {listed([*entry.metrics], 6)})")
    return lines


def failure_rows(failures: Sequence[Failure]) -> list[tuple[str, str, str, str, str, str]]:
    """Variants, data sets, seeds, status, reason and error of the cells without a result, each reason once."""
    groups: dict[tuple[str, str, str], list[Failure]] = {}
    for one in failures:
        groups.setdefault((one.status, one.reason, one.error_type), []).append(one)
    rows = []
    for said, own in groups.items():
        names = ([one.variant for one in own], [one.dataset for one in own], [one.repeat for one in own])
        variants, datasets, repeats = (listed(list(dict.fromkeys(column)), 12) for column in names)
        rows.append((variants, datasets, repeats, *said))
    return rows
