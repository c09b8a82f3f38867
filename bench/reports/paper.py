"""A folder for a paper: tables as LaTeX, figures as PDF, references as BibTeX, and a document that shows them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bench.errors import UsageError
from bench.files import file_errors, make_directory, refuse_unwritable, write_text
from bench.reports.bibliography import bibliography
from bench.reports.model import load_report
from bench.reports.views.figure_files import draw_all
from bench.reports.views.latex import document, tables
from bench.text import printable

TABLES, REFERENCES, DOCUMENT, FIGURES = "tables.tex", "references.bib", "main.tex", "figures"
_OWN = {TABLES, REFERENCES, DOCUMENT, FIGURES}
#: What LaTeX leaves beside a document.
_LEFT_BY_TEX = {"main" + ending for ending in (".aux", ".log", ".pdf", ".bbl", ".blg", ".out")}


def export_paper(run: Path | str, out: Path | str, plugins: Sequence[str | Path] = ()) -> list[Path]:
    """Write a run's tables, figures and references for a paper into a folder, and return what was written.

    Args:
        run: its directory. out: a folder that is new, empty, or holds an earlier export.
        plugins: files or folders with the run's own metrics, where they are no longer where they were.

    Raises:
        UsageError: no run, or a folder with something else in it. Nothing has been written then.
    """
    report, folder = load_report(run, plugins), Path(out)
    refuse_unwritable(folder)
    if folder.exists():
        with file_errors("read", folder):
            others = sorted({path.name for path in folder.iterdir()} - _OWN - _LEFT_BY_TEX)
        if others:
            raise UsageError(
                f"{printable(folder)} holds {printable(others[0], 80)}, which is no export for a paper; give a new "
                "folder"
            )
    make_directory(folder)
    files = [write_text(folder / TABLES, tables(report), parents=False)]
    drawn = draw_all(report, folder / FIGURES, pdf=True)
    shown = [(f"{FIGURES}/{figure.png.stem}.pdf", f"{figure.title}. {figure.caption}") for figure in drawn]
    papers = bibliography(report)
    files.append(write_text(folder / REFERENCES, papers, parents=False))
    files += [folder / path for path, _ in shown]
    return [*files, write_text(folder / DOCUMENT, document(shown, bool(papers)), parents=False)]
