"""Figures of examples: reconstructions, samples, interpolation strips and the decoded plane.

Images (C, H, W) are tiled as pictures; vectors (D,) and sequences (C, T) are drawn as lines
(reconstructions; a line over time for each of the C series) or as rows of a heat map.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.reports.figures.style import INK, QUIET, axes_or_new, colour_of, new_figure, short

_GAP = 1  # pixels between tiles


@dataclass(frozen=True)
class Range:
    """Values that are drawn black and white, from the data and never from a model's outputs."""

    low: float
    high: float

    @classmethod
    def of(cls, originals: np.ndarray) -> Range:
        """[0, 1] for data within it, else the data's 0.5 % and 99.5 % quantiles."""
        x = np.asarray(originals, dtype=np.float32)
        if x.size == 0 or (x.min() >= 0 and x.max() <= 1):
            return cls(0.0, 1.0)
        low, high = np.quantile(x, [0.005, 0.995])
        return cls(float(low), float(high) if high > low else float(low) + 1.0)


def is_image(examples: np.ndarray) -> bool:
    """Whether examples (N, *shape) are pictures: one, three or more channels of at least 2×2 pixels."""
    return examples.ndim >= 4 and min(examples.shape[-2:]) > 1


def mosaic(examples: np.ndarray, columns: int, scale: Range) -> np.ndarray:
    """Images (N, C, H, W) in rows of `columns`, as (height, width, 3) in [0, 1] with white gaps."""
    x = (np.asarray(examples, dtype=np.float32) - scale.low) / (scale.high - scale.low)
    x = np.clip(np.nan_to_num(x), 0, 1)
    x = x[:, :3] if x.shape[1] >= 3 else np.repeat(x[:, :1], 3, axis=1)
    n, _, height, width = x.shape
    rows = -(-n // columns)
    canvas = np.ones((rows * (height + _GAP) - _GAP, columns * (width + _GAP) - _GAP, 3), dtype=np.float32)
    for index, tile in enumerate(x):
        top, left = (index // columns) * (height + _GAP), (index % columns) * (width + _GAP)
        canvas[top : top + height, left : left + width] = tile.transpose(1, 2, 0)
    return canvas


def _bare(ax: Axes) -> None:
    ax.set_xticks([])
    ax.set_yticks([])
    ax.grid(False)
    for spine in ax.spines.values():
        spine.set_visible(False)


def _show(ax: Axes, picture: np.ndarray) -> None:
    _bare(ax)
    ax.imshow(picture, interpolation="nearest", aspect="equal")


def _row_name(ax: Axes, text: str, colour: str = INK) -> None:
    ax.set_ylabel(text, rotation=0, ha="right", va="center", color=colour, fontsize=9, labelpad=6)


def _order(order: Sequence[str] | None, rows: Sequence[tuple]) -> Sequence[str]:
    """All variants of the run, for their colours; without it those that are shown."""
    return [row[0] for row in rows] if order is None else order


def plot_reconstructions(
    originals: np.ndarray, rows: Sequence[tuple[str, np.ndarray]], order: Sequence[str] | None = None
) -> Figure:
    """The same held-out examples (R, *shape) and below them what each (label, reconstructions) makes of them."""
    order = _order(order, rows)
    scale = Range.of(originals)
    if not is_image(originals):
        return _line_reconstructions(originals, rows, order)
    count = len(originals)
    figure = new_figure(8.0, 0.55 + (len(rows) + 1) * 6.0 / count * originals.shape[-2] / originals.shape[-1])
    axes = figure.subplots(len(rows) + 1, 1, squeeze=False)[:, 0]
    _show(axes[0], mosaic(originals, count, scale))
    _row_name(axes[0], "held-out data", QUIET)
    for index, (label, values) in enumerate(rows):
        _show(axes[index + 1], mosaic(values, count, scale))
        _row_name(axes[index + 1], short(label, 24), colour_of(label, order))
    return figure


def _lines_of(examples: np.ndarray) -> np.ndarray:
    """Vectors (N, D), sequences (N, C, T) or narrow pictures (N, C, H, W) as lines: (N, places, lines) float32."""
    x = np.asarray(examples, dtype=np.float32)
    return x.transpose(0, 2, 1) if x.ndim == 3 else x.reshape(len(x), -1, 1)


def _line_reconstructions(
    originals: np.ndarray, rows: Sequence[tuple[str, np.ndarray]], order: Sequence[str]
) -> Figure:
    x = _lines_of(originals)
    count = min(len(x), 4)
    figure = new_figure(8.0, 0.6 + 1.1 * max(len(rows), 1))
    axes = figure.subplots(max(len(rows), 1), count, squeeze=False, sharex=True, sharey=True)
    place = np.arange(x.shape[1])
    across = "time step" if originals.ndim == 3 else "data dimension"
    for index, (label, values) in enumerate(rows):
        y = _lines_of(values)
        for column in range(count):
            ax = axes[index, column]
            style = {"lw": 1.2, "marker": "o", "ms": 2.5} if len(place) < 40 else {"lw": 1.0}
            ax.plot(place, x[column], color="#9A9A9A", **style)
            ax.plot(place, y[column], color=colour_of(label, order), **style)
            ax.tick_params(labelsize=7)
        _row_name(axes[index, 0], short(label, 24), colour_of(label, order))
    for column in range(count):
        axes[0, column].set_title(f"held-out row {column + 1}", fontsize=9, fontweight="normal", color=QUIET)
    figure.supxlabel(f"{across} (grey: data, colour: reconstruction)", fontsize=9, color=QUIET)
    return figure


def plot_samples(
    panels: Sequence[tuple[str, np.ndarray]], scale: Range, order: Sequence[str] | None = None, columns: int = 8
) -> Figure:
    """One panel of decoded samples (M, *shape) per (label, samples)."""
    order = _order(order, panels)
    across = min(len(panels), 3)
    down = -(-len(panels) // across)
    width = 8.0
    example = panels[0][1]
    columns = min(columns, len(example))
    ratio = 0.6
    if is_image(example):
        lines = -(-len(example) // columns)
        ratio = lines * example.shape[-2] / (columns * example.shape[-1])
    figure = new_figure(width, down * (width / across * ratio + 0.3) + 0.1)
    axes = figure.subplots(down, across, squeeze=False).ravel()
    for index, ax in enumerate(axes):
        _bare(ax)
        if index >= len(panels):
            ax.set_visible(False)
            continue
        label, samples = panels[index]
        if is_image(samples):
            _show(ax, mosaic(samples, columns, scale))
        else:
            _heat(ax, samples.reshape(len(samples), -1), scale)
        ax.set_title(short(label, 30), color=colour_of(label, order), fontsize=9.5)
    return figure


def _heat(ax: Axes, values: np.ndarray, scale: Range) -> None:
    _bare(ax)
    ax.imshow(
        np.asarray(values, dtype=np.float32),
        aspect="auto",
        cmap="cividis",
        vmin=scale.low,
        vmax=scale.high,
        interpolation="nearest",
    )


def plot_strips(
    ends: np.ndarray,
    rows: Sequence[tuple[str, np.ndarray, str]],
    scale: Range,
    order: Sequence[str] | None = None,
) -> Figure:
    """One interpolation for several variants: between the data `ends` (2, *shape), rows (label, frames, score)."""
    order = _order(order, rows)
    frames = rows[0][1]
    if is_image(frames):
        figure = new_figure(8.0, 0.5 + len(rows) * 5.4 / len(frames) * frames.shape[-2] / frames.shape[-1])
    else:
        figure = new_figure(8.0, 0.5 + 0.75 * len(rows))
    grid = figure.add_gridspec(len(rows), 3, width_ratios=[1, len(frames), 1], wspace=0.03)
    for index, (label, path, score) in enumerate(rows):
        left, middle, right = (figure.add_subplot(grid[index, column]) for column in range(3))
        for ax, example in ((left, ends[:1]), (middle, path), (right, ends[1:])):
            if is_image(example):
                _show(ax, mosaic(example, len(example), scale))
            else:
                _heat(ax, example.reshape(len(example), -1).T, scale)
        _row_name(left, short(label, 24), colour_of(label, order))
        right.yaxis.set_label_position("right")
        right.set_ylabel(score, rotation=0, ha="left", va="center", fontsize=8, color=QUIET, labelpad=6)
        if index == 0:
            left.set_title("data", fontsize=8.5, fontweight="normal", color=QUIET, loc="center")
            right.set_title("data", fontsize=8.5, fontweight="normal", color=QUIET, loc="center")
            middle.set_title("decoded straight line between the two codes", fontsize=8.5, fontweight="normal",
                             color=QUIET, loc="center")  # fmt: skip
    return figure


def _half_step(values: np.ndarray) -> float:
    """Half the distance of evenly spaced values (G,); where constant codes leave none, one that can be seen."""
    half = abs(float(values[-1]) - float(values[0])) / (len(values) - 1) / 2
    return max(half, 1e-4 * float(np.abs(values).max())) or 0.5


def plot_plane(
    grid: np.ndarray,
    x: np.ndarray,
    y: np.ndarray,
    scale: Range,
    label: str,
    ax: Axes | None = None,
    colour: str = INK,
) -> Axes:
    """The decoder over the plane: grid (G, G, *shape) at code values x (G,) and, from the top down, y (G,)."""
    ax = axes_or_new(ax, 5.2, 5.2)
    flat = grid.reshape(-1, *grid.shape[2:])
    half_x, half_y = _half_step(x), _half_step(y)
    extent = (float(x[0] - half_x), float(x[-1] + half_x), float(y[-1] - half_y), float(y[0] + half_y))
    if is_image(flat):
        ax.imshow(mosaic(flat, grid.shape[1], scale), extent=extent, interpolation="nearest", aspect="auto")
    else:
        mean = flat.reshape(*grid.shape[:2], -1).astype(np.float32).mean(-1)
        ax.imshow(mean, extent=extent, cmap="cividis", interpolation="nearest", aspect="auto")
    ax.grid(False)
    ax.set_title(short(label), fontsize=10, color=colour)
    ax.set_xlabel("code dimension 1")
    ax.set_ylabel("code dimension 2")
    return ax
