"""`report.md`: the report as Markdown that GitHub and editors render."""

from __future__ import annotations

from collections.abc import Sequence

from bench.analysis import across, grids
from bench.analysis.catalogue import Metric
from bench.analysis.sections import Cell, Row, Section
from bench.analysis.verdicts import LEVELS, excluded, family_line, headline, verdicts
from bench.reports import throughput
from bench.reports.model import Report
from bench.reports.notes import legend, statistics
from bench.reports.rows import (
    COST_NAMES,
    HYPOTHESES_NOTE,
    HYPOTHESIS_NAMES,
    MOST_FAILURES,
    MOST_ROWS,
    cost_rows,
    difference_rows,
    hypothesis_rows,
    missing,
)
from bench.reports.studies.claim_evidence import NOTE
from bench.reports.studies.published_numbers import COLUMNS, rows
from bench.reports.views.figure_files import NO_DATASET, FigureFile
from bench.text import escape, table

MARKS = {"best": "★", "shared": "☆", "": ""}


def markdown(report: Report, figures: Sequence[FigureFile]) -> str:
    """The whole report."""
    lines = [f"# {escape(report.title)}", ""]
    if len(report.sections) > 1:
        lines += ["Data sets: " + ", ".join(escape(section.label) for section in report.sections) + ".", ""]
    lines += _hypotheses(report) + _across(report.across)
    for section in report.sections:
        lines += _summary(section) + _rows_of_test(report, section)
    lines += _grids(report)
    lines += _published(report)
    lines += _counts(report)
    lines += ["## How it was run", ""]
    lines += table(("", ""), [(escape(name), escape(text)) for name, text in report.header], left=2)
    lines += ["```sh", report.command.replace("`", "'"), "```", ""] if report.command else []
    for section in report.sections:
        lines += _details(section, [figure for figure in figures if figure.dataset == section.label])
    lines += _claims(report) + _core(report, [figure for figure in figures if figure.dataset == NO_DATASET])
    lines += [
        "## How to read the numbers",
        "",
        *(f"- {escape(text)}" for text in (*legend(report.several_splits), *statistics(report.several_splits))),
        "",
    ]
    return "\n".join(lines)


def _summary(section: Section) -> list[str]:
    lines = [f"## {escape(section.label)}: who wins what", "", f"**{escape(headline(section))}**", ""]
    lines += [f"> {escape(text)}" + "\n" for text in excluded(section)]
    found = verdicts(section)
    if found:
        rows = [
            (
                f"{escape(v.question)} (`{v.metric}` {v.direction})",
                f"**{escape(v.winner)}**",
                *map(escape, (v.value, v.margin or "–", f"{LEVELS[v.level]}: {v.certainty}")),
            )
            for v in found
        ]
        lines += table(("Question", "Winner", "Its value", "Margin", "Sure?"), rows, left=5)
    lines += _numbers(section, section.primary)
    said = family_line(section)
    return lines + ([said, ""] if said else [])


def _rows_of_test(report: Report, section: Section) -> list[str]:
    """The variance over test rows beside that over seeds."""
    found = report.test_rows.get(section.label)
    if found is None:
        return []
    return [
        escape(found.note),
        "",
        *table(found.columns, [tuple(map(escape, row)) for row in found.texts]),
    ]


def _hypotheses(report: Report) -> list[str]:
    """What the run declared, before everything else."""
    if not report.hypotheses:
        return []
    lines = ["## Hypotheses", "", escape(HYPOTHESES_NOTE), ""]
    rows = [tuple(map(escape, row)) for row in hypothesis_rows(report.hypotheses)]
    said = [f"- {escape(one.sentence)}" for one in report.hypotheses]
    return [*lines, *table(HYPOTHESIS_NAMES, rows, left=3), *said, ""]


def _across(found: across.Across | None) -> list[str]:
    """Scores and probabilities of improvement over data sets."""
    if found is None:
        return []
    lines = ["## Across data sets", "", f"**{escape(across.headline(found))}**", ""]

    def named(variant: str) -> str:
        return escape(variant) + (" ⚠" if found.collapsed[variant] else "")

    if found.anchored:
        rows = []
        for variant in found.variants[:MOST_ROWS]:
            cells = [found.of(variant, metric) for metric in found.anchored]
            rows.append([named(variant), *(_bold(cell.score_text, cell.mark) for cell in cells)])
        lines += table(("Score", *(escape(metric.name) for metric in found.anchored)), rows)
    if found.compared:
        assert found.baseline is not None
        rows = [
            [named(variant), *(found.of(variant, metric).improvement_text for metric in found.compared)]
            for variant in found.others[:MOST_ROWS]
        ]
        names = (f"P(better than {escape(found.baseline)})", *(escape(metric.name) for metric in found.compared))
        lines += table(names, rows)
    if len(found.variants) > MOST_ROWS:
        lines += [f"{len(found.variants) - MOST_ROWS} more rows are in across.csv.", ""]
    return [*lines, *(f"- {escape(text)}" for text in across.notes(found)), ""]


def _grids(report: Report) -> list[str]:
    """The settings of every grid, which of them validation chooses and by which criterion."""
    if not report.grids:
        return []
    lines = ["## Grids: the setting that validation chooses", "", escape(grids.note(report.several_splits)), ""]
    for grid in report.grids:
        where = f" on {escape(grid.dataset)}" if len(report.sections) > 1 else ""
        lines += [f"**{escape(grid.variant)}{where}.** {escape(grid.sentence)}", ""]
        if not grid.criterion:
            continue
        rows = [
            [
                escape(s.row.label) + (" ⚠" if s.row.collapsed else "") + (" ✓" if s.chosen else ""),
                s.row.kl_weight,
                f"**{s.text}**" if s.chosen else s.text,
                str(s.value.n),
            ]
            for s in grid.settings[:MOST_ROWS]
        ]
        lines += table(("Setting", "λ", escape(grid.heading), f"{grid.unit.capitalize()}s"), rows)
        lines += [f"Criterion: {escape(grid.explanation)}.", ""]
    return lines


def _published(report: Report) -> list[str]:
    """Ours beside the published numbers that the run's preset reproduces."""
    if report.anchor is None:
        return []
    lines = ["## Published numbers and ours", ""]
    lines += table(COLUMNS, [tuple(map(escape, row)) for row in rows(report.published)])
    texts = (f"Source: {report.anchor.source}", report.anchor.setup, report.anchor.remarks)
    return lines + [line for text in texts if text for line in (escape(text), "")]


def _numbers(section: Section, metrics: Sequence[Metric]) -> list[str]:
    """Rows: variants with λ, s² and seeds; columns: metrics as mean ± t interval with marks."""
    header = ["Variant", "λ", "s²", section.design.repeats.capitalize(), *(_column(metric) for metric in metrics)]
    rows = []
    for index, row in list(enumerate(section.rows))[:MOST_ROWS]:
        name = escape(row.label) + (" (control)" if row.is_control else "")
        name = f"{name} ⚠" if row.collapsed else name
        name = f"{name} ✓" if index in section.chosen else name
        cells = [section.cells[index, metric.name] for metric in metrics]
        texts = [f"{_bold(cell.text, cell.mark)}{_signs(cell, row)}" for cell in cells]
        rows.append([name, row.kl_weight, row.decoder_variance, row.cells, *texts])
    lines = table(header, rows)
    if len(section.rows) > MOST_ROWS:
        lines += [f"{len(section.rows) - MOST_ROWS} more rows are in summary.csv.", ""]
    return lines


def _column(metric: Metric) -> str:
    said = [text for text in (metric.unit, metric.gauge_word) if text]
    unit = f" ({', '.join(said)})" if said else ""
    return f"{escape(metric.name + unit)} {metric.direction}".strip()


def _signs(cell: Cell, row: Row) -> str:
    """† for a flagged number, ° for one that does not compete."""
    return ("†" if cell.flagged else "") + ("°" if cell.barred and not row.is_control else "")


def _bold(text: str, mark: str) -> str:
    return f"**{text}** {MARKS[mark]}" if mark else text


def _details(section: Section, figures: Sequence[FigureFile]) -> list[str]:
    lines = [f"## {escape(section.label)} in detail", ""]
    lines += _differences(section)
    for figure in figures:
        lines += [f"### {escape(figure.title)}", "", f"![{escape(figure.title)}](figures/{figure.png.name})", "",
                  escape(figure.caption), ""]  # fmt: skip
    for family, metrics in section.families().items():
        lines += [f"### {escape(family[:1].upper() + family[1:])}", ""]
        lines += _numbers(section, metrics)
        explained = [f"`{metric.name}`: {escape(metric.summary)}" for metric in metrics if metric.summary]
        lines += [*(f"- {text}" for text in dict.fromkeys(explained)), ""]
        reasons = [f"- {escape(text)}" for text in missing(section, metrics)]
        lines += [*reasons, ""] if reasons else []
    lines += _costs(section)
    return lines


def _differences(section: Section) -> list[str]:
    if section.baseline is None or not section.differences:
        return []
    base = section.rows[section.baseline].label
    names = ("Variant", "Metric", "Difference", "Relative", "Verdict", "p (Holm)", "Seed correlation", "Seeds needed")
    rows = [
        (escape(d.variant), escape(d.metric), d.difference, d.relative, d.verdict, d.p, d.correlation, d.more)
        for d in difference_rows(section)[: 5 * MOST_ROWS]
    ]
    return [f"### Differences from {escape(base)}, paired by {section.design.pairing}", "", *table(names, rows, left=2)]


def _costs(section: Section) -> list[str]:
    rows = [[escape(cell.text) for cell in row] for row in cost_rows(section)[:MOST_ROWS]]
    return ["### Cost", "", *table(COST_NAMES, rows)]


def _claims(report: Report) -> list[str]:
    if not report.claims:
        return []
    several = len(report.sections) > 1
    names = ("#", "Claim", *(("Data",) if several else ()), "Verdict", "Evidence")
    rows = []
    for c in report.claims:
        where = (escape(c.dataset),) if several else ()
        said = escape(f"{c.claim.text} ({c.claim.prediction})")
        rows.append((str(c.claim.number), said, *where, f"**{c.outcome.verdict}**", escape(c.evidence)))
    lines = ["## Claims of the lecture note", "", escape(NOTE), "", *table(names, rows, left=len(names))]
    untested = [f"- {number}: {escape(why)}" for number, why in report.untested.items()]
    return lines + (["Not tested here:", "", *untested, ""] if untested else [])


def _core(report: Report, figures: Sequence[FigureFile]) -> list[str]:
    if not report.core:
        return []
    lines = ["## Throughput of the sampling-and-loss core", "", escape(throughput.NOTE), ""]
    for figure in figures:
        lines += [f"![{escape(figure.title)}](figures/{figure.png.name})", ""]
    rows = [tuple(escape(text) for text in row) for row in throughput.core_table(report.core)]
    return [*lines, *table(throughput.COLUMNS, rows), ""]


def _counts(report: Report) -> list[str]:
    total = sum(report.counts.values())
    done = report.counts.get("ok", 0)
    lines = [f"{done} of {total} cells have results." if done < total else f"All {total} cells have results.", ""]
    lines += [f"> {escape(note)}" + "\n" for note in report.notes]
    if report.failures:
        lines += ["## Cells without a result", ""]
        rows = [
            (escape(f.variant), escape(f.dataset), f.repeat, f.status, escape(f.reason), escape(f.error_type))
            for f in report.failures[:MOST_FAILURES]
        ]
        lines += table(("Variant", "Data", "Seed", "Status", "Reason", "Error"), rows, left=6)
        if len(report.failures) > MOST_FAILURES:
            lines += [f"{len(report.failures) - MOST_FAILURES} more are in results.csv.", ""]
    return lines
