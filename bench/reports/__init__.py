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
    from bench.store.run_store import RunStore

#: What a report is written as by default, and what else it may be written as.
FORMATS = ("md", "csv", "html")
ALL_FORMATS = (*FORMATS, "latex")


def write_report(
    directory: Path | str, formats: Sequence[str] = FORMATS, plugins: Sequence[str | Path] = ()
) -> list[Path]:
    """Writes `report.md`, the CSV files and `report.html` of a run, with `figures/`, and returns what was written.

    The format "latex" is `tables.tex`, the short tables.

    Args:
        directory: of the run.
        formats: of `ALL_FORMATS`.
        plugins: files or folders with the run's own metrics, where they are no longer where they were.

    Raises:
        UsageError: no run in `directory`, no readable cell, a newer schema, an unknown format, a path that cannot be
            written.
    """
    from bench.reports.csv_tables import export
    from bench.reports.model import load_report

    for name in formats:
        if name not in ALL_FORMATS:
            raise unknown_name("format", name, ALL_FORMATS)
    report = load_report(directory, plugins)
    if report.store.version is not None:
        raise UsageError(
            f"{printable(directory)} is an earlier version of a run, whose report would take the place of the "
            "present one; compare the two with aebench compare, or read it with bench.load"
        )
    if not os.access(directory, os.W_OK):
        raise UsageError(
            f"the report is written into {printable(directory)}, which is read-only; copy the run to a folder that you "
            "may write to, and report on that"
        )
    tables = export(report.store, history=report.history) if "csv" in formats else []
    return written(report, formats, tables)


def report_run(store: RunStore) -> list[str]:
    """Write all of a run's reports beside its tables; a line per declared test, then what to take on each data set.

    Args:
        store: of the run; its tables (`bench.reports.csv_tables.export`) are written already.

    Raises:
        UsageError: as `write_report`.
    """
    from bench.analysis.purposes import grouped
    from bench.reports.csv_tables import TABLES
    from bench.reports.model import data_hints, load_report
    from bench.reports.stamp import made_from, write_stamp

    sources = made_from(store.directory)
    report = load_report(store)
    files = written(report, FORMATS, [store.directory / name for name in TABLES])
    takes = [
        "\n  ".join([printable(f"{heading}:"), *(printable(one.sentence) for one in found)])
        for heading, found in grouped(report.sections, report.across)
    ]
    findings = takes + [one.sentence for one in report.hypotheses] + data_hints(report.data)
    write_stamp(store.directory, sources, files, findings)
    return findings


def written(report: Report, formats: Sequence[str], tables: Sequence[Path] = ()) -> list[Path]:
    """Write a loaded report in `formats`; what was written, with the `tables` that are there already."""
    from bench.analysis import across, grids
    from bench.files import write_text
    from bench.reports.csv_tables import write_csv
    from bench.reports.difference_table import difference_frame
    from bench.reports.views.figure_files import draw_all
    from bench.reports.views.html import html
    from bench.reports.views.markdown import markdown

    files: list[Path] = []
    figures = draw_all(report, report.directory / "figures") if {"md", "html"} & set(formats) else []
    if "md" in formats:
        files.append(write_text(report.directory / "report.md", markdown(report, figures), parents=False))
    if "html" in formats:
        files.append(write_text(report.directory / "report.html", html(report, figures), parents=False))
    if "latex" in formats:
        from bench.reports.views.latex import tables as latex

        files.append(write_text(report.directory / "tables.tex", latex(report), parents=False))
    if "csv" in formats:
        differences = difference_frame(report.sections, report.hypotheses)
        files += [*tables, write_csv(differences, report.directory / "differences.csv")]
        if report.across is not None:
            files.append(write_csv(across.frame(report.across), report.directory / "across.csv"))
        if report.grids:
            files.append(write_csv(grids.frame(report.grids), report.directory / "grids.csv"))
    return files
