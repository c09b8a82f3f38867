"""Whether new rows are like the training rows, column by column: means, distributions, kinds, range.

Numbers are compared by the two-sample Kolmogorov-Smirnov test, kinds of a text by Pearson's chi-squared test of the
table of counts, and the p values of all columns are Holm-corrected as one family, so that the chance of any false
alarm is at most 5 %. A standardised mean difference says how large a difference is, which a p value does not.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import stats

from bench.analysis.stats import CONFIDENCE, holm

#: Training rows that tests look at, evenly spaced; ranges are those of all.
MOST_ROWS = 50_000


@dataclass(frozen=True)
class ColumnDrift:
    """One column, old against new.

    Attributes:
        name: of the column. kind: "number", "kinds" or "constant" (in training).
        difference: (mean of new - mean of training rows) / standard deviation of training rows; of kinds the largest
            change of a share; NaN for a constant.
        p: Holm-corrected; NaN for a constant. outside: new rows beyond the range of all training rows, with a kind that
            no training row has, or with another value than the constant.
    """

    name: str
    kind: str
    difference: float
    p: float
    outside: int

    @property
    def drifted(self) -> bool:
        """Whether the distribution is shown to be another one, or a constant is none any more."""
        return self.p < 1 - CONFIDENCE or (self.kind == "constant" and self.outside > 0)


def drift(
    train: np.ndarray,
    new: np.ndarray,
    names: Sequence[str],
    ranges: tuple[np.ndarray, np.ndarray],
    groups: Mapping[str, Sequence[int]],
    constant: Mapping[int, float],
) -> list[ColumnDrift]:
    """Every column of training rows (n, D) against that of new rows (m, D), in the same units.

    Args:
        names: of the D columns.
        ranges: least and largest values of all training rows, (D,) each.
        groups: column of text → the places of its 0s and 1s; a row that has none is of an unknown kind.
        constant: place → the value of a column that is constant in training.
    """
    taken = {place for places in groups.values() for place in places}
    found = []
    for place, name in enumerate(names):
        if place in taken:
            continue
        old, own = train[:, place], new[:, place]
        if place in constant:
            other = ~np.isclose(own, constant[place], rtol=1e-6, atol=0)
            found.append(ColumnDrift(name, "constant", np.nan, np.nan, int(other.sum())))
            continue
        beyond = int(((own < ranges[0][place]) | (own > ranges[1][place])).sum())
        found.append(ColumnDrift(name, "number", _standardised(old, own), _ks(old, own), beyond))
    found += [_of_kinds(name, train[:, places], new[:, places]) for name, places in groups.items()]
    adjusted = holm([one.p for one in found])
    return [replace(one, p=float(p)) for one, p in zip(found, adjusted, strict=True)]


def _standardised(old: np.ndarray, new: np.ndarray) -> float:
    spread = float(old.std(ddof=1)) if len(old) > 1 else 0.0
    return float(new.mean() - old.mean()) / spread if spread else np.nan


def _ks(old: np.ndarray, new: np.ndarray) -> float:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # where the exact p value takes too long, scipy says that it is asymptotic
        return float(stats.ks_2samp(old, new).pvalue)


def _of_kinds(name: str, old: np.ndarray, new: np.ndarray) -> ColumnDrift:
    """A column of text as 0s and 1s (n, K) and (m, K)."""
    counts = np.array([[*part.sum(0), len(part) - part.sum()] for part in (old, new)])
    shares = counts / counts.sum(1, keepdims=True)
    seen = counts.sum(0) > 0
    p = float(stats.chi2_contingency(counts[:, seen], correction=False).pvalue) if seen.sum() > 1 else 1.0
    changes = shares[1] - shares[0]
    return ColumnDrift(name, "kinds", float(changes[np.abs(changes).argmax()]), p, int(counts[1, -1]))
