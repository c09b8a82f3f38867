"""Scores that data sets share: 0 is what PCA reaches on a data set, 1 what real data reach.

Both come from the control models of the same run, so that a score needs no number from elsewhere.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from bench.analysis.sections import Section

PCA, REAL = "control:pca", "control:real"
#: Errors of a reconstruction: a datum is its own perfect reconstruction, so real data score 0 by definition.
ZERO_FOR_REAL_DATA = ("test_mse", "test_mse_sampled", "test_sse", "test_fvu", "test_fvu_sampled", "val_mse")
#: Where the metrics of samples name their source. PCA declares no prior and is sampled from its fitted Gaussian; real
#: data have no codes and are drawn as a prior's decodes: the metric is the same, whatever the source.
_SOURCE = re.compile(r"_(fit|mixture|prior)(?=_|$)")
#: The anchors must lie further apart than this many standard errors of their means over seeds.
LEAST_GAP = 3.0

NEEDS_CONTROLS = "needs the control models PCA and real data: run again with --controls"


def anchors(section: Section, metric: str) -> tuple[float, float] | str:
    """The values of a metric that score 0 and 1 on a data set, means over seeds, or why there are none."""
    found = {row.label for row in section.rows if row.is_control}
    if not {PCA, REAL} <= found:
        return NEEDS_CONTROLS
    zero = _control(section, PCA, _SOURCE.sub("_fit", metric, count=1))
    one = (
        np.zeros(1) if metric in ZERO_FOR_REAL_DATA else _control(section, REAL, _SOURCE.sub("_prior", metric, count=1))
    )
    if len(zero) == 0 or len(one) == 0:
        return f"it has no value for {'PCA' if len(zero) == 0 else 'real data'} to anchor at"
    gap = float(one.mean() - zero.mean())
    better = gap > 0 if section.metrics[metric].higher_is_better else gap < 0
    noise = np.sqrt(_squared_error(zero) + _squared_error(one))
    if not better or abs(gap) <= LEAST_GAP * noise:
        return f"real data do not score better than PCA beyond noise on {section.label}, so nothing is scaled"
    return float(zero.mean()), float(one.mean())


def scores(section: Section, metric: str) -> np.ndarray | str:
    """Scores of every row, (V, S): (value - PCA) / (real data - PCA), more is better; or why there are none."""
    found = anchors(section, metric)
    if isinstance(found, str):
        return found
    zero, one = found
    return (section.values[metric] - zero) / (one - zero)


def _control(section: Section, label: str, metric: str) -> np.ndarray:
    """Finite values of a control model, (n,)."""
    row = next(place for place, entry in enumerate(section.rows) if entry.label == label)
    values = section.values.get(metric, np.full((len(section.rows), 1), np.nan))[row]
    return values[np.isfinite(values)]


def _squared_error(values: np.ndarray) -> float:
    """Squared standard error of the mean of (n,); 0 for one value, whose noise is not known."""
    return float(values.var(ddof=1)) / len(values) if len(values) > 1 else 0.0
