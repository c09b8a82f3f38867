"""A forest plot of claims: effects with intervals against their thresholds."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from bench.reports.figures.style import INK, QUIET, new_figure

_COLOURS = {"supported": "#009E73", "contradicted": "#D55E00", "inconclusive": "#767676"}
_SPAN = 6.0


def plot_claims(table: pd.DataFrame) -> Figure:
    """One row per condition.

    Args:
        table: columns claim, text, verdict, condition, mean, low, high, threshold, scale.
    """
    n = len(table)
    figure = new_figure(9.6, 0.9 + 0.3 * n)
    ax = figure.add_subplot()
    ax.axvspan(0, _SPAN * 1.05, color="#009E73", alpha=0.06, lw=0)
    ax.axvline(0, color=INK, lw=1)
    for place, row in enumerate(table.itertuples()):
        mean, low, high = ((value - row.threshold) / row.scale for value in (row.mean, row.low, row.high))
        colour = _COLOURS[row.verdict]
        if np.isfinite(low):
            ax.plot(np.clip([low, high], -_SPAN, _SPAN), [place, place], color=colour, lw=2.2, solid_capstyle="butt")
        outside = abs(mean) > _SPAN
        marker = (">" if mean > 0 else "<") if outside else "o"
        ax.plot(np.clip(mean, -_SPAN, _SPAN), place, marker, color=colour, ms=7, mec="white", mew=0.8)
    first = ~table["claim"].duplicated()
    names = [
        f"{'claim ' + str(c) + ': ' if f else ''}{t}"
        for c, f, t in zip(table["claim"], first, table["condition"], strict=True)
    ]
    ax.set_yticks(range(n), names, fontsize=8.5)
    for place in np.flatnonzero(first.to_numpy())[1:]:
        ax.axhline(place - 0.5, color="#D0D0D0", lw=0.8)
    ax.tick_params(axis="y", colors=INK, length=0)
    ax.grid(axis="y", visible=False)
    ax.set_ylim(n - 0.4, -0.6)
    ax.set_xlim(-_SPAN * 1.05, _SPAN * 1.05)
    ax.set_xlabel("distance from the threshold, in smallest effects of interest (arrows: farther)", color=QUIET)
    handles = [ax.plot([], [], "o", color=colour, label=verdict)[0] for verdict, colour in _COLOURS.items()]
    figure.legend(handles=handles, loc="outside upper right", ncols=3)
    return figure
