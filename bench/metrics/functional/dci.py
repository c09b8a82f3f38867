"""Disentanglement, completeness and informativeness (Eastwood and Williams 2018) from random-forest importances."""

from __future__ import annotations

import numpy as np

TREES = 30
_LARGEST_SAMPLE = 5000


def importance_scores(importance: np.ndarray) -> tuple[float, float]:
    """Disentanglement and completeness of an importance matrix (L, F), not negative.

    D = Σᵢ ρᵢ (1 - H_F(Pᵢ)) with Pᵢ a row's shares, ρᵢ its share of the total and H_F the entropy to base F; C is the
    same over columns, each weighted by its share, with base L. A single factor (code) gives D (C) of 1.

    >>> importance_scores(np.eye(2))
    (1.0, 1.0)
    """

    from scipy.stats import entropy

    def concentration(matrix: np.ndarray) -> float:
        width, matrix = matrix.shape[1], matrix[matrix.sum(1) > 0]
        entropies = entropy(matrix, axis=1, base=width) if width > 1 else 0.0
        return float(np.average(np.broadcast_to(1 - entropies, len(matrix)), weights=matrix.sum(1)))

    if importance.sum() <= 0:
        return 0.0, 0.0
    return concentration(importance), concentration(importance.T)


def dci_scores(codes: np.ndarray, factors: np.ndarray, rng: np.random.Generator) -> dict[str, float]:
    """DCI of codes (N, L) and integer factors (N, F); forests are fitted on half of the rows, tested on the other.

    Regression forests that see every code dimension at every split, so that an irrelevant one gets no importance;
    informativeness is the share of the factors' variance that they explain (not below 0).
    """
    from sklearn.ensemble import RandomForestRegressor

    order = rng.permutation(len(codes))[:_LARGEST_SAMPLE]
    half = len(order) // 2
    train, test = order[:half], order[half:]
    importance = np.zeros((codes.shape[1], factors.shape[1]))
    explained = []
    for k in range(factors.shape[1]):
        forest = RandomForestRegressor(TREES, min_samples_leaf=5, n_jobs=1, random_state=int(rng.integers(2**31)))
        forest.fit(codes[train], factors[train, k])
        importance[:, k] = forest.feature_importances_
        explained.append(max(0.0, float(forest.score(codes[test], factors[test, k]))))
    disentanglement, completeness = importance_scores(importance)
    return {
        "dci_disentanglement": disentanglement,
        "dci_completeness": completeness,
        "dci_informativeness": float(np.mean(explained)),
    }
