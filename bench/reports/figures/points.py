"""Figures of numbers: per-seed dots, trade-offs, the latent scatter and the σ-μ phase diagram."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from bench.analysis.design import Design, design_of
from bench.analysis.stats import Interval, mean_interval
from bench.errors import UsageError
from bench.reports.figures.style import (
    CLASS_COLOURS,
    INK,
    PALETTE,
    QUIET,
    axes_or_new,
    colour_of,
    in_order,
    marker_of,
    short,
)


def values_of(frame: pd.DataFrame, metric: str) -> dict[str, pd.Series]:
    """Finite values of a metric by variant label, each a series indexed by seed, in the frame's order.

    Over several splits of the data it is indexed by split number and seed.

    Args:
        frame: the tidy-long frame of a run (one data set).

    Raises:
        UsageError: the frame holds several data sets, whose values would be mixed.
    """
    datasets = in_order(frame["dataset_label"]) if "dataset_label" in frame else []
    if len(datasets) > 1:
        raise UsageError(
            f"the frame holds {len(datasets)} data sets ({', '.join(short(name) for name in datasets[:3])}"
            f"{', …' if len(datasets) > 3 else ''}); give one, e.g. frame[frame.dataset_label == {datasets[0]!r}]"
        )
    chosen = (frame["metric"] == metric) & np.isfinite(frame["value"])
    index = repeats(frame)
    rows = frame.loc[chosen, ["variant_label", *index, "value"]]
    values, places = rows.set_index(index)["value"], rows.groupby("variant_label", sort=False).indices
    return {v: values.iloc[places[v]] for v in in_order(frame["variant_label"]) if v in places}


def repeats(frame: pd.DataFrame) -> list[str]:
    """The columns that tell apart the values of one variant: the seed, and the split where there are several."""
    several = "split_number" in frame and frame["split_number"].nunique() > 1
    return ["split_number", "seed"] if several else ["seed"]


def interval_of(frame: pd.DataFrame, values: pd.Series) -> Interval:
    """The interval of values as `values_of` gives them; `frame` has the sizes of the splits."""
    if values.index.nlevels == 1:
        return mean_interval(values.to_numpy(dtype=float))
    splits, seeds = (values.index.get_level_values(level).to_numpy() for level in (0, 1))
    return Design(seeds, splits, design_of(frame).overlap).interval(values.to_numpy(dtype=float))


def plot_dots(
    frame: pd.DataFrame, metric: str, ax: Axes | None = None, order: Sequence[str] | None = None, note: str = ""
) -> Axes:
    """Every seed of every variant as a dot, with the mean and its 95 % t interval."""
    values = values_of(frame, metric)
    order = list(order) if order is not None else list(values)
    ax = axes_or_new(ax, 6.4, 0.9 + 0.34 * len(order))
    jitter = np.random.default_rng(0)
    dots: dict[str, list[np.ndarray]] = {}  # by colour: an artist per row takes seconds where rows are many
    intervals = []
    for index, label in enumerate(order):
        if label not in values:
            ax.text(0.5, index, "n/a", transform=ax.get_yaxis_transform(), ha="center", va="center", fontsize=8,
                    color=QUIET)  # fmt: skip
            continue
        x = values[label].to_numpy()
        places = index + jitter.uniform(-0.2, 0.2, len(x))
        dots.setdefault(colour_of(label, order), []).append(np.stack([x, places]))
        interval = interval_of(frame, values[label])
        intervals.append((index, interval.mean, interval.low, interval.high))
    for colour, parts in dots.items():
        x, y = np.concatenate(parts, axis=1)
        ax.scatter(x, y, s=20, color=colour, alpha=0.7, lw=0, zorder=3)
    if intervals:
        at, mean, low, high = np.array(intervals).T
        ends, gaps = np.stack([low, high, np.full(len(at), np.nan)], 1), np.repeat(at, 3)
        ax.plot(ends.ravel(), gaps, color=INK, lw=1.3, zorder=2, solid_capstyle="butt")
        ax.plot(mean, at, marker="|", ms=11, mew=2, color=INK, zorder=4, ls="none")
    ax.set_yticks(range(len(order)), [short(label, 26) for label in order])
    ax.tick_params(axis="y", colors=INK, length=0)
    ax.set_ylim(len(order) - 0.45, -0.55)
    ax.grid(axis="y", visible=False)
    ax.locator_params(axis="x", nbins=5)
    ax.set_title(metric + (f"  ({note})" if note else ""), fontsize=9.5)
    return ax


def plot_tradeoff(
    frame: pd.DataFrame,
    x: str = "test_mse",
    y: str = "energy_fit",
    ax: Axes | None = None,
    better: tuple[bool | None, bool | None] = (False, False),
) -> Axes:
    """Two metrics against each other: seeds as small dots, means with both 95 % t intervals; the good corner named."""
    ax = axes_or_new(ax)
    along, up = values_of(frame, x), values_of(frame, y)
    order = in_order(frame["variant_label"])
    shown = [label for label in order if label in along and label in up]
    for label in shown:
        pairs = pd.concat([along[label], up[label]], axis=1, join="inner")
        both = pairs.to_numpy()
        if len(both) == 0:
            continue
        a, b = (interval_of(frame, pairs.iloc[:, place]) for place in (0, 1))
        colour = colour_of(label, order)
        ax.scatter(both[:, 0], both[:, 1], s=11, color=colour, alpha=0.35, lw=0, zorder=2)
        ax.errorbar(
            a.mean,
            b.mean,
            xerr=np.nan_to_num(a.half_width, posinf=0.0),
            yerr=np.nan_to_num(b.half_width, posinf=0.0),
            fmt=marker_of(label, order),
            ms=8,
            color=colour,
            mec="white",
            mew=0.8,
            elinewidth=1.4,
            zorder=3,
            label=short(label, 30),
        )
    arrows = ["" if good is None else (" (more is better)" if good else " (less is better)") for good in better]
    ax.locator_params(nbins=5)
    ax.set_xlabel(x + arrows[0])
    ax.set_ylabel(y + arrows[1])
    if None not in better:
        corner = (0.98 if better[0] else 0.02, 0.98 if better[1] else 0.02)
        ax.text(*corner, "better", transform=ax.transAxes, ha="right" if better[0] else "left",
                va="top" if better[1] else "bottom", color=QUIET, style="italic", fontsize=9)  # fmt: skip
    if shown and len(shown) <= 12:
        ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    return ax


def project(codes: np.ndarray) -> tuple[np.ndarray, tuple[str, str]]:
    """Codes (N, L) in the plane, (N, 2), and the axes' names: as they are for L ≤ 2, else two principal axes."""
    codes = np.asarray(codes, dtype=np.float64)
    if codes.shape[1] == 1:
        return np.column_stack([codes[:, 0], np.zeros(len(codes))]), ("code", "")
    if codes.shape[1] == 2:
        return codes, ("code dimension 1", "code dimension 2")
    centred = codes - codes.mean(0)
    _, singular, axes = np.linalg.svd(centred, full_matrices=False)
    share = singular[:2] ** 2 / max(float(np.sum(singular**2)), 1e-300)
    axes = axes[:2] * np.sign(axes[:2, np.abs(axes[:2]).argmax(1)].diagonal())[:, None]
    return centred @ axes.T, (f"principal axis 1 ({share[0]:.0%})", f"principal axis 2 ({share[1]:.0%})")


def plot_latent(
    codes: np.ndarray,
    labels: np.ndarray | None = None,
    names: Mapping[int, str] | None = None,
    ax: Axes | None = None,
    title: str = "",
    colour: str = INK,
) -> Axes:
    """Held-out codes (N, L) in the plane, coloured by label, each class named at its median."""
    ax = axes_or_new(ax, 4.6, 4.4)
    points, axis_names = project(codes)
    if labels is None or len(np.unique(labels)) > 40:
        ax.scatter(points[:, 0], points[:, 1], s=7, color=PALETTE[0], alpha=0.55, lw=0)
    else:
        classes = np.unique(labels)
        for index, label in enumerate(classes):
            own = points[labels == label]
            ax.scatter(own[:, 0], own[:, 1], s=7, color=CLASS_COLOURS[index % len(CLASS_COLOURS)], alpha=0.6, lw=0)
        for index, label in enumerate(classes):
            x, y = np.median(points[labels == label], axis=0)
            name = short((names or {}).get(int(label), str(label)), 12)
            box = {"boxstyle": "round,pad=0.15", "fc": CLASS_COLOURS[index % len(CLASS_COLOURS)], "lw": 0}
            ax.text(x, y, name, ha="center", va="center", fontsize=9, fontweight="bold", color="white", bbox=box)
    ax.set_xlabel(axis_names[0], fontsize=8.5)
    ax.set_ylabel(axis_names[1], fontsize=8.5)
    ax.tick_params(labelsize=7.5)
    ax.set_title(title, color=colour)
    return ax


def plot_phase(points: pd.DataFrame, ax: Axes | None = None, order: Sequence[str] | None = None) -> Axes:
    """Posterior noise against the spread of means, one dot per seed, a line where training was followed.

    Args:
        points: columns variant_label, seed, log_median_sigma, log_rms_mu, and step where there are several.
        order: all variants of the run, for their colours.
    """
    ax = axes_or_new(ax)
    order = list(order) if order is not None else in_order(points["variant_label"])
    points = points if "step" in points else points.assign(step=0)
    for label in order:
        own = points[points["variant_label"] == label]
        if len(own) == 0 or own["log_median_sigma"].isna().all():
            continue
        for _, seed in own.groupby("seed", sort=False):
            line = seed.sort_values("step")
            if len(line) > 1:
                ax.plot(line["log_rms_mu"], line["log_median_sigma"], color=colour_of(label, order), lw=0.9, alpha=0.5)
        last = own.sort_values("step").groupby("seed", sort=False).last()
        look: dict[str, Any] = {
            "marker": marker_of(label, order),
            "color": colour_of(label, order),
            "edgecolor": "white",
            "lw": 0.6,
        }
        ax.scatter(last["log_rms_mu"], last["log_median_sigma"], s=34, label=short(label, 30), zorder=3, **look)
    ax.axhline(0, color="#C8C8C8", lw=1, zorder=0)
    ax.axvline(0, color="#C8C8C8", lw=1, zorder=0)
    ax.set_xlabel("log RMS of posterior means μ  (→ means run away)")
    ax.set_ylabel("log median σ  (↓ noise trained away)")
    if ax.get_legend_handles_labels()[0]:
        ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    return ax
