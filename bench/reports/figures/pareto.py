"""The Pareto plot as a figure for print, at the same places as on the page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

import pandas as pd
from matplotlib.figure import Figure

from bench.analysis.pareto import Pareto
from bench.reports.figures.pareto_places import HEIGHT, WIDTH, plot_of
from bench.reports.figures.style import INK, colour_of, new_figure

#: Pixels of the page that make an inch.
_PER_INCH = 90.0


def plot_pareto(found: Pareto, order: Sequence[str]) -> tuple[Figure, pd.DataFrame]:
    """The figure and its points, columns label, x, y, competes, front.

    Args:
        order: of all variants, which their colours follow.
    """
    plot = plot_of(found, {label: colour_of(label, order) for label in order})
    figure = new_figure(WIDTH / _PER_INCH, HEIGHT / _PER_INCH)
    ax = figure.add_subplot()
    for line in found.lines:
        dots = [plot.dots[n] for n in line]
        ax.plot([dot.x for dot in dots], [dot.y for dot in dots], color=dots[0].colour, lw=1.0, alpha=0.6)
    for dot in plot.dots:
        edge = INK if dot.front else "none"
        ax.scatter(dot.x, dot.y, s=26 if dot.competes else 11, c=dot.colour, edgecolors=edge,
                   alpha=1.0 if dot.competes else 0.5, zorder=3)  # fmt: skip
        if dot.at is not None:
            ax.text(*dot.at, dot.label, fontsize=7.5, va="baseline", color=INK, zorder=4)
    ax.set(xlim=(0, WIDTH), ylim=(HEIGHT, 0), xlabel=plot.x_axis[0], ylabel=plot.y_axis[0])
    ax.set_xticks([place for place, _ in plot.x_axis[1]], [text for _, text in plot.x_axis[1]])
    ax.set_yticks([place for place, _ in plot.y_axis[1]], [text for _, text in plot.y_axis[1]])
    return figure, pd.DataFrame([asdict(point) for point in found.points])
