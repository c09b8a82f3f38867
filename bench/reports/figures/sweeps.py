"""Headline metrics along a setting of the training: a line per variant through the setting that validation chose."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.analysis.catalogue import Metric
from bench.analysis.sections import Section
from bench.analysis.sweeps import Curve, Swept
from bench.reports.figures import style
from bench.spec.call import format_value
from bench.spec.sweep import amount

#: A logarithmic axis from this ratio of the largest value to the smallest.
_LOG_FROM = 4.0
_COLUMNS = ("variant", "setting", "value", "metric", "mean", "low", "high", "n", "chosen")


def any_value(section: Section, along: Swept, metric: Metric) -> bool:
    """Whether a setting of `along` has a number of a metric."""
    return any(section.cells[row, metric.name].n for curve in along.curves for row in curve.rows)


def plot_sweep(section: Section, along: Swept, metrics: Sequence[Metric]) -> tuple[Figure, pd.DataFrame]:
    """A panel for each of `metrics`, and the numbers that are drawn."""
    across = min(3, len(metrics))
    down = -(-len(metrics) // across)
    figure = style.new_figure(3.1 * across + 1.6, 2.6 * down)
    axes = figure.subplots(down, across, squeeze=False).ravel()
    order = [curve.variant for curve in along.curves]
    ticks = _ticks(along)
    rows: list[tuple] = []
    for ax, metric in zip(axes, metrics, strict=False):
        for curve in along.curves:
            rows += _plot_curve(ax, section, along, curve, metric, order, ticks)
        _dress(ax, along, metric, ticks)
    for ax in axes[len(metrics) :]:
        ax.set_visible(False)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside right center")
    return figure, pd.DataFrame(rows, columns=list(_COLUMNS))


def _ticks(along: Swept) -> dict[str, float]:
    """Where each value stands: numbers at themselves, words side by side."""
    values = {format_value(value): value for curve in along.curves for value in curve.values}
    return {text: float(amount(value) or 0.0) if along.ordered else float(place)
            for place, (text, value) in enumerate(values.items())}  # fmt: skip


def _plot_curve(
    ax: Axes, section: Section, along: Swept, curve: Curve, metric: Metric, order: list[str], ticks: dict[str, float]
) -> list[tuple]:
    cells = [section.cells[row, metric.name] for row in curve.rows]
    texts = [format_value(value) for value in curve.values]
    rows = [
        (curve.variant, along.name, text, metric.name, cell.mean, cell.low, cell.high, cell.n, row == curve.chosen)
        for row, text, cell in zip(curve.rows, texts, cells, strict=True)
    ]
    known = [place for place, cell in enumerate(cells) if cell.n]
    if not known:
        return rows
    x = [ticks[texts[place]] for place in known]
    mean, low, high = np.array([[cells[place].mean, cells[place].low, cells[place].high] for place in known]).T
    ends = [np.nan_to_num(part, nan=0.0, posinf=0.0) for part in (mean - low, high - mean)]
    colour, marker = style.colour_of(curve.variant, order), style.marker_of(curve.variant, order)
    ax.errorbar(x, mean, yerr=ends, fmt=f"-{marker}", ms=5, lw=1.4, elinewidth=1.2, color=colour,
                label=style.short(curve.variant, 30))  # fmt: skip
    for place, at, y in zip(known, x, mean, strict=True):
        if curve.rows[place] == curve.chosen:
            ax.plot(at, y, marker="o", ms=11, mfc="none", mec=colour, mew=1.4, ls="none")
    return rows


def _dress(ax: Axes, along: Swept, metric: Metric, ticks: dict[str, float]) -> None:
    places = list(ticks.values())
    if along.ordered and min(places) > 0 and max(places) / min(places) >= _LOG_FROM:
        ax.set_xscale("log")
        ax.minorticks_off()
    ax.set_xticks(places, list(ticks), fontsize=8)
    ax.margins(x=0.12)
    ax.set_xlabel(along.name)
    note = {True: "more is better", False: "less is better", None: ""}[metric.higher_is_better]
    ax.set_title(metric.name + (f"  ({note})" if note else ""), fontsize=9.5)
    ax.locator_params(axis="y", nbins=5)
