"""MIG, SAP, modularity and the FactorVAE score from codes and discrete factors, as functions of arrays.

Shapes: N rows, L code dimensions, F factors.
"""

from __future__ import annotations

from collections.abc import Sequence

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


def sap_score(codes: np.ndarray, factors: np.ndarray, nominal: Sequence[bool] = ()) -> float:
    """SAP (arXiv 1711.00848): mean over factors of the gap in score between the best two codes (N, L); factors (N, F).

    The score of a code for an ordered factor is their squared correlation. A nominal factor (`nominal`, one truth value
    per factor; none of them without) has no order to correlate with: its score is the share of the code's variance that
    its classes explain (the correlation ratio η²), which is the same however the classes are numbered.

    >>> rows = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
    >>> round(float(sap_score(rows.astype(float), rows)), 6)
    1.0
    """
    z = (codes - codes.mean(0)) / codes.std(0)
    scores = []
    for index, column in enumerate(factors.T):
        if len(nominal) and nominal[index]:
            scores.append(_explained_by_classes(z, column))
        else:
            v = (column - column.mean()) / column.std()
            scores.append((z.T @ v / len(z)) ** 2)
    return float(_gap(np.stack(scores, 1)).mean())


def _explained_by_classes(z: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Variance of class means over that of standardised z (N, L), less what chance explains: (L,), not below 0."""
    names, index = np.unique(classes, return_inverse=True)
    counts = np.bincount(index)
    sums = np.zeros((len(names), z.shape[1]))
    np.add.at(sums, index, z)
    between = (sums**2 / counts[:, None]).sum(0) / len(z)
    chance = (len(names) - 1) / max(len(z) - 1, 1)
    return ((between - chance) / (1 - chance)).clip(0)


def corrected_information(codes: np.ndarray, factors: np.ndarray) -> np.ndarray:
    """Mutual information of integer columns less the plug-in estimate's bias, not below 0: (L, F) nats.

    For independent columns with A and B values 2N·I is χ² with k = (A-1)(B-1) degrees of freedom, so that noise reads
    k/(2N) nats on average (Miller 1955). What is below (k + 3√(2k))/(2N), three standard deviations above that, counts
    as none.
    """
    information = mutual_information(codes, factors)
    levels = [np.array([len(np.unique(column)) for column in table.T]) - 1.0 for table in (codes, factors)]
    freedom = np.outer(*levels)  # (L, F)
    n = len(codes)
    seen = information > (freedom + 3 * np.sqrt(2 * freedom)) / (2 * n)
    return np.where(seen, (information - freedom / (2 * n)).clip(0), 0.0)


def modularity(information: np.ndarray) -> float:
    """Modularity (arXiv 1802.05312): mean over informative codes of 1 - Σ_{k≠best} I² / (I²_best (F-1)); (L, F).

    Give it `corrected_information`: plug-in estimates make noise look modular. A code without information about any
    factor is left out; a single factor gives 1.
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
    prune_variance: float | np.ndarray = 0.0,
    batches: int = 800,
    batch_size: int = 64,
) -> float:
    """FactorVAE score (arXiv 1802.05983): how well the code dimension that varies least names the factor held fixed.

    Dimensions whose variance is at most `prune_variance` (one for all, or (L,)), or is nothing, are left out; without
    any left the score is that of guessing. Half of the batches make the majority vote and half test it.
    """
    variance = codes.var(0)
    live = variance > np.maximum(prune_variance, 1e-12 * variance.max())
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
