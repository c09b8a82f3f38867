"""MIG, SAP, modularity and the FactorVAE score from codes and discrete factors, as functions of arrays.

Shapes: N rows, L code dimensions, F factors.
"""

from __future__ import annotations

import numpy as np

BINS = 20


def bin_columns(values: np.ndarray, bins: int = BINS) -> np.ndarray:
    """Each column as integers from 0: its own values where there are at most `bins`, else `bins` equal-width bins.

    >>> bin_columns(np.array([[0.1], [0.7], [0.1]])).ravel().tolist()
    [0, 1, 0]
    """
    columns = []
    for column in values.T:
        distinct, index = np.unique(column, return_inverse=True)
        if len(distinct) > bins:
            edges = np.linspace(column.min(), column.max(), bins + 1)[1:-1]
            index = np.digitize(column, edges)
        columns.append(index)
    return np.stack(columns, 1)


def mutual_information(codes: np.ndarray, factors: np.ndarray) -> np.ndarray:
    """Mutual information in nats of every pair of integer columns of (N, L) and (N, F): (L, F)."""
    from sklearn.metrics import mutual_info_score

    return np.array([[mutual_info_score(code, factor) for factor in factors.T] for code in codes.T])


def _gap(scores: np.ndarray) -> np.ndarray:
    """Largest minus second largest of each column of (L, F); the largest itself for a single row."""
    ordered = np.sort(scores, 0)[::-1]
    return ordered[0] - (ordered[1] if len(ordered) > 1 else 0)


def mutual_information_gap(information: np.ndarray, factors: np.ndarray) -> float:
    """MIG (arXiv 1802.04942, eq. 6): mean over factors of the gap in information (L, F) relative to the entropy."""
    from scipy.stats import entropy

    entropies = np.array([entropy(np.bincount(column)) for column in factors.T])
    return float((_gap(information) / entropies).mean())


def sap_score(codes: np.ndarray, factors: np.ndarray) -> float:
    """SAP (arXiv 1711.00848): mean over factors of the gap in squared correlation; codes (N, L), factors (N, F).

    >>> rows = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
    >>> round(float(sap_score(rows.astype(float), rows)), 6)
    1.0
    """
    z = (codes - codes.mean(0)) / codes.std(0)
    v = (factors - factors.mean(0)) / factors.std(0)
    return float(_gap((z.T @ v / len(z)) ** 2).mean())


def modularity(information: np.ndarray) -> float:
    """Modularity (arXiv 1802.05312): mean over informative codes of 1 - Σ_{k≠best} I² / (I²_best (F-1)); (L, F).

    A code without information about any factor is left out; a single factor gives 1.
    """
    squared = information**2
    best = squared.max(1)
    informative = best > 1e-12
    if information.shape[1] == 1 or not informative.any():
        return 1.0 if informative.any() else 0.0
    rest = (squared.sum(1) - best)[informative] / (best[informative] * (information.shape[1] - 1))
    return float((1 - rest).mean())


def factorvae_score(
    codes: np.ndarray,
    factors: np.ndarray,
    rng: np.random.Generator,
    prune_variance: float = 0.0,
    batches: int = 800,
    batch_size: int = 64,
) -> float:
    """FactorVAE score (arXiv 1802.05983): how well the code dimension that varies least names the factor held fixed.

    Dimensions whose variance is at most `prune_variance`, or is nothing, are left out; without any left the score is
    that of guessing. Half of the batches make the majority vote and half test it.
    """
    variance = codes.var(0)
    live = variance > max(prune_variance, 1e-12 * variance.max())
    F = factors.shape[1]
    if not live.any():
        return 1 / F
    scaled = codes[:, live] / np.sqrt(variance[live])
    groups = [[np.flatnonzero(column == value) for value in np.unique(column)] for column in factors.T]
    usable = [[rows for rows in kinds if len(rows) >= 2] for kinds in groups]
    votes = np.zeros((2, scaled.shape[1], F))
    for index in range(2 * batches):
        k = int(rng.integers(F))
        if not usable[k]:
            continue
        rows = usable[k][int(rng.integers(len(usable[k])))]
        picked = rng.choice(rows, batch_size, replace=len(rows) < batch_size)
        votes[index % 2, scaled[picked].var(0).argmin(), k] += 1
    rule = votes[0].argmax(1)
    correct = votes[1][np.arange(len(rule)), rule].sum()
    return float(correct / votes[1].sum()) if votes[1].sum() else 1 / F
