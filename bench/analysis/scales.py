"""The scale on which a metric's differences count, and the smallest effect of interest on it.

An error of .012 against .010 is a ratio; a coverage of .92 against .90 is a difference; an unevenness U of 1.02 against
1.01, where 1 is perfect, is twice the excess U - 1. Marks and `compare` test on the same scale and call a difference
within ± the smallest effect the same.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from bench.analysis.stats import lattice

#: Smallest effects of interest where a metric declares none: a share of the value, of the excess, or the value's unit.
DEFAULT_EFFECTS = {"log": 0.01, "excess over 1": 0.05, "linear": 0.005}
NATS = 0.1
#: An excess over 1 below this is none: such values differ by rounding only.
LEAST_EXCESS = 1e-4


@dataclass(frozen=True)
class Placed:
    """Values on their scale: the table, the half-width of "the same", the step of rounding, whether it is of ratios."""

    table: np.ndarray
    margin: float
    resolution: float
    ratios: bool


@dataclass(frozen=True)
class Scale:
    """A kind of `SCALES` (`bench.store.declarations`) and the smallest effect: a share for ratios, else in the unit."""

    kind: str = "linear"
    smallest: float = 0.0

    def place(self, values: np.ndarray) -> Placed:
        """Values (any shape) where differences count. Ratios need values above 0; without them differences count."""
        values = np.asarray(values, dtype=float)
        known = values[np.isfinite(values)]
        step = lattice(known)
        if self.kind == "linear" or len(known) == 0:
            return Placed(values, self.smallest, step, False)
        size = values - 1 if self.kind == "excess over 1" else values
        if self.kind == "excess over 1":
            size = np.maximum(size, LEAST_EXCESS)
        typical = float(np.median(np.abs(size[np.isfinite(size)])))
        if known.min() <= 0 and self.kind == "log":
            return Placed(values, self.smallest * typical, step, False)
        return Placed(np.log(size), math.log1p(self.smallest), step / typical, True)

    def share(self, difference: float, base: float, ratios: bool) -> float:
        """A difference on the scale as a share of BASE (of its excess over 1); NaN where BASE is 0."""
        if ratios:
            return math.expm1(min(difference, 700.0))
        return difference / abs(base) if base else math.nan

    @property
    def of_what(self) -> str:
        """What shares are shares of, as an addition to a percentage."""
        return " of the excess over 1" if self.kind == "excess over 1" else ""


LINEAR = Scale()
#: Of values that no plugin declares (its file is gone): ratios where all are above 0, and half a percent.
UNDECLARED = Scale("log", 0.005)


def scale_of(said: Mapping[str, Any]) -> Scale:
    """The scale and smallest effect of what a value declares ({} for none); what is not said follows from its range."""
    if not said:
        return UNDECLARED
    kind = said.get("scale") or ("linear" if said["higher_is_better"] is None else _suggested(said["range"]))
    if said.get("smallest_effect") is not None:
        return Scale(kind, float(said["smallest_effect"]))
    return Scale(kind, NATS if kind == "linear" and said["unit"] == "nats" else DEFAULT_EFFECTS[kind])


def _suggested(range_: str) -> str:
    low, _, high = range_.strip("[]()").partition(",")
    if low.strip() == "1":
        return "excess over 1"
    return "log" if (low.strip(), high.strip()) == ("0", "inf") else "linear"
