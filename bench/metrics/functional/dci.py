"""Disentanglement, completeness and informativeness (Eastwood and Williams 2018) from random-forest importances."""

from __future__ import annotations

from collections.abc import Sequence

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


def dci_scores(
    codes: np.ndarray, factors: np.ndarray, rng: np.random.Generator, nominal: Sequence[bool] = ()
) -> dict[str, float]:
    """DCI of codes (N, L) and integer factors (N, F); forests are fitted on half of the rows, tested on the other.

    Forests that see every code dimension at every split, so that an irrelevant one gets no importance: regression for
    an ordered factor, classification for a nominal one (`nominal`, one truth value per factor). Informativeness is the
    share of the factor's variance that they explain, or accuracy above that of the commonest class (not below 0).
    """

    order = rng.permutation(len(codes))[:_LARGEST_SAMPLE]
    half = len(order) // 2
    train, test = order[:half], order[half:]
    importance = np.zeros((codes.shape[1], factors.shape[1]))
    explained = []
    for k in range(factors.shape[1]):
        kinds = bool(len(nominal) and nominal[k])
        forest = _forest(kinds, int(rng.integers(2**31))).fit(codes[train], factors[train, k])
        importance[:, k] = forest.feature_importances_
        score = float(forest.score(codes[test], factors[test, k]))
        chance = np.bincount(factors[test, k]).max() / len(test) if kinds else 0.0
        explained.append(max(0.0, (score - chance) / (1 - chance)) if chance < 1 else 0.0)
    disentanglement, completeness = importance_scores(importance)
    return {
        "dci_disentanglement": disentanglement,
        "dci_completeness": completeness,
        "dci_informativeness": float(np.mean(explained)),
    }


def _forest(kinds: bool, seed: int):
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

    if kinds:
        return RandomForestClassifier(TREES, min_samples_leaf=5, max_features=None, n_jobs=1, random_state=seed)
    return RandomForestRegressor(TREES, min_samples_leaf=5, n_jobs=1, random_state=seed)
