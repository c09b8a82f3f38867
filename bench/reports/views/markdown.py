"""`report.md`: the report as Markdown that GitHub and editors render."""

from __future__ import annotations

from collections.abc import Sequence

from bench.analysis import across, grids
from bench.analysis.catalogue import Metric
from bench.analysis.purposes import NOTHING, grouped
from bench.analysis.sections import Cell, Row, Section
from bench.analysis.verdicts import LEVELS, excluded, family_line, verdicts
from bench.reports import throughput
from bench.reports.boards import BOARD_NOTE, OVER_NOTE, PAIRS_NOTE, Boards, Leaders
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
    failure_rows,
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
    lines = [f"# {escape(report.title)}", "", *_answers(report)]
    if len(report.sections) > 1:
        lines += ["Data sets: " + ", ".join(escape(section.label) for section in report.sections) + ".", ""]
    lines += _hypotheses(report) + _boards(report) + _across(report.across)
    for section in report.sections:
        lines += _summary(section, report.boards) + _rows_of_test(report, section)
    lines += _grids(report)
    lines += _published(report)
    lines += _counts(report)
    lines += ["## How it was run", ""]
    lines += table(("", ""), [(escape(name), escape(text)) for name, text in report.header], left=2)
    lines += ["```sh", report.command.replace("`", "'"), "```", ""] if report.command else []
    for section in report.sections:
        own = [figure for figure in figures if figure.dataset == section.label and not figure.is_claims]
        lines += _details(section, own, report.boards)
    reasons = [f"- {escape(text)}" for text in missing(report.sections)]
    lines += ["## Why numbers are missing or carry no mark", "", *reasons, ""] if reasons else []
    lines += _claims(report, [figure for figure in figures if figure.is_claims])
    lines += _core(report, [figure for figure in figures if figure.dataset == NO_DATASET])
    lines += [
        "## How to read the numbers",
        "",
        *(f"- {escape(text)}" for text in (*legend(report.several_splits), *statistics(report.several_splits))),
        "",
    ]
    return "\n".join(lines)


def _summary(section: Section, boards: Boards) -> list[str]:
    lines = [f"## {escape(section.label)}: who wins what", ""]
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
    lines += _numbers(section, section.primary, boards.shown(section))
    said = family_line(section)
    return lines + ([said, ""] if said else [])


def _answers(report: Report) -> list[str]:
    """What to take for which purpose, before everything else."""
    groups = grouped(report.sections, report.across)
    lines = ["## Which to take", "", *(() if groups else (NOTHING, ""))]
    for heading, found in groups:
        lines += [f"**{escape(heading)}**", ""] if len(groups) > 1 else []
        lines += [
            f"- {escape(one.lead_in)}{f' **{escape(one.take)}**' if one.take else ''}: {escape(one.rest)}"
            for one in found
        ]
        lines.append("")
    return lines


def _boards(report: Report) -> list[str]:
    """The leaderboards of a report of many rows; that of each data set is folded where one is over all."""
    boards = report.boards
    if not boards.of:
        return []
    lines = ["## Leaderboard", "", escape(BOARD_NOTE), "", *([OVER_NOTE, ""] if boards.over else [])]
    lines += _board(boards.over) if boards.over is not None else []
    for leaders in boards.of.values():
        own = _board(leaders)
        lines += folded(leaders.heading, own) if len(boards.of) > 1 else own
    for pairs in boards.pairs:
        names = ("", *(str(place + 1) for place in range(len(pairs.labels))))
        rows = [
            [f"{place + 1}. {escape(label)}", *("–" if x != x else f"{100 * x:.0f}" for x in pairs.chances[place])]
            for place, label in enumerate(pairs.labels)
        ]
        lines += folded(f"Every pair for {pairs.purpose} (%)", [escape(PAIRS_NOTE), "", *table(names, rows)])
    return lines


def _board(leaders: Leaders) -> list[str]:
    rows = [
        [escape(row.label), escape(row.family), *(escape(cell.text) for cell in row.cells)]
        for row in leaders.rows[:MOST_ROWS]
    ]
    more = len(leaders.rows) - len(rows)
    lines = table(("Variant", "Family", *map(escape, leaders.names)), rows, left=2)
    lines += [f"{more} more rows are on the page report.html.", ""] if more else []
    return [*lines, *(f"- {escape(text)}" for text in leaders.unranked), ""]


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
        lines += [f"Criterion: {escape(grid.explanation)}.", "", *([escape(grid.best_of), ""] if grid.best_of else [])]
    return lines


def _published(report: Report) -> list[str]:
    """Ours beside the published numbers that the run's preset reproduces."""
    if report.anchor is None:
        return []
    lines = ["## Published numbers and ours", ""]
    lines += table(COLUMNS, [tuple(map(escape, row)) for row in rows(report.published)])
    texts = (f"Source: {report.anchor.source}", report.anchor.setup, report.anchor.remarks)
    return lines + [line for text in texts if text for line in (escape(text), "")]


def _numbers(section: Section, metrics: Sequence[Metric], shown: Sequence[int]) -> list[str]:
    """Rows: variants with λ, s² and seeds; columns: metrics as mean ± t interval with marks."""
    header = ["Variant", "λ", "s²", section.design.repeats.capitalize(), *(_column(metric) for metric in metrics)]
    rows = []
    for index in shown[:MOST_ROWS]:
        row = section.rows[index]
        name = escape(row.label) + (f" ({row.role})" if row.role else "")
        name = f"{name} ⚠" if row.collapsed else name
        name = f"{name} ✓" if index in section.chosen else name
        cells = [section.cells[index, metric.name] for metric in metrics]
        texts = [f"{_bold(cell.text, cell.mark)}{_signs(cell, row)}" for cell in cells]
        rows.append([name, row.kl_weight, row.decoder_variance, row.cells, *texts])
    lines = table(header, rows)
    if len(section.rows) > len(shown[:MOST_ROWS]):
        lines += [f"{len(section.rows) - len(shown[:MOST_ROWS])} more rows are in summary.csv.", ""]
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


def _details(section: Section, figures: Sequence[FigureFile], boards: Boards) -> list[str]:
    lines = [f"## {escape(section.label)} in detail", ""]
    lines += _differences(section)
    lines += _shown(figures)
    if section.label in boards.of:
        return [*lines, "All numbers are in summary.csv and on the page report.html.", ""]
    for family, metrics in section.families().items():
        lines += [f"### {escape(family[:1].upper() + family[1:])}", ""]
        lines += _numbers(section, metrics, boards.shown(section))
        explained = [f"`{metric.name}`: {escape(metric.explanation)}" for metric in metrics if metric.explanation]
        lines += [*(f"- {text}" for text in dict.fromkeys(explained)), ""]
    lines += _costs(section)
    return lines


def _shown(figures: Sequence[FigureFile]) -> list[str]:
    lines: list[str] = []
    for figure in figures:
        lines += [f"### {escape(figure.title)}", "", f"![{escape(figure.title)}](figures/{figure.png.name})", "",
                  escape(figure.caption), ""]  # fmt: skip
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


def _claims(report: Report, figures: Sequence[FigureFile]) -> list[str]:
    if not report.claims:
        return []
    several = len(report.sections) > 1
    names = ("#", "Claim", *(("Data",) if several else ()), "Verdict", "Evidence")
    rows = []
    for c in report.claims:
        where = (escape(c.dataset),) if several else ()
        said = escape(f"{c.claim.text} ({c.claim.prediction})")
        rows.append((str(c.claim.number), said, *where, f"**{c.outcome.verdict}**", escape(c.evidence)))
    lines = [escape(NOTE), "", *table(names, rows, left=len(names)), *_shown(figures)]
    untested = [f"- {number}: {escape(why)}" for number, why in report.untested.items()]
    lines += ["Not tested here:", "", *untested, ""] if untested else []
    return ["## Claims of the lecture note", "", *folded(f"{len(rows)} claims and their evidence", lines)]


def folded(summary: str, lines: Sequence[str]) -> list[str]:
    """Lines that are shown when `summary` is clicked; GitHub wants the empty lines around them."""
    return ["<details>", f"<summary>{escape(summary)}</summary>", "", *lines, "</details>", ""]


def _core(report: Report, figures: Sequence[FigureFile]) -> list[str]:
    if not report.core:
        return []
    lines = [escape(throughput.NOTE), ""]
    for figure in figures:
        lines += [f"![{escape(figure.title)}](figures/{figure.png.name})", ""]
    rows = [tuple(escape(text) for text in row) for row in throughput.core_table(report.core)]
    lines += [*table(throughput.COLUMNS, rows), ""]
    return ["## Throughput of the sampling-and-loss core", "", *folded("All figures of the core", lines)]


def _counts(report: Report) -> list[str]:
    total = sum(report.counts.values())
    done = report.counts.get("ok", 0)
    lines = [f"{done} of {total} cells have results." if done < total else f"All {total} cells have results.", ""]
    lines += [f"> {escape(note)}" + "\n" for note in report.notes]
    if report.failures:
        lines += ["## Cells without a result", ""]
        rows = [tuple(map(escape, row)) for row in failure_rows(report.failures)]
        lines += table(("Variant", "Data", "Seed", "Status", "Reason", "Error"), rows[:MOST_FAILURES], left=6)
        if len(rows) > MOST_FAILURES:
            lines += [f"{len(rows) - MOST_FAILURES} more are in results.csv.", ""]
    return lines
