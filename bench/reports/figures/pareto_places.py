"""The Pareto plot as shapes for the page's template: labels that cover nothing, and a text under every point."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bench.analysis.numbers import number
from bench.analysis.pareto import Pareto, Point, place_labels
from bench.reports.figures.style import short

WIDTH, HEIGHT = 760.0, 520.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 64.0, 18.0, 18.0, 48.0
_LETTER, _LINE = 6.7, 14.0
#: Values that spread over more than this factor stand on a logarithmic axis.
_LOG_FROM = 4.0
LONGEST = 26


@dataclass(frozen=True)
class Dot:
    """A point with its label's place (None: only hovering tells), and what hovering says."""

    x: float
    y: float
    said: str
    label: str
    at: tuple[float, float] | None
    colour: str
    competes: bool
    front: bool


@dataclass(frozen=True)
class Plot:
    """Everything that the template draws; axes are (text, ticks as (place, text))."""

    dots: list[Dot]
    lines: list[tuple[str, str]]
    x_axis: tuple[str, list[tuple[float, str]]]
    y_axis: tuple[str, list[tuple[float, str]]]
    unlabelled: int


@dataclass(frozen=True)
class Axis:
    """From values to places, logarithmic where values spread far."""

    low: float
    high: float
    log: bool
    start: float
    end: float

    @staticmethod
    def of(values: Sequence[float], start: float, end: float) -> Axis:
        """The axis on which all of VALUES lie between START and END with some room."""
        log = min(values) > 0 and max(values) / min(values) > _LOG_FROM
        ends = [math.log(min(values)), math.log(max(values))] if log else [min(values), max(values)]
        room = 0.06 * (ends[1] - ends[0]) or abs(ends[0]) * 0.1 or 1.0
        return Axis(ends[0] - room, ends[1] + room, log, start, end)

    def place(self, value: float) -> float:
        """Of a value."""
        at = math.log(value) if self.log else value
        return round(self.start + (self.end - self.start) * (at - self.low) / (self.high - self.low), 1)

    def ticks(self) -> list[tuple[float, str]]:
        """A few round values with their places."""
        if self.log:
            decades = range(math.floor(self.low / math.log(10)) - 1, math.ceil(self.high / math.log(10)) + 1)
            values = [m * 10.0**d for d in decades for m in (1, 2, 5)]
            inside = [value for value in values if self.low <= math.log(value) <= self.high]
            every = max(1, len(inside) // 6)
            return [(self.place(value), number(value, 2)) for value in inside[::every]]
        raw = (self.high - self.low) / 5
        step = 10.0 ** math.floor(math.log10(raw))
        step *= next(m for m in (1, 2, 5, 10) if m * step >= raw)
        values = [n * step for n in range(math.ceil(self.low / step), math.floor(self.high / step) + 1)]
        return [(self.place(value), number(value, 3)) for value in values]


def plot_of(found: Pareto, colours: Mapping[str, str]) -> Plot:
    """Places of everything; the front is labelled first, then what competes; other settings are told by hovering."""
    x_axis = Axis.of([p.x for p in found.points], _LEFT, WIDTH - _RIGHT)
    y_axis = Axis.of([p.y for p in found.points], HEIGHT - _BOTTOM, _TOP)
    at = np.array([[x_axis.place(p.x), y_axis.place(p.y)] for p in found.points])
    order = sorted(range(len(at)), key=lambda n: (not found.points[n].front, not found.points[n].competes))
    named = [n for n in order if found.points[n].competes] or order
    widths = [_LETTER * len(short(found.points[n].label, LONGEST)) for n in named]
    rest = [n for n in order if n not in named]
    places = place_labels(at[named + rest] - [_LEFT, 0], widths, _LINE, (WIDTH - _LEFT, HEIGHT - _BOTTOM))
    where = {n: (place[0] + _LEFT, place[1]) for n, place in zip(named, places, strict=False) if place is not None}
    dots = [_dot(found, n, at[n], where.get(n), colours) for n in range(len(at))]
    lines = [
        (" ".join(f"{at[n][0]},{at[n][1]}" for n in line), colours.get(found.points[line[0]].label, "#767676"))
        for line in found.lines
    ]
    axes = [(f"{m.name} {m.direction}", axis.ticks()) for m, axis in ((found.x, x_axis), (found.y, y_axis))]
    return Plot(dots, lines, axes[0], axes[1], len(named) - len(where))


def _dot(found: Pareto, n: int, at: np.ndarray, label_at, colours: Mapping[str, str]) -> Dot:
    p: Point = found.points[n]
    how = "" if p.competes else " (does not compete)"
    said = f"{p.label}{how}: {found.x.name} {number(p.x)}, {found.y.name} {number(p.y)}"
    shown = None if label_at is None else (round(label_at[0], 1), round(label_at[1] + 0.78 * _LINE, 1))
    colour = colours.get(p.label, "#767676")
    return Dot(float(at[0]), float(at[1]), said, short(p.label, LONGEST), shown, colour, p.competes, p.front)
