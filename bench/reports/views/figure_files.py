"""The figure files of a report: PNG, SVG and the data as CSV of every figure that the run has the material for."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from bench.cores import usable_cores
from bench.files import make_directory, write_bytes
from bench.reports.csv_tables import write_csv
from bench.reports.figures import style
from bench.reports.model import Report
from bench.reports.studies.claim_evidence import claims_figure
from bench.reports.throughput import core_figure
from bench.reports.views.figure_data import Material, material_of
from bench.reports.views.figure_list import DRAWERS
from bench.reports.views.figure_pool import spread

#: Data sets that figures show; tables show all.
MOST_SECTIONS = 6
#: Cells of a run whose figures are worth several processes, each of which takes a second to start.
LARGE = 20
#: Where a figure stands that belongs to no data set.
NO_DATASET = ""


@dataclass(frozen=True)
class FigureFile:
    """One figure: where it stands, what it shows, its files.

    Attributes:
        is_picture: whether it shows examples (PNG embeds smaller) and not lines and dots.
    """

    dataset: str
    name: str
    title: str
    caption: str
    png: Path
    svg: Path
    csv: Path
    is_picture: bool

    @property
    def is_claims(self) -> bool:
        """Whether it belongs to the claims, which are folded away."""
        return self.name.endswith("claims")


@dataclass(frozen=True)
class _Job:
    """One kind of figure of one data set: a position in `DRAWERS`, what it draws from, and where the files go."""

    drawer: int
    material: Material
    folder: Path
    label: str
    prefix: str
    pdf: bool


def draw_all(report: Report, folder: Path, pdf: bool = False) -> list[FigureFile]:
    """Draws and writes every figure that the run has the material for; a large report's in several processes.

    Args:
        pdf: write each as PDF too, for print.
    """
    jobs: list[_Job] = []
    for section in report.sections[:MOST_SECTIONS]:
        prefix = f"{_slug(section.label)}-" if len(report.sections) > 1 else ""
        material = material_of(report, section)
        jobs += [_Job(drawer, material, folder, section.label, prefix, pdf) for drawer in range(len(DRAWERS))]
    found = spread(_draw, jobs, usable_cores() if len(report.data.cells) >= LARGE else 1)
    files = []
    with style.look():
        for job, own in zip(jobs, found, strict=True):
            files += own
            if job.drawer == len(DRAWERS) - 1:
                claims = claims_figure(report.claims, job.label)
                files += [_write(folder, pdf, job.label, job.prefix, *drawn) for drawn in claims]
        files += [_write(folder, pdf, NO_DATASET, "", *drawn) for drawn in core_figure(report.core)]
    return files


def _draw(job: _Job) -> list[FigureFile]:
    with style.look():
        return [
            _write(job.folder, job.pdf, job.label, job.prefix, *drawn) for drawn in DRAWERS[job.drawer](job.material)
        ]


def _slug(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "-", text).strip("-").lower()[:40] or "data"


def _write(
    folder, pdf: bool, dataset, prefix, name, title, caption, figure: Figure, data: pd.DataFrame, is_picture
) -> FigureFile:
    name = prefix + name
    png, svg, csv = (folder / f"{name}.{ending}" for ending in ("png", "svg", "csv"))
    make_directory(folder, parents=False)
    write_bytes(png, style.png_bytes(figure), parents=False)
    figure.set_layout_engine("none")  # placed once; the SVG keeps the places
    write_bytes(svg, style.svg_bytes(figure), parents=False)
    if pdf:
        write_bytes(folder / f"{name}.pdf", style.pdf_bytes(figure), parents=False)
    write_csv(data, csv)
    return FigureFile(dataset, name, title, caption, png, svg, csv, is_picture)
