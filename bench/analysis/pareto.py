"""Reconstruction against sampling: where every setting stands, who is dominated by nobody, and where labels fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bench.analysis.catalogue import Metric
from bench.analysis.purposes import PURPOSES, metric_of
from bench.analysis.sections import Section


@dataclass(frozen=True)
class Point:
    """A row's means; whether it competes in both metrics, and whether no other that competes is better in both."""

    label: str
    x: float
    y: float
    competes: bool
    front: bool


@dataclass(frozen=True)
class Pareto:
    """Points of a data set; `lines` holds the positions of each variant's settings, in the order of its grid."""

    x: Metric
    y: Metric
    points: list[Point]
    lines: list[list[int]]


def pareto(section: Section) -> Pareto | None:
    """The two metrics that answer for reconstruction and sampling; None where fewer than two rows have both."""
    x, y = (metric_of(section, purpose) for purpose in PURPOSES[:2])
    if x is None or y is None:
        return None
    means = {(row, m.name): cell.mean for (row, name), cell in section.cells.items() for m in (x, y) if m.name == name}
    rows = [
        row for row, entry in enumerate(section.rows)
        if not entry.is_control and all(np.isfinite(means.get((row, m.name), np.nan)) for m in (x, y))
    ]  # fmt: skip
    if len(rows) < 2:
        return None
    at = np.array([[means[row, m.name] for m in (x, y)] for row in rows])
    competes = [all((row, m.name) not in section.barred for m in (x, y)) for row in rows]
    front = undominated(at * [-1.0 if m.higher_is_better else 1.0 for m in (x, y)], competes)
    points = [
        Point(section.rows[row].label, float(at[n, 0]), float(at[n, 1]), competes[n], bool(front[n]))
        for n, row in enumerate(rows)
    ]
    lines = [[rows.index(s.index) for s in grid.settings if s.index in rows] for grid in section.grids]
    return Pareto(x, y, points, [line for line in lines if len(line) > 1])


def undominated(values: np.ndarray, competes: Sequence[bool]) -> np.ndarray:
    """Which of those that compete have nobody competing that is no worse in both and better in one: (n,) of (n, 2).

    Less is better.
    """
    able = np.asarray(competes, dtype=bool)
    no_worse = (values[None] <= values[:, None]).all(2) & able[None]  # [n, m]: m is no worse than n
    better = (values[None] < values[:, None]).any(2)
    return able & ~(no_worse & better).any(1)


#: Where a label may stand: steps from its point, in heights of a line.
_STEPS = (1.0, 2.2, 3.6, 5.2, 7.0)


def place_labels(
    points: np.ndarray, widths: Sequence[float], height: float, frame: tuple[float, float], radius: float = 4.0
) -> list[tuple[float, float] | None]:
    """Left and top of a label for each of the first `len(widths)` points, so that none covers another or a point.

    Args:
        points: (n, 2), all points, in the units of `frame`, whose corner is 0; labels are placed in this order.
        widths: of the labels. height: of each. radius: of a point.

    Returns:
        None for a label that fits nowhere near its point.
    """
    taken: list[tuple[float, float, float, float]] = [
        (x - radius, y - radius, x + radius, y + radius) for x, y in points.tolist()
    ]
    found: list[tuple[float, float] | None] = []
    for (x, y), width in zip(points.tolist(), widths, strict=False):
        boxes = ((left, top, left + width, top + height) for left, top in _candidates(x, y, width, height, radius))
        fits = (box for box in boxes if box[0] >= 0 and box[1] >= 0 and box[2] <= frame[0] and box[3] <= frame[1])
        box = next((box for box in fits if not any(_overlap(box, other) for other in taken)), None)
        found.append(None if box is None else box[:2])
        taken += [box] if box is not None else []
    return found


def _candidates(x: float, y: float, width: float, height: float, radius: float):
    for step in _STEPS:
        far = radius + 2 + (step - 1) * height
        for up in (-height / 2, -height - far, far):
            yield x + far, y + up
            yield x - far - width, y + up
        yield x - width / 2, y - height - far
        yield x - width / 2, y + far


def _overlap(one: tuple[float, float, float, float], other: tuple[float, float, float, float]) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
