"""The figure files of a report: PNG, SVG and the data as CSV of every figure that the run has the material for."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from bench.files import write_bytes
from bench.reports.csv_tables import write_csv
from bench.reports.figures import style
from bench.reports.model import Report
from bench.reports.studies.claim_evidence import claims_figure
from bench.reports.throughput import core_figure
from bench.reports.views.figure_data import material_of
from bench.reports.views.figure_list import DRAWERS

#: Data sets that figures show; tables show all.
MOST_SECTIONS = 6
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


def draw_all(report: Report, folder: Path) -> list[FigureFile]:
    """Draws and writes every figure that the run has the material for."""
    files = []
    with style.look():
        for section in report.sections[:MOST_SECTIONS]:
            material = material_of(report, section)
            prefix = f"{_slug(section.label)}-" if len(report.sections) > 1 else ""
            judged = claims_figure(report.claims, section.label)
            for drawn in (*(draw(material) for draw in DRAWERS), judged):
                for name, title, caption, figure, data, is_picture in drawn:
                    files.append(_write(folder, section.label, prefix + name, title, caption, figure, data, is_picture))
        files += [_write(folder, NO_DATASET, *drawn) for drawn in core_figure(report.core)]
    return files


def _slug(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "-", text).strip("-").lower()[:40] or "data"


def _write(folder, dataset, name, title, caption, figure: Figure, data: pd.DataFrame, is_picture) -> FigureFile:
    png, svg, csv = (folder / f"{name}.{ending}" for ending in ("png", "svg", "csv"))
    write_bytes(png, style.png_bytes(figure))
    figure.set_layout_engine("none")  # placed once; the SVG keeps the places
    write_bytes(svg, style.svg_bytes(figure))
    write_csv(data, csv)
    return FigureFile(dataset, name, title, caption, png, svg, csv, is_picture)
