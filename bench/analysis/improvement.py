"""Probability of improvement between all pairs: how often a seed of one variant beats a seed of another.

After Agarwal et al. 2021 (arXiv 2108.13264), mean over data sets; ties count half.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bench.analysis.purposes import Purpose, metric_of
from bench.analysis.sections import Section, over_data_sets


def improvement(sections: Sequence[Section], purpose: Purpose, labels: Sequence[str]) -> np.ndarray:
    """P(a seed of row i beats a seed of column j) in the metric of a purpose, mean over data sets that have it: (V, V).

    NaN on the diagonal and where one of the two has no number on one of these data sets.
    """
    tables = []
    for section in sections:
        metric = metric_of(section, purpose)
        if metric is None:
            continue
        place = {row.label: index for one in (over_data_sets(section), section) for index, row in enumerate(one.rows)}
        values = section.design.units(section.values[metric.name])
        rows = np.stack([values[place[v]] if v in place else np.full(values.shape[1], np.nan) for v in labels])
        tables.append(_chances(rows if metric.higher_is_better else -rows))
    out = np.mean(tables, axis=0) if tables else np.full((len(labels), len(labels)), np.nan)
    np.fill_diagonal(out, np.nan)
    return out


def _chances(values: np.ndarray) -> np.ndarray:
    """P(a value of row i is above one of row j) of (V, n), NaN for no value: (V, V)."""
    out = np.full((len(values), len(values)), np.nan)
    has = np.isfinite(values)
    for i, own in enumerate(values):
        x = own[has[i]]
        both = has & bool(len(x))
        wins = (x[:, None, None] > values) + 0.5 * (x[:, None, None] == values)  # (n, V, n)
        n = len(x) * both.sum(1)
        out[i] = np.where(n > 0, (wins * both).sum((0, 2)) / np.maximum(n, 1), np.nan)
    return out
