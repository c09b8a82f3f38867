"""How well scores tell anomalies from normal rows: AUROC, average precision, recall at a rate of false alarms.

A score is higher for what is less normal. Normal scores (N,), anomalous scores (A,), both finite.
"""

from __future__ import annotations

import numpy as np
from scipy.stats import rankdata


def auroc(normal: np.ndarray, anomalous: np.ndarray) -> float:
    """P(an anomaly scores higher than a normal row) + ½ P(they tie): the area under the ROC curve.

    >>> auroc(np.array([0.0, 1.0]), np.array([1.0, 2.0]))
    0.875
    """
    n, m = len(normal), len(anomalous)
    ranks = rankdata(np.concatenate([normal, anomalous]))[n:]
    return float((ranks.sum() - m * (m + 1) / 2) / (n * m))


def auroc_error(normal: np.ndarray, anomalous: np.ndarray) -> float:
    """Standard error of `auroc` over other rows (DeLong et al., Biometrics 44(3), 1988); NaN for fewer than two of a
    kind, of whose spread nothing is known."""
    n, m = len(normal), len(anomalous)
    if min(n, m) < 2:
        return float("nan")
    ranks = rankdata(np.concatenate([normal, anomalous]))
    above = (ranks[n:] - rankdata(anomalous)) / n  # of each anomaly: the share of normal rows below it
    below = 1 - (ranks[:n] - rankdata(normal)) / m  # of each normal row: the share of anomalies above it
    return float(np.sqrt(above.var(ddof=1) / m + below.var(ddof=1) / n))


def average_precision(normal: np.ndarray, anomalous: np.ndarray) -> float:
    """Σ (Rₖ - Rₖ₋₁) Pₖ over the distinct scores, from the highest down; scores that tie are taken together."""
    scores = np.concatenate([normal, anomalous])
    order = np.argsort(-scores, kind="stable")
    hits = np.cumsum(order >= len(normal))
    last = np.flatnonzero(np.append(np.diff(scores[order]) != 0, True))  # of each group of ties
    recall = hits[last] / len(anomalous)
    return float(np.sum(np.diff(recall, prepend=0.0) * hits[last] / (last + 1)))


def recall_at(normal: np.ndarray, anomalous: np.ndarray, rate: float) -> float:
    """The share of anomalies that score above all but a share `rate` of the normal rows, at most."""
    alarms = min(int(np.floor(rate * len(normal) + 1e-9)), len(normal) - 1)
    threshold = np.sort(normal)[len(normal) - 1 - alarms]
    return float((anomalous > threshold).mean())
