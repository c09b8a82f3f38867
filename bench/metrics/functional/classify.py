"""Classification of codes: k nearest neighbours, and a multinomial logistic regression chosen on validation."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

#: L2 penalties of the probe, per training row: ½ penalty ‖W‖² beside the mean cross-entropy.
PENALTIES = (1e-4, 1e-3, 1e-2, 1e-1)
_ITERATIONS = 60
#: Most keys that are drawn at a time.
_CHUNK_NUMBERS = 2**22


@dataclass(frozen=True)
class LabelledCodes:
    """Codes (N, L) and integer labels (N,) of "train", "test" and, where there are any, "validation" rows."""

    codes: dict[str, Tensor]
    labels: dict[str, np.ndarray]

    def standardised(self, part: str) -> np.ndarray:
        """Codes with the training codes' mean and scale taken out; a constant dimension becomes 0."""
        train = self.codes["train"]
        scale = train.std(0)
        live = scale > 1e-6 * scale.max().clamp_min(1e-30)
        return ((self.codes[part] - train.mean(0)) / torch.where(live, scale, torch.inf)).cpu().numpy()

    def accuracy(self, classifier, part: str) -> float:
        """Share of rows that a fitted classifier of scikit-learn names rightly."""
        return float((classifier.predict(self.standardised(part)) == self.labels[part]).mean())


def knn_accuracy(data: LabelledCodes, k: int = 10, seed: int = 0) -> float:
    """Accuracy of the majority of the k nearest training codes; ties go to the nearer neighbours.

    Where training codes coincide, as discrete ones do, which of them vote is drawn anew for every held-out code.
    """
    from sklearn.neighbors import KNeighborsClassifier

    k = min(k, len(data.codes["train"]))
    votes = 1 + np.linspace(1e-3, 0, k) / k
    train = data.standardised("train")
    if len({row.tobytes() for row in train}) < len(train):
        distinct, place = np.unique(train, axis=0, return_inverse=True)
        found = _drawn_neighbours(data.standardised("test"), distinct, place.reshape(-1), k, seed)
        names, labels = np.unique(data.labels["train"], return_inverse=True)
        tally = np.stack([((labels[found] == name) * votes).sum(1) for name in range(len(names))], 1)
        return float((names[tally.argmax(1)] == data.labels["test"]).mean())
    classifier = KNeighborsClassifier(
        k, algorithm="brute", weights=lambda distances: np.tile(votes, (len(distances), 1))
    )
    return data.accuracy(classifier.fit(train, data.labels["train"]), "test")


def _drawn_neighbours(queries: np.ndarray, distinct: np.ndarray, place: np.ndarray, k: int, seed: int) -> np.ndarray:
    """The k nearest of N points, in order, for queries (M, L), those at equal distances in random order: (M, k).

    Args:
        distinct: (U, L) the different points. place: (N,) which of them each point is.
    """
    rng, found, targets = np.random.default_rng(seed), [], distinct.astype(np.float64)
    norms = (targets**2).sum(1)
    for rows in np.array_split(queries, max(1, len(queries) * len(place) // _CHUNK_NUMBERS)):
        squared = norms - 2 * rows.astype(np.float64) @ targets.T  # (m, U), less what all of a row share
        order = squared.argsort(1)
        ascending = np.take_along_axis(squared, order, 1)
        steps = np.diff(ascending, axis=1, prepend=ascending[:, :1]) > 1e-9 * np.ptp(squared, 1)[:, None]
        level = np.empty_like(squared)
        np.put_along_axis(level, order, steps.cumsum(1), 1)  # equal distances share a level
        keys = level[:, place] + rng.random((len(rows), len(place)))
        nearest = np.argpartition(keys, k - 1, 1)[:, :k]
        found.append(np.take_along_axis(nearest, np.take_along_axis(keys, nearest, 1).argsort(1), 1))
    return np.concatenate(found)


def probe_accuracy(data: LabelledCodes) -> float:
    """Accuracy of the softmax regression with the validation-best penalty (1e-3 where there is no validation)."""
    if "validation" not in data.codes:
        return data.accuracy(fit_softmax(data, 1e-3), "test")
    fits = [fit_softmax(data, penalty) for penalty in reversed(PENALTIES)]
    return data.accuracy(max(fits, key=lambda fit: data.accuracy(fit, "validation")), "test")


def fit_softmax(data: LabelledCodes, penalty: float):
    """The regression that minimises mean cross-entropy + ½ penalty ‖W‖² (not of the bias), in at most 60 steps."""
    from sklearn.linear_model import LogisticRegression

    x = data.standardised("train")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it stopped at the last step
        return LogisticRegression(C=1 / (penalty * len(x)), max_iter=_ITERATIONS).fit(x, data.labels["train"])
