"""Training curves with a band over seeds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from bench.reports.figures.style import axes_or_new, colour_of, in_order, log_ticks, short


def plot_training(
    history: pd.DataFrame,
    term: str = "loss",
    part: str = "validation",
    ax: Axes | None = None,
    order: Sequence[str] | None = None,
    legend: bool = True,
) -> Axes:
    """A loss term over training: the seeds' median as a line, all seeds within the band.

    Args:
        history: `history.csv` of a run (one data set).
        order: all variants of the run, for their colours.
    """
    ax = axes_or_new(ax)
    rows = history[(history["term"] == term) & (history["part"] == part)]
    order = list(order) if order is not None else in_order(history["variant"])
    lowest, highest = np.inf, -np.inf
    for label in order:
        own = rows[rows["variant"] == label]
        if len(own) == 0:
            continue
        table = own.pivot_table(index="step", columns="seed", values="value")
        middle = table.median(axis=1)
        colour = colour_of(label, order)
        ax.plot(table.index, middle, color=colour, lw=1.8, label=short(label, 30))
        if table.shape[1] > 1:
            ax.fill_between(table.index, table.min(axis=1), table.max(axis=1), color=colour, alpha=0.18, lw=0)
        lowest, highest = min(lowest, float(middle.min())), max(highest, float(middle.max()))
    if 0 < lowest and highest / lowest > 5:
        ax.set_yscale("log")
        log_ticks(ax.yaxis)
    ax.set_xlabel("training step")
    ax.set_ylabel(f"{part} {term}")
    if legend and np.isfinite(lowest) and len(order) <= 12:
        ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    return ax
