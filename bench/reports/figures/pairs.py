"""Differences to a baseline, paired by seed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from bench.errors import unknown_name
from bench.reports.figures.points import interval_of, repeats, values_of
from bench.reports.figures.style import INK, QUIET, axes_or_new, colour_of, in_order, short


def plot_differences(
    frame: pd.DataFrame, metric: str, baseline: str, ax: Axes | None = None, order: Sequence[str] | None = None
) -> Axes:
    """Every variant's value less the baseline's at the same seed, as a dot, with the mean and its 95 % t interval.

    Args:
        frame: the tidy frame of a run (one data set).
        metric: whose values are compared.
        baseline: a `variant_label` of the frame.
        order: all variants of the run from top to bottom, for their colours.

    Raises:
        UsageError: a metric or baseline that the frame does not have; several data sets.
    """
    values = values_of(frame, metric)
    known = in_order(frame["metric"])
    if metric not in known:
        raise unknown_name("metric", metric, known)
    if baseline not in values:
        raise unknown_name("baseline", baseline, values)
    order = list(order) if order is not None else in_order(frame["variant_label"])
    shown = [label for label in order if label != baseline]
    ax = axes_or_new(ax, 6.4, 0.9 + 0.34 * len(shown))
    jitter = np.random.default_rng(0)
    for index, label in enumerate(shown):
        found = values[label].sub(values[baseline]).dropna() if label in values else pd.Series(dtype=float)
        pairs = found.to_numpy(dtype=float)
        if len(pairs) == 0:
            ax.text(0.5, index, "n/a", transform=ax.get_yaxis_transform(), ha="center", va="center", fontsize=8,
                    color=QUIET)  # fmt: skip
            continue
        interval = interval_of(frame, found)
        ax.scatter(pairs, index + jitter.uniform(-0.2, 0.2, len(pairs)), s=20, color=colour_of(label, order), alpha=0.7,
                   lw=0, zorder=3)  # fmt: skip
        if np.isfinite(interval.low):
            ax.plot([interval.low, interval.high], [index, index], color=INK, lw=1.3, zorder=2, solid_capstyle="butt")
        ax.plot(interval.mean, index, marker="|", ms=11, mew=2, color=INK, zorder=4)
    ax.axvline(0, color="#C8C8C8", lw=1, zorder=0)
    ax.set_yticks(range(len(shown)), [short(label, 26) for label in shown])
    ax.tick_params(axis="y", colors=INK, length=0)
    ax.set_ylim(len(shown) - 0.45, -0.55)
    ax.grid(axis="y", visible=False)
    ax.locator_params(axis="x", nbins=5)
    same = "split and seed" if len(repeats(frame)) > 1 else "seed"
    ax.set_xlabel(f"less {short(baseline, 26)} at the same {same}{_direction(frame, metric)}")
    ax.set_title(metric, fontsize=9.5)
    return ax


def _direction(frame: pd.DataFrame, metric: str) -> str:
    known = frame.loc[frame["metric"] == metric, "higher_is_better"].dropna()
    return "" if len(known) == 0 else "  (more is better)" if bool(known.iloc[0]) else "  (less is better)"
