"""`report.html`: one self-contained file, filled by a template with autoescaping; a policy lets no request leave it."""

from __future__ import annotations

import base64
import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from bench.analysis import across, grids
from bench.analysis.pareto import pareto
from bench.analysis.purposes import NOTHING, grouped
from bench.analysis.sections import Section
from bench.analysis.verdicts import LEVELS, against_baselines, excluded, family_line, verdicts
from bench.reports import throughput
from bench.reports.boards import BOARD_NOTE, OVER_NOTE, PAIRS_NOTE
from bench.reports.figures.pareto_places import Plot, plot_of
from bench.reports.figures.style import colour_of
from bench.reports.header import uses_arrays
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
from bench.reports.views.figure_files import MOST_SECTIONS, FigureFile

TEMPLATES = Path(__file__).resolve().parent / "templates"
#: A chart is embedded as SVG up to this size, above as PNG.
MOST_SVG_BYTES = 120_000
#: Tables of more rows show no dots.
MOST_DOT_ROWS = 40
_WIDTH = 136.0
#: Bytes of figures inside the page where there are many rows; what goes beyond is a link to the file beside it.
MOST_EMBEDDED = 2_000_000
#: Rows of the tables of all numbers where there are many.
MOST_MANY = 24


@dataclass(frozen=True)
class Strip:
    """Per-seed dots of one table cell, in SVG units along the column's range."""

    seeds: list[float]
    mean: float
    low: float | None
    high: float | None
    colour: str


@dataclass(frozen=True)
class Embedded:
    """A figure as the template shows it: `FigureFile`'s texts with its content as a data URI."""

    dataset: str
    name: str
    title: str
    caption: str
    png: Path
    uri: str
    is_picture: bool
    is_claims: bool


def html(report: Report, figures: Sequence[FigureFile]) -> str:
    """The whole report as one HTML document."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        finalize=lambda value: "" if value is None else value,
    )
    script = (TEMPLATES / "report.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    context: dict[str, Any] = {
        "report": report,
        "figures": embedded(figures, MOST_EMBEDDED if report.boards.of else math.inf),
        "boards": report.boards,
        "board_note": BOARD_NOTE,
        "over_note": OVER_NOTE,
        "pairs_note": PAIRS_NOTE,
        "plots": plots(report),
        "most_many": MOST_MANY,
        "css": Markup((TEMPLATES / "report.css").read_text(encoding="utf-8")),
        "script": Markup(script),
        "script_hash": digest,
        "facts_line": facts_line(report),
        "colours": colours(report),
        "strips": strips(report),
        "answers": grouped(report.sections, report.across),
        "nothing": NOTHING,
        "verdicts": verdicts,
        "levels": LEVELS,
        "published_columns": COLUMNS,
        "published_rows": list(zip(report.published, rows(report.published), strict=True)),
        "against_baselines": against_baselines,
        "excluded": excluded,
        "family_line": family_line,
        "difference_rows": difference_rows,
        "hypotheses_note": HYPOTHESES_NOTE,
        "hypothesis_names": HYPOTHESIS_NAMES,
        "hypothesis_rows": hypothesis_rows(report.hypotheses),
        "missing": missing(report.sections),
        "failure_rows": failure_rows(report.failures),
        "cost_names": COST_NAMES,
        "cost_rows": cost_rows,
        "most_rows": MOST_ROWS,
        "most_failures": MOST_FAILURES,
        "claims_note": NOTE,
        "core_note": throughput.NOTE,
        "core_columns": throughput.COLUMNS,
        "core_words": throughput.WORDS,
        "core_table": throughput.core_table(report.core),
        "across_headline": across.headline,
        "across_notes": across.notes,
        "grids_note": grids.note(report.several_splits),
        "legend": (*legend(report.several_splits), *statistics(report.several_splits)),
        "arrays": uses_arrays(report.spec),
    }
    return environment.get_template("report.html.j2").render(context)


def plots(report: Report) -> dict[str, tuple[str, Plot]]:
    """The Pareto plot of each data set that has a leaderboard, with its name."""
    shown, found = colours(report), {}
    for section in report.boards.many[:MOST_SECTIONS]:
        points = pareto(section)
        if points is not None:
            found[section.label] = (section.label, plot_of(points, shown))
    return found


def embedded(figures: Sequence[FigureFile], most: float) -> list[Embedded]:
    """Every figure with its content, as long as all together are below MOST bytes; the page draws its own Pareto."""
    found, size = [], 0
    for figure in (one for one in figures if not one.name.endswith("pareto")):
        one = embed(figure)
        size += len(one.uri)
        found.append(one if size <= most else replace(one, uri=""))
    return found


def embed(figure: FigureFile) -> Embedded:
    """The figure with its content: charts as SVG when that is small, everything else as PNG."""
    path, kind = figure.png, "png"
    if not figure.is_picture and figure.svg.stat().st_size <= MOST_SVG_BYTES:
        path, kind = figure.svg, "svg+xml"
    uri = f"data:image/{kind};base64,{base64.b64encode(path.read_bytes()).decode()}"
    return Embedded(figure.dataset, figure.name, figure.title, figure.caption, figure.png, uri, figure.is_picture,
                    figure.is_claims)  # fmt: skip


def facts_line(report: Report) -> str:
    """Size and completeness of the run on one line."""
    total, done = sum(report.counts.values()), report.counts.get("ok", 0)
    n_variants = len({row.label for section in report.sections for row in section.rows if not row.is_control})
    n_seeds = len({seed for section in report.sections for seed in section.design.seeds.tolist()})
    n_splits = max((section.design.n_splits for section in report.sections), default=1)
    parts = [
        _plural(n_variants, "variant"),
        _plural(len(report.sections), "data set"),
        _plural(n_seeds, "seed"),
        *([_plural(n_splits, "split")] if n_splits > 1 else []),
        f"all {total:,} cells have results" if done == total else f"{done:,} of {total:,} cells have results",
    ]
    return " · ".join(parts)


def _plural(n: int, word: str) -> str:
    return f"{n:,} {word}{'' if n == 1 else 's'}"


def colours(report: Report) -> dict[str, str]:
    """Each variant's colour, as in the figures of its data set."""
    out: dict[str, str] = {}
    for section in report.sections:
        order = [row.label for row in section.rows]
        for label in order:
            out.setdefault(label, colour_of(label, order))
    return out


def strips(report: Report) -> dict[tuple[str, int, str], Strip]:
    """Dots of every cell of the short tables, by (data set, row, metric)."""
    out = {}
    for section in report.sections[:12]:
        if len(section.rows) > MOST_DOT_ROWS:
            continue
        order = [row.label for row in section.rows]
        for metric in section.primary:
            table = section.values[metric.name]
            scale = _scale(section, metric.name)
            for row, label in enumerate(order):
                cell = section.cells[row, metric.name]
                if cell.n and scale:
                    seeds = [place(value, scale) for value in table[row] if np.isfinite(value)]
                    ends = (
                        (place(cell.low, scale), place(cell.high, scale)) if math.isfinite(cell.low) else (None, None)
                    )
                    out[section.label, row, metric.name] = Strip(
                        seeds, place(cell.mean, scale), ends[0], ends[1], colour_of(label, order)
                    )
    return out


def _scale(section: Section, metric: str) -> tuple[float, float] | None:
    """The range of a column: of all seeds and intervals."""
    cells = [section.cells[row, metric] for row in range(len(section.rows))]
    ends = [end for cell in cells for end in (cell.low, cell.high) if math.isfinite(end)]
    values = [*section.values[metric][np.isfinite(section.values[metric])].tolist(), *ends]
    if not values or max(values) == min(values):
        return None
    return min(values), max(values)


def place(value: float, scale: tuple[float, float]) -> float:
    """Position of a value along the strip, with room for the dots at both ends."""
    low, high = scale
    return round(4 + (_WIDTH - 8) * (value - low) / (high - low), 1)
