"""Reports of a run, written from its files alone and without torch."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bench.errors import UsageError, unknown_name
from bench.text import printable

if TYPE_CHECKING:
    from bench.reports.model import Report

FORMATS = ("md", "csv", "html")


def write_report(directory: Path | str, formats: Sequence[str] = FORMATS) -> list[Path]:
    """Writes `report.md`, the CSV files and `report.html` of a run, with `figures/`, and returns what was written.

    Raises:
        UsageError: no run in `directory`, no readable cell, a newer schema, an unknown format, a path that cannot be
            written.
    """
    from bench.reports.model import load_report

    for name in formats:
        if name not in FORMATS:
            raise unknown_name("format", name, FORMATS)
    report = load_report(directory)
    if not os.access(directory, os.W_OK):
        raise UsageError(
            f"the report is written into {printable(directory)}, which is read-only; copy the run to a folder that you "
            "may write to, and report on that"
        )
    return _written(report, formats)


def report_run(directory: Path | str) -> list[str]:
    """Write all of a run's reports, and say in a line per data set who wins most.

    Raises:
        UsageError: as `write_report`.
    """
    from bench.analysis.verdicts import headline
    from bench.reports.model import large_values, load_report

    report = load_report(directory)
    _written(report, FORMATS)
    winners = [printable(f"{section.label}: {headline(section)}") for section in report.sections]
    return winners + large_values(report.data)


def _written(report: Report, formats: Sequence[str]) -> list[Path]:
    from bench.analysis import across, grids
    from bench.files import write_text
    from bench.reports.csv_tables import export, write_csv
    from bench.reports.views.figure_files import draw_all
    from bench.reports.views.html import html
    from bench.reports.views.markdown import markdown

    written: list[Path] = []
    figures = draw_all(report, report.directory / "figures") if {"md", "html"} & set(formats) else []
    if "md" in formats:
        written.append(write_text(report.directory / "report.md", markdown(report, figures)))
    if "html" in formats:
        written.append(write_text(report.directory / "report.html", html(report, figures)))
    if "csv" in formats:
        written += export(report.store, report.data, report.history)
        if report.across is not None:
            written.append(write_csv(across.frame(report.across), report.directory / "across.csv"))
        if report.grids:
            written.append(write_csv(grids.frame(report.grids), report.directory / "grids.csv"))
    return written
