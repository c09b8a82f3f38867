"""Throughput of the sampling-and-loss core over batch size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, FixedLocator, LogLocator, NullFormatter, NullLocator

from bench.reports.figures.style import MARKERS, PALETTE, new_figure

#: How the core is executed, see `bench.store.throughput_table.COLUMNS`; colours follow this order.
PATHS = ("idiom", "losses", "one-pass")
_MOST_PANELS = 4


def plot_throughput(rows: Sequence[Mapping[str, Any]]) -> Figure:
    """Samples per second over batch size, quartiles shaded: a panel per cost and dimension, of the last stage measured.

    Args:
        rows: measured rows with the keys of `bench.store.throughput_table.COLUMNS`, at least one; the last one's
            variant is shown.
    """
    variant, stage = rows[-1]["variant"], rows[-1]["stage"]
    shown = [row for row in rows if row["variant"] == variant and row["stage"] == stage]
    panels = list(dict.fromkeys((row["cost"], row["dim"]) for row in shown))[:_MOST_PANELS]
    figure = new_figure(max(4.6 * len(panels), 6.4), 3.8)
    for axes, (cost, dim) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
        for place, path in enumerate(PATHS):
            points = sorted(
                (row["batch_size"], row["samples_per_second"], row["seconds_low"], row["seconds_high"])
                for row in shown
                if (row["cost"], row["dim"], row["path"]) == (cost, dim, path)
            )
            if not points:
                continue
            sizes, speeds, low, high = zip(*points, strict=True)
            bounds = [[b / s for b, s in zip(sizes, side, strict=True)] for side in (high, low)]
            axes.plot(sizes, speeds, marker=MARKERS[place], color=PALETTE[place], label=path)
            axes.fill_between(sizes, *bounds, color=PALETTE[place], alpha=0.2, linewidth=0)
        axes.set(xscale="log", yscale="log", xlabel="batch size", ylabel="samples per second")
        ticks = sorted({row["batch_size"] for row in shown})
        axes.xaxis.set(major_locator=FixedLocator(ticks), major_formatter="{x:,.0f}", minor_locator=NullLocator())
        axes.yaxis.set(major_locator=LogLocator(subs=(1.0, 3.0)), major_formatter=EngFormatter(sep=" "))
        axes.yaxis.set_minor_formatter(NullFormatter())
        axes.set_title(f"{variant}, {cost}, d = {dim}: {stage}")
        axes.legend()
    return figure
