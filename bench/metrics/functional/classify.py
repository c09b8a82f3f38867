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


def knn_accuracy(data: LabelledCodes, k: int = 10) -> float:
    """Accuracy of the majority of the k nearest training codes; ties go to the nearer neighbours."""
    from sklearn.neighbors import KNeighborsClassifier

    k = min(k, len(data.codes["train"]))
    votes = 1 + np.linspace(1e-3, 0, k) / k
    classifier = KNeighborsClassifier(
        k, algorithm="brute", weights=lambda distances: np.tile(votes, (len(distances), 1))
    )
    return data.accuracy(classifier.fit(data.standardised("train"), data.labels["train"]), "test")


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
